"""Partition: one hosted partition, its role, its log, and everybody who waits for it.

Reference 5.1 to 5.8. Nothing here awaits except the flush of ``log.flush.before.ack``; a change of
role is a plain call, so what reads a role and acts on it in one go never races (trap 55).
"""

from __future__ import annotations

import uuid
from collections.abc import Collection

from barnabas.errors import ErrorCode, KafkaError
from barnabas.records.legacy import MESSAGE_OVERHEAD
from barnabas.replication.append_request import ACKS_ALL, AppendRequest
from barnabas.replication.flush_loop import FlushLoop
from barnabas.replication.isr import Pending, effective_min_isr
from barnabas.replication.isr_changes import propose
from barnabas.replication.leadership import Leadership
from barnabas.replication.results import NotLeader
from barnabas.replication.role_state import RoleState
from barnabas.replication.settings import ReplicationContext
from barnabas.replication.truncation import EpochEnd, Truncation, truncation_point
from barnabas.replication.waiting import WaitingRequests
from barnabas.replication.watches import PartitionWatches
from barnabas.storage.log import Log
from barnabas.storage.log_types import AppendInfo
from barnabas.storage.producers.verification import VerificationGuard
from barnabas.types import (
    NO_EPOCH,
    NO_LEADER,
    UNKNOWN_BROKER_EPOCH,
    Buffer,
    TopicPartition,
)


