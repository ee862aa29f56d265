"""Which partitions of ``__consumer_offsets`` this broker leads, loaded and unloaded as they move.

Leading a partition means coordinating its groups (reference 8.7). A load reads the whole log while
the loop goes on, and is done only once everything it read is replicated: a position that a client
has been told never goes back, whoever leads next. A role is told by the identity of the
partition's leadership, which lasts as long as this broker leads without a break, over any number
of epochs (trap 50, KAFKA-15468).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from barnabas.errors import ErrorCode, KafkaError
from barnabas.groups.group import Group
from barnabas.groups.loading import Loading
from barnabas.groups.member import Now
from barnabas.groups.placement import OFFSETS_TOPIC, partition_for
from barnabas.replication.leadership import Leadership
from barnabas.replication.partition import Partition
from barnabas.replication.replica_manager import ReplicaManager
from barnabas.types import NO_EPOCH, TopicPartition

log = logging.getLogger(__name__)

LOAD_BYTES_PER_TURN = 64 * 1024
"""Read in one go before the loop gets its turn: about 5 ms."""


class OffsetsPartition:
    """One partition that this broker leads, and its groups."""

    __slots__ = ("groups", "leadership", "partition", "ready")

    def __init__(self, partition: Partition, leadership: Leadership) -> None:
        self.partition = partition
        self.leadership = leadership
        self.ready = False
        """Loaded; before that ``groups`` is empty."""
        self.groups: dict[str, Group] = {}

    @property
    def number(self) -> int:
        """Its number in the topic."""
        return self.partition.topic_partition.partition

    @property
    def is_current(self) -> bool:
        """Whether this broker has led it ever since."""
        return self.partition.leadership is self.leadership


class _Replicated:
    """Waits in a partition's queue for the high watermark to pass what was loaded."""

    def __init__(self, done: Callable[[], None]) -> None:
        self._done: Callable[[], None] | None = done

    def is_open(self, index: int) -> bool:
        return self._done is not None

    def settle(self, index: int, error: ErrorCode, leader: tuple[int, int] | None = None) -> None:
        done, self._done = self._done, None
        if done is not None and error != ErrorCode.NOT_LEADER_OR_FOLLOWER:
            done()


