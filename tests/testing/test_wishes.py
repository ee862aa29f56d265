"""What users of Kafka in tests wish for most, by how often public trackers repeat it: ten wishes,
a test for each. Behind each wish stands where it was said, as repository#issue."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import confluent_kafka
import pytest
from click.testing import CliRunner
from confluent_kafka.admin import AdminClient, ConfigResource

from barnabas.cli.main import cli
from barnabas.testing import Cluster, Event


@pytest.fixture
def cluster(kafka_cluster: Cluster) -> Cluster:
    return kafka_cluster


def note(
    answers: list[confluent_kafka.KafkaError | None],
    error: confluent_kafka.KafkaError | None,
    _: confluent_kafka.Message,
) -> None:
    answers.append(error)


def consume(cluster: Cluster, topic: str, count: int, group: str) -> list[bytes | None]:
    """What a member of a group reads, up to ``count`` records."""
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": cluster.bootstrap,
            "group.id": group,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([topic])
    try:
        found = [message.value() for message in consumer.consume(count, timeout=30)]
    finally:
        consumer.close()
    return found


def test_1_a_broker_in_tests_with_nothing_else_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """confluent-kafka-dotnet#1023, librdkafka#2536, alpakka-kafka#38, faststream#68: no Docker, no
    JVM, no program at all beside Python."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    with Cluster(in_process=True) as cluster:
        topic = cluster.create_topic("orders", min_isr=2)
        cluster.produce(topic, ["a"])
        cluster.assert_records(topic, ["a"])


def test_2_a_start_so_fast_that_each_test_has_its_own() -> None:
    """KIP-974, testcontainers-java#4479, dd-trace-py#17783: "hundreds of brokers". Ten clusters one
    after another, thirty brokers, and nothing of one is left for the next. How long a start takes
    is measured by ``bench/testkit.py``."""
    before = set(threading.enumerate())
    for number in range(10):
        with Cluster(in_process=True) as cluster:
            cluster.create_topic("orders")
            cluster.produce("orders", [str(number)])
            cluster.assert_records("orders", [str(number)])
    assert set(threading.enumerate()) <= before


def test_3_ready_is_ready() -> None:
    """graylog2-server#15691, apicurio-registry#8990, druid#19464, druid#18203: tests that fail when
    a broker says that it has started and has not. A client that tries nothing twice is served at
    once by each broker, in each of ten clusters."""
    for _ in range(10):
        with Cluster(in_process=True) as cluster:
            cluster.create_topic("orders", partitions=3)
            for partition, broker in enumerate(cluster.brokers):
                producer = confluent_kafka.Producer(
                    {"bootstrap.servers": cluster.address_of(broker), "retries": 0}
                )
                answers: list[confluent_kafka.KafkaError | None] = []
                producer.produce(
                    "orders",
                    str(broker),
                    partition=partition,
                    on_delivery=partial(note, answers),
                )
                producer.flush(30)
                assert answers == [None]


def test_4_a_crash_of_the_controller_without_a_goodbye(cluster: Cluster) -> None:
    """salesforce/kafka-junit#40, Dekaf#199, rskafka#149."""
    topic = cluster.create_topic("orders", min_isr=2)
    cluster.produce(topic, ["a"])
    old = cluster.kill_controller()
    assert cluster.wait_for_controller(not_on=old) != old
    cluster.produce(topic, ["b"])
    cluster.assert_records(topic, ["a", "b"])
    told = [event.kind for event in cluster.events()]
    assert "session_expired" in told
    assert "broker_shutting_down" not in told


def test_5_the_isr_below_its_minimum(cluster: Cluster) -> None:
    """mguenther/kafka-junit#27."""
    topic = cluster.create_topic("orders", min_isr=2)
    assert len(cluster.shrink_isr(topic, to=1)) == 1
    answers: list[confluent_kafka.KafkaError | None] = []
    producer = confluent_kafka.Producer({"bootstrap.servers": cluster.bootstrap, "retries": 0})
    producer.produce(topic, b"a", on_delivery=partial(note, answers))
    producer.flush(30)
    assert [error and error.name() for error in answers] == ["NOT_ENOUGH_REPLICAS"]
    assert cluster.restore_isr(topic) == {1, 2, 3}
    cluster.produce(topic, ["b"])
    cluster.assert_records(topic, ["b"])


