"""Which partitions of an internal topic this broker leads. They are loaded and unloaded as
leadership moves.

Leading a partition of ``__consumer_offsets`` means coordinating its groups, leading one of
``__transaction_state`` its transactional ids (reference 8.7, 7.6).

A load reads the whole log while the loop does other work. It ends only once everything it read is
replicated, so that what a client was told stays true, whichever broker leads next. Records that are
appended meanwhile (markers of transactions) are read too.

A role is identified by the partition's leadership object. That lasts as long as this broker leads
without interruption, over any number of epochs (trap 50, KAFKA-15468).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from barnabas.coordinator.placement import partition_for
from barnabas.errors import ErrorCode, KafkaError
from barnabas.replication.leadership import Leadership
from barnabas.replication.partition import Partition
from barnabas.replication.replica_manager import ReplicaManager
from barnabas.types import Buffer, TopicPartition

log = logging.getLogger(__name__)

LOAD_BYTES_PER_TURN = 64 * 1024
"""Bytes read at a time before other work of the loop has its turn: about 5 ms."""


class Load(Protocol):
    """What has been read of one partition so far."""

    def take(self, data: Buffer) -> int | None:
        """Read whole batches; the offset after the last one, None if there is not even one."""
        ...


T = TypeVar("T")
L = TypeVar("L", bound=Load)


class OwnedPartition(Generic[T]):
    """One partition that this broker leads, and the state it keeps, by name (group, transactional
    id)."""

    __slots__ = ("entries", "leadership", "partition", "ready")

    def __init__(self, partition: Partition, leadership: Leadership) -> None:
        self.partition = partition
        self.leadership = leadership
        self.ready = False
        """Loaded; before that ``entries`` is empty."""
        self.entries: dict[str, T] = {}

    @property
    def number(self) -> int:
        """Its number in the topic."""
        return self.partition.topic_partition.partition

    @property
    def is_current(self) -> bool:
        """Whether this broker has led the partition without interruption since the load began."""
        return self.partition.leadership is self.leadership


class _Replicated:
    """Waits in a partition's queue for the high watermark to pass what was loaded."""

    def __init__(self, done: Callable[[], None]) -> None:
        self._done: Callable[[], None] | None = done

    def is_open(self, index: int) -> bool:
        return self._done is not None

    def decide(self, index: int, error: ErrorCode, leader: tuple[int, int] | None = None) -> None:
        done, self._done = self._done, None
        if done is not None and error != ErrorCode.NOT_LEADER_OR_FOLLOWER:
            done()


