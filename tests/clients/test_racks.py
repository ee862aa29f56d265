"""librdkafka reads from the follower in its rack (KIP-392); when that dies, from the leader."""

from __future__ import annotations

import time

from confluent_kafka import Consumer, TopicPartition
from tests.racks import RACKS, SETTINGS, sent_bytes

from barnabas.testing import Cluster

PATIENCE_S = 60.0


def read(consumer: Consumer, count: int) -> list[tuple[int | None, bytes | None]]:
    """The next records: offsets and values."""
    found: list[tuple[int | None, bytes | None]] = []
    deadline = time.monotonic() + PATIENCE_S
    while len(found) < count:
        assert time.monotonic() < deadline, f"{count} records within {PATIENCE_S} s: {found}"
        message = consumer.poll(0.1)
        if message is not None and message.error() is None:
            found.append((message.offset(), message.value()))
    return found


def test_librdkafka_reads_in_its_rack() -> None:
    with Cluster(in_process=True, racks=RACKS, http=True, settings=SETTINGS) as cluster:
        topic = cluster.create_topic("near", assignments={0: [1, 2, 3]})
        cluster.produce(topic, ["0", "1", "2"])
        consumer = Consumer(
            {
                "bootstrap.servers": cluster.bootstrap,
                "group.id": "unused",
                "client.rack": "b",
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "fetch.wait.max.ms": 50,
                "fetch.error.backoff.ms": 20,
                "log_level": 0,
            }
        )
        consumer.assign([TopicPartition(topic, 0, 0)])
        try:
            assert read(consumer, 3) == [(0, b"0"), (1, b"1"), (2, b"2")]
            sent = [sent_bytes(cluster, broker, topic) > 0 for broker in cluster.brokers]
            assert sent == [False, True, False], "only the follower in its rack has sent records"
            cluster.kill(2)
            cluster.produce(topic, ["3", "4"])
            assert read(consumer, 2) == [(3, b"3"), (4, b"4")]
            assert sent_bytes(cluster, 1, topic) > 0, "the leader goes on"
        finally:
            consumer.close()
