"""A consumer group under chaos: its members commit what they read, a bystander reads it back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from confluent_kafka import Consumer, KafkaException
from confluent_kafka import TopicPartition as ConfluentPartition
from tests.real_clients import IMPATIENT
from tests.simulation.checker import Anomaly, check
from tests.simulation.history import Commit, Committed, History, Outcome

MEMBERS = 2
DRAIN_S = 60.0
NEVER = float("inf")


class GroupTraffic:
    """Two members of one group on one topic, each on a thread of its own, and the bystander."""

    def __init__(self, bootstrap: str, topic: str, partitions: int) -> None:
        self.group = f"readers-of-{topic}"
        self.history = History()
        self.faults: list[str] = []
        self.stale = 0
        """Reads, while there were faults, of less than had been committed. A coordinator that was
        deposed and has not heard of it answers OffsetFetch from memory, as the original's does."""
        self._bootstrap = bootstrap
        self._topic = topic
        self._partitions = partitions
        self._read: dict[tuple[int, int], None] = {}
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        work = [lambda n=n: self._consume(f"m{n}") for n in range(MEMBERS)]
        for one in (*work, self._look):
            thread = threading.Thread(target=self._guarded, args=(one,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self, ends: dict[int, int], acknowledged: list[tuple[int, int]]) -> list[Anomaly]:
        """Wait until the group has committed everything below ``ends``, end it, and judge. The
        faults are over: from now on what is read back must be the newest.

        ``acknowledged``: (partition, offset) of every record that a member must have read."""
        meanwhile = len(self.history.committed)
        deadline = time.monotonic() + DRAIN_S
        while self._position() != ends and time.monotonic() < deadline:
            time.sleep(0.1)
        if self._position() != ends:
            self.faults.append(f"{self.group} has committed {self._position()}, ends are {ends}")
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            if thread.is_alive():
                self.faults.append("a member hangs")
        missed = [record for record in acknowledged if record not in self._read]
        if missed:
            self.faults.append(f"{self.group} never read {missed[:5]}, {len(missed)} in all")
        if not any(commit.outcome is Outcome.OK for commit in self.history.commits):
            self.faults.append(f"{self.group} has committed nothing")
        reads = self.history.committed
        self.history.committed = reads[:meanwhile]
        self.stale = len(check(self.history))
        self.history.committed = reads[meanwhile:]
        return check(self.history)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            self.faults.append(repr(error))

    def _consumer(self) -> Consumer:
        return Consumer(
            {
                "bootstrap.servers": self._bootstrap,
                "group.id": self.group,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "session.timeout.ms": 6000,
                "heartbeat.interval.ms": 500,
                "fetch.wait.max.ms": 100,
                "fetch.error.backoff.ms": 20,
                **IMPATIENT,
            }
        )

    def _consume(self, name: str) -> None:
        consumer = self._consumer()
        ends: dict[int, int] = {}
        """What is read and not yet committed; forgotten with the partitions."""
        consumer.subscribe([self._topic], on_revoke=lambda *_: ends.clear())
        try:
            while not self._stop.is_set():
                for message in consumer.consume(200, timeout=0.1):
                    partition, offset = message.partition(), message.offset()
                    if message.error() is None and partition is not None and offset is not None:
                        self._read[partition, offset] = None
                        ends[partition] = offset + 1
                if ends and self._commit(consumer, ends):
                    ends.clear()
        finally:
            consumer.close()

    def _commit(self, consumer: Consumer, ends: dict[int, int]) -> bool:
        invoked = time.monotonic()
        positions = [ConfluentPartition(self._topic, p, end) for p, end in ends.items()]
        try:
            consumer.commit(offsets=positions, asynchronous=False)
            outcome, completed = Outcome.OK, time.monotonic()
        except KafkaException:
            outcome, completed = Outcome.INFO, NEVER  # it may yet arrive
        for partition, end in ends.items():
            self.history.commits.append(
                Commit(
                    group=self.group,
                    key=str(partition),
                    offset=end,
                    outcome=outcome,
                    invoked=invoked,
                    completed=completed,
                )
            )
        return outcome is Outcome.OK

    def _look(self) -> None:
        """Read the positions back, again and again, without being a member."""
        consumer = self._consumer()
        wanted = [ConfluentPartition(self._topic, p) for p in range(self._partitions)]
        try:
            while not self._stop.is_set():
                invoked = time.monotonic()
                try:
                    found = consumer.committed(wanted, timeout=5)
                except KafkaException:
                    continue
                for position in found:
                    if position.error is None:
                        self._found(str(position.partition), max(position.offset, -1), invoked)
                self._stop.wait(0.2)
        finally:
            consumer.close()

    def _found(self, key: str, offset: int, invoked: float) -> None:
        seen = Committed(
            group=self.group,
            key=key,
            offset=offset,
            invoked=invoked,
            completed=time.monotonic(),
        )
        self.history.committed.append(seen)

    def _position(self) -> dict[int, int]:
        """What the bystander saw last."""
        newest: dict[int, int] = {}
        for seen in self.history.committed[-self._partitions :]:
            newest[int(seen.key)] = seen.offset
        return newest
