"""A client that exceeds its quota hears of it, waits, and loses nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, Producer, ThrottleEvent, TopicPartition
from tests.cli.kit import ok
from tests.cluster_kit import Cluster, no_traceback

pytestmark = pytest.mark.processes

RECORDS, BYTES, QUOTA = 100, 2000, 60_000
SHORT = {"quota.window.num": "2"}
"""A burst of one second is free, not of ten."""
DEADLINE_S = 60.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    directory = tmp_path_factory.mktemp("quotas")
    with Cluster(directory=directory, brokers=1, overrides=SHORT) as running:
        yield running
        assert no_traceback(running.log("broker:1"))


def test_confluent_kafka_is_throttled(cluster: Cluster) -> None:
    ok(cluster, "topic", "create", "metered", "-p", "1", "-r", "1")
    quotas = (f"producer_byte_rate={QUOTA}", f"consumer_byte_rate={QUOTA}")
    ok(cluster, "quota", "set", "--client", "glutton", *quotas)
    told: list[float] = []

    def throttled(event: ThrottleEvent) -> None:
        told.append(event.throttle_time)

    settings = {
        "bootstrap.servers": cluster.bootstrap,
        "client.id": "glutton",
        "throttle_cb": throttled,
    }
    producer = Producer({**settings, "linger.ms": 0, "batch.num.messages": 5})
    for number in range(RECORDS):
        producer.produce("metered", b"%d" % number + b"x" * BYTES)
        producer.poll(0)
    assert producer.flush(DEADLINE_S) == 0
    assert max(told) > 0
    told.clear()
    consumer = Consumer({**settings, "group.id": "g", "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition("metered", 0, 0)])
    read: list[bytes] = []
    while len(read) < RECORDS:
        (message,) = consumer.consume(1, DEADLINE_S)
        assert message.error() is None
        value = message.value()
        assert value is not None
        read.append(value.partition(b"x")[0])
    assert read == [b"%d" % number for number in range(RECORDS)]
    assert max(told) > 0
    consumer.close()
