"""Streams the data set through confluent-kafka, and records what was acknowledged and when."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError as ConfluentError
from confluent_kafka import Message, Producer

PRODUCER_SETTINGS = {
    "acks": "all",
    "enable.idempotence": True,
    "linger.ms": 5,
    "retry.backoff.ms": 5,
    "retry.backoff.max.ms": 50,
    "reconnect.backoff.ms": 10,
    "reconnect.backoff.max.ms": 50,
    "topic.metadata.refresh.fast.interval.ms": 20,
    "delivery.timeout.ms": 120_000,
    "queue.buffering.max.messages": 100_000,
    "log_level": 0,
}
"""Settings with which the client notices a new leader quickly; nothing else is tuned."""


@dataclass(slots=True)
class Acknowledged:
    """One partition's acknowledged values in order of acknowledgement, with their offsets."""

    offsets: list[int] = field(default_factory=list)
    values: list[bytes] = field(default_factory=list)


class Stream(threading.Thread):
    """Produces at a constant rate, in a thread of its own, until the data set ends."""

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        records: Iterator[tuple[bytes, bytes]],
        per_second: int,
        security: Mapping[str, Any],
    ) -> None:
        super().__init__(name="stream", daemon=True)
        self._producer = Producer({"bootstrap.servers": bootstrap, **PRODUCER_SETTINGS, **security})
        self._topic = topic
        self._records = records
        self._per_second = per_second
        self.sent = 0
        self.acknowledged: dict[int, Acknowledged] = {}
        self.acknowledged_count = 0
        self.failures: list[str] = []
        self.last_acknowledged: dict[int, float] = {}
        """By partition: the monotonic time of the last acknowledgement."""

    def run(self) -> None:
        started = time.monotonic()
        for key, value in self._records:
            while True:
                try:
                    self._producer.produce(self._topic, value, key=key, on_delivery=self._delivered)
                    break
                except BufferError:
                    self._producer.poll(0.01)
            self.sent += 1
            if self.sent % 50 == 0:
                self._producer.poll(0)
                while self.sent > (time.monotonic() - started) * self._per_second:
                    self._producer.poll(0.001)
        self._producer.flush(120)

    def _delivered(self, error: ConfluentError | None, message: Message) -> None:
        if error is not None:
            self.failures.append(str(error))
            return
        partition, offset, value = message.partition(), message.offset(), message.value()
        assert partition is not None
        assert offset is not None
        assert isinstance(value, bytes)
        found = self.acknowledged.setdefault(partition, Acknowledged())
        found.offsets.append(offset)
        found.values.append(value)
        self.acknowledged_count += 1
        self.last_acknowledged[partition] = time.monotonic()
