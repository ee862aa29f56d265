"""Real clients that write down what they were told, for ``tests.simulation.checker`` to judge.

An idempotent confluent-kafka producer, a confluent-kafka consumer that reads along by assignment,
and at the end a kafka-python consumer that reads everything once more.
"""

from __future__ import annotations

import threading
import time
import warnings
from dataclasses import dataclass, field

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message
from confluent_kafka import Producer as ConfluentProducer
from confluent_kafka import TopicPartition as ConfluentPartition
from tests.simulation.checker import Anomaly, check
from tests.simulation.history import History, Outcome, Poll, Send

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of the way in which it reads its files
    from kafka import KafkaConsumer
    from kafka import TopicPartition as KafkaPartition

IMPATIENT = {
    "retry.backoff.ms": 5,
    "retry.backoff.max.ms": 100,
    "reconnect.backoff.ms": 10,
    "reconnect.backoff.max.ms": 100,
    "topic.metadata.refresh.fast.interval.ms": 20,
    "socket.timeout.ms": 5000,
    "socket.connection.setup.timeout.ms": 2000,
    "log_level": 0,
}
_REFUSED_FOR_GOOD = frozenset(
    {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG, KafkaError.INVALID_RECORD}
)


@dataclass(slots=True, repr=False)
class Traffic:
    """One producer and one consumer at work on one topic, each on a thread of its own."""

    bootstrap: str
    topic: str
    partitions: int
    per_second: int = 300
    name: str = "p"
    history: History = field(default_factory=History)
    acknowledged_at: list[float] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _quiet: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def start(self) -> None:
        for work in (self._produce, self._consume):
            thread = threading.Thread(target=self._guarded, args=(work,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _guarded(self, work: object) -> None:
        try:
            assert callable(work)
            work()
        except BaseException as error:
            self.faults.append(repr(error))

    @property
    def acknowledged(self) -> int:
        return len(self.acknowledged_at)

    def wait_for_more(self, count: int, timeout_s: float) -> None:
        """Until ``count`` further records are acknowledged; AssertionError when late."""
        goal = self.acknowledged + count
        deadline = time.monotonic() + timeout_s
        while self.acknowledged < goal:
            assert not self.faults, self.faults
            assert time.monotonic() < deadline, (
                f"{goal - self.acknowledged} of {count} not acknowledged in {timeout_s} s"
            )
            time.sleep(0.01)

    def _produce(self) -> None:
        producer = ConfluentProducer(
            {
                "bootstrap.servers": self.bootstrap,
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": 5,
                "request.timeout.ms": 5000,
                "delivery.timeout.ms": 120_000,
                **IMPATIENT,
            }
        )
        started = time.monotonic()
        number = 0
        while not self._stop.is_set():
            if number > (time.monotonic() - started) * self.per_second:
                producer.poll(0.005)
                continue
            try:
                producer.produce(
                    self.topic,
                    f"{self.name}-{number}".encode(),
                    partition=number % self.partitions,
                    on_delivery=self._delivered,
                )
                number += 1
            except BufferError:
                producer.poll(0.05)
        if producer.flush(120):
            self.faults.append("the producer did not come to an end")
        self._quiet.set()

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        outcome = Outcome.OK
        if error is not None:
            outcome = Outcome.FAIL if error.code() in _REFUSED_FOR_GOOD else Outcome.INFO
            self.faults.append(f"not acknowledged: {error}")
        else:
            self.acknowledged_at.append(time.monotonic())
        self.history.sends.append(
            Send(
                process=self.name,
                key=str(message.partition()),
                value=message.value(),
                outcome=outcome,
                offset=message.offset() if error is None else None,
                completed=time.monotonic(),
            )
        )

    def ends(self) -> dict[int, int]:
        """One past the newest acknowledged offset of each partition."""
        ends: dict[int, int] = {}
        for send in list(self.history.sends):
            if send.offset is not None:
                number = int(send.key)
                ends[number] = max(ends.get(number, 0), send.offset + 1)
        return ends

    def _consume(self) -> None:
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": f"{self.name}-unused",
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "fetch.wait.max.ms": 100,
                "fetch.error.backoff.ms": 20,
                **IMPATIENT,
            }
        )
        consumer.assign(
            [ConfluentPartition(self.topic, p, OFFSET_BEGINNING) for p in range(self.partitions)]
        )
        seen: dict[int, int] = {}
        deadline = float("inf")
        try:
            while True:
                messages = consumer.consume(500, timeout=0.1)
                self._write_down("along", messages, seen)
                if self._quiet.is_set():
                    deadline = min(deadline, time.monotonic() + 60)
                    ends = self.ends()
                    if all(seen.get(p, 0) >= end for p, end in ends.items()):
                        return
                    if time.monotonic() > deadline:
                        self.faults.append(f"the consumer stays at {seen}, ends are {ends}")
                        return
        finally:
            consumer.close()

    def _write_down(self, who: str, messages: list[Message], seen: dict[int, int]) -> None:
        records: list[tuple[str, int, bytes]] = []
        for message in messages:
            error = message.error()
            if error is not None:
                if not error.retriable() and error.code() == KafkaError._AUTO_OFFSET_RESET:
                    self.faults.append(f"consumer: {error}")
                continue
            partition, offset, value = message.partition(), message.offset(), message.value()
            assert partition is not None
            assert offset is not None
            assert isinstance(value, bytes)
            records.append((str(partition), offset, value))
            seen[partition] = offset + 1
        if records:
            self.history.polls.append(Poll(process=who, segment=0, records=tuple(records)))

    def _read_again(self) -> None:
        """All of it, by another client library."""
        consumer = KafkaConsumer(
            bootstrap_servers=self.bootstrap.split(","),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=100,
        )
        try:
            assigned = [KafkaPartition(self.topic, p) for p in range(self.partitions)]
            consumer.assign(assigned)
            ends = consumer.end_offsets(assigned)
            consumer.seek_to_beginning(*assigned)
            deadline = time.monotonic() + 60
            while any(consumer.position(tp) < ends[tp] for tp in assigned):
                if time.monotonic() > deadline:
                    self.faults.append("kafka-python did not reach the ends")
                    return
                found = consumer.poll(timeout_ms=500)
                records = tuple(
                    (str(tp.partition), r.offset, bytes(r.value))
                    for tp, batch in found.items()
                    for r in batch
                )
                if records:
                    self.history.polls.append(Poll(process="again", segment=0, records=records))
        finally:
            consumer.close()

    def stop(self) -> list[Anomaly]:
        """Let everything in flight end, read all of it twice, and judge."""
        self._stop.set()
        for thread in self._threads:
            thread.join(200)
            if thread.is_alive():
                self.faults.append("a client hangs")
        self._read_again()
        self.history.drained = not self.faults
        return check(self.history)

    def assert_sound(self) -> None:
        """Stop, and fail on any anomaly or fault of a client."""
        anomalies = self.stop()
        assert not anomalies, "\n".join(map(str, anomalies[:10]))
        assert not self.faults, self.faults[:5]
        assert self.acknowledged > 0
