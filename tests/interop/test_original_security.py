"""The original and ours over SASL_SSL: its tools as clients, its broker as a neighbour."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic
from tests.clients.drivers import How, Row, digests, read_confluent, write_confluent
from tests.cluster_kit import Cluster, free_ports, no_traceback, wait_for
from tests.interop.original import JavaBroker, output, tool

from barnabas.cluster.certificates import Authority
from barnabas.config.sources import parse_properties
from barnabas.security.sasl import plain, scram

pytestmark = [
    pytest.mark.foreign,
    pytest.mark.timeout(400),
    pytest.mark.usefixtures("original"),
]


def _zookeeper_properties(cluster: Cluster) -> Path:
    return cluster.client_properties.with_name("zookeeper.properties")


def _zookeeper_login(cluster: Cluster, jaas: Path) -> str:
    """The options by which Java's tools log in to the coordinator of ``up --secure``."""
    given = parse_properties(_zookeeper_properties(cluster).read_text())
    jaas.write_text(f"Client {{ {given['barnabas.zookeeper.sasl.jaas.config']} }};")
    return f"-Djava.security.auth.login.config={jaas}"


def test_its_tools_over_sasl_ssl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Cluster(directory=tmp_path / "ours", brokers=1, secure=True) as cluster:
        ours = ("--bootstrap-server", cluster.bootstrap)
        config = ("--command-config", str(cluster.client_properties))
        output("org.apache.kafka.tools.TopicCommand", *ours, *config, "--create", "--topic", "t")
        described = output(
            "org.apache.kafka.tools.TopicCommand", *ours, *config, "--describe", "--topic", "t"
        )
        assert "Leader: 1" in described
        carol = ("--entity-type", "users", "--entity-name", "carol")
        output(
            *("kafka.admin.ConfigCommand", *ours, *config, "--alter", *carol),
            "--add-config",
            "SCRAM-SHA-256=[iterations=8192,password=carol-pw]",
        )
        monkeypatch.setenv("JDK_JAVA_OPTIONS", _zookeeper_login(cluster, tmp_path / "zk.jaas"))
        dave = ("--entity-type", "users", "--entity-name", "dave")
        output(  # what the brokers' own user is made with, before they start
            *("kafka.admin.ConfigCommand", "--zookeeper", f"127.0.0.1:{cluster.zookeeper_port}"),
            *("--zk-tls-config-file", str(_zookeeper_properties(cluster))),
            *("--alter", *dave, "--add-config", "SCRAM-SHA-256=[password=dave-pw]"),
        )
        monkeypatch.delenv("JDK_JAVA_OPTIONS")
        listed = output("kafka.admin.ConfigCommand", *ours, *config, "--describe", *carol[:2])
        assert "'carol' are SCRAM-SHA-256=iterations=8192" in listed
        assert "'dave' are SCRAM-SHA-256=iterations=4096" in listed
        for user, password, exit_code in (
            ("carol", "carol-pw", 0),
            ("dave", "dave-pw", 0),
            ("dave", "carol-pw", 1),
        ):
            lines = cluster.client_properties.read_text().splitlines()
            lines = [x for x in lines if not x.startswith("sasl.")]
            login = f'username="{user}" password="{password}"'
            lines += [
                "sasl.mechanism=SCRAM-SHA-256",
                f"sasl.jaas.config={scram.MODULE} required {login};",
            ]
            own = tmp_path / "own.properties"
            own.write_text("\n".join(lines))
            done = tool(
                *("org.apache.kafka.tools.TopicCommand", *ours, "--command-config", str(own)),
                "--list",
            )
            assert done.returncode == exit_code, done.stderr
            assert ("SaslAuthenticationException" in done.stdout + done.stderr) == bool(exit_code)


