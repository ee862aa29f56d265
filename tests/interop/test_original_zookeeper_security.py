"""SASL, TLS and ACLs towards ZooKeeper: our brokers at the original's, its broker at ours."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509 import load_pem_x509_certificate
from tests.clients.drivers import How, Row, digests, read_confluent, write_confluent
from tests.cluster_kit import BARNABAS, Cluster, free_ports, no_traceback, wait_for
from tests.interop.original import JavaBroker, our_broker, output
from tests.zookeeper import real_zookeeper
from tests.zookeeper.acl_walk import acls_at, expected
from tests.zookeeper.real_zookeeper import RealZooKeeper

from barnabas.broker.main import system_env
from barnabas.broker.zookeeper_security import security_of
from barnabas.cluster.certificates import Authority
from barnabas.config.settings import SETTINGS
from barnabas.security.sasl.digest_md5 import MODULE
from barnabas.zookeeper.client.security import ZooKeeperSecurity
from barnabas.zookeeper.messages import OPEN_ACL_UNSAFE, Acl

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(400)]

NETTY = "org.apache.zookeeper.ClientCnxnSocketNetty"
KAFKA = (Acl(31, "sasl", "kafka"),)
PASSWORD = "store-secret"
SASL_PROVIDER = "org.apache.zookeeper.server.auth.SASLAuthenticationProvider"
X509_PROVIDER = "org.apache.zookeeper.server.auth.X509AuthenticationProvider"


class Files:
    """Keys, trusted certificates and JAAS files of one test, as everybody takes them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        authority = Authority()
        (directory / "ca.pem").write_bytes(authority.pem)
        for name in ("zookeeper", "broker"):
            key, certificate = authority.issue(name, ["127.0.0.1", "localhost"])
            (directory / f"{name}.pem").write_bytes(key + certificate)
            store = pkcs12.serialize_key_and_certificates(
                name.encode(),
                cast("EllipticCurvePrivateKey", load_pem_private_key(key, None)),
                load_pem_x509_certificate(certificate),
                [load_pem_x509_certificate(authority.pem)],
                BestAvailableEncryption(PASSWORD.encode()),
            )
            (directory / f"{name}.p12").write_bytes(store)
        self.jaas = directory / "jaas.conf"
        self.jaas.write_text(
            f'Server {{ {MODULE} required user_kafka="kafka-secret" user_dump="dump"; }};\n'
            f'Client {{ {MODULE} required username="kafka" password="kafka-secret"; }};\n'
        )

    @property
    def java(self) -> str:
        return f"-Djava.security.auth.login.config={self.jaas}"

    def tls(self, key: str = "") -> dict[str, str]:
        """Of a broker, ours or the original's."""
        found = {
            "zookeeper.ssl.client.enable": "true",
            "zookeeper.clientCnxnSocket": NETTY,
            "zookeeper.ssl.truststore.location": str(self.directory / "ca.pem"),
            "zookeeper.ssl.truststore.type": "PEM",
            "zookeeper.ssl.enabled.protocols": "TLSv1.2,TLSv1.3",
            # Its first handshake takes a JVM seconds on a busy machine.
            "zookeeper.connection.timeout.ms": "30000",
        }
        if key:
            found["zookeeper.ssl.keystore.location"] = str(self.directory / key)
            if key.endswith("p12"):
                found["zookeeper.ssl.keystore.password"] = PASSWORD
        return found

    def security(self, **others: str) -> ZooKeeperSecurity:
        """Of a look at what is there."""
        given = {**self.tls(others.pop("key", "")), **others}
        return security_of(
            system_env(),
            lambda name: (
                SETTINGS[name].parse(given[name]) if name in given else SETTINGS[name].default
            ),
        )


ROWS = [Row(partition=0, key=None, value=b"%d " % n * 30, timestamp=10**12 + n) for n in range(300)]


def _used(bootstrap: str, topic: str, replicas: list[int]) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, 1, replica_assignment=[replicas])])[topic].result(30)
    write_confluent(bootstrap, topic, ROWS, How(acks="all"))
    assert digests(read_confluent(bootstrap, topic, {0: len(ROWS)})) == digests({0: ROWS})


def _check_acls(
    servers: str,
    security: ZooKeeperSecurity,
    who: tuple[Acl, ...],
    *must: str,
    root: tuple[Acl, ...] = OPEN_ACL_UNSAFE,
) -> None:
    found = asyncio.run(acls_at(servers, security))
    assert found.pop("/") == root
    assert {path: acls for path, acls in found.items() if acls != expected(path, who)} == {}
    assert set(must) <= set(found)


@contextmanager
def _real(directory: Path, files: Files, properties: str, *options: str) -> Iterator[str]:
    port = real_zookeeper.free_port()
    tls = (
        "serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory\n"
        f"secureClientPort={port}\nsecureClientPortAddress=127.0.0.1\n"
        f"ssl.keyStore.location={files.directory}/zookeeper.p12\nssl.keyStore.password={PASSWORD}\n"
        f"ssl.keyStore.type=PKCS12\nssl.trustStore.location={files.directory}/ca.pem\n"
        f"ssl.trustStore.type=PEM\n{properties}"
    )
    with RealZooKeeper(directory, properties=tls, options=options):
        yield f"127.0.0.1:{port}"


