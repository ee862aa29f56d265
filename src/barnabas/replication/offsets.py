"""ReplicaManager.fetchOffset, lastOffsetForLeaderEpoch, deleteRecords: what a leader
says of offsets, and how it forgets records (reference 4.9, 4.10, 5.12)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Sequence

from barnabas.config.broker_config import INTERNAL_TOPICS
from barnabas.errors import ErrorCode, KafkaError
from barnabas.replication.leadership import Leadership
from barnabas.replication.partition import Partition
from barnabas.replication.purgatory import DeadlineWheel
from barnabas.replication.results import DeleteRecordsResult, OffsetResult
from barnabas.replication.settings import ReplicationContext
from barnabas.replication.truncation import EpochEnd
from barnabas.storage.log import Log
from barnabas.types import (
    CONSUMER_REPLICA_ID,
    DEBUG_CONSUMER_REPLICA_ID,
    NO_EPOCH,
    NO_OFFSET,
    NO_TIMESTAMP,
    TopicPartition,
)

LATEST_TIMESTAMP = -1
EARLIEST_TIMESTAMP = -2
MAX_TIMESTAMP = -3
EARLIEST_LOCAL_TIMESTAMP = -4
LATEST_TIERED_TIMESTAMP = -5

NOT_FOUND = OffsetResult(NO_TIMESTAMP, NO_OFFSET, NO_EPOCH)
OFFSET_NOT_AVAILABLE_FROM_VERSION = 5
_ALWAYS = 2**63 - 1
_NOT_ALL_YET = -1
"""A target that stands for those that have not begun."""

Host = Callable[[TopicPartition], Partition]


def list_offset(
    partition: Partition,
    timestamp: int,
    *,
    version: int,
    current_leader_epoch: int = NO_EPOCH,
    read_committed: bool = False,
    replica_id: int = CONSUMER_REPLICA_ID,
) -> OffsetResult:
    """One ListOffsets lookup on the leader, or for a debugging consumer on any replica, whose own
    log end it is told. Raises KafkaError.

    Until the high watermark has reached the start of the leader's epoch, the end that clients may
    know is in doubt: OFFSET_NOT_AVAILABLE, or LEADER_NOT_AVAILABLE before version 5 (KIP-207).
    """
    log = partition.log_or_raise()
    partition.check_epoch(current_leader_epoch)
    if replica_id != DEBUG_CONSUMER_REPLICA_ID:
        partition.leader_or_raise()
    from_client = replica_id == CONSUMER_REPLICA_ID
    end = log.log_end_offset
    if from_client:
        end = log.last_stable_offset if read_committed else log.high_watermark
    if timestamp == LATEST_TIMESTAMP:
        if from_client:
            _check_available(partition.leader_or_raise(), log, version)
        return OffsetResult(NO_TIMESTAMP, end, partition.leader_epoch)
    if timestamp in (EARLIEST_TIMESTAMP, EARLIEST_LOCAL_TIMESTAMP):
        start = log.log_start_offset
        return OffsetResult(NO_TIMESTAMP, start, log.epochs.epoch_at(start))
    if timestamp == LATEST_TIERED_TIMESTAMP:
        return NOT_FOUND
    if timestamp == MAX_TIMESTAMP:
        found = log.offset_of_max_timestamp()
    else:
        found = log.offset_for_timestamp(timestamp)
    if found is None:
        return NOT_FOUND
    if from_client and found[1] >= end:
        _check_available(partition.leader_or_raise(), log, version)
        return NOT_FOUND
    return OffsetResult(*found)


def offsets_before(
    partition: Partition, timestamp: int, *, most: int, now_ms: int, replica_id: int
) -> list[int]:
    """ListOffsets v0: ``most`` offsets at most, the greatest first (``LogReader``). Raises
    KafkaError. For a consumer the high watermark stands for all that are above it."""
    log = partition.log_or_raise()
    if replica_id != DEBUG_CONSUMER_REPLICA_ID:
        partition.leader_or_raise()
    if timestamp == LATEST_TIMESTAMP:
        found = log.offsets_written_by(_ALWAYS, now_ms)
    elif timestamp == EARLIEST_TIMESTAMP:
        found = log.offsets_written_by(_ALWAYS, now_ms)[-1:]
    else:
        found = log.offsets_written_by(timestamp, now_ms)
    del found[most:]
    if replica_id != CONSUMER_REPLICA_ID or not found or found[0] <= log.high_watermark:
        return found
    return [log.high_watermark, *(offset for offset in found if offset <= log.high_watermark)]


def _check_available(leadership: Leadership, log: Log, version: int) -> None:
    if log.high_watermark < leadership.epoch_start:
        if version >= OFFSET_NOT_AVAILABLE_FROM_VERSION:
            raise KafkaError(ErrorCode.OFFSET_NOT_AVAILABLE)
        raise KafkaError(ErrorCode.LEADER_NOT_AVAILABLE)


def end_of_epoch(partition: Partition, current_leader_epoch: int, epoch: int) -> EpochEnd:
    """OffsetForLeaderEpoch on the leader; (-1, -1) if it cannot be told. Raises KafkaError."""
    partition.leader_or_raise(current_leader_epoch)
    return EpochEnd(*partition.log_or_raise().end_offset_for_epoch(epoch))


class DelayedDelete:
    """DeleteRecords that waits for live followers to take over the new log start."""

    def __init__(
        self,
        targets: list[TopicPartition],
        future: asyncio.Future[list[DeleteRecordsResult]],
        wheel: DeadlineWheel,
    ) -> None:
        self.bucket = DeadlineWheel.NOWHERE
        self._targets = targets
        self._partitions: dict[int, Partition] = {}
        self._future = future
        self._wheel = wheel
        self._open: dict[int, None] = {_NOT_ALL_YET: None}
        self._errors = [ErrorCode.NONE] * len(targets)

    def begun(self, index: int, partition: Partition, target: int) -> None:
        """The leader's own start has moved to ``target``; wait for the followers if need be."""
        self._partitions[index] = partition
        low = partition.low_watermark()
        if low is not None and low < target:
            self._open[index] = None
            waiting = partition.waiting or partition.begin_waiting()
            waiting.low_watermark.add(target, self, index)

    def refuse(self, index: int, error: ErrorCode) -> None:
        """Target ``index`` cannot be done."""
        self._errors[index] = error

    def is_open(self, index: int) -> bool:
        """Whether target ``index`` still waits."""
        return index in self._open

    def decide(self, index: int, error: ErrorCode, leader: tuple[int, int] | None = None) -> None:
        """Decide one target; the last one completes the request."""
        if index in self._open:
            self._errors[index] = error
            self._done(index)

    def all_begun(self) -> None:
        """No target follows."""
        self._done(_NOT_ALL_YET)

    def _done(self, index: int) -> None:
        del self._open[index]
        if not self._open:
            self._wheel.discard(self)
            self.finish()

    def expire(self) -> None:
        """The log start has moved here; whether everywhere, nobody knows."""
        for index in self._open:
            self._errors[index] = ErrorCode.REQUEST_TIMED_OUT
        self._open.clear()
        self.finish()

    def finish(self) -> None:
        """Answer."""
        if not self._future.done():
            self._future.set_result([self._result(i, name) for i, name in enumerate(self._targets)])

    def _result(self, index: int, name: TopicPartition) -> DeleteRecordsResult:
        error = self._errors[index]
        low = NO_OFFSET
        if error == ErrorCode.NONE:
            # Whoever was done first may have lost the partition while others were waited for.
            known = self._partitions[index].low_watermark()
            low = NO_OFFSET if known is None else known
        return DeleteRecordsResult(name, error, low)


def delete_records(
    context: ReplicationContext,
    host: Host,
    wheel: DeadlineWheel,
    targets: Sequence[tuple[TopicPartition, int]],
    timeout_ms: int,
) -> Generator[int, None, asyncio.Future[list[DeleteRecordsResult]]]:
    """Raise log starts, in steps; done when every live follower has fetched with the new ones.
    Each target waits from its own beginning on, so that it is told of what happens in a pause."""
    future: asyncio.Future[list[DeleteRecordsResult]] = context.loop.create_future()
    delayed = DelayedDelete([name for name, _ in targets], future, wheel)
    deadline_ms = context.now_ms() + max(timeout_ms, 0)
    for index, (name, offset) in enumerate(targets):
        yield 1
        try:
            if name.topic in INTERNAL_TOPICS:
                raise KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION, f"{name.topic} is internal")
            partition = host(name)
            target = partition.delete_records(offset)
        except KafkaError as error:
            delayed.refuse(index, error.code)
        else:
            delayed.begun(index, partition, target)
    delayed.all_begun()
    if not future.done():
        wheel.add(delayed, deadline_ms)
    return future
