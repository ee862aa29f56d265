"""Transactions under way while a cluster changes, and whether each was whole: a producer that
writes each number to two partitions and commits a position with it, or gives it up."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer
from confluent_kafka import TopicPartition as ConfluentPartition
from tests.real_clients import IMPATIENT

GROUP = "ledger-readers"
TRY_S = 90.0
"""How long one call is repeated."""


@dataclass(slots=True)
class Ledger:
    """Runs on a thread of its own. The topic has two partitions."""

    bootstrap: str
    topic: str
    committed: list[int] = field(default_factory=list)
    aborted: list[int] = field(default_factory=list)
    unknown: list[int] = field(default_factory=list)
    ended_at: dict[int, str] = field(default_factory=dict)
    """When each was committed or given up, for whoever looks into a problem."""
    dropped: dict[int, None] = field(default_factory=dict)
    """Numbers of which an abort dropped a record that was not acknowledged."""
    faults: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._guarded, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        assert self._thread is not None
        self._thread.join(2 * TRY_S)
        if self._thread.is_alive():
            self.faults.append("the transactional producer hangs")

    def problems(self) -> list[str]:
        """What is wrong with what a read_committed consumer finds."""
        one, other = (self._read(partition) for partition in (0, 1))
        known, wrong = {*one}, list(self.faults)
        if one != sorted(known) or other != sorted({*other}):
            wrong.append("out of order, or twice")
        if known != {*other}:
            apart = sorted(known ^ {*other})[:5]
            wrong.append(f"not whole: {[(n, self.ended_at.get(n)) for n in apart]}")
        if lost := {*self.committed} - known:
            wrong.append(f"committed and lost: {sorted(lost)[:5]}")
        if seen := {*self.aborted} & known:
            wrong.append(f"aborted and seen: {sorted(seen)[:5]}")
        position, last = self._position(), max(known, default=-1)
        if position != last + 1:
            wrong.append(f"the position is {position}, the last number {last}")
        return wrong

    def _guarded(self) -> None:
        try:
            self._work()
        except BaseException as error:
            self.faults.append(repr(error))

    def _producer(self) -> Producer:
        producer = Producer(
            {
                "bootstrap.servers": self.bootstrap,
                "transactional.id": "ledger",
                "transaction.timeout.ms": 60_000,
                **IMPATIENT,
            }
        )
        _repeated(lambda: producer.init_transactions(30))
        return producer

    def _work(self) -> None:
        producer, number = self._producer(), 0
        reader = Consumer({"bootstrap.servers": self.bootstrap, "group.id": GROUP, **IMPATIENT})
        while not self._stop.is_set():
            try:
                self._transaction(producer, reader, number)
            except KafkaException as error:
                if not error.args[0].txn_requires_abort():
                    self.unknown.append(number)
                    producer = self._producer()  # fences the one before
                else:
                    _repeated(lambda p=producer: p.abort_transaction(30))
                    self.aborted.append(number)
            if number in self.dropped:
                # If it was written, librdkafka gives its sequence to the next transaction's first
                # record, and a Kafka broker takes that for a repeat: committed and lost.
                producer = self._producer()
            self.ended_at[number] = time.strftime("%X")
            number += 1
            self._stop.wait(0.02)
        reader.close()

    def _transaction(self, producer: Producer, reader: Consumer, number: int) -> None:
        def told(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                self.dropped[number] = None

        producer.begin_transaction()
        for partition in (0, 1):
            producer.produce(self.topic, b"%d" % number, partition=partition, on_delivery=told)
        position = [ConfluentPartition(self.topic, 0, number + 1)]
        group = reader.consumer_group_metadata()
        _repeated(lambda: producer.send_offsets_to_transaction(position, group, 30))
        if number % 5 == 4:
            _repeated(lambda: producer.abort_transaction(30))
            self.aborted.append(number)
        else:
            _repeated(lambda: producer.commit_transaction(30))
            self.committed.append(number)

    def _read(self, partition: int) -> list[int]:
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": "unused",
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                **IMPATIENT,
            }
        )
        consumer.assign([ConfluentPartition(self.topic, partition, 0)])
        found: list[int] = []
        deadline = time.monotonic() + TRY_S
        try:
            while time.monotonic() < deadline:
                message = consumer.poll(0.5)
                if message is None:
                    continue
                error = message.error()
                if error is None:
                    value = message.value()
                    assert isinstance(value, bytes)
                    found.append(int(value))
                elif error.name() == "_PARTITION_EOF":
                    return found
            self.faults.append(f"the end of {self.topic}-{partition} is not reached")
            return found
        finally:
            consumer.close()

    def _position(self) -> int:
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": GROUP, **IMPATIENT})
        try:
            wanted = [ConfluentPartition(self.topic, 0)]
            return int(consumer.committed(wanted, timeout=30)[0].offset)
        finally:
            consumer.close()


def _repeated(call: object) -> None:
    """Call it until it succeeds, or fails for good."""
    assert callable(call)
    deadline = time.monotonic() + TRY_S
    while True:
        try:
            call()
            return
        except KafkaException as error:
            if not error.args[0].retriable() or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