class Ownership(Generic[T, L]):
    """Is told of roles, loads and unloads, and finds the partition of a name. ``begin`` makes an
    empty load, ``finish`` turns a complete one into entries. ``on_unloaded`` gets the entries of a
    partition that was unloaded. ``load_bytes`` are read at a time, ``LOAD_BYTES_PER_TURN`` at most;
    at least one batch."""

    def __init__(
        self,
        replicas: ReplicaManager,
        topic: str,
        partitions: int,
        *,
        load_bytes: int,
        begin: Callable[[], L],
        finish: Callable[[L], dict[str, T]],
        on_loaded: Callable[[OwnedPartition[T]], None],
        on_unloaded: Callable[[int, list[T]], None],
    ) -> None:
        self._replicas = replicas
        self._topic = topic
        self._partitions = partitions
        self._load_bytes = min(load_bytes, LOAD_BYTES_PER_TURN)
        self._begin_load = begin
        self._finish_load = finish
        self._on_loaded = on_loaded
        self._on_unloaded = on_unloaded
        self._owned: dict[int, OwnedPartition[T]] = {}
        self._to_load: deque[tuple[OwnedPartition[T], L]] = deque()
        self._wake = asyncio.Event()
        replicas.add_role_listener(self)

    # Finding

    def partition_of(self, name: str) -> int:
        """The partition that keeps a name."""
        known = self._replicas.metadata.partitions(self._topic)
        return partition_for(name, len(known) if known else self._partitions)

    def find(self, name: str) -> OwnedPartition[T]:
        """The loaded partition of a name. Raises NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS."""
        owned = self._current(self.partition_of(name))
        if owned is None:
            raise KafkaError(ErrorCode.NOT_COORDINATOR)
        if not owned.ready:
            raise KafkaError(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
        return owned

    def home(self, name: str, entry: T) -> OwnedPartition[T] | None:
        """The partition that keeps an entry; None if this broker does not lead it."""
        owned = self._current(self.partition_of(name))
        return owned if owned is not None and owned.entries.get(name) is entry else None

    def all_ready(self) -> list[OwnedPartition[T]]:
        """Every loaded partition."""
        owned = [self._current(number) for number in list(self._owned)]
        return [one for one in owned if one is not None and one.ready]

    @property
    def is_loading(self) -> bool:
        """Whether a partition that this broker leads is still being loaded."""
        return any(not owned.ready for owned in self._owned.values())

    def _current(self, number: int) -> OwnedPartition[T] | None:
        owned = self._owned.get(number)
        if owned is not None and not owned.is_current:
            self._unload(number)
            return None
        return owned

    # Roles (called within the controller's order: nothing here takes long)

    def became_leader(self, partition: TopicPartition, leader_epoch: int) -> None:
        """Load the partition, unless it has been loaded in the same leadership."""
        if partition.topic != self._topic:
            return
        hosted = self._replicas.get(partition)
        if hosted is None or hosted.leadership is None:
            return
        owned = self._owned.get(partition.partition)
        if owned is not None and owned.is_current:
            return
        self._unload(partition.partition)
        owned = OwnedPartition(hosted, hosted.leadership)
        self._owned[partition.partition] = owned
        load = self._begin_load()
        if hosted.log is not None and hosted.log.log_end_offset == hosted.log.log_start_offset:
            self._finish(owned, load)
        else:
            self._to_load.append((owned, load))
            self._wake.set()

    def became_follower(self, partition: TopicPartition, leader_epoch: int) -> None:
        """Unload."""
        self.stopped(partition, False)

    def stopped(self, partition: TopicPartition, deleted: bool) -> None:
        """Unload; tolerant of partitions that were never ours (KAFKA-16118)."""
        if partition.topic == self._topic:
            self._unload(partition.partition)

    def _unload(self, number: int) -> None:
        owned = self._owned.pop(number, None)
        if owned is None:
            return
        entries = list(owned.entries.values())
        owned.entries.clear()
        if entries:
            log.info("%s-%d has moved away with %d entries", self._topic, number, len(entries))
        self._on_unloaded(number, entries)

    # Loading

    async def run(self) -> None:
        """Load the partitions that this broker has begun to lead, one after the other; for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._to_load:
                owned, load = self._to_load.popleft()
                try:
                    end = await self._read(owned, load)
                except KafkaError as error:
                    self._failed(owned, error)
                else:
                    self._when_replicated(owned, load, end)

    async def _read(self, owned: OwnedPartition[T], load: L) -> int:
        """Read up to the end of the log; that end."""
        offset = 0
        while owned.is_current and offset < owned.partition.log_or_raise().log_end_offset:
            offset = _read_some(owned.partition, load, offset, self._load_bytes)
            await asyncio.sleep(0)
        return offset

    def _when_replicated(self, owned: OwnedPartition[T], load: L, end: int) -> None:
        """Finish once everything read is replicated. A few more records may have come since."""
        if not owned.is_current:
            return
        try:
            own = owned.partition.log_or_raise()
            while end < own.log_end_offset:
                end = _read_some(owned.partition, load, end, self._load_bytes)
        except KafkaError as error:
            self._failed(owned, error)
            return
        if own.high_watermark >= end:
            self._finish(owned, load)
        else:
            again = _Replicated(lambda: self._when_replicated(owned, load, end))
            waiting = owned.partition.waiting or owned.partition.begin_waiting()
            waiting.replication.add(end, again, 0)

    def _failed(self, owned: OwnedPartition[T], error: KafkaError) -> None:
        log.error("%s-%d cannot be loaded: %s", self._topic, owned.number, error)

    def _finish(self, owned: OwnedPartition[T], load: L) -> None:
        if not owned.is_current or self._owned.get(owned.number) is not owned:
            return
        owned.entries = self._finish_load(load)
        owned.ready = True
        if owned.entries:
            log.info("%s-%d: %d entries loaded", self._topic, owned.number, len(owned.entries))
        self._on_loaded(owned)


def _read_some(partition: Partition, load: Load, offset: int, size: int) -> int:
    """Read what fits in one turn, from ``offset``; the next offset. Raises KafkaError."""
    own = partition.log_or_raise()
    start, end = max(offset, own.log_start_offset), own.log_end_offset
    found = own.read(start, size, up_to=end, min_one=True)
    next_offset = load.take(b"".join(found.buffers))
    return end if next_offset is None else next_offset
