"""CurrentAssignmentBuilder: what a member keeps, gives back, gets and waits for. Pure (KIP-848).

A member gets a partition only once no other holds it: the previous owner has reported that it does
not own it any more, or has left the group.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from barnabas.coordinator.group.records.assignment import (
    Assignment,
    TopicIdPartition,
    assignment_of,
    common,
    partitions_of,
    together,
    without,
)
from barnabas.coordinator.group.records.facts import CurrentFacts, MemberState
from barnabas.errors import ErrorCode, KafkaError


def reconcile(
    current: CurrentFacts,
    target_epoch: int,
    target: Assignment,
    is_held: Callable[[TopicIdPartition], bool],
    owned: Assignment | None,
) -> CurrentFacts:
    """The member's next state, or the same.

    ``owned`` is what the member says that it owns, None if it did not say; ``is_held`` whether
    anybody, itself included, holds a partition. Raises FENCED_MEMBER_EPOCH for a state that a newer
    release wrote, unless the member owns nothing."""
    epoch = current.epoch
    if current.state is MemberState.STABLE and epoch == target_epoch:
        return current
    if current.state is MemberState.UNREVOKED_PARTITIONS:
        if _still_owns(owned, current.revoking):
            return current
        # It comes to the next epoch, and from there perhaps to a later one at once.
        epoch += 1
    elif current.state is MemberState.UNKNOWN:
        if owned is None or owned:
            raise KafkaError(
                ErrorCode.FENCED_MEMBER_EPOCH,
                "The member's state is unknown: it must give up its partitions and join again.",
            )
        epoch = target_epoch
    return _towards(current, epoch, target_epoch, target, is_held, owned)


def _towards(
    current: CurrentFacts,
    epoch: int,
    target_epoch: int,
    target: Assignment,
    is_held: Callable[[TopicIdPartition], bool],
    owned: Assignment | None,
) -> CurrentFacts:
    kept = common(current.assigned, target)
    revoking = without(current.assigned, kept)
    if revoking and _still_owns(owned, revoking):
        return _moved(current, epoch, MemberState.UNREVOKED_PARTITIONS, kept, revoking)
    missing = list(partitions_of(without(target, kept)))
    free = [p for p in missing if not is_held(p)]
    complete = len(free) == len(missing)
    state = MemberState.STABLE if complete else MemberState.UNRELEASED_PARTITIONS
    return _moved(current, target_epoch, state, together(kept, assignment_of(free)), {})


def _moved(
    current: CurrentFacts,
    epoch: int,
    state: MemberState,
    assigned: Assignment,
    revoking: Assignment,
) -> CurrentFacts:
    moved = replace(current, epoch=epoch, state=state, assigned=assigned, revoking=revoking)
    # Where nothing has changed the previous epoch stays what it was: there is nothing to write.
    return current if moved == current else replace(moved, previous_epoch=current.epoch)


def _still_owns(owned: Assignment | None, partitions: Assignment) -> bool:
    """Whether the member may still work on one of these partitions. It may as long as it has not
    reported otherwise."""
    return owned is None or bool(common(owned, partitions))
