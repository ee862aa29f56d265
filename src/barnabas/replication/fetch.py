"""Serving fetches of followers and consumers: one read path, sessions, and waiting (5.6, 5.10).

An incremental fetch looks at the partitions that it names and at those that changed since the last
look; everything else is known to be unchanged. A fetch that finds too little waits in its watch.
Followers' positions are noted at the first look only (KAFKA-8400). Differences from the original:
an answer carries the high watermark as it is after this fetch was counted, and a leader epoch that
rises under a waiting fetch ends the wait at once (reference section 14).
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field

from barnabas.errors import ErrorCode, KafkaError
from barnabas.replication.fetch_session import (
    FINAL_EPOCH,
    FetchSession,
    FetchSessionCache,
    Kind,
    SessionPartition,
    SessionStart,
)
from barnabas.replication.partition import Partition
from barnabas.replication.purgatory import DeadlineWheel, FetchWatch
from barnabas.replication.results import FetchedPartition, FetchResult, NotLeader
from barnabas.replication.settings import ReplicationContext
from barnabas.replication.truncation import UNDEFINED, EpochEnd, diverges
from barnabas.storage.log import Log
from barnabas.types import (
    CONSUMER_REPLICA_ID,
    DEBUG_CONSUMER_REPLICA_ID,
    NO_EPOCH,
    UNKNOWN_BROKER_EPOCH,
    TopicPartition,
)

READ_COMMITTED = 1
FOLLOWER_READS_FROM_VERSION = 11
"""Consumers of this version and later may read from followers (KIP-392, KAFKA-9004)."""
TOPIC_IDS_FROM_VERSION = 13


@dataclass(slots=True, kw_only=True)
class FetchParams:
    """A fetch request in our terms. Durations in ms, sizes in bytes."""

    version: int
    replica_id: int = CONSUMER_REPLICA_ID
    broker_epoch: int = UNKNOWN_BROKER_EPOCH
    max_wait_ms: int = 0
    min_bytes: int = 1
    max_bytes: int = 0x7FFFFFFF
    read_committed: bool = False
    session_id: int = 0
    session_epoch: int = FINAL_EPOCH
    partitions: list[SessionPartition] = field(default_factory=list)
    forgotten: list[tuple[Hashable, int]] = field(default_factory=list)

    @property
    def from_follower(self) -> bool:
        """Whether a replica asks, not a client."""
        return self.replica_id >= 0

    @property
    def leader_only(self) -> bool:
        """Whether only the leader may answer; the debugging consumer reads any replica."""
        if self.replica_id == DEBUG_CONSUMER_REPLICA_ID:
            return False
        return self.from_follower or self.version < FOLLOWER_READS_FROM_VERSION

    @property
    def to_log_end(self) -> bool:
        """Whether it may see what is not replicated yet."""
        return self.replica_id != CONSUMER_REPLICA_ID


class PreReadError(KafkaError):
    """The partition cannot even be looked up: reported, but no reason to stop waiting."""


class FetchPath:
    """All fetches served by one broker."""

    def __init__(
        self,
        context: ReplicationContext,
        hosted: Mapping[TopicPartition, Partition],
        wheel: DeadlineWheel,
    ) -> None:
        self._context = context
        self._hosted = hosted
        self._wheel = wheel
        self.sessions = FetchSessionCache(
            context.settings.max_incremental_fetch_session_cache_slots,
            context.env.random,
            self._session_closed,
        )

    def fetch(self, params: FetchParams) -> FetchResult | asyncio.Future[FetchResult]:
        """The answer now, or a promise of it within ``max_wait_ms``."""
        now_ms = self._context.now_ms()
        start = self.sessions.begin(
            session_id=params.session_id,
            epoch=params.session_epoch,
            wanted=params.partitions,
            forgotten=params.forgotten,
            from_follower=params.from_follower,
            uses_topic_ids=params.version >= TOPIC_IDS_FROM_VERSION,
            now_ms=now_ms,
        )
        for gone in start.forgotten:
            _unwatch(gone)
        if start.kind is Kind.ERROR or start.kind is Kind.CLOSED:
            return FetchResult(error=start.error, session_id=0, partitions=[])
        watch = self._watch(params, start)
        fetch = PendingFetch(self, params, start, watch)
        fetch.look(first=True)
        watch.last_fetch_ms = now_ms
        if fetch.complete or params.max_wait_ms <= 0 or not self._anything(start):
            return fetch.result()
        return fetch.park(self._context.loop, self._wheel, now_ms + params.max_wait_ms)

    def _anything(self, start: SessionStart) -> bool:
        return bool(start.named) if start.session is None else bool(start.session.partitions)

    def _watch(self, params: FetchParams, start: SessionStart) -> FetchWatch:
        """The watch of the session, or one for this request; what is named counts as dirty."""
        session = start.session
        watch = None if session is None else session.watch
        if watch is None:
            watch = FetchWatch(self._context.loop, params.replica_id)
            watch.broker_epoch = params.broker_epoch
            if session is not None:
                session.watch = watch
        elif isinstance(watch.parked, PendingFetch):
            # The reader has pipelined its next fetch: it wants the earlier answer now.
            watch.parked.finish()
        for entry in start.named:
            entry.owner = watch
            watch.dirty[entry] = None
        if session is not None and watch.broker_epoch != params.broker_epoch:
            # The replica has registered anew: every position must be noted under the new epoch.
            watch.broker_epoch = params.broker_epoch
            watch.dirty.update(dict.fromkeys(session.partitions.values()))
        if params.from_follower:
            highest = self._context.highest_broker_epochs
            known = highest.get(params.replica_id, UNKNOWN_BROKER_EPOCH)
            highest[params.replica_id] = max(known, params.broker_epoch)
        return watch

    def _session_closed(self, session: FetchSession) -> None:
        watch = session.watch
        if watch is not None and isinstance(watch.parked, PendingFetch):
            watch.parked.finish()
        for entry in session.partitions.values():
            _unwatch(entry)

    # One partition

    def partition_for(self, entry: SessionPartition) -> Partition:
        """The hosted partition behind an entry. Raises PreReadError, KafkaError."""
        place = entry.place
        if place is not None and self._hosted.get(place.topic_partition) is place:
            return place  # where it was at the last look; ids need not be compared again
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
        if params.replica_id not in partition.replicas:
            # Its LeaderAndIsr may have overtaken ours (KAFKA-14078, KAFKA-13837).
            if entry.current_leader_epoch != NO_EPOCH:
                raise KafkaError(ErrorCode.UNKNOWN_LEADER_EPOCH)
            raise NotLeader(ErrorCode.NOT_LEADER_OR_FOLLOWER, partition.leader_hint())
        highest = self._context.highest_broker_epochs.get(params.replica_id, UNKNOWN_BROKER_EPOCH)
        if UNKNOWN_BROKER_EPOCH < params.broker_epoch < highest:
            # KIP-903: sent by an incarnation that is gone; its log may be gone too.
            raise NotLeader(ErrorCode.NOT_LEADER_OR_FOLLOWER, partition.leader_hint())

    def read(
        self,
        partition: Partition,
        entry: SessionPartition,
        params: FetchParams,
        *,
        first: bool,
        max_bytes: int,
        min_one: bool,
    ) -> FetchedPartition:
        """Read one partition, and note a follower's position at the first look."""
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
            if entry.fetch_offset < limit and (max_bytes > 0 or min_one):
                self._read_records(log, entry, params, answer, limit, max_bytes, min_one)
            if first and params.from_follower and partition.leadership is not None:
                partition.leadership.note_fetch(
                    params.replica_id,
                    offset=entry.fetch_offset,
                    log_start=entry.log_start_offset,
                    leader_end=log.log_end_offset,
                    broker_epoch=params.broker_epoch,
                )
        else:
            answer.diverging = diverging
        answer.high_watermark = log.high_watermark
        answer.last_stable_offset = log.last_stable_offset
        answer.log_start_offset = log.log_start_offset
        if params.read_committed and answer.aborted_transactions is None:
            answer.aborted_transactions = []
        return answer

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
        piece = log.read(
            entry.fetch_offset, min(max_bytes, entry.max_bytes), up_to=limit, min_one=min_one
        )
        answer.records = list(piece.buffers)
        answer.size = piece.bytes
        if params.read_committed:
            aborted = log.aborted_transactions(entry.fetch_offset, limit, read_bytes=piece.bytes)
            answer.aborted_transactions = [(a.producer_id, a.first_offset) for a in aborted]

    def is_settled(
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
            or entry.fetch_offset < _limit(log, params)
            or answer.high_watermark != entry.sent_high_watermark
            or answer.log_start_offset != entry.sent_log_start
        ):
            return False
        if not params.from_follower:
            return True
        leadership = partition.leadership
        return leadership is not None and leadership.is_level(params.replica_id, entry.fetch_offset)

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
        """``fetch.max.bytes``."""
        return self._context.settings.fetch_max_bytes


