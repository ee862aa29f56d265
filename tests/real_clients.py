"""Real clients that write down what they were told, for ``tests.simulation.checker`` to judge.

An idempotent confluent-kafka producer, a confluent-kafka consumer that reads along by assignment,
and at the end a kafka-python consumer that reads everything once more.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import warnings
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message
from confluent_kafka import Producer as ConfluentProducer
from confluent_kafka import TopicPartition as ConfluentPartition
from tests.simulation.checker import Anomaly, check
from tests.simulation.history import History, Outcome, Poll, Send

from barnabas.client.cluster import ClusterClient
from barnabas.client.consumer import LATEST
from barnabas.client.offsets import list_offsets
from barnabas.types import TopicPartition

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of the way in which it reads its files
    from kafka import KafkaConsumer
    from kafka import TopicPartition as KafkaPartition
    from kafka.errors import KafkaError as KafkaPythonError

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
LINES_KEPT = 100


class _Keeper(logging.Handler):
    """Keeps the newest lines."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: deque[logging.LogRecord] = deque(maxlen=LINES_KEPT)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record)


@contextmanager
def _last_lines(name: str) -> Iterator[deque[logging.LogRecord]]:
    """The newest lines that a library logs, however fine, for the report of a failure."""
    handler = _Keeper()
    logger = logging.getLogger(name)
    level, propagates = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield handler.lines
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagates


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
    notes: list[str] = field(default_factory=list)
    """What is worth telling, but no fault of a broker."""

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
        """All of it, by another client library. If it does not get on while every broker answers
        at once, another client of it has a second try, and a note tells what the first one said:
        kafka-python 3.0.12 asks a former leader again until it gives up (docs/clients.md)."""
        for attempt in range(2):
            with _last_lines("kafka") as lines:
                try:
                    self._read_with_kafka_python(attempt)
                    return
                except KafkaPythonError as error:
                    said = "\n  ".join(line.getMessage() for line in lines)
                    text = f"kafka-python: {error!r}; its last lines:\n  {said}"
            wrong = self._wrong_ends()
            if attempt or wrong:
                self.faults.append(f"{wrong}\n{text}")
                return
            self.notes.append(text)

    def _wrong_ends(self) -> str:
        """Ask each broker by itself where the partitions end; what is wrong with an answer."""

        async def ask(address: str) -> dict[int, int]:
            async with ClusterClient(address, "ends", timeout_ms=5000) as client:
                await client.metadata([self.topic])
                wanted = [TopicPartition(self.topic, p) for p in range(self.partitions)]
                found = await list_offsets(client, wanted, LATEST)
                return {tp.partition: offset for tp, offset in found.items()}

        for address in self.bootstrap.split(","):
            try:
                ends = asyncio.run(asyncio.wait_for(ask(address), 10))
            except Exception as error:
                return f"{address} does not say where {self.topic} ends: {error!r}"
            if any(ends.get(p, -1) < end for p, end in self.ends().items()):
                return f"{address} says that {self.topic} ends at {ends}, not at {self.ends()}"
        return ""

    def _read_with_kafka_python(self, attempt: int) -> None:
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
                    self.history.polls.append(
                        Poll(process="again", segment=attempt, records=records)
                    )
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
