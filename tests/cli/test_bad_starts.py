"""What a broker or a cluster cannot start with: exit code 1 and one line that names the setting."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from kazoo.client import KazooClient
from kazoo.security import READ_ACL_UNSAFE
from tests.cluster_kit import BARNABAS, Cluster, barnabas, free_ports, wait_for

pytestmark = pytest.mark.process

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


def _refused(done: subprocess.CompletedProcess[str], *named: str) -> None:
    assert done.returncode == 1, done
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("barnabas: ")
    for name in named:
        assert name in done.stderr


def test_malformed_settings(cluster: Cluster, tmp_path: Path) -> None:
    for changes, name in [
        ({"authorizer__class__name": "x"}, "authorizer.class.name"),
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
    ]:
        _refused(_start(_settings(cluster, tmp_path, **changes)), name)


@pytest.mark.parametrize("override", ["novalue", "=x", "", "  =1"])
def test_malformed_overrides(cluster: Cluster, tmp_path: Path, override: str) -> None:
    _refused(_start(_settings(cluster, tmp_path), "--override", override), "--override")


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
    _refused(done, named)


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
    _refused(done, variable.lower().replace("_", "."))


def test_one_log_directory_by_two_names(tmp_path: Path) -> None:
    (tmp_path / "data/inner").mkdir(parents=True)
    for link, target in (("same", "data"), ("deep", "data/inner")):
        (tmp_path / link).symlink_to(tmp_path / target)
        given = f"log.dirs={tmp_path / 'data'},{tmp_path / link}"
        done = barnabas("broker", "-X", given, "-X", "zookeeper.connect=127.0.0.1:1")
        _refused(done, "log.dirs", str(tmp_path / link))


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
    _refused(_start(settings), "zookeeper.connect")


def test_a_zookeeper_that_refuses(cluster: Cluster, tmp_path: Path) -> None:
    server = f"127.0.0.1:{cluster.zookeeper_port}"
    client = KazooClient(server)
    client.start()
    client.create("/closed", acl=READ_ACL_UNSAFE)
    client.stop()
    client.close()
    settings = _settings(cluster, tmp_path, zookeeper__connect=f"{server}/closed")
    _refused(_start(settings), "zookeeper.connect", "NoAuth /consumers")


def test_port_in_use(cluster: Cluster, tmp_path: Path) -> None:
    port = free_ports(1)
    with socket.create_server(("127.0.0.1", port)):
        settings = _settings(cluster, tmp_path, listeners=f"PLAINTEXT://127.0.0.1:{port}")
        _refused(_start(settings), "listeners", str(port))


def test_an_address_of_another_broker(cluster: Cluster, tmp_path: Path) -> None:
    address = f"PLAINTEXT://127.0.0.1:{cluster.port}"
    settings = _settings(cluster, tmp_path, advertised__listeners=address)
    _refused(_start(settings), "advertised.listeners")


def test_two_brokers_with_one_id(cluster: Cluster, tmp_path: Path) -> None:
    _refused(_start(_settings(cluster, tmp_path, broker__id="1", **PATIENCE)), "broker.id")


def test_the_directory_of_another_broker(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    meta = (cluster.log_dir(1) / "meta.properties").read_text()
    (tmp_path / "data/meta.properties").write_text(meta)
    _refused(_start(_settings(cluster, tmp_path)), "broker.id")


def test_the_directory_of_another_cluster(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/meta.properties").write_text(
        "version=0\nbroker.id=7\ncluster.id=AAAAAAAAAAAAAAAAAAAAAA\n"
    )
    _refused(_start(_settings(cluster, tmp_path)), "log.dirs", "A" * 22)


def test_a_directory_in_use(cluster: Cluster, tmp_path: Path) -> None:
    settings = _settings(cluster, tmp_path, log__dirs=str(cluster.log_dir(1)), broker__id="1")
    _refused(_start(settings), "log.dirs")


def test_log_dirs_that_cannot_be_written(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file/below", Path("/proc/nothing")):
        _refused(_start(_settings(cluster, tmp_path, log__dirs=str(path))), "log.dirs")


def test_up_on_a_port_in_use(tmp_path: Path) -> None:
    port = free_ports(4)
    with socket.create_server(("127.0.0.1", port + 1)):
        done = barnabas(
            "up",
            *("--port", str(port), "--zookeeper-port", str(port + 3), "--data", str(tmp_path)),
        )
    _refused(done, "listeners", str(port + 1))


def test_up_where_the_coordinator_cannot_listen(tmp_path: Path) -> None:
    port = free_ports(4)
    with socket.create_server(("127.0.0.1", port + 3)):
        done = barnabas(
            "up",
            *("--port", str(port), "--zookeeper-port", str(port + 3), "--data", str(tmp_path)),
        )
    _refused(done, str(port + 3))


def test_up_says_what_it_refuses_and_what_changes_nothing(cluster: Cluster, tmp_path: Path) -> None:
    options = ("up", "--data", str(tmp_path), "--port", str(cluster.port))
    _refused(barnabas(*options, "-X", "super.users=User:a"), "super.users")
    done = barnabas(*options, "-X", "log.retentoin.ms=1")
    warning, error = done.stderr.splitlines()
    assert warning.endswith("no effect here; did you mean log.retention.ms?")
    assert "--port" in error


def test_up_twice_on_one_port(cluster: Cluster, tmp_path: Path) -> None:
    _refused(barnabas("up", "--port", str(cluster.port), "--data", str(tmp_path)), "--port")


def test_up_in_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    port = free_ports(4)
    done = barnabas(
        "up",
        *("--port", str(port), "--zookeeper-port", str(port + 3)),
        *("--data", str(tmp_path / "file/below")),
    )
    _refused(done, "--data")


def test_a_coordinator_on_a_port_in_use(tmp_path: Path) -> None:
    port = free_ports(1)
    with socket.create_server(("127.0.0.1", port)):
        done = barnabas("coordinator", "--data", str(tmp_path), "--port", str(port))
    _refused(done, f"port {port}")


def test_a_coordinator_without_its_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = barnabas("coordinator", "--data", str(tmp_path / "file/below"), "--port", "0")
    _refused(done, "--data")


def test_a_coordinator_with_a_spoilt_file(tmp_path: Path) -> None:
    (tmp_path / "coordinator.sqlite3").write_bytes(os.urandom(8192))
    done = barnabas("coordinator", "--data", str(tmp_path), "--port", str(free_ports(1)))
    _refused(done, "coordinator.sqlite3")


def test_two_coordinators_in_one_directory(tmp_path: Path) -> None:
    port = free_ports(2)
    command = [*BARNABAS, "coordinator", "--data", str(tmp_path), "--port"]
    with subprocess.Popen([*command, str(port)], stderr=subprocess.DEVNULL) as first:
        try:
            wait_for(lambda: _listens(port), 10, "the first one listens")
            done = barnabas("coordinator", "--data", str(tmp_path), "--port", str(port + 1))
            _refused(done, "coordinator.sqlite3")
        finally:
            first.terminate()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
