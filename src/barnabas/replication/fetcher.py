"""ReplicaFetcherThread: a task and a connection per leader, copying what it leads (reference 5.7).

An answer is used in the turn of the loop that brings it, and the next fetch leaves in that turn.
The task has the rest: connections, back-offs, and what has to wait for the disk or for the leader.

One fetch is in flight; a second follows it at once when partitions were added or changed meanwhile,
because the first may be waiting at the leader for up to half a second. A leader of ours then
answers the first immediately; the original merely queues the second. Nothing can follow a fetch
that asks for a session, so a leader of ours does not let it wait. An answer is used only for
partitions of which it answers the latest wish: same epoch, same offset (KAFKA-7786, KAFKA-8012).

Back-off after an error begins at 20 ms and doubles up to ``replica.fetch.backoff.ms``. The original
waits the whole of it at once: a second, lost whenever a follower hears of a new leader first.

With ``log.flush.before.ack`` the follower flushes before it asks from the new offset, since that
question is what tells the leader that the records are safe here; and before the first one, since
an earlier life of the process may have left records that are not.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

from barnabas.errors import ErrorCode, KafkaError
from barnabas.pace import when_done
from barnabas.replication.fetch_session_client import FetchSessionHandler, SessionFetch, Wanted
from barnabas.replication.partition import Partition
from barnabas.replication.settings import ReplicationContext
from barnabas.replication.truncation import EpochEnd
from barnabas.types import Buffer, Endpoint, TopicPartition

log = logging.getLogger(__name__)

BACKOFF_FIRST_MS = 20
LATEST_TIMESTAMP = -1
EARLIEST_TIMESTAMP = -2
IN_FLIGHT_MAX = 2

_SESSION_ERRORS = frozenset(
    {
        ErrorCode.FETCH_SESSION_ID_NOT_FOUND,
        ErrorCode.INVALID_FETCH_SESSION_EPOCH,
        ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR,
    }
)


class FetchedData(NamedTuple):
    """One partition of a fetch answer, as the follower needs it."""

    topic_id: uuid.UUID
    partition: int
    error: ErrorCode
    high_watermark: int
    log_start_offset: int
    diverging: EpochEnd | None
    records: Buffer


class FetchReply(NamedTuple):
    """A fetch answer."""

    error: ErrorCode
    session_id: int
    partitions: list[FetchedData]


class LeaderConnection(Protocol):
    """What a follower asks of a leader broker; ConnectionError (OSError) when it is lost."""

    def fetch(self, request: SessionFetch) -> asyncio.Future[FetchReply]: ...
    async def offset_for(
        self, partition: TopicPartition, leader_epoch: int, timestamp: int
    ) -> int: ...
    def close(self) -> None: ...


ConnectLeader = Callable[[Endpoint], Awaitable[LeaderConnection]]


class Following:
    """The copying of one partition in one leader epoch."""

    __slots__ = (
        "delayed_until_ms",
        "failures",
        "in_isr",
        "leader_epoch",
        "leader_high_watermark",
        "partition",
        "topic_id",
        "verified",
    )

    def __init__(self, partition: Partition, topic_id: uuid.UUID, *, in_isr: bool) -> None:
        self.partition = partition
        self.topic_id = topic_id
        self.leader_epoch = partition.leader_epoch
        self.in_isr = in_isr
        """When this epoch began, as the controller said."""
        self.delayed_until_ms = 0
        """Back-off after an error, or until more may be copied; 0 if there is none."""
        self.leader_high_watermark: int | None = None
        """As last told."""
        self.failures = 0
        """Errors in a row."""
        self.verified = False
        """The leader has agreed with our log in this epoch."""


class ReplicaFetcher:
    """Copies from one leader broker. ``run()`` until cancelled; add and remove at any time."""

    def __init__(self, context: ReplicationContext, leader_id: int, connect: ConnectLeader) -> None:
        self.leader_id = leader_id
        self._context = context
        self._settings = context.settings
        self._connect = connect
        self._session = FetchSessionHandler()
        self._following: dict[TopicPartition, Following] = {}
        self._names: dict[tuple[uuid.UUID, int], TopicPartition] = {}
        self._delayed: dict[TopicPartition, None] = {}
        self._delayed_until_ms = 0
        """When the first back-off of the delayed ends, or earlier."""
        self._unflushed: dict[TopicPartition, None] = {}
        """To be flushed before the first question (``log.flush.before.ack``)."""
        self._wake = asyncio.Event()
        self._in_flight: deque[tuple[SessionFetch, asyncio.Future[FetchReply]]] = deque()
        self._connection: LeaderConnection | None = None
        self._is_resting = False
        """The task waits for answers: they are used without it."""
        self._heard_at = 0.0
        """When the latest fetch was sent or answered."""
        self._out_of_range: deque[Following] = deque()
        """Whose offset the leader does not have: the task asks for those that it has."""
        self._failure: Exception | None = None
        """Raised in the task."""
        self._answers = 0
        """Fetches answered in all."""

    def __len__(self) -> int:
        return len(self._following)

    def __contains__(self, name: TopicPartition) -> bool:
        return name in self._following

    def lags(self) -> dict[TopicPartition, int]:
        """Records that are committed, and not here yet."""
        found = {}
        for name, state in self._following.items():
            log, committed = state.partition.log, state.leader_high_watermark
            if log is not None and committed is not None:
                found[name] = max(0, committed - log.log_end_offset)
        return found

    def following(self, name: TopicPartition) -> Following | None:
        """How a partition is copied."""
        return self._following.get(name)

    # Partitions

    def add(self, partition: Partition, topic_id: uuid.UUID) -> None:
        """Copy a partition in its present leader epoch, from the end of its log.

        A log without any epoch cannot be compared by epoch: only then it is cut to its high
        watermark first (reference 5.7).
        """
        name = partition.topic_partition
        in_isr = self._settings.broker_id in partition.ordered_isr
        state = Following(partition, topic_id, in_isr=in_isr)
        self._following[name] = state
        self._names[topic_id, name.partition] = name
        self._delayed.pop(name, None)
        self._unflushed.pop(name, None)
        own = partition.log_or_raise()
        if own.epochs.latest_epoch < 0 and own.log_end_offset > own.high_watermark:
            partition.truncate_to(
                own.high_watermark, leader_epoch=state.leader_epoch, reason="no_epochs"
            )
        if self._settings.log_flush_before_ack and own.flushed_offset < own.log_end_offset:
            self._unflushed[name] = None  # written by a life before, or as leader
            self._session.forget(name)
        else:
            self._want(state)
        self._wake.set()

    def remove(self, name: TopicPartition) -> None:
        """Stop copying; an answer on its way is ignored."""
        state = self._following.pop(name, None)
        if state is None:
            return
        self._names.pop((state.topic_id, name.partition), None)
        self._delayed.pop(name, None)
        self._unflushed.pop(name, None)
        self._session.forget(name)
        self._wake.set()

    def _want(self, state: Following) -> None:
        own = state.partition.log_or_raise()
        if self._put_off(state, own.log_end_offset):
            return
        self._session.want(
            state.partition.topic_partition,
            Wanted(
                state.topic_id,
                state.leader_epoch,
                own.log_end_offset,
                own.epochs.latest_epoch,
                own.log_start_offset,
                self._settings.replica_fetch_max_bytes,
            ),
        )

    def _put_off(self, state: Following, end: int) -> bool:
        """Whether it is not asked for now: it is not in sync, and too much was fetched of those
        that are being moved."""
        name, quota = state.partition.topic_partition, self._context.quotas.follower
        if not quota.topics or not quota.is_throttled(name.topic, name.partition):
            return False
        known = state.leader_high_watermark
        if state.in_isr if known is None else end >= known:
            return False
        now_ms = self._context.now_ms()
        wait_ms = min(quota.wait_ms(now_ms), self._settings.replica_fetch_backoff_ms)
        if wait_ms <= 0:
            return False
        self._hold(state, now_ms + wait_ms)
        return True

    def _hold(self, state: Following, until_ms: int) -> None:
        """Do not ask for it before."""
        if not self._delayed or until_ms < self._delayed_until_ms:
            self._delayed_until_ms = until_ms
        state.delayed_until_ms = until_ms
        name = state.partition.topic_partition
        self._delayed[name] = None
        self._session.forget(name)

    def _delay(self, state: Following) -> None:
        name = state.partition.topic_partition
        if self._following.get(name) is not state:
            return  # removed meanwhile, for instance because its disk failed
        if state.partition.offline:
            self._fail(state)
            return
        self._hold(state, self._context.now_ms() + self._backoff_ms(state.failures))
        state.failures += 1

    def _backoff_ms(self, failures: int) -> int:
        """20 ms, doubled with every failure in a row, up to ``replica.fetch.backoff.ms``.

        The commonest error is a leader whose own LeaderAndIsr is a few milliseconds behind ours;
        waiting a whole second for it, as the original does, would be most of a failover."""
        longest = self._settings.replica_fetch_backoff_ms
        return min(longest, BACKOFF_FIRST_MS << min(failures, 16))

    async def _resume(self) -> None:
        """Ask for what was put off, and can be asked for now."""
        self._resume_delayed()
        if self._unflushed:
            states = [self._following[name] for name in self._unflushed]
            self._unflushed.clear()
            await self._flush(states)
            for state in states:
                if self._is_live(state):
                    self._want(state)

    def _resume_delayed(self) -> None:
        if not self._delayed:
            return
        now = self._context.now_ms()
        if now < self._delayed_until_ms:
            return
        due = [s for n in self._delayed if (s := self._following[n]).delayed_until_ms <= now]
        for state in due:
            del self._delayed[state.partition.topic_partition]
            state.delayed_until_ms = 0
        if self._delayed:
            self._delayed_until_ms = min(
                self._following[name].delayed_until_ms for name in self._delayed
            )
        for state in due:
            self._want(state)

    def _fail(self, state: Following) -> None:
        """Not copied any more until the next LeaderAndIsr."""
        self.remove(state.partition.topic_partition)

    # The task

    async def run(self) -> None:
        """Copy until cancelled; a lost connection is made again after a back-off, or at once when
        the controller says something new."""
        failures = 0
        try:
            while True:
                await self._until_wanted()
                answers = self._answers
                try:
                    await self._copy()
                except OSError as error:
                    log.info(
                        "fetching from broker %d: %s", self.leader_id, error or type(error).__name__
                    )
                failures = 0 if self._answers > answers else failures + 1
                self._disconnect()
                await self._sleep(self._backoff_ms(failures))
        finally:
            self._disconnect()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        for _, reply in self._in_flight:
            reply.cancel()
        self._in_flight.clear()
        self._out_of_range.clear()
        self._failure = None
        self._session.lost()

    async def _until_wanted(self) -> None:
        while True:
            await self._resume()
            if len(self._session):
                return
            await self._sleep(None)

    async def _sleep(self, longest_ms: float | None) -> None:
        """Wait for news, a back-off that ends, or ``longest_ms``."""
        limits: list[float] = [] if longest_ms is None else [longest_ms]
        if self._delayed:
            limits.append(max(0, self._delayed_until_ms - self._context.now_ms()))
        try:
            async with asyncio.timeout(min(limits) / 1000 + 0.001 if limits else None):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    async def _copy(self) -> None:
        """One connection's life."""
        endpoint = self._context.metadata.endpoint(
            self.leader_id, self._settings.inter_broker_listener_name
        )
        if endpoint is None:
            raise ConnectionError("its address is not known")
        self._connection = connection = await self._connect(endpoint)
        while True:
            await self._resume()
            while self._may_send():
                self._send(connection)
            if not self._in_flight and not len(self._session):
                await self._sleep(None)
                continue
            self._is_resting = True
            try:
                await self._sleep(max(0, self._patience_ms()))
            finally:
                self._is_resting = False
            await self._use_the_rest(connection)
            if self._in_flight and self._patience_ms() < 0:
                raise ConnectionError("no answer")

    def _patience_ms(self) -> float:
        """How much longer the leader may be silent."""
        silent_s = self._context.loop.time() - self._heard_at
        return self._settings.replica_socket_timeout_ms - silent_s * 1000

    def _may_send(self) -> bool:
        if not self._in_flight:
            return len(self._session) > 0 or self._session.has_changes
        return (
            len(self._in_flight) < IN_FLIGHT_MAX
            and self._session.established
            and self._session.has_changes
        )

    def _send(self, connection: LeaderConnection) -> None:
        request = self._session.build()
        self._heard_at = self._context.loop.time()
        future = connection.fetch(request)
        self._in_flight.append((request, future))
        when_done(future, self._answered)

    def _answered(self, future: asyncio.Future[FetchReply]) -> None:
        if not future.cancelled():
            future.exception()  # seen; ``result()`` raises it in the task
        if not (self._is_resting and self._use_at_once()):
            self._wake.set()

    # Answers

    def _use_at_once(self) -> bool:
        """Use the answers that have come, and send the next fetch. False if something is left to
        the task."""
        if self._settings.log_flush_before_ack or self._out_of_range or self._connection is None:
            return False
        in_flight = self._in_flight
        try:
            while in_flight and (future := in_flight[0][1]).done():
                if future.cancelled() or future.exception() is not None:
                    return False
                request, _ = in_flight.popleft()
                self._want_more(self._use(request, future.result()))
                if self._out_of_range:
                    return False
            if self._delayed or self._unflushed:
                return False
            while self._may_send():
                self._send(self._connection)
        except Exception as error:
            self._failure = error
            return False
        return True

    async def _use_the_rest(self, connection: LeaderConnection) -> None:
        """Use the answers that were left to the task."""
        if self._failure is not None:
            raise self._failure
        await self._find_ranges(connection)
        while self._in_flight and self._in_flight[0][1].done():
            request, future = self._in_flight.popleft()
            copied = self._use(request, future.result())
            if copied and self._settings.log_flush_before_ack:
                await self._flush(copied)
            self._want_more(copied)
            await self._find_ranges(connection)

    def _use(self, request: SessionFetch, reply: FetchReply) -> list[Following]:
        """Append what has come; what more may be asked of. Raises ConnectionError for an answer
        that is an error as a whole."""
        self._answers += 1
        self._heard_at = self._context.loop.time()
        if not self._session.answered(request, error=reply.error, session_id=reply.session_id):
            if reply.error not in _SESSION_ERRORS:
                raise ConnectionError(reply.error.name)
            return []
        copied: list[Following] = []
        for data in reply.partitions:
            self._sort(request, data, copied)
        return copied

    def _want_more(self, copied: list[Following]) -> None:
        before = len(self._delayed)
        for state in copied:
            if self._is_live(state):
                self._want(state)
        if len(self._delayed) > before:
            self._put_off_others()

    def _put_off_others(self) -> None:
        """What was copied used up the rate: what the leader was asked for and has not sent yet has
        to wait too."""
        for name, state in self._following.items():
            wanted = self._session.wanted(name) is not None
            if wanted and name not in self._delayed and self._is_live(state):
                self._put_off(state, state.partition.log_or_raise().log_end_offset)

    def _sort(self, request: SessionFetch, data: FetchedData, copied: list[Following]) -> None:
        """Use one partition of an answer, or leave it for later in the lists."""
        name = self._names.get((data.topic_id, data.partition))
        state = None if name is None else self._following.get(name)
        if state is None or name is None or state.delayed_until_ms:
            return
        if not self._session.is_current(request, name):
            self._adopt_high_watermark(state, data)
        elif data.error == ErrorCode.NONE:
            self._take(state, data, copied)
        elif data.error == ErrorCode.OFFSET_OUT_OF_RANGE:
            self._out_of_range.append(state)
        else:
            self._refused(state, data.error)

    def _is_live(self, state: Following) -> bool:
        """Whether this is still how the partition is copied: asked again after every await."""
        name = state.partition.topic_partition
        return (
            self._following.get(name) is state
            and not state.delayed_until_ms
            and state.partition.leader_epoch == state.leader_epoch
            and state.partition.leadership is None
            and not state.partition.offline
        )

    def _take(self, state: Following, data: FetchedData, copied: list[Following]) -> None:
        """Append or truncate. With divergence nothing else of the answer counts (KAFKA-14704)."""
        partition = state.partition
        wanted = self._session.wanted(partition.topic_partition)
        assert wanted is not None
        if not self._is_live(state):
            return
        try:
            if data.diverging is not None:
                partition.truncate_for(
                    data.diverging,
                    leader_epoch=state.leader_epoch,
                    fetch_offset=wanted.fetch_offset,
                )
            else:
                partition.append_as_follower(
                    data.records,
                    leader_epoch=state.leader_epoch,
                    fetch_offset=wanted.fetch_offset,
                    leader_high_watermark=data.high_watermark,
                    leader_log_start=data.log_start_offset,
                )
                state.verified = True
                state.failures = 0
                self._count(state, data)
        except KafkaError as error:
            log.warning("copying %s: %s", partition.topic_partition, error)
            self._delay(state)
        except OSError as error:
            self._fail(state)
            self._context.storage_failed(partition, error)
        else:
            copied.append(state)

    def _count(self, state: Following, data: FetchedData) -> None:
        """What was copied of a throttled replica counts, in sync or not."""
        state.leader_high_watermark = data.high_watermark
        if self._context.figures is not None:
            self._context.figures.bytes_in += len(data.records)
        name, quota = state.partition.topic_partition, self._context.quotas.follower
        if quota.topics and len(data.records) and quota.is_throttled(name.topic, name.partition):
            quota.record(len(data.records), self._context.now_ms())

    def _adopt_high_watermark(self, state: Following, data: FetchedData) -> None:
        """The records were asked for twice, but the news of the watermark comes only once."""
        sound = data.error == ErrorCode.NONE and data.diverging is None
        if sound and state.verified and self._is_live(state):
            state.partition.follow_high_watermark(data.high_watermark)

    def _refused(self, state: Following, error: ErrorCode) -> None:
        partition = state.partition
        if error == ErrorCode.FENCED_LEADER_EPOCH and partition.leader_epoch == state.leader_epoch:
            # The leader is in a newer epoch: our own LeaderAndIsr is on its way.
            self._fail(state)
            return
        log.info("fetching %s: %s", partition.topic_partition, error.name)
        self._delay(state)

    async def _flush(self, copied: list[Following]) -> None:
        logs = [(s, s.partition.log_or_raise()) for s in copied if self._is_live(s)]
        behind = [(s, own) for s, own in logs if own.flushed_offset < own.log_end_offset]
        results = await asyncio.gather(*(own.flush() for _, own in behind), return_exceptions=True)
        for (state, _), result in zip(behind, results, strict=True):
            if isinstance(result, KafkaError):  # deleted meanwhile, or its directory has failed
                log.info("flushing %s: %s", state.partition.topic_partition, result)
                if self._is_live(state):
                    self._delay(state)
            elif result is not None:
                raise result

    async def _find_ranges(self, connection: LeaderConnection) -> None:
        while self._out_of_range:
            await self._find_range(self._out_of_range.popleft(), connection)

    async def _find_range(self, state: Following, connection: LeaderConnection) -> None:
        """Our end is not in the leader's log: cut to its end, or start over at its start."""
        name = state.partition.topic_partition
        try:
            end = await connection.offset_for(name, state.leader_epoch, LATEST_TIMESTAMP)
            if not self._is_live(state):
                return
            if end < state.partition.log_or_raise().log_end_offset:
                state.partition.truncate_to(
                    end, leader_epoch=state.leader_epoch, reason="out_of_range"
                )
            else:
                start = await connection.offset_for(name, state.leader_epoch, EARLIEST_TIMESTAMP)
                if not self._is_live(state):
                    return
                if start > state.partition.log_or_raise().log_end_offset:
                    state.partition.restart_at(start, leader_epoch=state.leader_epoch)
        except KafkaError as error:
            log.info("offsets of %s: %s", name, error)
            if self._following.get(name) is state:
                self._delay(state)
            return
        self._session.repeat(name)
        self._want(state)