class Ownership:
    """Hears of roles, loads and unloads, and finds the partition of a group."""

    def __init__(
        self,
        replicas: ReplicaManager,
        partitions: int,
        now: Callable[[], Now],
        *,
        on_loaded: Callable[[OffsetsPartition], None],
        on_unloaded: Callable[[list[Group]], None],
    ) -> None:
        self._replicas = replicas
        self._partitions = partitions
        self._now = now
        self._on_loaded = on_loaded
        self._on_unloaded = on_unloaded
        self._owned: dict[int, OffsetsPartition] = {}
        self._to_load: deque[OffsetsPartition] = deque()
        self._wake = asyncio.Event()
        replicas.add_role_listener(self)

    # Finding

    def partition_of(self, group_id: str) -> int:
        """The partition that keeps a group."""
        known = self._replicas.metadata.partitions(OFFSETS_TOPIC)
        return partition_for(group_id, len(known) if known else self._partitions)

    def find(self, group_id: str, *, allow_empty: bool = False) -> OffsetsPartition:
        """The loaded partition of a group. Raises INVALID_GROUP_ID, NOT_COORDINATOR,
        COORDINATOR_LOAD_IN_PROGRESS."""
        if not group_id and not allow_empty:
            raise KafkaError(ErrorCode.INVALID_GROUP_ID)
        owned = self._owned.get(self.partition_of(group_id))
        if owned is not None and not owned.is_current:
            self._unload(owned.number)
            owned = None
        if owned is None:
            raise KafkaError(ErrorCode.NOT_COORDINATOR)
        if not owned.ready:
            raise KafkaError(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
        return owned

    def home(self, group: Group) -> OffsetsPartition | None:
        """Where a group lives now; None if it is no longer ours."""
        owned = self._owned.get(self.partition_of(group.id))
        if owned is not None and not owned.is_current:
            self._unload(owned.number)
            return None
        return owned if owned is not None and owned.groups.get(group.id) is group else None

    def all_ready(self) -> list[OffsetsPartition]:
        """Every loaded partition."""
        for number, owned in list(self._owned.items()):
            if not owned.is_current:
                self._unload(number)
        return [owned for owned in self._owned.values() if owned.ready]

    @property
    def is_loading(self) -> bool:
        """Whether a partition of ours is not loaded yet."""
        return any(not owned.ready for owned in self._owned.values())

    # Roles (called within the controller's order: nothing here takes long)

    def became_leader(self, partition: TopicPartition, leader_epoch: int) -> None:
        """Load, unless it is loaded since before."""
        if partition.topic != OFFSETS_TOPIC:
            return
        hosted = self._replicas.get(partition)
        if hosted is None or hosted.leadership is None:
            return
        owned = self._owned.get(partition.partition)
        if owned is not None and owned.is_current:
            return
        self._unload(partition.partition)
        owned = OffsetsPartition(hosted, hosted.leadership)
        self._owned[partition.partition] = owned
        if hosted.log is not None and hosted.log.log_end_offset == hosted.log.log_start_offset:
            self._finish(owned, Loading())
        else:
            self._to_load.append(owned)
            self._wake.set()

    def became_follower(self, partition: TopicPartition, leader_epoch: int) -> None:
        """Unload."""
        self.stopped(partition, False)

    def stopped(self, partition: TopicPartition, deleted: bool) -> None:
        """Unload; tolerant of partitions that were never ours (KAFKA-16118)."""
        if partition.topic == OFFSETS_TOPIC:
            self._unload(partition.partition)

    def _unload(self, number: int) -> None:
        owned = self._owned.pop(number, None)
        if owned is None:
            return
        groups = list(owned.groups.values())
        owned.groups.clear()
        if groups:
            log.info("%s-%d and its %d groups have moved away", OFFSETS_TOPIC, number, len(groups))
        self._replicas.context.note("groups_unloaded", partition=number, groups=len(groups))
        self._on_unloaded(groups)

    # Loading

    async def run(self) -> None:
        """Load what has come to us, one partition after the other; for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._to_load:
                await self._load(self._to_load.popleft())

    async def _load(self, owned: OffsetsPartition) -> None:
        loading = Loading()
        try:
            end = await self._read(owned, loading)
        except KafkaError as error:
            log.error("%s-%d cannot be loaded: %s", OFFSETS_TOPIC, owned.number, error)
            return
        if not owned.is_current:
            return
        partition = owned.partition
        if partition.log_or_raise().high_watermark >= end:
            self._finish(owned, loading)
        else:
            replicated = _Replicated(lambda: self._finish(owned, loading))
            partition.awaiting_replication.add(end, replicated, 0)

    async def _read(self, owned: OffsetsPartition, loading: Loading) -> int:
        """Everything up to the end of the log; that end."""
        own = owned.partition.log_or_raise()
        offset, end = own.log_start_offset, own.log_end_offset
        while offset < end and owned.is_current:
            found = own.read(
                max(offset, own.log_start_offset), LOAD_BYTES_PER_TURN, up_to=end, min_one=True
            )
            next_offset = loading.take(b"".join(found.buffers))
            if next_offset is None:
                break
            offset = next_offset
            await asyncio.sleep(0)
        return end

    def _finish(self, owned: OffsetsPartition, loading: Loading) -> None:
        if not owned.is_current or self._owned.get(owned.number) is not owned:
            return
        owned.groups = loading.groups(self._now())
        owned.ready = True
        epoch = owned.partition.leader_epoch
        assert epoch != NO_EPOCH
        if owned.groups:
            log.info("%s-%d: %d groups loaded", OFFSETS_TOPIC, owned.number, len(owned.groups))
        self._replicas.context.note(
            "groups_loaded", partition=owned.number, epoch=epoch, groups=len(owned.groups)
        )
        self._on_loaded(owned)
