"""The command user, over TLS with a login, and ``up --secure``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.kit import ok
from tests.cluster_kit import Cluster, no_traceback

from barnabas.config.sources import parse_properties

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(directory=tmp_path_factory.mktemp("secure"), brokers=2, secure=True) as running:
        yield running
        assert all(no_traceback(running.log(f"broker:{i}")) for i in (1, 2))


def _properties(cluster: Cluster, path: Path, user: str, password: str) -> str:
    text = cluster.client_properties.read_text()
    lines = [line for line in text.splitlines() if "jaas" not in line]
    module = "org.apache.kafka.common.security.scram.ScramLoginModule"
    login = f'username="{user}" password="{password}"'
    lines.append(f"sasl.jaas.config={module} required {login};")
    path.write_text("\n".join(lines))
    return str(path)


def test_users_come_and_go(secure: Cluster, tmp_path: Path) -> None:
    added = secure.cli("user", "add", "alice", "-m", "SCRAM-SHA-512", stdin="alice-secret\n")
    assert added.returncode == 0, added.stderr
    listed = json.loads(ok(secure, "user", "list", "-o", "json"))
    assert [(u["user"], list(u["mechanisms"])) for u in listed] == [
        ("admin", ["SCRAM-SHA-256", "SCRAM-SHA-512"]),
        ("alice", ["SCRAM-SHA-512"]),
    ]
    as_alice = _properties(secure, tmp_path / "alice", "alice", "alice-secret")
    ok(secure, "topic", "create", "t", "--command-config", as_alice)
    ok(secure, "user", "delete", "alice")
    gone = secure.cli("topic", "list", "--command-config", as_alice)
    assert gone.returncode == 1
    assert gone.stderr == (
        "barnabas: login: SASL_AUTHENTICATION_FAILED (Authentication failed during authentication"
        " due to invalid credentials with SASL mechanism SCRAM-SHA-512)\n"
    )
    again = secure.cli("user", "delete", "alice")
    assert again.returncode == 1
    assert "RESOURCE_NOT_FOUND" in again.stderr


def test_what_a_client_is_told_of_a_wrong_way_in(secure: Cluster, tmp_path: Path) -> None:
    wrong = _properties(secure, tmp_path / "wrong", "admin", "no-such-secret")
    refused = secure.cli("topic", "list", "--command-config", wrong)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "secret" not in refused.stderr
    stranger = tmp_path / "stranger"
    stranger.write_text("security.protocol=SSL\n")
    untrusted = secure.cli("topic", "list", "--command-config", str(stranger))
    assert untrusted.returncode == 1
    assert "certificate" in untrusted.stderr
    bad = tmp_path / "bad"
    bad.write_text("security.protocol=SSL\nssl.truststore.location=/nowhere\n")
    unread = secure.cli("topic", "list", "--command-config", str(bad))
    assert "ssl.truststore.location: cannot read '/nowhere'" in unread.stderr
    assert secure.cli("user", "add", "x", stdin="").returncode == 2


def test_no_secret_is_on_the_disk_but_for_its_owner(secure: Cluster) -> None:
    assert secure.client_properties.stat().st_mode & 0o077 == 0
    properties = parse_properties(secure.client_properties.read_text())
    password = properties["sasl.jaas.config"].partition('password="')[2].partition('"')[0]
    assert len(password) >= 20
    of_zookeeper = secure.client_properties.with_name("zookeeper.properties")
    for path in secure.directory.rglob("*"):
        if path.is_file() and path.parent != secure.client_properties.parent:
            for secret in (password, _zookeeper_password(of_zookeeper)):
                assert secret.encode() not in path.read_bytes(), path


def _zookeeper_password(path: Path) -> str:
    jaas = parse_properties(path.read_text())["barnabas.zookeeper.sasl.jaas.config"]
    return jaas.partition('password="')[2].partition('"')[0]


def test_the_brokers_own_user_by_zookeeper(secure: Cluster, tmp_path: Path) -> None:
    servers = f"127.0.0.1:{secure.zookeeper_port}"
    add = ("user", "add", "b, c", "--zookeeper", servers)
    properties = secure.client_properties.with_name("zookeeper.properties")
    assert properties.stat().st_mode & 0o077 == 0
    stranger = tmp_path / "stranger.properties"
    password = _zookeeper_password(properties)
    stranger.write_text(properties.read_text().replace(password, "no-such-secret"))
    for arguments, why in (
        (add, "--zookeeper: no ZooKeeper at "),
        ((*add, "--zk-tls-config-file", str(stranger)), "AuthFailed"),
        ((*add, "--zk-tls-config-file", "/nowhere"), "cannot read /nowhere"),
    ):
        refused = secure.cli(*arguments, stdin="pw-secret\n")
        assert refused.returncode == 1, refused.stderr
        assert why in refused.stderr
        assert refused.stderr.count("\n") == 1
    added = secure.cli(*add, "--zk-tls-config-file", str(properties), stdin="pw-secret\n")
    assert added.returncode == 0, added.stderr
    listed = ok(secure, "user", "list")
    assert "b, c" in listed
    ok(secure, "user", "delete", "b, c", "-m", "SCRAM-SHA-256")
    assert ok(secure, "user", "list").count("b, c") == 1
