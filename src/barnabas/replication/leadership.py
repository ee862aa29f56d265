"""Partition, while it leads: what it knows of followers, ISR, high watermark.

Pure. A ``Leadership`` is told where the log ends and what time it is, and returns what follows; the
``Partition`` does it. There is no ``await`` between a question and its effect (trap 55); the
controller's answer arrives as a call and is matched against the very state that was sent.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

from barnabas.errors import ErrorCode, KafkaError
from barnabas.replication.isr import (
    AlterPartitionAnswer,
    Committed,
    IsrState,
    Pending,
    PendingExpand,
    PendingShrink,
    Reaction,
    high_watermark_candidate,
    may_expand,
    out_of_sync,
    reaction,
)
from barnabas.replication.replica import NEVER, UNKNOWN_OFFSET, Replica
from barnabas.types import NO_OFFSET, UNKNOWN_BROKER_EPOCH

IsAlive = Callable[[int], bool]
"""Whether the controller counts a broker as alive."""


class Progress(NamedTuple):
    """What a follower's fetch has moved."""

    end: bool
    """Its position: the high watermark may follow."""
    start: bool
    """Its log start: DeleteRecords may be done."""


NO_PROGRESS = Progress(end=False, start=False)


class Leadership:
    """One leader epoch, or several in a row: who keeps leading keeps its followers' positions.

    ``state`` is replaced, never changed: identity tells whether an answer is about it.
    """

    __slots__ = ("_broker_id", "_lag_max_ms", "epoch_start", "remotes", "state")

    def __init__(self, broker_id: int, lag_max_ms: int) -> None:
        """``lag_max_ms``: ``replica.lag.time.max.ms``."""
        self._broker_id = broker_id
        self._lag_max_ms = lag_max_ms
        self.state: IsrState = Committed(isr=())
        self.epoch_start = 0
        """The log end when this leader epoch began."""
        self.remotes: dict[int, Replica] = {}
        """The followers in the assignment, in its order."""

    def begin(
        self,
        isr: tuple[int, ...],
        replicas: Iterable[int],
        *,
        leader_end: int,
        now_ms: int,
        new_leader: bool,
        new_epoch: bool,
    ) -> None:
        """Take over what a LeaderAndIsr says. ``new_leader``: this broker did not lead before."""
        self.state = Committed(isr=isr)
        if new_epoch:
            self.epoch_start = leader_end
        followers = [r for r in replicas if r != self._broker_id]
        self.remotes = {r: self.remotes.get(r) or Replica() for r in followers}
        if new_epoch:
            for replica, remote in self.remotes.items():
                remote.reset(
                    now_ms=now_ms,
                    in_isr=replica in isr,
                    new_leader=new_leader,
                    last_end=leader_end,
                )

    # Followers

    def note_fetch(
        self,
        replica: int,
        *,
        offset: int,
        log_start: int,
        leader_end: int,
        broker_epoch: int,
        now_ms: int,
    ) -> Progress:
        """A follower's fetch has been read successfully. Raises NOT_LEADER_OR_FOLLOWER for one of
        an earlier incarnation."""
        remote = self.remotes.get(replica)
        if remote is None:
            return NO_PROGRESS
        if UNKNOWN_BROKER_EPOCH < broker_epoch < remote.broker_epoch:
            # KIP-903: the previous incarnation; what it copied may be gone.
            raise KafkaError(ErrorCode.NOT_LEADER_OR_FOLLOWER, "fetch of an older broker epoch")
        if offset < remote.log_end_offset and replica not in self.state.maximal:
            # It has lost records, perhaps its whole disk: it is not about to join any more.
            remote.last_caught_up_ms = NEVER
        moved = Progress(remote.log_end_offset != offset, remote.log_start_offset != log_start)
        remote.note_fetch(
            offset=offset,
            log_start_offset=log_start,
            leader_end=leader_end,
            now_ms=now_ms,
            broker_epoch=broker_epoch,
        )
        return moved

    def note_silent_fetch(self, replica: int, fetched_ms: int) -> None:
        """A follower's session fetched at ``fetched_ms`` and did not name this partition, where it
        had caught up."""
        remote = self.remotes.get(replica)
        if remote is not None and remote.log_end_offset != UNKNOWN_OFFSET:
            remote.note_silent_fetch(fetched_ms)

    def is_in_sync_at(self, replica: int, end: int) -> bool:
        """Whether a follower is in the ISR and has fetched from ``end``: until something changes
        its next fetch will say nothing new."""
        remote = self.remotes.get(replica)
        return (
            remote is not None and remote.log_end_offset == end and replica in self.state.committed
        )

    def outsiders(self, brokers: Iterable[int]) -> list[int]:
        """Those of some brokers that follow, and are not in the maximal ISR."""
        maximal = self.state.maximal
        return [b for b in brokers if b in self.remotes and b not in maximal]

    # Watermarks

    def waits_for(self, replica: int, *, leader_end: int, now_ms: int) -> bool:
        """Whether the high watermark may wait for this follower: it is in the maximal ISR, or has
        just caught up and is about to join. Whoever holds back its records holds up acks=all."""
        if replica in self.state.maximal:
            return True
        remote = self.remotes.get(replica)
        return remote is not None and remote.is_caught_up(leader_end, now_ms, self._lag_max_ms)

    def high_watermark(
        self, *, leader_end: int, is_alive: IsAlive, min_isr: int, now_ms: int
    ) -> int | None:
        """Where the high watermark may be now, or None to stay; it is never lowered for this.
        ``leader_end`` is what the leader counts for, ``min_isr`` the least size of the ISR."""
        maximal = self.state.maximal
        eligible: Sequence[int] = ()
        for remote in self.remotes:
            if remote not in maximal:  # mostly none
                eligible = [r for r in self.remotes if r not in maximal and is_alive(r)]
                break
        return high_watermark_candidate(
            self.state,
            leader=self._broker_id,
            leader_end=leader_end,
            remotes=self.remotes,
            eligible=eligible,
            min_isr=min_isr,
            now_ms=now_ms,
            lag_max_ms=self._lag_max_ms,
        )

    def is_held_back(self, high_watermark: int) -> bool:
        """Whether a follower keeps the high watermark where it is, however far the leader's log
        goes: so it mostly is after an append."""
        remotes = self.remotes
        for member in self.state.maximal:
            remote = remotes.get(member)
            if remote is not None and remote.log_end_offset <= high_watermark:
                return True
        return False

    def low_watermark(self, log_start: int, is_alive: IsAlive) -> int:
        """The lowest log start among the leader and its live followers (DeleteRecords)."""
        lowest = log_start
        for replica, remote in self.remotes.items():
            if is_alive(replica):
                lowest = min(lowest, max(remote.log_start_offset, NO_OFFSET))
        return lowest

    # ISR

    def expansion(
        self, replica: int, *, high_watermark: int, is_alive: bool, highest_epoch: int
    ) -> PendingExpand | None:
        """The change to propose after a follower's fetch, None if it may not join the ISR.
        ``highest_epoch`` is the newest broker epoch with which it has fetched anything here."""
        remote = self.remotes.get(replica)
        if remote is None or not may_expand(
            self.state,
            replica,
            replica_end=remote.log_end_offset,
            high_watermark=high_watermark,
            leader_epoch_start=self.epoch_start,
            eligible=is_alive and remote.broker_epoch >= highest_epoch,
        ):
            return None
        assert isinstance(self.state, Committed)
        return PendingExpand(last=self.state, new_replica=replica)

    def is_copied(self, end: int) -> bool:
        """Whether all members of the maximal ISR have fetched from ``end``, the log's."""
        remotes, me = self.remotes, self._broker_id
        for member in self.state.maximal:
            if member != me and (member not in remotes or remotes[member].log_end_offset != end):
                return False
        return True

    def shrinkage(self, *, leader_end: int, now_ms: int) -> PendingShrink | None:
        """The change to propose so that members that are behind for too long leave, None if none
        is."""
        late = out_of_sync(
            self.state,
            leader=self._broker_id,
            leader_end=leader_end,
            remotes=self.remotes,
            now_ms=now_ms,
            lag_max_ms=self._lag_max_ms,
        )
        if not late:
            return None
        assert isinstance(self.state, Committed)
        return PendingShrink(last=self.state, out_of_sync=late)

    def behind_ms(self, members: Iterable[int], now_ms: int) -> dict[int, int]:
        """For how long each of these has not been caught up; -1 if it never was."""
        last = {m: self.remotes[m].last_caught_up_ms for m in members if m in self.remotes}
        return {m: -1 if ms == NEVER else now_ms - ms for m, ms in last.items()}

    def without(self, members: Collection[int]) -> PendingShrink | None:
        """The change to propose so that these members leave; None if none is in the ISR, or a
        change is on its way."""
        if not isinstance(self.state, Committed):
            return None
        gone = tuple(m for m in self.state.committed if m in members and m != self._broker_id)
        return PendingShrink(last=self.state, out_of_sync=gone) if gone else None

    def forget_caught_up(self, members: Collection[int]) -> None:
        """Take these for replicas that have never caught up, until they fetch again."""
        for member in members:
            if member in self.remotes:
                self.remotes[member].last_caught_up_ms = NEVER

    def with_epochs(
        self, members: Iterable[int], own_epoch: int | None
    ) -> tuple[tuple[int, int], ...]:
        """(broker id, broker epoch it last fetched with, or -1) of each member (KIP-903)."""
        epochs = {replica: remote.broker_epoch for replica, remote in self.remotes.items()}
        epochs[self._broker_id] = UNKNOWN_BROKER_EPOCH if own_epoch is None else own_epoch
        return tuple((member, epochs.get(member, UNKNOWN_BROKER_EPOCH)) for member in members)

    def propose(self, pending: Pending) -> None:
        """A change is on its way to the controller."""
        self.state = pending

    def withdraw(self, pending: Pending) -> None:
        """It is not, after all: it could not be sent, or was refused."""
        self.state = pending.last

    def answered(
        self,
        pending: Pending,
        answer: AlterPartitionAnswer,
        *,
        still_leads: bool,
        leader_epoch: int,
        partition_epoch: int,
    ) -> Reaction:
        """Take up the controller's answer about ``pending``; what is left for the partition to do.
        The epochs are the partition's."""
        step = reaction(
            answer,
            still_sent=still_leads and self.state is pending,
            leader_epoch=leader_epoch,
            partition_epoch=partition_epoch,
        )
        if step is Reaction.COMMIT:
            self.state = Committed(isr=tuple(answer.isr))
        elif step is Reaction.REVERT:
            self.withdraw(pending)
        return step
