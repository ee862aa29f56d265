"""PartitionState: the ISR of a partition and the high watermark that hangs on it, all decisions.

A leader changes the ISR by asking the controller (AlterPartition). Between the question and the
answer it does not know which of the two sets the controller has recorded, so it protects both: the
*maximal* ISR is the union (trap 7). Rules of reference 5.2 and 5.4; KIP-497, KIP-841, KIP-903.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from barnabas.errors import ErrorCode
from barnabas.replication.replica import Replica
from barnabas.types import TopicPartition


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """The ISR as the controller last told us."""

    isr: tuple[int, ...]

    @property
    def committed(self) -> tuple[int, ...]:
        """What the controller is known to have recorded."""
        return self.isr

    @property
    def maximal(self) -> tuple[int, ...]:
        """Every replica that the controller may already count as in sync."""
        return self.isr

    @property
    def in_flight(self) -> bool:
        """Whether a change has been proposed and not been answered."""
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingExpand:
    """``new_replica`` has been proposed for the ISR."""

    last: Committed
    new_replica: int

    @property
    def committed(self) -> tuple[int, ...]:
        """What the controller is known to have recorded."""
        return self.last.isr

    @property
    def maximal(self) -> tuple[int, ...]:
        """The newcomer counts already: the controller may elect it before its answer arrives."""
        return (*self.last.isr, self.new_replica)

    @property
    def proposed(self) -> tuple[int, ...]:
        """The ISR in the request; a newcomer stands at the end."""
        return self.maximal

    @property
    def in_flight(self) -> bool:
        """Always: that is what pending means."""
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingShrink:
    """``out_of_sync`` have been proposed for removal from the ISR."""

    last: Committed
    out_of_sync: tuple[int, ...]

    @property
    def committed(self) -> tuple[int, ...]:
        """What the controller is known to have recorded."""
        return self.last.isr

    @property
    def maximal(self) -> tuple[int, ...]:
        """The laggards count still: the controller may elect them until it has agreed."""
        return self.last.isr

    @property
    def proposed(self) -> tuple[int, ...]:
        """The ISR in the request; the order of those who stay is kept."""
        return tuple(member for member in self.last.isr if member not in self.out_of_sync)

    @property
    def in_flight(self) -> bool:
        """Always: that is what pending means."""
        return True


Pending: TypeAlias = PendingExpand | PendingShrink
IsrState: TypeAlias = Committed | PendingExpand | PendingShrink


def effective_min_isr(min_insync_replicas: int, replica_count: int) -> int:
    """``min.insync.replicas``, but never more than there are replicas (KAFKA-15583)."""
    return min_insync_replicas if min_insync_replicas < replica_count else replica_count


def high_watermark_candidate(
    state: IsrState,
    *,
    leader: int,
    leader_end: int,
    remotes: Mapping[int, Replica],
    eligible: Iterable[int],
    min_isr: int,
    now_ms: int,
    lag_max_ms: int,
) -> int | None:
    """The offset below which every record is on all copies that matter, or None to stay.

    None while the committed ISR is smaller than ``min_isr`` (KAFKA-15583). ``leader_end`` is what
    the leader itself may count: its log end, or what it has flushed. An unknown follower position
    (-1) in the maximal ISR gives -1, which holds the watermark where it is. A replica in
    ``eligible`` that has caught up is waited for although it is not in the ISR yet: it is about to
    join, and would have to be thrown out at once otherwise.
    """
    if len(state.committed) < min_isr:
        return None
    maximal = state.maximal
    lowest = leader_end
    for member in maximal:
        if member == leader:
            continue
        remote = remotes.get(member)
        # An ISR member outside the assignment (trap 25) has no state: nothing is known of it.
        position = -1 if remote is None else remote.log_end_offset
        lowest = min(lowest, position)
    for replica in eligible:
        if replica == leader or replica in maximal:
            continue
        remote = remotes.get(replica)
        if remote is not None and remote.is_caught_up(leader_end, now_ms, lag_max_ms):
            lowest = min(lowest, remote.log_end_offset)
    return lowest


def may_expand(
    state: IsrState,
    replica: int,
    *,
    replica_end: int,
    high_watermark: int,
    leader_epoch_start: int,
    eligible: bool,
) -> bool:
    """Whether a follower that has just fetched may be proposed for the ISR.

    It must have reached the high watermark and the start of the leader's own epoch, because the
    watermark of a fresh leader may lag (KAFKA-7128), and it must be alive and not on its way out.
    """
    return (
        not state.in_flight
        and replica not in state.committed
        and eligible
        and replica_end >= high_watermark
        and replica_end >= leader_epoch_start
    )


def out_of_sync(
    state: IsrState,
    *,
    leader: int,
    leader_end: int,
    remotes: Mapping[int, Replica],
    now_ms: int,
    lag_max_ms: int,
) -> tuple[int, ...]:
    """ISR members that have neither the leader's end nor had it within ``lag_max_ms``."""
    if state.in_flight:
        return ()
    late = []
    for member in state.committed:
        if member == leader:
            continue
        remote = remotes.get(member)
        if remote is None or not remote.is_caught_up(leader_end, now_ms, lag_max_ms):
            late.append(member)
    return tuple(late)


class Reaction(Enum):
    """What a leader does with the answer to its AlterPartition."""

    IGNORE = auto()
    """The answer is not about the state we are in."""
    COMMIT = auto()
    """The answered ISR and partition epoch are the truth."""
    REVERT = auto()
    """Back to the last committed ISR; the change may be proposed again."""
    GIVE_UP = auto()
    """Our view is outdated: stay pending until the controller tells us (LeaderAndIsr)."""
    RETRY = auto()
    """Send the same request again."""


_REACTIONS: Mapping[ErrorCode, Reaction] = {
    ErrorCode.OPERATION_NOT_ATTEMPTED: Reaction.REVERT,
    ErrorCode.INELIGIBLE_REPLICA: Reaction.REVERT,
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION: Reaction.GIVE_UP,
    ErrorCode.UNKNOWN_TOPIC_ID: Reaction.GIVE_UP,
    ErrorCode.FENCED_LEADER_EPOCH: Reaction.GIVE_UP,
    ErrorCode.INVALID_UPDATE_VERSION: Reaction.GIVE_UP,
    ErrorCode.INVALID_REQUEST: Reaction.GIVE_UP,
    ErrorCode.NEW_LEADER_ELECTED: Reaction.GIVE_UP,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterPartitionAnswer:
    """What the controller said about one partition."""

    error: ErrorCode
    leader_epoch: int = -1
    partition_epoch: int = -1
    isr: Sequence[int] = ()


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


def reaction(
    answer: AlterPartitionAnswer, *, still_sent: bool, leader_epoch: int, partition_epoch: int
) -> Reaction:
    """The table of reference 5.4.

    ``still_sent``: the local state is the very one that was sent; the epochs are the local ones.
    An equal partition epoch is a success that we had learnt before (a lost answer, trap 24).
    """
    if not still_sent:
        return Reaction.IGNORE
    if answer.error != ErrorCode.NONE:
        return _REACTIONS.get(answer.error, Reaction.RETRY)
    if answer.leader_epoch != leader_epoch or answer.partition_epoch < partition_epoch:
        return Reaction.IGNORE
    return Reaction.COMMIT