@pytest.mark.skipif(real_zookeeper.missing() is not None, reason=str(real_zookeeper.missing()))
def test_our_brokers_at_a_real_zookeeper_with_sasl_and_tls(tmp_path: Path) -> None:
    files = Files(tmp_path)
    options = (files.java, f"-Dzookeeper.authProvider.1={SASL_PROVIDER}")
    with _real(tmp_path / "zk", files, "ssl.clientAuth=none", *options) as servers:
        overrides = {
            **files.tls(),
            "java.security.auth.login.config": str(files.jaas),
            "zookeeper.set.acl": "true",
        }
        ours = Cluster(
            directory=tmp_path / "ours", brokers=2, zookeeper=servers, overrides=overrides
        )
        with ours:
            _used(ours.bootstrap, "t", [1, 2])
            look = files.security(**{"java.security.auth.login.config": str(files.jaas)})
            paths = ("/brokers/ids/1", "/brokers/topics/t/partitions/0/state", "/config/users")
            _check_acls(servers, look, KAFKA, *paths)
            ours.ask("kill", "broker:1")
            wait_for(lambda: ours.partitions("t")[0].leader == 2, 30, "another leader")
            ours.ask("restart", "broker:1")
            wait_for(lambda: ours.whole("t", 1, 2), 30, "both in sync")
        for broker in (1, 2):
            assert no_traceback(ours.log(f"broker:{broker}"))
        files.jaas.write_text(files.jaas.read_text().replace('"kafka-secret"; };\n', '"no"; };\n'))
        with pytest.raises(AssertionError, match="AuthFailed"):
            ours.start()


@pytest.mark.skipif(real_zookeeper.missing() is not None, reason=str(real_zookeeper.missing()))
@pytest.mark.parametrize("key", ["broker.p12", "broker.pem"])
def test_our_broker_shows_a_certificate_to_a_real_zookeeper(tmp_path: Path, key: str) -> None:
    files = Files(tmp_path)
    provider = f"-Dzookeeper.authProvider.x509={X509_PROVIDER}"
    with _real(tmp_path / "zk", files, "ssl.clientAuth=need", provider) as servers:
        ours = Cluster(
            directory=tmp_path / "ours",
            brokers=1,
            zookeeper=servers,
            overrides={**files.tls(key), "zookeeper.set.acl": "true"},
        )
        with ours:
            _used(ours.bootstrap, "t", [1])
            named = (Acl(31, "x509", "CN=broker"),)
            _check_acls(servers, files.security(key=key), named, "/brokers/ids/1")


@contextmanager
def _coordinator(directory: Path, port: int, settings: Mapping[str, str]) -> Iterator[str]:
    given = [part for key, value in settings.items() for part in ("-X", f"{key}={value}")]
    rest = ["--port", str(port), *given]
    log = directory / "coordinator.log"
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [*BARNABAS, "coordinator", "--data", str(directory / "coordinator"), *rest],
            stderr=errors,
        ) as process,
    ):
        try:
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
    assert no_traceback(log.read_text())


@pytest.mark.usefixtures("original")
def test_its_broker_and_ours_at_our_coordinator_with_sasl_and_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One makes the nodes, the other changes them; the original's migrator takes the ACLs away and
    puts them back."""
    files = Files(tmp_path)
    monkeypatch.setenv("JDK_JAVA_OPTIONS", files.java)
    port = free_ports(3)
    secure = {
        "ssl.keyStore.location": str(tmp_path / "zookeeper.p12"),
        "ssl.keyStore.password": PASSWORD,
        "java.security.auth.login.config": str(files.jaas),
    }
    look = files.security(**{"java.security.auth.login.config": str(files.jaas)})
    with _coordinator(tmp_path, port, secure) as servers:
        java = JavaBroker(tmp_path / "java", 2, port + 2, servers)
        java._settings.update(files.tls(), **{"zookeeper.set.acl": "true"})
        ours = {
            "broker.id": "1",
            "listeners": f"PLAINTEXT://127.0.0.1:{port + 1}",
            "zookeeper.connect": servers,
            "log.dirs": str(tmp_path / "ours"),
            "offsets.topic.replication.factor": "1",
            "java.security.auth.login.config": str(files.jaas),
            "zookeeper.set.acl": "true",
            **files.tls(),
        }
        with java, our_broker(tmp_path / "ours.log", ours):
            bootstrap = f"127.0.0.1:{port + 1},127.0.0.1:{port + 2}"
            wait_for(lambda: "serves" in (tmp_path / "ours.log").read_text(), 30, "ours serves")
            _used(bootstrap, "theirs", [2, 1])
            _used(bootstrap, "ours", [1, 2])
            paths = ("/brokers/ids/1", "/brokers/ids/2", "/brokers/topics/ours/partitions/0/state")
            _check_acls(servers, look, KAFKA, *paths)
            config = tmp_path / "zk.properties"
            config.write_text("".join(f"{k}={v}\n" for k, v in files.tls().items()))
            migrate = (
                *("kafka.admin.ZkSecurityMigrator", "--zookeeper.connect", servers),
                *("--zk-tls-config-file", str(config)),
            )
            output(*migrate, "--zookeeper.acl=unsecure")
            found = asyncio.run(acls_at(servers, look))
            assert set(found.values()) == {OPEN_ACL_UNSAFE}
            output(*migrate, "--zookeeper.acl=secure")
            _check_acls(servers, look, KAFKA, *paths, root=expected("/config", KAFKA))
            _used(bootstrap, "again", [2, 1])
        assert no_traceback((tmp_path / "ours.log").read_text())
