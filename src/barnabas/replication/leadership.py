"""Partition, while it leads: what it knows of followers, ISR, high watermark.

Every compare-and-update here is free of ``await`` (trap 55); the answer of the controller arrives
as a call and is matched against the very state object that was sent.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from barnabas.errors import ErrorCode, KafkaError
from barnabas.replication.isr import (
    AlterPartitionAnswer,
    Committed,
    IsrState,
    Pending,
    PendingExpand,
    PendingShrink,
    Reaction,
    effective_min_isr,
    high_watermark_candidate,
    may_expand,
    out_of_sync,
    reaction,
)
from barnabas.replication.replica import Replica
from barnabas.types import NO_OFFSET, UNKNOWN_BROKER_EPOCH, TopicPartition

if TYPE_CHECKING:
    from barnabas.replication.partition import Partition


@dataclass(frozen=True, slots=True, kw_only=True)
class IsrProposal:
    """One partition of an AlterPartition request."""

    partition: TopicPartition
    leader_epoch: int
    partition_epoch: int
    isr_with_epochs: tuple[tuple[int, int], ...]
    """(broker id, broker epoch it last fetched with or -1), the leader included (KIP-903)."""
    answered: Callable[[AlterPartitionAnswer], None]
    topic_id: uuid.UUID | None = None
    """Of the topic that the proposal is about, if the partition knows it."""


class Leadership:
    """One reign, or several in a row: a leader that keeps leading keeps its followers' positions.

    ``state`` is replaced, never changed: identity tells whether an answer is about it.
    """

    def __init__(self, partition: Partition) -> None:
        self._partition = partition
        self._context = partition.context
        self.state: IsrState = Committed(isr=())
        self.epoch_start = 0
        """The log end when this leader epoch began."""
        self.remotes: dict[int, Replica] = {}

    # Reigns

    def begin(self, isr: tuple[int, ...], *, new_leader: bool, new_epoch: bool) -> None:
        """Take over what a LeaderAndIsr says. Called after the partition has its new epochs."""
        partition = self._partition
        self.state = Committed(isr=isr)
        me = self._context.settings.broker_id
        replicas = [r for r in partition.replicas if r != me]
        end = partition.log_or_raise().log_end_offset
        if new_epoch:
            self.epoch_start = end
        self.remotes = {r: self.remotes.get(r) or Replica() for r in replicas}
        if new_epoch:
            now = self._context.now_ms()
            for replica, remote in self.remotes.items():
                remote.reset(
                    now_ms=now,
                    leader_end=end,
                    in_isr=replica in isr,
                    new_leader=new_leader,
                    last_end=end,
                )

    # Followers

    def note_fetch(
        self, replica: int, *, offset: int, log_start: int, leader_end: int, broker_epoch: int
    ) -> None:
        """A follower's fetch has been read successfully (never an error, a divergence, or the
        second look of a fetch that waited: trap 14)."""
        remote = self.remotes.get(replica)
        if remote is None:
            return
        if UNKNOWN_BROKER_EPOCH < broker_epoch < remote.broker_epoch:
            # KIP-903: the previous incarnation; what it copied may be gone.
            raise KafkaError(ErrorCode.NOT_LEADER_OR_FOLLOWER, "fetch of an older broker epoch")
        moved = remote.log_end_offset != offset
        moved_start = remote.log_start_offset != log_start
        remote.note_fetch(
            offset=offset,
            log_start_offset=log_start,
            leader_end=leader_end,
            now_ms=self._context.now_ms(),
            broker_epoch=broker_epoch,
        )
        if replica not in self.state.maximal:
            self._maybe_expand(replica, remote)
        if moved:
            self.maybe_advance()
        if moved_start:
            self._partition.settle_deletes()

    def is_level(self, replica: int, end: int) -> bool:
        """Whether nothing more can be learnt from this follower until something changes: it is at
        the end and in the ISR."""
        remote = self.remotes.get(replica)
        return (
            remote is not None and remote.log_end_offset == end and replica in self.state.committed
        )

    # High watermark

    @property
    def min_isr(self) -> int:
        """How many members the ISR must have for acks=all and for the watermark."""
        topic = self._partition.topic_partition.topic
        configured = self._context.configs.min_insync_replicas(topic)
        return effective_min_isr(configured, len(self._partition.replicas))

    @property
    def leader_end(self) -> int:
        """What the leader itself counts for: with flush before ack, only what is on its disk."""
        log = self._partition.log_or_raise()
        if self._context.settings.log_flush_before_ack:
            return log.flushed_offset
        return log.log_end_offset

    def maybe_advance(self) -> bool:
        """Raise the high watermark if the rules allow; never lower it. True if it moved."""
        partition, context = self._partition, self._context
        log = partition.log_or_raise()
        alive = context.metadata.is_alive
        candidate = high_watermark_candidate(
            self.state,
            leader=context.settings.broker_id,
            leader_end=self.leader_end,
            remotes=self.remotes,
            eligible=[r for r in partition.replicas if alive(r)],
            min_isr=self.min_isr,
            now_ms=context.now_ms(),
            lag_max_ms=context.settings.replica_lag_time_max_ms,
        )
        if candidate is None or candidate <= log.high_watermark:
            return False
        log.set_high_watermark(candidate)
        if context.observed:
            partition.note("high_watermark", offset=candidate, role="leader")
        partition.high_watermark_moved()
        return True

    # ISR

    def _maybe_expand(self, replica: int, remote: Replica) -> None:
        context = self._context
        log = self._partition.log_or_raise()
        if not may_expand(
            self.state,
            replica,
            replica_end=remote.log_end_offset,
            high_watermark=log.high_watermark,
            leader_epoch_start=self.epoch_start,
            eligible=context.metadata.is_alive(replica)
            and remote.broker_epoch >= context.highest_broker_epochs.get(replica, -1),
        ):
            return
        assert isinstance(self.state, Committed)
        self._propose(PendingExpand(last=self.state, new_replica=replica))

    def maybe_shrink(self) -> None:
        """Propose to drop members that are behind for too long (every half lag time)."""
        late = out_of_sync(
            self.state,
            leader=self._context.settings.broker_id,
            leader_end=self._partition.log_or_raise().log_end_offset,
            remotes=self.remotes,
            now_ms=self._context.now_ms(),
            lag_max_ms=self._context.settings.replica_lag_time_max_ms,
        )
        if late:
            assert isinstance(self.state, Committed)
            self._propose(PendingShrink(last=self.state, out_of_sync=late))

    def _propose(self, pending: Pending) -> None:
        partition = self._partition
        epochs = {r: s.broker_epoch for r, s in self.remotes.items()}
        own = self._context.broker_epoch()
        epochs[self._context.settings.broker_id] = UNKNOWN_BROKER_EPOCH if own is None else own
        proposal = IsrProposal(
            partition=partition.topic_partition,
            leader_epoch=partition.leader_epoch,
            partition_epoch=partition.partition_epoch,
            isr_with_epochs=tuple(
                (member, epochs.get(member, UNKNOWN_BROKER_EPOCH)) for member in pending.proposed
            ),
            answered=lambda answer: self._answered(pending, proposal, answer),
            topic_id=partition.topic_id,
        )
        self.state = pending
        kind = "isr_expand" if isinstance(pending, PendingExpand) else "isr_shrink"
        partition.note(f"{kind}_proposed", isr=pending.proposed, last_isr=pending.committed)
        if not partition.submit(proposal):
            self.state = pending.last

    def _answered(
        self, pending: Pending, proposal: IsrProposal, answer: AlterPartitionAnswer
    ) -> None:
        partition = self._partition
        step = reaction(
            answer,
            still_sent=partition.leadership is self and self.state is pending,
            leader_epoch=partition.leader_epoch,
            partition_epoch=partition.partition_epoch,
        )
        if step is Reaction.COMMIT:
            self._commit(answer)
        elif step is Reaction.REVERT:
            self.state = pending.last
            partition.note("isr_proposal_refused", isr=pending.committed, error=answer.error.name)
            partition.mark_followers()
        elif step is Reaction.RETRY and not partition.submit(proposal):
            self.state = pending.last

    def _commit(self, answer: AlterPartitionAnswer) -> None:
        partition = self._partition
        self.state = Committed(isr=tuple(answer.isr))
        partition.partition_epoch = answer.partition_epoch
        partition.note("isr_changed", isr=self.state.isr, partition_epoch=answer.partition_epoch)
        # Produce requests may wait for exactly this (KAFKA-13091).
        self.maybe_advance()
        partition.mark_followers()

    def low_watermark(self) -> int:
        """The lowest log start among the leader and its live followers (DeleteRecords)."""
        lowest = self._partition.log_or_raise().log_start_offset
        for replica, remote in self.remotes.items():
            if self._context.metadata.is_alive(replica):
                lowest = min(lowest, max(remote.log_start_offset, NO_OFFSET))
        return lowest
