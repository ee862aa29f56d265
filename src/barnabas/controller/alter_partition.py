"""KafkaController.processAlterPartition: the answer to a leader that wants another ISR
(reference 3.9). Pure.

The checks come in Kafka's order, with one addition: KIP-903. A member that the leader proposes
with a broker epoch must be live with exactly this epoch, else the proposal rests on fetches of an
earlier incarnation, whose log may be gone since. -1 (a Java leader in ZooKeeper mode) is not
checked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from barnabas.errors import ErrorCode
from barnabas.types import UNKNOWN_BROKER_EPOCH, LeaderAndIsr


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What a leader proposes for one partition, whatever the version it came in."""

    leader_epoch: int
    partition_epoch: int
    isr: tuple[int, ...]
    member_epochs: Mapping[int, int]
    """Broker epochs by member; empty before v3."""
    recovering: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """``error`` if refused; else ``write`` is the new state, or None if it is the present one."""

    error: ErrorCode = ErrorCode.NONE
    write: LeaderAndIsr | None = None


def judge(
    proposal: Proposal,
    current: LeaderAndIsr,
    *,
    controller_epoch: int,
    is_live: Callable[[int], bool],
    broker_epoch: Callable[[int], int | None],
) -> Verdict:
    """Accept or refuse one partition's proposal. ``is_live`` is false for brokers that are shutting
    down: they cannot join an ISR again."""
    error = _stale(proposal, current)
    if error is None and _is_present_state(proposal, current):
        return Verdict()
    if error is None and proposal.partition_epoch < current.partition_epoch:
        error = ErrorCode.INVALID_UPDATE_VERSION
    if error is None:
        error = _illegal(proposal, current)
    if error is None and not _eligible(proposal, is_live, broker_epoch):
        error = ErrorCode.INELIGIBLE_REPLICA
    if error is not None:
        return Verdict(error=error)
    return Verdict(
        write=replace(
            current,
            isr=proposal.isr,
            recovering=proposal.recovering,
            controller_epoch=controller_epoch,
        )
    )


def _stale(proposal: Proposal, current: LeaderAndIsr) -> ErrorCode | None:
    ahead = (
        proposal.leader_epoch > current.leader_epoch
        or proposal.partition_epoch > current.partition_epoch
    )
    if ahead:  # the leader heard of a newer controller than us (KAFKA-14154)
        return ErrorCode.NOT_CONTROLLER
    if proposal.leader_epoch < current.leader_epoch:
        return ErrorCode.FENCED_LEADER_EPOCH
    return None


def _is_present_state(proposal: Proposal, current: LeaderAndIsr) -> bool:
    """A retry whose first answer was lost must succeed (KAFKA-14144)."""
    return (
        proposal.isr == current.isr
        and proposal.recovering == current.recovering
        and proposal.leader_epoch == current.leader_epoch
    )


def _illegal(proposal: Proposal, current: LeaderAndIsr) -> ErrorCode | None:
    if not proposal.isr or current.leader not in proposal.isr:
        return ErrorCode.INVALID_REQUEST  # ours: an ISR without its leader is never written
    if proposal.recovering and len(proposal.isr) > 1:
        return ErrorCode.INVALID_REQUEST
    if proposal.recovering and not current.recovering:
        return ErrorCode.INVALID_REQUEST
    return None


def _eligible(
    proposal: Proposal,
    is_live: Callable[[int], bool],
    broker_epoch: Callable[[int], int | None],
) -> bool:
    for member in proposal.isr:
        if not is_live(member):
            return False
        epoch = proposal.member_epochs.get(member, UNKNOWN_BROKER_EPOCH)
        if epoch not in (UNKNOWN_BROKER_EPOCH, broker_epoch(member)):
            return False
    return True
