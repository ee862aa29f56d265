"""librdkafka aborts while a record that was written is not acknowledged: it drops the record, and
gives its sequence to the next transaction's first record."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka import TopicPartition as ConfluentPartition

from barnabas.testing import Cluster

DEADLINE_S = 30.0
RETRY_MS = 3000
"""An abort waits so long, and must find the record in the queue."""
TOPIC = "ledger"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster(1, in_process=True) as running:
        running.create_topic(TOPIC, partitions=1)
        yield running


class Sender:
    """Knows from librdkafka's statistics whether a sent record is back in its queue."""

    def __init__(self, cluster: Cluster) -> None:
        self._seen: dict[str, int] = {}
        self.producer = Producer(
            {
                "bootstrap.servers": cluster.bootstrap,
                "transactional.id": "ledger",
                "linger.ms": 0,
                "retry.backoff.ms": RETRY_MS,
                "retry.backoff.max.ms": RETRY_MS,
                "statistics.interval.ms": 10,
                "stats_cb": self._note,
                "log_level": 0,
            }
        )
        self.producer.init_transactions(DEADLINE_S)

    def begin(self, value: bytes) -> None:
        self.producer.begin_transaction()
        self.producer.produce(TOPIC, value, partition=0)

    def wait_until_taken_back(self, sent: int) -> None:
        """``sent``: how many records were sent in all."""
        deadline = time.monotonic() + DEADLINE_S
        while self._seen.get("txmsgs") != sent or not self._queued():
            assert time.monotonic() < deadline, self._seen
            self.producer.poll(0.05)

    def _queued(self) -> int:
        return self._seen["msgq_cnt"] + self._seen["xmit_msgq_cnt"]

    def _note(self, text: str) -> None:
        topic = json.loads(text)["topics"].get(TOPIC, {})
        self._seen = topic.get("partitions", {}).get("0", {})


def committed(cluster: Cluster) -> list[bytes | None]:
    consumer = Consumer(
        {
            "bootstrap.servers": cluster.bootstrap,
            "group.id": "reader",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )
    consumer.assign([ConfluentPartition(TOPIC, 0, 0)])
    found = []
    while (message := consumer.poll(DEADLINE_S)) is not None and message.error() is None:
        found.append(message.value())
    assert message is not None, "the end is not reached"
    consumer.close()
    return found


def test_the_next_transaction_is_refused_and_not_lost(cluster: Cluster) -> None:
    """Kafka 3.9.1 takes its record for a repeat: success, and nobody ever sees it."""
    sender = Sender(cluster)
    producer = sender.producer
    sender.begin(b"first")
    producer.commit_transaction(DEADLINE_S)
    cluster.faults.on("Produce").does(drop_response=True, disconnect=True).times(1)
    sender.begin(b"aborted")
    sender.wait_until_taken_back(sent=2)
    producer.abort_transaction(DEADLINE_S)
    sender.begin(b"second")
    with pytest.raises(KafkaException, match="INVALID_TXN_STATE") as refused:
        producer.commit_transaction(DEADLINE_S)
    assert refused.value.args[0].txn_requires_abort()
    producer.abort_transaction(DEADLINE_S)
    sender.begin(b"second")
    producer.commit_transaction(DEADLINE_S)
    assert committed(cluster) == [b"first", b"second"]
