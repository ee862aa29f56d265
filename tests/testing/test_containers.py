"""KafkaContainer without Docker: what tests written for testcontainers' do with it."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka.admin import AdminClient, ConfigResource

from barnabas.errors import ConfigError
from barnabas.testing.containers import KafkaContainer, NoMeaning


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    "container",
    [
        pytest.param(KafkaContainer(), id="default"),
        pytest.param(KafkaContainer().with_kraft(), id="kraft"),
        pytest.param(KafkaContainer("confluentinc/cp-kafka:latest", port=9888), id="port"),
    ],
)
def test_a_client_writes_and_reads(container: KafkaContainer) -> None:
    assert container.status == "not_started"
    with container as kafka:
        assert kafka is container
        assert container.status == "running"
        bootstrap = container.get_bootstrap_server()
        host, port = container.get_container_host_ip(), container.get_exposed_port(container.port)
        assert bootstrap == f"{host}:{port}"
        producer = confluent_kafka.Producer({"bootstrap.servers": bootstrap})
        producer.produce("made-by-the-producer", b"verified")
        assert producer.flush(30) == 0
        container.cluster.assert_records("made-by-the-producer", ["verified"])
    assert container.status == "exited"


def test_each_start_is_a_new_broker() -> None:
    container = KafkaContainer()
    container.start()
    container.cluster.create_topic("orders")
    assert container.start() is container
    assert container.cluster.leader_of("orders") is not None
    container.stop()
    container.stop(force=True, delete_volume=False)
    with container.start():
        assert container.cluster.leader_of("orders") is None


def test_variables_are_settings(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("# of the broker\nKAFKA_NUM_PARTITIONS=5\n")
    container = (
        KafkaContainer(env={"KAFKA_NUM_PARTITIONS": "2", "KAFKA_HEAP_OPTS": "-Xmx256m"})
        .with_env("KAFKA_LOG_RETENTION_HOURS", "1")
        .with_envs(KAFKA_LISTENERS="PLAINTEXT://0.0.0.0:9092", KAFKA_PROCESS_ROLES="broker")
        .with_env_file(file)
    )
    with container:
        admin = AdminClient({"bootstrap.servers": container.get_bootstrap_server()})
        resource = ConfigResource("BROKER", "1")
        found = admin.describe_configs([resource])[resource].result(10)
        assert found["num.partitions"].value == "5"
        assert found["log.retention.hours"].value == "1"


def test_a_setting_that_no_broker_can_run_with_is_refused() -> None:
    container = KafkaContainer().with_env("KAFKA_NUM_PARTITIONS", "many")
    with pytest.raises(ConfigError, match=r"num\.partitions"), container:
        pass
    assert container.status == "not_started"


def test_ports_of_the_container_and_of_this_machine() -> None:
    port = free_port()
    container = KafkaContainer().with_bind_ports("9093/tcp", port).with_exposed_ports(2181, 8082)
    with container:
        assert container.get_bootstrap_server() == f"127.0.0.1:{port}"
        assert container.get_exposed_port(9093) == port
        assert container.cluster.zookeeper.endswith(f":{container.get_exposed_port(2181)}")
        for unknown in (9092, 8082, 1):
            with pytest.raises(ConnectionError, match=f"port {unknown} is not available"):
                container.get_exposed_port(unknown)
        with pytest.raises(OSError, match=f"127.0.0.1:{port}"):
            KafkaContainer().with_bind_ports(9093, port).start()


def test_the_log_says_what_tests_wait_for() -> None:
    with KafkaContainer(brokers=3) as container:
        out, err = container.get_logs()
        assert b"[KafkaServer id=1] started (kafka.server.KafkaServer)\n" in out
        assert b"Kafka Server started" in out
        assert b"cluster_ready" in out
        assert err == b""
        assert container.get_wrapped_container().logs() == out


def test_what_the_original_cannot_do() -> None:
    with KafkaContainer(brokers=3) as container:
        assert container.get_bootstrap_server().count(",") == 2
        topic = container.cluster.create_topic("orders", min_isr=2)
        old = container.cluster.kill(f"leader:{topic}/0")
        container.cluster.wait_for_leader(topic, not_on=old)
        container.cluster.produce(topic, ["paid"])


def test_what_docker_would_do_to_the_broker() -> None:
    with KafkaContainer() as container:
        container.cluster.create_topic("orders")
        container.cluster.produce("orders", ["a"])
        wrapped = container.get_wrapped_container()
        wrapped.reload()
        assert (wrapped.status, wrapped.id) == ("running", wrapped.name)
        wrapped.pause()
        wrapped.unpause()
        for end in (wrapped.kill, wrapped.stop):
            end()
            wrapped.start()
            container.cluster.assert_records("orders", ["a"])
        wrapped.restart()
        container.cluster.assert_records("orders", ["a"])
        assert not hasattr(wrapped, "attrs")


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("with_cluster_id", ["4L6g3nShT-eMCtK--X86sw"]),
        ("with_name", ["kafka"]),
        ("with_network", [object()]),
        ("with_network_aliases", ["kafka"]),
        ("with_volume_mapping", ["/tmp", "/var/lib"]),
        ("with_tmpfs_mount", ["/data"]),
        ("with_copy_into_container", [b"", "/etc/kafka"]),
        ("waiting_for", [object()]),
        ("with_kwargs", []),
    ],
)
def test_what_has_no_meaning_says_so_and_does_no_harm(method: str, arguments: list[Any]) -> None:
    container = KafkaContainer()
    with pytest.warns(NoMeaning, match=rf"KafkaContainer\.{method} changes nothing: ") as caught:
        assert getattr(container, method)(*arguments) is container
    assert caught[0].filename == __file__


def test_options_of_docker_and_unknown_settings_say_so_too() -> None:
    with pytest.warns(NoMeaning, match=r"KafkaContainer\(mem_limit=…\) changes nothing") as caught:
        container = KafkaContainer(mem_limit="1g")
    assert caught[0].filename == __file__
    container.with_env("KAFKA_NUM_PARTITION", "3")
    with pytest.warns(NoMeaning, match=r"num\.partition is set.*did you mean num\.partitions") as c:
        container.start()
    container.stop()
    assert c[0].filename == __file__


@pytest.mark.parametrize(
    ("method", "arguments", "why"),
    [
        ("get_docker_client", [], "no Docker"),
        ("exec", ["kafka-topics --create --topic t"], "cluster.create_topic"),
        ("exec", [["kafka-acls", "--list"]], "kafka-acls --list"),
        ("wait", [], "does not end"),
        ("create_file", [b"", "/x"], "with_env"),
        ("copy_into_container", [b"", "/x"], "with_env"),
        ("copy_from_container", ["/x", Path("x")], "directory"),
    ],
)
def test_what_only_docker_can_answer(method: str, arguments: list[Any], why: str) -> None:
    with pytest.raises(NotImplementedError, match=rf"KafkaContainer\.{method}: .*{why}"):
        getattr(KafkaContainer(), method)(*arguments)


def test_listeners_that_are_not_plain_are_refused_not_forgotten() -> None:
    container = KafkaContainer().with_env(
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP", "BROKER:PLAINTEXT,PLAINTEXT:SASL_PLAINTEXT"
    )
    with pytest.raises(
        NotImplementedError, match=r"PLAINTEXT:SASL_PLAINTEXT: .*have only PLAINTEXT"
    ):
        container.start()
    with pytest.raises(NotImplementedError, match="EXTERNAL:SSL"):
        KafkaContainer(listener_name="EXTERNAL", security_protocol="SSL")


def test_kraft_asks_for_an_image_that_has_it() -> None:
    with pytest.raises(ValueError, match=r"6\.2\.1 is not supported in Kraft mode"):
        KafkaContainer("confluentinc/cp-kafka:6.2.1").with_kraft()
    for image in ("confluentinc/cp-kafka:7.0.0", "confluentinc/cp-kafka:7.6.1-ubi8", "kafka"):
        assert KafkaContainer(image).with_kraft().kraft_enabled


def test_the_old_name_of_the_port_is_refused() -> None:
    with pytest.raises(ValueError, match="Use `port`"):
        KafkaContainer(port_to_expose=9093)


def test_nothing_is_asked_of_one_that_is_not_started() -> None:
    with pytest.raises(RuntimeError, match="not started"):
        KafkaContainer().get_bootstrap_server()
