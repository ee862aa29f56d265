"""A cluster whose brokers log in to a real ZooKeeper with Kerberos, and one of the original's."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import kerberos
from tests.cluster_kit import BARNABAS, Cluster, free_ports, no_traceback, wait_for
from tests.interop.original import JavaBroker
from tests.kerberos import REALM, Kdc
from tests.zookeeper import real_zookeeper
from tests.zookeeper.acl_walk import acls_at, expected
from tests.zookeeper.real_zookeeper import RealZooKeeper

from barnabas.broker.main import system_env
from barnabas.broker.zookeeper_security import security_of
from barnabas.config.settings import SETTINGS
from barnabas.security.kerberos_settings import MODULE
from barnabas.zookeeper.messages import OPEN_ACL_UNSAFE, Acl

MISSING = kerberos.missing() or real_zookeeper.missing()
pytestmark = [
    pytest.mark.foreign,
    pytest.mark.timeout(300),
    pytest.mark.skipif(MISSING is not None, reason=str(MISSING)),
]
PROVIDER = "org.apache.zookeeper.server.auth.SASLAuthenticationProvider"
NAMES = ("zookeeper/localhost", "kafka/localhost", "stranger")


class Site:
    """A KDC, a ZooKeeper that asks it, and the JAAS file of who logs in."""

    def __init__(self, directory: Path, kdc: Kdc) -> None:
        self.directory, self.kdc = directory, kdc
        self.keys = {name: kdc.keytab(name) for name in NAMES}
        self.jaas = directory / "jaas.conf"
        self.log_in_with("kafka/localhost", self.keys["kafka/localhost"])
        # Names without host and realm, so that all brokers of a cluster have the same.
        options = (
            self.java,
            f"-Dzookeeper.authProvider.1={PROVIDER}",
            "-Dzookeeper.kerberos.removeHostFromPrincipal=true",
            "-Dzookeeper.kerberos.removeRealmFromPrincipal=true",
        )
        self.zookeeper = RealZooKeeper(directory / "zk", options=options)

    @property
    def java(self) -> str:
        return f"-Djava.security.auth.login.config={self.jaas}"

    def log_in_with(self, principal: str, keys: Path) -> None:
        server = self.keys["zookeeper/localhost"]
        self.jaas.write_text(
            f"Server {{ {_entry(server, 'zookeeper/localhost')} }};\n"
            f"Client {{ {_entry(keys, principal)} }};\n"
        )

    def look(self, chroot: str = "") -> dict[str, tuple[Acl, ...]]:
        given = {"java.security.auth.login.config": str(self.jaas)}

        def value(name: str) -> object:
            setting = SETTINGS[name]
            return setting.parse(given[name]) if name in given else setting.default

        security = security_of(system_env(), value)  # type: ignore[arg-type]
        return asyncio.run(acls_at(self.zookeeper.connect_string + chroot, security))


def _entry(keys: Path, principal: str) -> str:
    return (
        f'{MODULE} required useKeyTab=true storeKey=true keyTab="{keys}"'
        f' principal="{principal}@{REALM}";'
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """For all tests: this process keeps the tickets of a KDC as long as they are valid."""
    directory = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch, Kdc(directory / "kdc", free_ports(1)) as kdc:
        for name, value in kdc.environment.items():
            patch.setenv(name, value)
        patch.setenv("JDK_JAVA_OPTIONS", f"-Djava.security.krb5.conf={kdc.config}")
        found = Site(directory, kdc)
        with found.zookeeper:
            yield found


def test_three_brokers(site: Site, tmp_path: Path) -> None:
    overrides = {
        "java.security.auth.login.config": str(site.jaas),
        "zookeeper.set.acl": "true",
    }
    servers = site.zookeeper.connect_string
    ours = Cluster(directory=tmp_path / "ours", zookeeper=servers, overrides=overrides)
    with ours:
        ours.create_topic("t")
        found = site.look()
        mine = (Acl(31, "sasl", "kafka"),)
        assert found.pop("/") == OPEN_ACL_UNSAFE
        assert {path: acls for path, acls in found.items() if acls != expected(path, mine)} == {}
        assert {"/brokers/ids/3", "/brokers/topics/t/partitions/0/state"} <= set(found)
        told = _zk(servers, KAFKA_OPTS=site.java)
        assert told.returncode == 0, told.stderr
        leader = ours.partitions("t")[0].leader
        ours.ask("kill", f"broker:{leader}")
        wait_for(lambda: ours.partitions("t")[0].leader != leader, 30, "another leader")
        ours.ask("restart", f"broker:{leader}")
        wait_for(lambda: ours.whole("t", 1, 3), 30, "all in sync")
    for broker in (1, 2, 3):
        assert no_traceback(ours.log(f"broker:{broker}"))
    site.log_in_with("kafka/localhost", site.keys["stranger"])
    told = _zk(servers, KAFKA_OPTS=site.java)
    assert told.returncode == 1
    assert "kafka/localhost@EXAMPLE.COM to zookeeper@localhost" in told.stderr
    assert len(told.stderr.splitlines()) == 1
    given = {
        **overrides,
        "broker.id": "1",
        "zookeeper.connect": servers,
        "log.dirs": str(tmp_path / "ours" / "alone"),
        "listeners": f"PLAINTEXT://127.0.0.1:{free_ports(1)}",
    }
    refused = subprocess.run(
        [*BARNABAS, "broker", *(part for k, v in given.items() for part in ("-X", f"{k}={v}"))],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert refused.returncode == 1
    assert "kafka/localhost@EXAMPLE.COM to zookeeper@localhost" in refused.stderr
    assert no_traceback(refused.stderr)
    site.log_in_with("kafka/localhost", site.keys["kafka/localhost"])


def _zk(servers: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*BARNABAS, "zk", "ls", "/brokers/ids", "--zookeeper", servers],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.usefixtures("original")
def test_with_a_broker_of_the_original(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the same user: each may change what the other has made."""
    options = os.environ["JDK_JAVA_OPTIONS"]
    monkeypatch.setenv("JDK_JAVA_OPTIONS", f"{options} {site.java}")
    servers = f"{site.zookeeper.connect_string}/mixed"
    port = free_ports(1)
    java = JavaBroker(tmp_path / "java", 9, port, servers)
    java._settings.update({"zookeeper.set.acl": "true"})
    overrides = {"java.security.auth.login.config": str(site.jaas), "zookeeper.set.acl": "true"}
    ours = Cluster(directory=tmp_path / "ours", brokers=1, zookeeper=servers, overrides=overrides)
    with java, ours:
        mine = (Acl(31, "sasl", "kafka"),)
        found = site.look("/mixed")
        assert {"/brokers/ids/9", "/brokers/ids/1"} <= set(found)
        assert found.pop("/") == expected("/brokers", mine)
        assert {path: acls for path, acls in found.items() if acls != expected(path, mine)} == {}
    assert no_traceback(ours.log("broker:1"))