class PendingFetch:
    """One fetch request from its first look to its answer."""

    def __init__(
        self, path: FetchPath, params: FetchParams, start: SessionStart, watch: FetchWatch
    ) -> None:
        self.bucket = DeadlineWheel.NOWHERE
        self.min_bytes = params.min_bytes
        self.complete = False
        """Whether waiting longer has no point: enough data, an error of a read, a divergence."""
        self._path = path
        self._params = params
        self._start = start
        self._watch = watch
        self._answers: dict[SessionPartition, FetchedPartition] = {}
        self._bytes = 0
        self._future: asyncio.Future[FetchResult] | None = None
        self._wheel: DeadlineWheel | None = None

    def look(self, *, first: bool = False) -> None:
        """Read what is named or has changed."""
        dirty = self._watch.dirty
        entries = list(dirty)
        if self._start.session is not None:
            entries.sort(key=_rank)
        dirty.clear()
        for entry in entries:
            known = self._answers.get(entry)
            if known is not None:
                self._bytes -= known.size
        budget = self._params.max_bytes
        if not self._params.from_follower:
            budget = min(budget, self._path.fetch_max_bytes)
        for entry in entries:
            answer = self._look_at(entry, first, budget - self._bytes)
            self._answers[entry] = answer
            self._bytes += answer.size
        if self._bytes >= self._params.min_bytes:
            self.complete = True
        self._watch.bytes_seen = self._bytes

    def _look_at(self, entry: SessionPartition, first: bool, budget: int) -> FetchedPartition:
        path, params = self._path, self._params
        try:
            partition = path.partition_for(entry)
            self._place(entry, partition)
            path.check(partition, entry, params)
            answer = path.read(
                partition,
                entry,
                params,
                first=first,
                max_bytes=max(budget, 0),
                min_one=self._bytes == 0,
            )
            if path.is_settled(partition, entry, params, answer):
                self._watch.dirty.pop(entry, None)
            else:
                self._watch.dirty[entry] = None
            self.complete = self.complete or answer.diverging is not None
            return answer
        except KafkaError as error:
            self._watch.dirty[entry] = None
            self.complete = self.complete or not isinstance(error, PreReadError)
            return path.failed(entry, error)
        except OSError as error:
            path.storage_failed(partition, error)
            self._watch.dirty[entry] = None
            self.complete = True
            return path.failed(entry, KafkaError(ErrorCode.KAFKA_STORAGE_ERROR))

    def _place(self, entry: SessionPartition, partition: Partition) -> None:
        """Register a session's entry where its partition lives now. A fetch without session does
        so only when it waits."""
        if entry.place is not partition and (
            self._start.session is not None or self._future is not None
        ):
            _unwatch(entry)
            partition.watch(entry, follower=self._params.to_log_end)

    # Waiting

    def park(
        self, loop: asyncio.AbstractEventLoop, wheel: DeadlineWheel, deadline_ms: int
    ) -> asyncio.Future[FetchResult]:
        """Wait for changes until ``deadline_ms``."""
        self._future = loop.create_future()
        self._wheel = wheel
        self._watch.parked = self
        wheel.add(self, deadline_ms)
        if self._start.session is None:
            for entry in self._start.named:
                try:
                    self._place(entry, self._path.partition_for(entry))
                except KafkaError:
                    continue
        return self._future

    def wake(self) -> None:
        """A watched partition changed: look again, answer if that is enough."""
        self.look()
        if self.complete:
            self.finish(looked=True)

    def expire(self) -> None:
        """``max_wait_ms`` is over: answer with what there is."""
        self.finish()

    def finish(self, *, looked: bool = False) -> None:
        """Answer now."""
        future, self._future = self._future, None
        if future is None or self._wheel is None:
            return
        self._wheel.discard(self)
        self._watch.parked = None
        if not looked:
            self.look()
        if self._start.session is None:
            for entry in self._start.named:
                _unwatch(entry)
        if not future.done():
            future.set_result(self.result())

    def result(self) -> FetchResult:
        """The answer; an incremental one lists only what its session does not know yet."""
        session = self._start.session
        answers: Iterable[tuple[SessionPartition, FetchedPartition]] = self._answers.items()
        if session is None:
            chosen = [self._answers[e] for e in self._start.named if e in self._answers]
            return FetchResult(error=ErrorCode.NONE, session_id=0, partitions=chosen)
        chosen = []
        for entry, answer in sorted(answers, key=lambda pair: pair[0].rank):
            changed = session.must_send(entry, answer)
            if changed or self._start.kind is Kind.FULL:
                chosen.append(answer)
        return FetchResult(error=ErrorCode.NONE, session_id=session.id, partitions=chosen)


def _rank(entry: SessionPartition) -> int:
    return entry.rank


def _unwatch(entry: SessionPartition) -> None:
    if entry.place is not None:
        entry.place.unwatch(entry)
    if entry.owner is not None:
        entry.owner.dirty.pop(entry, None)


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
