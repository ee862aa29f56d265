"""What barnabas broker cannot start with: exit code 1 and one line that names the setting. And what
a start that succeeds does not import."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kazoo.client import KazooClient
from kazoo.security import READ_ACL_UNSAFE
from tests.cli.kit import refused
from tests.cluster_kit import Cluster, barnabas, free_ports

pytestmark = pytest.mark.processes
PATIENCE = {"zookeeper__session__timeout__ms": "4000"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    settings = {"zookeeper.session.timeout.ms": "4000"}
    with Cluster(
        directory=tmp_path_factory.mktemp("starts"), brokers=1, overrides=settings
    ) as running:
        yield running


def _settings(cluster: Cluster, tmp_path: Path, **changes: str | None) -> dict[str, str]:
    """Of a broker that could start, but for the changes (``__`` for ``.``)."""
    settings = {
        "broker.id": "7",
        "listeners": f"PLAINTEXT://127.0.0.1:{free_ports(1)}",
        "zookeeper.connect": f"127.0.0.1:{cluster.zookeeper_port}",
        "log.dirs": str(tmp_path / "data"),
    }
    for key, value in changes.items():
        name = key.replace("__", ".")
        if value is None:
            del settings[name]
        else:
            settings[name] = value
    return settings


def _start(settings: dict[str, str], *more: str) -> subprocess.CompletedProcess[str]:
    options = [part for key, value in settings.items() for part in ("-X", f"{key}={value}")]
    environment = {"KAFKA_LOG4J_ROOT_LOGLEVEL": "CRITICAL"}
    return barnabas("broker", *options, *more, environment=environment)


def test_malformed_settings(cluster: Cluster, tmp_path: Path) -> None:
    refusals: list[tuple[dict[str, str | None], str]] = [
        ({"authorizer__class__name": "x"}, "authorizer.class.name"),
        ({"create__topic__policy__class__name": "org.example.P"}, "create.topic.policy.class.name"),
        ({"log__dirs": "/data,/data/extra"}, "log.dirs"),
        ({"num__partitions": "many"}, "num.partitions"),
        ({"num__partitions": "0"}, "num.partitions"),
        ({"broker__id": "one"}, "broker.id"),
        ({"listeners": "127.0.0.1:9092"}, "listeners"),
        ({"listeners": "PLAINTEXT://127.0.0.1:99999"}, "listeners"),
        ({"log__cleanup__policy": "eat"}, "log.cleanup.policy"),
        ({"zookeeper__connect": None}, "zookeeper.connect"),
        ({"zookeeper__connect": ""}, "zookeeper.connect"),
        ({"zookeeper__connect": "host:port"}, "zookeeper.connect"),
        ({"security__inter__broker__protocol": "SSL"}, "inter.broker"),
        ({"process__roles": "broker,controller"}, "process.roles"),
    ]
    for changes, name in refusals:
        refused(_start(_settings(cluster, tmp_path, **changes)), name)


@pytest.mark.parametrize("override", ["novalue", "=x", "", "  =1"])
def test_malformed_overrides(cluster: Cluster, tmp_path: Path, override: str) -> None:
    refused(_start(_settings(cluster, tmp_path), "--override", override), "--override")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (b"broker.id=1\nzookeeper.connect=\\u00zz\n", "server.properties"),
        (b"\xff\xfe\x00binary\x00", "--config"),
        (b"num.partitions==3\n", "num.partitions"),
    ],
    ids=["escape", "binary", "equals"],
)
def test_malformed_property_files(tmp_path: Path, text: bytes, named: str) -> None:
    path = tmp_path / "server.properties"
    path.write_bytes(text)
    done = barnabas("broker", "--config", str(path), "-X", "zookeeper.connect=127.0.0.1:1")
    refused(done, named)


def test_a_setting_that_nothing_here_obeys_is_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "server.properties"
    path.write_text("just words\nnum.io.threads=9\nlog.dirs=" + str(tmp_path / "data"))
    settings = ["zookeeper.connect=127.0.0.1:1", "zookeeper.connection.timeout.ms=100"]
    options = [part for setting in settings for part in ("-X", setting)]
    environment = {"KAFKA_LOG4J_ROOT_LOGLEVEL": "WARN", "KAFKA_NO_SUCH_SETTING": "x"}
    done = barnabas("broker", "--config", str(path), *options, environment=environment)
    assert done.returncode == 1
    assert "zookeeper.connect" in done.stderr
    for name in ("just", "num.io.threads", "no.such.setting"):
        assert done.stderr.count(f"{name} is set, but has no effect here") == 1


@pytest.mark.parametrize(
    "variable",
    ["AUTHORIZER_CLASS_NAME", "SASL_ENABLED_MECHANISMS", "SUPER_USERS", "SSL_KEYSTORE_LOCATION"],
)
def test_security_by_environment_is_refused(tmp_path: Path, variable: str) -> None:
    given = {"KAFKA_ZOOKEEPER_CONNECT": "127.0.0.1:1", f"KAFKA_{variable}": "PLAIN"}
    done = barnabas("broker", environment=given)
    refused(done, variable.lower().replace("_", "."))


def test_one_log_directory_by_two_names(tmp_path: Path) -> None:
    (tmp_path / "data/inner").mkdir(parents=True)
    for link, target in (("same", "data"), ("deep", "data/inner")):
        (tmp_path / link).symlink_to(tmp_path / target)
        given = f"log.dirs={tmp_path / 'data'},{tmp_path / link}"
        done = barnabas("broker", "-X", given, "-X", "zookeeper.connect=127.0.0.1:1")
        refused(done, "log.dirs", str(tmp_path / link))


def test_a_property_file_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    done = barnabas("broker", "--config", str(tmp_path / "nothing"))
    assert done.returncode == 2
    assert "--config" in done.stderr


def test_unreachable_zookeeper(cluster: Cluster, tmp_path: Path) -> None:
    settings = _settings(
        cluster,
        tmp_path,
        zookeeper__connect=f"127.0.0.1:{free_ports(1)}",
        zookeeper__connection__timeout__ms="500",
    )
    refused(_start(settings), "zookeeper.connect")


def test_a_zookeeper_that_refuses(cluster: Cluster, tmp_path: Path) -> None:
    server = f"127.0.0.1:{cluster.zookeeper_port}"
    client = KazooClient(server)
    client.start()
    client.create("/closed", acl=READ_ACL_UNSAFE)
    client.stop()
    client.close()
    settings = _settings(cluster, tmp_path, zookeeper__connect=f"{server}/closed")
    refused(_start(settings), "zookeeper.connect", "NoAuth /consumers")


def test_port_in_use(cluster: Cluster, tmp_path: Path) -> None:
    port = free_ports(1)
    with socket.create_server(("127.0.0.1", port)):
        settings = _settings(cluster, tmp_path, listeners=f"PLAINTEXT://127.0.0.1:{port}")
        refused(_start(settings), "listeners", str(port))


def test_an_address_of_another_broker(cluster: Cluster, tmp_path: Path) -> None:
    address = f"PLAINTEXT://127.0.0.1:{cluster.port}"
    settings = _settings(cluster, tmp_path, advertised__listeners=address)
    refused(_start(settings), "advertised.listeners")


def test_two_brokers_with_one_id(cluster: Cluster, tmp_path: Path) -> None:
    refused(_start(_settings(cluster, tmp_path, broker__id="1", **PATIENCE)), "broker.id")


def test_the_directory_of_another_broker(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    meta = (cluster.log_dir(1) / "meta.properties").read_text()
    (tmp_path / "data/meta.properties").write_text(meta)
    refused(_start(_settings(cluster, tmp_path)), "broker.id")


def test_the_directory_of_another_cluster(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/meta.properties").write_text(
        "version=0\nbroker.id=7\ncluster.id=AAAAAAAAAAAAAAAAAAAAAA\n"
    )
    refused(_start(_settings(cluster, tmp_path)), "log.dirs", "A" * 22)


def test_a_directory_in_use(cluster: Cluster, tmp_path: Path) -> None:
    settings = _settings(cluster, tmp_path, log__dirs=str(cluster.log_dir(1)), broker__id="1")
    refused(_start(settings), "log.dirs")


def test_log_dirs_that_cannot_be_written(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file/below", Path("/proc/nothing")):
        refused(_start(_settings(cluster, tmp_path, log__dirs=str(path))), "log.dirs")


UNUSED = (
    "anyio",
    "argparse",
    "cryptography",
    "email",
    "h11",
    "h11",
    "hypothesis.core",
    "importlib.metadata",
    "prometheus_client",
    "prometheus_client",
    "re2",
    "rich",
    "starlette",
    "tempfile",
    "uvicorn",
    "barnabas.api.acls",
    "barnabas.api.create_topics",
    "barnabas.api.join_group",
    "barnabas.authorizer.authorizer",
    "barnabas.broker.listener_plans",
    "barnabas.broker.delegation_tokens",
    "barnabas.broker.sasl_connection",
    "barnabas.broker.tls_connection",
    "barnabas.client.cluster",
    "barnabas.config.listener_security",
    "barnabas.http",
    "barnabas.monitor",
    "barnabas.observe",
    "barnabas.http",
    "barnabas.plugins",
    "barnabas.security.authenticator",
    "barnabas.security.client_login",
    "barnabas.security.stores",
    "barnabas.security.tls",
    "barnabas.security.tokens",
    "barnabas.testing",
    "barnabas.zookeeper.server",
    "sqlite3",
)
"""Packages, and our own modules, that a plain broker without clients has no use for."""
OWN_MODULES_MAX = 350
"""Of ``barnabas``."""


def test_a_plain_broker_imports_nothing_that_it_does_not_use(
    cluster: Cluster, tmp_path: Path
) -> None:
    settings = _settings(cluster, tmp_path)
    options = [part for key, value in settings.items() for part in ("-X", f"{key}={value}")]
    command = [sys.executable, "-X", "importtime", "-m", "barnabas.cli.main", "broker", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as broker:
        assert broker.stderr is not None
        said = []
        for line in broker.stderr:
            said.append(line)
            if "broker 7 serves" in line:
                broker.terminate()
        assert broker.wait(30) == 0, said[-20:]
    imported = re.findall(r"^import time: +\d+ \| +\d+ \| +(\S+)$", "".join(said), re.MULTILINE)
    unused = [n for n in imported if any(n == u or n.startswith(f"{u}.") for u in UNUSED)]
    assert unused == []
    own = [n for n in imported if n.startswith("barnabas.")]
    assert len(own) <= OWN_MODULES_MAX
