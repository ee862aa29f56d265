"""ReplicaManager.readFromLog: one partition of a fetch is looked up, checked and read
(reference 5.6).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

from barnabas.errors import ErrorCode, KafkaError
from barnabas.limits import FETCH_BYTES_AT_ONCE
from barnabas.replication.fetch_params import FetchParams, PreReadError
from barnabas.replication.fetch_session import SessionPartition
from barnabas.replication.partition import Partition
from barnabas.replication.replica_selector import ReplicaView
from barnabas.replication.results import FetchedPartition, NotLeader
from barnabas.replication.settings import ReplicationContext
from barnabas.replication.truncation import UNDEFINED, EpochEnd, diverges
from barnabas.replication.watches import Watched
from barnabas.storage.log import Log
from barnabas.types import NO_EPOCH, UNKNOWN_BROKER_EPOCH, TopicPartition

if TYPE_CHECKING:
    from barnabas.observe.figures import ReplicationFigures

COUNTED_BYTES_MIN = 64 * 1024
"""Smaller answers are not counted on their way to the network."""

ROOM_LOOK_S = 0.02
"""How often it is looked whether there is memory again."""


class Hungry(Protocol):
    """A fetch that waits for memory alone."""

    def look_again(self) -> None:
        """Perhaps there is some now."""
        ...


class FetchReader:
    """Reads for all fetches of one broker."""

    def __init__(
        self, context: ReplicationContext, hosted: Mapping[TopicPartition, Partition]
    ) -> None:
        self._context = context
        self._hosted = hosted
        self._hungry: dict[Hungry, None] = {}
        """In the order in which they came."""
        self._looks_for_room = False

    def check_allowed(self, entry: SessionPartition, may_read: Callable[[str], bool]) -> None:
        """Raises PreReadError unless the reader may read the topic, whether it exists or not. A
        topic id is no secret."""
        topic = entry.topic
        if entry.topic_id is not None:
            topic = self._context.metadata.topic_name(entry.topic_id)
            if topic is None:
                raise PreReadError(ErrorCode.UNKNOWN_TOPIC_ID)
        if not may_read(topic or ""):
            raise PreReadError(ErrorCode.TOPIC_AUTHORIZATION_FAILED)

    def partition_for(self, entry: SessionPartition, place: Watched | None) -> Partition:
        """The hosted partition behind an entry; ``place`` is where it was at the last look. Raises
        PreReadError, KafkaError."""
        if place is not None:
            partition = self._hosted.get(place.topic_partition)
            if partition is place:
                return partition  # ids need not be compared again
        if entry.topic_id is not None:
            entry.topic = self._context.metadata.topic_name(entry.topic_id)
            if entry.topic is None:
                raise PreReadError(ErrorCode.UNKNOWN_TOPIC_ID)
        name = entry.topic_partition
        partition = self._hosted.get(name)
        if partition is None:
            if name not in self._context.metadata:
                raise PreReadError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
            leader = self._context.metadata.current_leader(name)
            raise NotLeader(ErrorCode.NOT_LEADER_OR_FOLLOWER, leader)
        known = partition.topic_id
        if entry.topic_id is not None and known is not None and entry.topic_id != known:
            raise KafkaError(ErrorCode.INCONSISTENT_TOPIC_ID)
        return partition

    def check(self, partition: Partition, entry: SessionPartition, params: FetchParams) -> None:
        """Who may read here (reference 5.6 a-d): leader and epoch first, membership second."""
        partition.log_or_raise()
        partition.check_epoch(entry.current_leader_epoch)
        if partition.leadership is None and (params.leader_only or partition.leader_id < 0):
            raise NotLeader(ErrorCode.NOT_LEADER_OR_FOLLOWER, partition.leader_hint())
        if not params.from_follower:
            return
        own = (
            params.replica_id == self._context.settings.broker_id
        )  # a leader does not copy from itself
        if own or params.replica_id not in partition.replicas:
            # Its LeaderAndIsr may have overtaken ours (KAFKA-14078, KAFKA-13837).
            if entry.current_leader_epoch != NO_EPOCH:
                raise KafkaError(ErrorCode.UNKNOWN_LEADER_EPOCH)
            raise NotLeader(ErrorCode.NOT_LEADER_OR_FOLLOWER, partition.leader_hint())
        highest = self._context.highest_broker_epochs.get(params.replica_id, UNKNOWN_BROKER_EPOCH)
        if UNKNOWN_BROKER_EPOCH < params.broker_epoch < highest:
            # KIP-903: sent by an incarnation that is gone; its log may be gone too.
            raise NotLeader(ErrorCode.NOT_LEADER_OR_FOLLOWER, partition.leader_hint())

    def preferred(
        self, partition: Partition, entry: SessionPartition, params: FetchParams
    ) -> FetchedPartition | None:
        """The answer that sends a consumer to another replica (KIP-392); None if it reads here.

        Only a leader sends anybody anywhere, and only to a live member of the ISR that has the
        record at this offset."""
        leadership = partition.leadership
        if params.choice is None or leadership is None:
            return None
        log = partition.log_or_raise()
        members, offset = leadership.state.committed, entry.fetch_offset
        now_ms = self._context.now_ms()
        leader = self._view(self._context.settings.broker_id, params, log.log_end_offset, 0)
        followers = [
            self._view(number, params, remote.log_end_offset, now_ms - remote.last_caught_up_ms)
            for number, remote in leadership.remotes.items()
            if number in members and remote.log_start_offset <= offset <= remote.log_end_offset
        ]
        chosen = params.choice(partition.topic_partition, leader, followers)
        if chosen is None or chosen.broker_id == leader.broker_id:
            return None
        return FetchedPartition(
            topic=entry.topic,
            topic_id=entry.topic_id,
            partition=entry.partition,
            high_watermark=log.high_watermark,
            last_stable_offset=log.last_stable_offset,
            log_start_offset=log.log_start_offset,
            preferred_read_replica=chosen.broker_id,
            ends_wait=True,
        )

    def _view(
        self, broker_id: int, params: FetchParams, log_end: int, behind_ms: int
    ) -> ReplicaView:
        broker = self._context.metadata.brokers.get(broker_id)
        endpoint = None if broker is None else broker.endpoint(params.listener)
        rack = None if broker is None or endpoint is None else broker.rack
        return ReplicaView(broker_id, rack, log_end, behind_ms, endpoint)

    def read(
        self,
        partition: Partition,
        entry: SessionPartition,
        params: FetchParams,
        *,
        first: bool,
        max_bytes: int,
        min_one: bool,
        throttled: int = 0,
    ) -> FetchedPartition:
        """Read one partition, and note a follower's position at the first look. ``throttled``: the
        bytes of throttled replicas that this fetch has read."""
        log = partition.log_or_raise()
        diverging = _divergence(log, entry)
        if not log.log_start_offset <= entry.fetch_offset <= log.log_end_offset and (
            diverging is None or entry.fetch_offset < log.log_start_offset
        ):
            raise KafkaError(ErrorCode.OFFSET_OUT_OF_RANGE)
        answer = FetchedPartition(
            topic=entry.topic, topic_id=entry.topic_id, partition=entry.partition
        )
        if diverging is None:
            limit = _limit(log, params)
            # First: whether it gets anything depends on where it is now.
            if first and params.from_follower:
                partition.note_fetch(
                    params.replica_id,
                    offset=entry.fetch_offset,
                    log_start=entry.log_start_offset,
                    leader_end=log.log_end_offset,
                    broker_epoch=params.broker_epoch,
                )
            if entry.fetch_offset < limit:
                if self._is_throttled(partition, params):
                    quota_bytes = self._context.quotas.leader.room(self._context.now_ms())
                    if throttled < quota_bytes:
                        # One batch at least, if it is not too much for the whole answer.
                        one = min_one or (not throttled and max_bytes >= entry.max_bytes)
                        size = min(max_bytes, quota_bytes - throttled)
                        self._read_records(log, entry, params, answer, limit, size, one)
                    answer.throttled = answer.ahead = answer.size
                    answer.ends_wait = answer.ends_wait and answer.size > 0
                else:
                    self._read_records(log, entry, params, answer, limit, max_bytes, min_one)
            answer.ends_wait = answer.ends_wait or entry.fetch_offset > limit
        else:
            answer.diverging = diverging
            answer.ends_wait = True
        answer.high_watermark = log.high_watermark
        answer.last_stable_offset = log.last_stable_offset
        answer.log_start_offset = log.log_start_offset
        if params.read_committed and answer.aborted_transactions is None:
            answer.aborted_transactions = []
        return answer

    def _is_throttled(self, partition: Partition, params: FetchParams) -> bool:
        """Whether this is a replica that is being moved, and copied no faster than the quota says.
        One that is in sync gets all records. So does one that the high watermark waits for because
        it has just caught up: else acks=all would wait as long as the quota makes it wait."""
        quota = self._context.quotas.leader
        if not quota.topics or not params.from_follower:
            return False
        name = partition.topic_partition
        return (
            partition.leadership is not None
            and quota.is_throttled(name.topic, name.partition)
            and not partition.waits_for(params.replica_id)
        )

    def count_sent(self, answers: Iterable[FetchedPartition], params: FetchParams) -> None:
        """These are sent to a reader: what of them is throttled counts."""
        if self._context.figures is not None:
            self._count(self._context.figures, answers, params)
        quota = self._context.quotas.leader
        if not quota.topics or not params.from_follower:
            return
        size = sum(a.size for a in answers if quota.is_throttled(a.topic or "", a.partition))
        if size:
            quota.record(size, self._context.now_ms())

    def _count(
        self,
        figures: ReplicationFigures,
        answers: Iterable[FetchedPartition],
        params: FetchParams,
    ) -> None:
        if params.from_follower:
            figures.bytes_out += sum(answer.size for answer in answers)
            return
        hosted = self._hosted
        for answer in answers:
            partition = hosted.get(TopicPartition(answer.topic or "", answer.partition))
            if partition is None or partition.figures is None:
                continue  # clients may ask for any name
            partition.figures.fetches += 1
            partition.figures.bytes_out += answer.size
            if answer.error:
                partition.figures.failed_fetches += 1

    def _read_records(
        self,
        log: Log,
        entry: SessionPartition,
        params: FetchParams,
        answer: FetchedPartition,
        limit: int,
        max_bytes: int,
        min_one: bool,
    ) -> None:
        size = min(max_bytes, entry.max_bytes)
        if size < 0:
            raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR, f"{size} bytes cannot be fetched")
        # A follower has no use for a part of a batch, which it would be sent again.
        piece = log.read(
            entry.fetch_offset, size, up_to=limit, min_one=min_one, whole=params.from_follower
        )
        answer.records = list(piece.buffers)
        answer.size = piece.bytes
        answer.ahead = min(piece.ahead, entry.max_bytes)
        answer.ends_wait = piece.is_behind
        if params.read_committed:
            aborted = log.aborted_transactions(entry.fetch_offset, limit, read_bytes=piece.bytes)
            answer.aborted_transactions = [(a.producer_id, a.first_offset) for a in aborted]

    def is_up_to_date(
        self,
        partition: Partition,
        entry: SessionPartition,
        params: FetchParams,
        answer: FetchedPartition,
    ) -> bool:
        """Whether there is nothing to tell this reader until the partition changes."""
        log = partition.log_or_raise()
        if (
            answer.size
            or answer.diverging is not None
            or entry.fetch_offset != _limit(log, params)
            or answer.high_watermark != entry.sent_high_watermark
            or answer.log_start_offset != entry.sent_log_start
        ):
            return False
        if not params.from_follower:
            # A follower may catch up and be the nearer one, which changes nothing here.
            return partition.leadership is None or params.choice is None
        leadership = partition.leadership
        return leadership is not None and leadership.is_in_sync_at(
            params.replica_id, entry.fetch_offset
        )

    def failed(self, entry: SessionPartition, error: KafkaError) -> FetchedPartition:
        """An error as a partition of the answer."""
        return FetchedPartition(
            topic=entry.topic,
            topic_id=entry.topic_id,
            partition=entry.partition,
            error=error.code,
            current_leader=error.leader if isinstance(error, NotLeader) else None,
            aborted_transactions=[] if isinstance(error, PreReadError) else None,
        )

    def storage_failed(self, partition: Partition, error: OSError) -> None:
        """A read failed in the disk below."""
        self._context.storage_failed(partition, error)

    @property
    def fetch_max_bytes(self) -> int:
        """``fetch.max.bytes``, for followers too."""
        return self._context.settings.fetch_max_bytes

    def room(self, params: FetchParams) -> int:
        """Bytes of records that there is memory for. -1: none at all, not even for the one batch
        that a fetch gets whatever its limits; a follower always gets that."""
        room = min(self._context.answers.room(reserved=params.from_follower), FETCH_BYTES_AT_ONCE)
        return max(room, 0) if params.from_follower else room

    def wait_for_room(self, fetch: Hungry) -> None:
        """Let it look again when there is memory for consumers."""
        self._hungry[fetch] = None
        if not self._looks_for_room:
            self._looks_for_room = True
            self._context.loop.call_later(ROOM_LOOK_S, self._feed)

    def no_longer_waits(self, fetch: Hungry) -> None:
        """It has its answer, or nobody wants one."""
        self._hungry.pop(fetch, None)

    def _feed(self) -> None:
        """One after the other, as long as there is room: what one has read counts for the next."""
        if self._hungry and self._context.answers.room() >= 0:
            fetch = next(iter(self._hungry))
            del self._hungry[fetch]
            self._context.loop.call_soon(self._feed)
            fetch.look_again()
        elif self._hungry:
            self._context.loop.call_later(ROOM_LOOK_S, self._feed)
        else:
            self._looks_for_room = False

    def holds(self, size: int) -> None:
        """Records were read for an answer, which the network does not count yet."""
        if size >= COUNTED_BYTES_MIN:
            self.count(size)
            self._context.loop.call_soon(self.count, -size)

    def count(self, size: int) -> None:
        """Bytes of records that answers in the making hold, or hold no more."""
        self._context.answers.held += size

    def soon(self, call: Callable[[], None]) -> None:
        """Call it when it is its turn."""
        self._context.wakes.add(call)

    def may_wait(self, fetch_is_large: bool) -> bool:
        """A fetch of very many partitions takes memory while it waits: when half of what there is
        for requests is taken, it is answered with what there is, as after its wait."""
        return not (fetch_is_large and self._context.requests.is_short)


def _limit(log: Log, params: FetchParams) -> int:
    """The offset up to which this reader may see (isolation, reference 5.6)."""
    if params.to_log_end:
        return log.log_end_offset
    return log.last_stable_offset if params.read_committed else log.high_watermark


def _divergence(log: Log, entry: SessionPartition) -> EpochEnd | None:
    """Where the leader's log leaves the reader's (KIP-595), None if it does not or none was asked.

    An epoch that the leader cannot place is OFFSET_OUT_OF_RANGE (KAFKA-6857).
    """
    if entry.last_fetched_epoch == NO_EPOCH:
        return None
    end = EpochEnd(*log.end_offset_for_epoch(entry.last_fetched_epoch))
    if end.end_offset == UNDEFINED or entry.fetch_offset < log.log_start_offset:
        raise KafkaError(ErrorCode.OFFSET_OUT_OF_RANGE)
    if diverges(end, last_fetched_epoch=entry.last_fetched_epoch, fetch_offset=entry.fetch_offset):
        return end
    return None