class Partition:
    """A partition hosted by this broker; ``log`` is None until a role needs it.

    A broker may host tens of thousands, most of them idle: what an idle one does not need is made
    when it is needed."""

    __slots__ = (
        "_flushing",
        "adding",
        "context",
        "controller_epoch",
        "figures",
        "has_caught_up",
        "leader_epoch",
        "leader_id",
        "leadership",
        "log",
        "offline",
        "ordered_isr",
        "partition_epoch",
        "removing",
        "replicas",
        "topic_id",
        "topic_partition",
        "waiting",
        "watches",
    )

    def __init__(self, context: ReplicationContext, topic_partition: TopicPartition) -> None:
        self.context = context
        self.topic_partition = topic_partition
        self.topic_id: uuid.UUID | None = None
        self.log: Log | None = None
        figures = context.figures
        self.figures = None if figures is None else figures.of(topic_partition.topic)
        self.offline = False
        """Its log directory has failed."""
        self.leader_id = NO_LEADER
        self.leader_epoch = NO_EPOCH
        self.partition_epoch = NO_EPOCH
        self.controller_epoch = NO_EPOCH
        self.has_caught_up = False
        """It has led, or had all that its leader had committed, since this broker started."""
        self.replicas: tuple[int, ...] = ()
        self.ordered_isr: tuple[int, ...] = ()
        """The ISR as the controller's last order named it; a leader's has changed since."""
        self.adding: tuple[int, ...] = ()
        self.removing: tuple[int, ...] = ()
        self.leadership: Leadership | None = None
        """Present exactly while this broker leads."""
        self.waiting: WaitingRequests | None = None
        """None until a request waits."""
        self.watches = PartitionWatches(self)
        self._flushing: FlushLoop | None = None

    # Looking

    @property
    def is_leader(self) -> bool:
        """Whether this broker leads it."""
        return self.leadership is not None

    def log_or_raise(self) -> Log:
        """Its log. Raises KAFKA_STORAGE_ERROR if there is none to be had."""
        if self.log is None or self.offline:
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"{self.topic_partition} is offline")
        return self.log

    def leader_hint(self) -> tuple[int, int]:
        """(leader id, leader epoch) as this broker knows them."""
        return self.leader_id, self.leader_epoch

    def check_epoch(self, current_leader_epoch: int) -> None:
        """Compare a reader's leader epoch with ours (KIP-320); -1 is not compared."""
        if current_leader_epoch == NO_EPOCH or current_leader_epoch == self.leader_epoch:
            return
        if current_leader_epoch < self.leader_epoch:
            raise NotLeader(ErrorCode.FENCED_LEADER_EPOCH, self.leader_hint())
        raise KafkaError(ErrorCode.UNKNOWN_LEADER_EPOCH)

    def leader_or_raise(self, current_leader_epoch: int = NO_EPOCH) -> Leadership:
        """The leadership, after the epoch check. Raises NOT_LEADER_OR_FOLLOWER without one."""
        self.log_or_raise()
        self.check_epoch(current_leader_epoch)
        if self.leadership is None:
            raise NotLeader(ErrorCode.NOT_LEADER_OR_FOLLOWER, self.leader_hint())
        return self.leadership

    def note(self, event: str, **fields: object) -> None:
        """Tell the observer, with this partition's name and epoch."""
        if self.context.observed:
            name = self.topic_partition
            self.context.env.observer.note(
                event,
                broker=self.context.settings.broker_id,
                topic=name.topic,
                partition=name.partition,
                epoch=self.leader_epoch,
                **fields,
            )

    # Roles

    def make_leader(self, state: RoleState, log: Log) -> bool:
        """Lead from now on, or in a new epoch. False if the state is older than ours."""
        if state.partition_epoch < self.partition_epoch:
            return False
        new_epoch = state.leader_epoch > self.leader_epoch
        new_leader = self.leadership is None
        if new_epoch:
            # Before any record of this epoch, so that followers see even an idle one (KAFKA-7415).
            log.assign_epoch(state.leader_epoch, log.log_end_offset)
        self.log = log
        self._take_over(state)
        settings = self.context.settings
        leadership = self.leadership or Leadership(
            settings.broker_id, settings.replica_lag_time_max_ms
        )
        self.leadership = leadership
        self.context.lagging[self] = None
        self.has_caught_up = True
        self.context.left_ms = now_ms = self.context.now_ms()
        leadership.begin(
            state.isr,
            state.replicas,
            leader_end=log.log_end_offset,
            now_ms=now_ms,
            new_leader=new_leader,
            new_epoch=new_epoch,
        )
        self.note(
            "became_leader",
            start=leadership.epoch_start,
            log_end=log.log_end_offset,
            high_watermark=log.high_watermark,
            isr=state.isr,
            partition_epoch=state.partition_epoch,
        )
        self.watches.tell_all()
        self.advance_high_watermark()
        self.start_flush()
        return True

    def make_follower(self, state: RoleState, log: Log) -> bool:
        """Follow from now on, or in a new epoch. False if the state is older than ours."""
        if state.partition_epoch < self.partition_epoch:
            return False
        self.log = log
        self._lead_no_more()
        self._take_over(state)
        self.note(
            "became_follower",
            leader=state.leader,
            log_end=log.log_end_offset,
            high_watermark=log.high_watermark,
            partition_epoch=state.partition_epoch,
        )
        self.fail_waiting(ErrorCode.NOT_LEADER_OR_FOLLOWER)
        self.watches.tell_all()
        return True

    def stop(self) -> None:
        """The role ends (StopReplica); the log stays where it is."""
        self._lead_no_more()
        self.leader_id = NO_LEADER
        self.fail_waiting(ErrorCode.NOT_LEADER_OR_FOLLOWER)
        self.watches.tell_all()

    def go_offline(self) -> None:
        """Its log directory has failed: nothing is served until the broker restarts."""
        self.offline = True
        self._lead_no_more()
        self.fail_waiting(ErrorCode.KAFKA_STORAGE_ERROR)
        self.watches.tell_all()

    def _lead_no_more(self) -> None:
        self.leadership = None
        self.context.lagging.pop(self, None)
        if self.log is not None:
            self.log.drop_tail()

    def _take_over(self, state: RoleState) -> None:
        self.leader_id = state.leader
        self.leader_epoch = state.leader_epoch
        self.partition_epoch = state.partition_epoch
        self.controller_epoch = state.controller_epoch
        self.replicas = state.replicas
        self.ordered_isr = state.isr
        self.adding = state.adding
        self.removing = state.removing

    # Leader

    def append_as_leader(
        self,
        records: memoryview,
        request: AppendRequest,
        guard: VerificationGuard | None,
    ) -> AppendInfo:
        """Append records of a request in this leader epoch. Raises KafkaError, OSError."""
        leadership, log = self.leadership, self.log
        if leadership is None or log is None or self.offline:
            leadership, log = self.leader_or_raise(), self.log_or_raise()
        min_isr = self.min_isr
        if request.acks == ACKS_ALL and len(leadership.state.committed) < min_isr:
            raise KafkaError(
                ErrorCode.NOT_ENOUGH_REPLICAS,
                f"the ISR of {self.topic_partition} has {len(leadership.state.committed)} members,"
                f" {min_isr} are needed",
            )
        context, figures = self.context, self.figures
        began = 0.0 if figures is None else context.env.stopwatch()
        # What waits for followers all the same is written together with what comes after it in this
        # turn of the loop: nobody is answered before a follower has read it.
        is_held_back = leadership.is_held_back(log.high_watermark)
        later = (
            is_held_back and request.acks == ACKS_ALL and not context.settings.log_flush_before_ack
        )
        info = log.append_as_leader(
            records,
            self.leader_epoch,
            now_ms=context.env.clock.wall_ms(),
            produce_version=request.produce_version,
            origin=request.origin,
            guard=guard,
            kept=context.tails if self.watches.followers else None,
            later=later,
        )
        if later:
            context.unwritten.add(self)
        if not info.duplicate:
            context.lagging[self] = None
            if figures is not None:
                figures.produces += 1
                figures.messages_in += info.last_offset - info.first_offset + 1
                figures.bytes_in += info.bytes
                if info.converted:
                    figures.produce_conversions += info.converted
                    figures.produce_conversion.add(context.env.stopwatch() - began)
                    figures.produce_conversion_bytes.add(info.bytes)
            watches = self.watches
            if watches.followers:
                # Who waits at the end of a segment that was just left is behind now.
                rolled = info.first_offset == log.active_base_offset
                watches.tell_followers(info.bytes, wake=True, force=rolled)
            if watches.consumers:
                watches.tell_consumers(info.bytes, wake=False)
            if not is_held_back:
                self._advance(leadership, log, min_isr)
            self.start_flush()
        return info

    def write(self) -> None:
        """Write what was appended to be written later. If the disk fails, everybody who waits for
        this partition is told."""
        if self.log is not None and not self.offline:
            try:
                self.log.write()
            except KafkaError as error:
                self.context.storage_failed(self, error)

    @property
    def min_isr(self) -> int:
        """How many members the ISR must have for acks=all and for the watermark."""
        configured = self.context.configs.min_insync_replicas(self.topic_partition.topic)
        return effective_min_isr(configured, len(self.replicas))

    def note_fetch(
        self, replica: int, *, offset: int, log_start: int, leader_end: int, broker_epoch: int
    ) -> None:
        """A follower's fetch has been read successfully (never an error, a divergence, or the
        second look of a fetch that waited: trap 14). Raises NOT_LEADER_OR_FOLLOWER for one of an
        earlier incarnation."""
        leadership, context = self.leadership, self.context
        if leadership is None:
            return
        moved = leadership.note_fetch(
            replica,
            offset=offset,
            log_start=log_start,
            leader_end=leader_end,
            broker_epoch=broker_epoch,
            now_ms=context.now_ms(),
        )
        if replica not in leadership.state.maximal:
            expansion = leadership.expansion(
                replica,
                high_watermark=self.log_or_raise().high_watermark,
                is_alive=context.metadata.is_alive(replica),
                highest_epoch=context.highest_broker_epochs.get(replica, UNKNOWN_BROKER_EPOCH),
            )
            self._propose(leadership, expansion)
        if moved.end:
            if offset != leader_end:  # else it has just caught up
                context.lagging[self] = None
            self.advance_high_watermark()
        if moved.start:
            self.complete_deletes()

    def waits_for(self, replica: int) -> bool:
        """Whether this broker leads, and acks=all may have to wait for what that follower copies
        (``Leadership.waits_for``)."""
        leadership = self.leadership
        if leadership is None or self.log is None:
            return False
        now_ms = self.context.now_ms()
        return leadership.waits_for(replica, leader_end=self.log.log_end_offset, now_ms=now_ms)

    def no_longer_copied(self, replica: int) -> None:
        """A follower has stopped asking for this partition: it has used up its throttle, or its
        broker has died or registered anew. Outside the ISR nothing waits for it until it asks
        again."""
        self.context.left_ms = self.context.now_ms()
        leadership = self.leadership
        if leadership is None or self.offline or replica in leadership.state.maximal:
            return
        leadership.forget_caught_up((replica,))
        self.advance_high_watermark()

    def brokers_changed(self, brokers: Collection[int]) -> None:
        """These have come or gone. Live brokers decide who may join an ISR, and for which replicas
        outside of it a watermark waits. One that is back has not caught up in this life, whatever
        it had before. Where none of them is outside of the ISR, as mostly, there is nothing to
        do."""
        self.complete_deletes()
        leadership = self.leadership
        if leadership is None:
            return
        for broker in leadership.outsiders(brokers):
            if self.context.metadata.is_alive(broker):
                self.mark_followers()
            self.no_longer_copied(broker)

    def note_silent_fetch(self, replica: int, fetched_ms: int) -> None:
        """A follower that had caught up comes to hear of this partition again. Its session may have
        fetched all the while, last at that time of the loop, without naming it."""
        if self.leadership is not None:
            self.leadership.note_silent_fetch(replica, fetched_ms)

    def advance_high_watermark(self) -> bool:
        """Raise the high watermark if we lead and the rules allow; never lower it. True if it
        moved."""
        if self.leadership is None:
            return False
        return self._advance(self.leadership, self.log_or_raise(), self.min_isr)

    def _advance(self, leadership: Leadership, log: Log, min_isr: int) -> bool:
        context = self.context
        # What the leader itself counts for: with flush before ack, only what is on its disk.
        flushed_only = context.settings.log_flush_before_ack
        offset = leadership.high_watermark(
            leader_end=log.flushed_offset if flushed_only else log.log_end_offset,
            is_alive=context.metadata.is_alive,
            min_isr=min_isr,
            now_ms=context.now_ms(),
        )
        if offset is None or offset <= log.high_watermark:
            return False
        if log.is_unwritten:
            self.write()
            if self.offline:
                return False
        log.set_high_watermark(offset)
        if context.observes_steps:
            self.note("high_watermark", offset=offset, role="leader")
        self._complete_produces(leadership, log, min_isr)
        watches = self.watches
        if watches.consumers:
            self._wake_consumers(log)
        if watches.followers:
            # They only learn it with their next answer, as in the original: an extra answer per
            # produce would cost more than the earlier news is worth.
            watches.tell_followers(wake=False)
        return True

    def _complete_produces(self, leadership: Leadership, log: Log, min_isr: int) -> None:
        waiting = self.waiting
        if waiting is not None and waiting.replication:
            error = ErrorCode.NONE
            if len(leadership.state.maximal) < min_isr:
                error = ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND
            waiting.replicated(log.high_watermark, error)

    def _complete_more_produces(self) -> None:
        if self.leadership is not None and self.log is not None:
            self._complete_produces(self.leadership, self.log, self.min_isr)

    # ISR

    def maybe_shrink_isr(self) -> bool:
        """If we lead, propose to drop members that are behind for too long (every half lag time).
        False if all have copied all: none can be late until ``context.lagging`` has it again."""
        leadership = self.leadership
        if leadership is None or self.offline:
            return False
        end = self.log_or_raise().log_end_offset
        if leadership.is_copied(end):
            return False
        now_ms = self.context.now_ms()
        self._propose(leadership, leadership.shrinkage(leader_end=end, now_ms=now_ms))
        return True

    def drop_from_isr(self, members: Collection[int]) -> None:
        """If we lead, propose that these leave the ISR, however well they follow: for tests. The
        high watermark does not wait for them either, as for those that have just caught up."""
        leadership = self.leadership
        if leadership is not None and not self.offline:
            leadership.forget_caught_up(members)
            self._propose(leadership, leadership.without(members))

    def _propose(self, leadership: Leadership, pending: Pending | None) -> None:
        if pending is not None:
            propose(self, leadership, pending)

    def isr_changed(self, isr: tuple[int, ...], partition_epoch: int) -> None:
        """The controller has recorded the ISR that we proposed."""
        self.partition_epoch = partition_epoch
        self.context.lagging[self] = None
        self.note("isr_changed", isr=isr, partition_epoch=partition_epoch)
        # Produce requests may wait for exactly this (KAFKA-13091).
        self.advance_high_watermark()
        self.mark_followers()

    def isr_refused(self, isr: tuple[int, ...], error: ErrorCode) -> None:
        """The controller has refused the ISR that we proposed; ``isr`` stays."""
        self.note("isr_proposal_refused", isr=isr, error=error.name)
        # It waits for the newcomer no longer, and perhaps nobody fetches until it has moved.
        self.advance_high_watermark()
        self.mark_followers()

    # Requests that wait

    def fail_waiting(self, error: ErrorCode) -> None:
        """Answer everything that waits for this partition; the role it waited on is gone."""
        if self.waiting is not None:
            hint = self.leader_hint() if error == ErrorCode.NOT_LEADER_OR_FOLLOWER else None
            self.waiting.fail(error, hint)

    def begin_waiting(self) -> WaitingRequests:
        """Something waits, for the first time."""
        self.waiting = WaitingRequests(self.context.wakes, self._complete_more_produces)
        return self.waiting

    # DeleteRecords

    def delete_records(self, offset: int) -> int:
        """Raise the log start to ``offset`` (-1: the high watermark); the offset. Reference 5.12.

        Raises OFFSET_OUT_OF_RANGE, POLICY_VIOLATION, NOT_LEADER_OR_FOLLOWER.
        """
        self.leader_or_raise()
        log = self.log_or_raise()
        if not log.config.deletes:
            raise KafkaError(ErrorCode.POLICY_VIOLATION, "cleanup.policy does not delete")
        target = log.high_watermark if offset == -1 else offset
        if not 0 <= target <= log.high_watermark:
            raise KafkaError(ErrorCode.OFFSET_OUT_OF_RANGE)
        if target > log.log_start_offset:
            log.advance_log_start(target)
            self.watches.tell_followers(wake=True, force=True)
            self.watches.tell_consumers(wake=False)
        return target

    def complete_deletes(self) -> None:
        """Complete DeleteRecords whose low watermark has been reached."""
        waiting = self.waiting
        if waiting is not None and waiting.low_watermark:
            low = self.low_watermark()
            if low is not None:
                waiting.deleted(low)

    def low_watermark(self) -> int | None:
        """The lowest log start among the leader and its live followers; None unless we lead."""
        if self.leadership is None:
            return None
        start = self.log_or_raise().log_start_offset
        return self.leadership.low_watermark(start, self.context.metadata.is_alive)

    # Follower

    def append_as_follower(
        self,
        records: Buffer,
        *,
        leader_epoch: int,
        fetch_offset: int,
        leader_high_watermark: int,
        leader_log_start: int,
    ) -> int:
        """Append what the leader sent and adopt its high watermark and log start; the log end.

        Raises KafkaError if the role or the position changed since the fetch was sent. The high
        watermark is the leader's but never beyond our end, and it may go down (KAFKA-9491).
        """
        self._check_following(leader_epoch)
        log = self.log_or_raise()
        if fetch_offset != log.log_end_offset:
            raise KafkaError(ErrorCode.OFFSET_OUT_OF_RANGE, "fetched at another offset")
        if len(records) >= MESSAGE_OVERHEAD:
            log.append_as_follower(records)
            self.watches.tell_consumers(len(records), wake=False)
            self.watches.tell_followers(len(records), wake=True)
        self.has_caught_up = self.has_caught_up or log.log_end_offset >= leader_high_watermark
        self.follow_high_watermark(leader_high_watermark)
        start = min(leader_log_start, log.high_watermark)
        if start > log.log_start_offset:
            log.advance_log_start(start)
        return log.log_end_offset

    def follow_high_watermark(self, leader_high_watermark: int) -> None:
        """Adopt the leader's high watermark as far as our log reaches; followers only."""
        log = self.log_or_raise()
        before = log.high_watermark
        log.set_high_watermark(min(leader_high_watermark, log.log_end_offset))
        if log.high_watermark != before:
            if self.context.observes_steps:
                self.note("high_watermark", offset=log.high_watermark, role="follower")
            self._wake_consumers(log)

    def truncate_for(self, leader: EpochEnd, *, leader_epoch: int, fetch_offset: int) -> Truncation:
        """Cut what the leader does not have (KIP-320), before anything else of its answer is used
        (KAFKA-14704)."""
        self._check_following(leader_epoch)
        log = self.log_or_raise()
        local = EpochEnd(*log.end_offset_for_epoch(leader.epoch))
        point = truncation_point(
            leader, local=local, log_end_offset=log.log_end_offset, fetch_offset=fetch_offset
        )
        self._truncate(point.offset, reason="diverged")
        return point

    def truncate_to(self, offset: int, *, leader_epoch: int, reason: str) -> None:
        """Cut to ``offset``, as a follower in this epoch."""
        self._check_following(leader_epoch)
        self._truncate(offset, reason=reason)

    def restart_at(self, offset: int, *, leader_epoch: int) -> None:
        """Throw everything away and go on at ``offset``, which becomes start, end and watermark."""
        self._check_following(leader_epoch)
        log = self.log_or_raise()
        before = log.log_end_offset
        log.truncate_fully_and_start_at(offset)
        self.note("truncated", offset=offset, log_end=before, reason="out_of_range")
        self.watches.tell_consumers(wake=True, force=True)

    def _truncate(self, offset: int, *, reason: str) -> None:
        log = self.log_or_raise()
        before = log.log_end_offset
        # Also when nothing is cut: an empty epoch at the end must go (KAFKA-10706).
        log.truncate_to(offset)
        self.note(
            "truncated",
            offset=offset,
            log_end=before,
            high_watermark=log.high_watermark,
            reason=reason,
        )
        self.watches.tell_consumers(wake=True, force=True)

    def _check_following(self, leader_epoch: int) -> None:
        if self.leadership is not None or self.leader_epoch != leader_epoch:
            raise NotLeader(ErrorCode.FENCED_LEADER_EPOCH, self.leader_hint())

    # Flushing (log.flush.before.ack)

    def start_flush(self) -> None:
        """Have what is not flushed flushed in the background."""
        if self.context.settings.log_flush_before_ack:
            if self._flushing is None:
                self._flushing = self._flush_loop()
            self._flushing.start()

    def _flush_loop(self) -> FlushLoop:
        return FlushLoop(
            self.context.tasks,
            str(self.topic_partition),
            lambda: None if self.offline else self.log,
            flushed=self._flushed,
            failed=lambda error: self.context.storage_failed(self, error),
        )

    def _flushed(self, log: Log) -> None:
        if self.waiting is not None:
            self.waiting.flushed(log.flushed_offset)
        self.advance_high_watermark()

    # Readers

    def mark_followers(self) -> None:
        """Let the next fetch of each follower be looked at, even if it names nothing."""
        self.watches.tell_followers(wake=False)

    def _wake_consumers(self, log: Log) -> None:
        if self.watches.consumers:
            base_of = log.segments.base_of
            self.watches.limits_moved(base_of(log.high_watermark), base_of(log.last_stable_offset))