def _files(directory: Path) -> dict[str, str]:
    """Keys of brokers and what they trust, in files: both read PEM."""
    authority = Authority()
    key, certificate = authority.issue("brokers", ["127.0.0.1"])
    (directory / "keys.pem").write_bytes(key + certificate)
    (directory / "ca.pem").write_bytes(authority.pem)
    return {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(directory / "keys.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(directory / "ca.pem"),
    }


def _between_brokers(files: dict[str, str], port: int, inside: int) -> dict[str, str]:
    return {
        "listeners": f"PLAINTEXT://127.0.0.1:{port},INSIDE://127.0.0.1:{inside}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,INSIDE:SASL_SSL",
        "inter.broker.listener.name": "INSIDE",
        "sasl.enabled.mechanisms": "PLAIN",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "listener.name.inside.plain.sasl.jaas.config": f"{plain.MODULE} required"
        ' username="broker" password="broker-pw" user_broker="broker-pw";',
        "zookeeper.session.timeout.ms": "6000",
        **files,
    }


def test_a_broker_of_the_original_is_our_neighbour_over_sasl_ssl(tmp_path: Path) -> None:
    """Each leads a partition that the other copies; sessions are renewed once a second or two."""
    files = _files(tmp_path)
    cluster = Cluster(directory=tmp_path / "ours", brokers=1)
    cluster.port = free_ports(5)
    cluster.zookeeper_port = cluster.port + 1
    inside, first = cluster.port + 2, cluster.port + 2
    reauthenticate = {"listener.name.inside.plain.connections.max.reauth.ms": "3000"}
    cluster.overrides = {
        **_between_brokers(files, cluster.port, inside),
        **reauthenticate,
        "broker.id": "1",
    }
    with cluster:
        java = JavaBroker(tmp_path / "java", 2, first + 1, f"127.0.0.1:{cluster.zookeeper_port}")
        java._settings.update(_between_brokers(files, first + 1, first + 2), **reauthenticate)
        with java:
            admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
            for topic, replicas in (("ours-leads", [1, 2]), ("java-leads", [2, 1])):
                new = NewTopic(topic, 1, replica_assignment=[replicas])
                admin.create_topics([new])[topic].result(30)
            rows = [
                Row(partition=0, key=None, value=b"%d " % n * 30, timestamp=10**12 + n)
                for n in range(500)
            ]
            for topic in ("ours-leads", "java-leads"):
                wait_for(lambda t=topic: cluster.whole(t, 1, 2), 40, f"{topic} in sync")  # type: ignore[misc]
                for part in range(0, 500, 100):
                    write_confluent(
                        cluster.bootstrap, topic, rows[part : part + 100], How(acks="all")
                    )
                found = read_confluent(cluster.bootstrap, topic, {0: len(rows)})
                assert digests(found) == digests({0: rows})
                assert cluster.whole(topic, 1, 2)
        assert no_traceback(cluster.log("broker:1"))
        assert "Failed authentication" not in cluster.log("broker:1")
        assert "Failed authentication" not in java.log


def test_a_listener_with_logins_that_kafka_configs_adds(tmp_path: Path) -> None:
    cluster = Cluster(directory=tmp_path / "ours", brokers=1)
    cluster.port = free_ports(3)
    cluster.zookeeper_port, later = cluster.port + 1, cluster.port + 2
    cluster.overrides = {
        "password.encoder.secret": "the-encoders",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,LATER:SASL_PLAINTEXT",
    }
    given = tmp_path / "later.properties"
    given.write_text(
        f"listeners=PLAINTEXT://127.0.0.1:{cluster.port},LATER://127.0.0.1:{later}\n"
        "listener.name.later.sasl.enabled.mechanisms=PLAIN\n"
        f"listener.name.later.plain.sasl.jaas.config={plain.MODULE} required"
        ' user_alice="alice-pw";\n'
    )
    client: dict[str, str | int | float | bool] = {
        "bootstrap.servers": f"127.0.0.1:{later}",
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "alice",
        "sasl.password": "alice-pw",
        "log_level": 0,
    }

    def enters() -> bool:
        try:
            return bool(AdminClient(client).list_topics(timeout=2).brokers)
        except KafkaException:
            return False

    with cluster:
        broker = ["--bootstrap-server", cluster.bootstrap, "--entity-type", "brokers"]
        broker += ["--entity-name", "1"]
        output(
            *("kafka.admin.ConfigCommand", *broker, "--alter", "--add-config-file", str(given)),
        )
        wait_for(enters, 20, "alice logs in")
        described = output("kafka.admin.ConfigCommand", *broker, "--describe")
        assert "listener.name.later.plain.sasl.jaas.config=null sensitive=true" in described
        assert "alice-pw" not in described + cluster.log("broker:1")