def test_6_protocol_faults_by_api_and_count(cluster: Cluster) -> None:
    """rust-rdkafka#467, mockforge#487, apache/kafka#22860: an error, a delay, a closed connection;
    once, n times, with a probability that a seed repeats."""
    topic = cluster.create_topic("orders")
    errors = cluster.faults.on("Produce", topic=topic).error("NOT_LEADER_OR_FOLLOWER").times(2)
    closed = cluster.faults.on("Produce", topic=topic).disconnect().times(1)
    late = cluster.faults.on("Fetch", topic=topic).delay(1).once_after(1)
    cluster.produce(topic, ["a"])
    assert (len(errors.hits), len(closed.hits)) == (2, 1)
    cluster.assert_records(topic, ["a"])
    consume(cluster, topic, 1, "readers")
    assert len(late.hits) == 1
    cluster.faults.clear()
    drawn = []
    for _ in range(2):
        chance = cluster.faults.on("Produce", topic=topic).throttle(0).probability(0.5, seed=7)
        before = len(chance.hits)
        hit = []
        for _ in range(8):
            cluster.produce(topic, ["b"])
            hit.append(len(chance.hits) - before)
        drawn.append(hit)
        cluster.faults.clear()
    assert drawn[0] == drawn[1]
    assert 0 < drawn[0][-1] < 8


def test_7_tests_side_by_side() -> None:
    """aiokafka#655, calfkit-sdk#278, posthog#6746: clusters that run at once share nothing, though
    their topics have the same names. (Workers of pytest-xdist: test_plugin.py.)"""

    def one(number: int) -> None:
        with Cluster(in_process=True) as cluster:
            topic = cluster.create_topic("orders", min_isr=2)
            cluster.produce(topic, [f"{number}-a"])
            old = cluster.kill(f"leader:{topic}/0")
            cluster.wait_for_leader(topic, not_on=old)
            cluster.produce(topic, [f"{number}-b"])
            cluster.assert_records(topic, [f"{number}-a", f"{number}-b"])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(4)))


def test_8_groups_that_join_at_once(cluster: Cluster) -> None:
    """testcontainers-java#782, confluent-kafka-go#131: Kafka lets the first member wait for three
    seconds."""
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    resource = ConfigResource("BROKER", "1")
    settings = admin.describe_configs([resource])[resource].result(30)
    assert settings["group.initial.rebalance.delay.ms"].value == "0"
    assert int(settings["group.min.session.timeout.ms"].value) < 6000
    topic = cluster.create_topic("orders")
    cluster.produce(topic, ["a"])
    for group in ("first", "second"):
        assert consume(cluster, topic, 1, group) == [b"a"]


def test_9_which_replica_is_out_of_sync(cluster: Cluster) -> None:
    """provectus/kafka-ui#3671 and #2703, redpanda console#210, redpanda#9695 (cut off at 128
    partitions): each partition and broker, in the test and for a person at a terminal."""
    topic = cluster.create_topic("orders", partitions=130, replicas=3)
    cluster.produce(topic, ["a"], partition=129)
    cluster.wait_for_isr(topic, 129, 3)  # a busy machine may have left somebody behind
    in_sync = cluster.shrink_isr(topic, 129, to=2)
    assert cluster.isr_of(topic, 129) == in_sync
    told = [e.fields for e in cluster.events() if e.kind == "isr_shrank"]
    assert (topic, 129) in [(fields["topic"], fields["partition"]) for fields in told]
    command = ["cluster", "status", "-o", "json", "--bootstrap-server", cluster.bootstrap]
    shown = CliRunner().invoke(cli, command)
    document = json.loads(shown.stdout)
    rows = {p["partition"]: p for p in document["partitions"] if p["topic"] == topic}
    assert len(rows) == 130
    behind = {int(b) for b, state in rows[129]["replicas"].items() if "sync" not in state}
    assert set(rows[129]["isr"]) == in_sync
    assert behind - {rows[129]["leader"]} == {1, 2, 3} - in_sync
    assert document["healthy"] is False


def test_10_a_failover_in_one_round_however_many_partitions(cluster: Cluster) -> None:
    """apache/kafka#3765, #5101, linkedin/kafka#361, fluss#2709: minutes without leaders. The
    partitions of a dead broker are elected together, each once, before anything else is done. (How
    long that takes with thousands of them is measured in bench/.)"""
    topic = cluster.create_topic("orders", partitions=200, timeout_s=60)
    controller = cluster.controller()
    dead = next(broker for broker in cluster.brokers if broker != controller)
    led = [str(e.fields["partition"]) for e in elections(cluster) if e.fields["leader"] == dead]
    assert len(led) > 50
    before = len(cluster.events())
    cluster.kill(dead)
    for partition in led:
        cluster.wait_for_leader(topic, int(partition), not_on=dead, timeout_s=60)
    after = [e for e in cluster.events()[before:] if e.source == f"broker:{controller}"]
    elected = [str(e.partition) for e in after if e.kind == "leader_elected"]
    assert sorted(elected) == sorted(led)
    told = [e.kind for e in after]
    assert told.count("broker_down") == 1
    first, last = told.index("leader_elected"), len(told) - told[::-1].index("leader_elected")
    assert (
        {"isr_shrank"} <= set(told[first:last]) <= {"leader_elected", "isr_shrank", "isr_changed"}
    )


def elections(cluster: Cluster) -> list[Event]:
    return [event for event in cluster.events() if event.kind == "leader_elected"]
