"""ReplicaStateMachine, rules: states, their table, and the ISR without a replica that went offline
(reference 3.4). Pure.

Why there are states: a replica that goes offline leaves the ISR, or every produce with acks=all
would wait for it. A replica is deleted only from Offline: it was told to stop by then, so it does
not fetch while its files go. Deletion may fail on one broker and succeed on another, so each
replica has a state of its own, and a topic is forgotten only when all of its replicas are
DeletionSuccessful.

The actions are flows (``replicas.py``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import IntEnum
from types import MappingProxyType

from msgspec.structs import replace

from barnabas.types import NO_LEADER, LeaderAndIsr


class ReplicaState(IntEnum):
    """Numbers are Kafka's."""

    NEW = 1
    """Assigned, but not told its role yet."""
    ONLINE = 2
    """Told to lead or to follow, on a live broker."""
    OFFLINE = 3
    """Its broker or its directory is gone, or it was told to stop."""
    DELETION_STARTED = 4
    """Told to stop and to delete its files, and has not answered yet."""
    DELETION_SUCCESSFUL = 5
    """It has deleted them."""
    DELETION_INELIGIBLE = 6
    """It cannot delete them now: its broker is down, or its answer was an error."""
    NON_EXISTENT = 7
    """Never created, or deleted together with all others of its topic."""


VALID_PREVIOUS: Mapping[ReplicaState, tuple[ReplicaState, ...]] = MappingProxyType(
    {
        ReplicaState.NEW: (ReplicaState.NON_EXISTENT,),
        ReplicaState.ONLINE: (
            ReplicaState.NEW,
            ReplicaState.ONLINE,
            ReplicaState.OFFLINE,
            ReplicaState.DELETION_INELIGIBLE,
        ),
        ReplicaState.OFFLINE: (
            ReplicaState.NEW,
            ReplicaState.ONLINE,
            ReplicaState.OFFLINE,
            ReplicaState.DELETION_INELIGIBLE,
        ),
        ReplicaState.DELETION_STARTED: (ReplicaState.OFFLINE,),
        ReplicaState.DELETION_SUCCESSFUL: (ReplicaState.DELETION_STARTED,),
        ReplicaState.DELETION_INELIGIBLE: (
            ReplicaState.OFFLINE,
            ReplicaState.DELETION_STARTED,
        ),
        ReplicaState.NON_EXISTENT: (ReplicaState.DELETION_SUCCESSFUL,),
    }
)
"""Target state to the states it may be entered from."""


def is_valid_transition(source: ReplicaState, target: ReplicaState) -> bool:
    """Whether the table has the step."""
    return source in VALID_PREVIOUS[target]


def without_replicas(
    current: LeaderAndIsr,
    gone: Collection[int],
    *,
    controller_epoch: int,
    doubtful: Collection[int] = (),
) -> LeaderAndIsr | None:
    """The leadership after ``gone`` left the ISR, or None if nothing is to be written.

    The leader epoch grows by one; a leader that goes leaves ``leader`` -1. An ISR is never emptied:
    it names the last known good replicas (trap 38).

    Differences from Kafka, which takes brokers one after another: all of ``gone`` go in one write;
    if nobody would stay, the ISR is kept whole (each of them has everything that was acknowledged)
    and not cut down to the one that came last; and a state that would not change is not written.

    ``doubtful`` members (KIP-966, ``election``) are never what remains of a trusted ISR: a doubtful
    member does not outlast a trusted one that goes, and if it is the only one there is, the state
    is marked as recovering, so that the doubt outlives this write. Where a doubtful one stays
    listed, no leader is named: a younger state with a leader would end the doubt.
    """
    if not any(member in gone for member in current.isr):
        return None
    isr = tuple(member for member in current.isr if member not in gone)
    if not isr:
        trusted = tuple(member for member in current.isr if member not in doubtful)
        isr = trusted or current.isr
    elif all(m in doubtful for m in isr) and not all(m in doubtful for m in current.isr):
        return None
    keeps_doubtful = any(member in doubtful for member in isr)
    leader = NO_LEADER if current.leader in gone or keeps_doubtful else current.leader
    recovering = current.recovering
    if leader == NO_LEADER:
        recovering = len(isr) == 1 and isr[0] in doubtful
    if (leader, isr, recovering) == (current.leader, current.isr, current.recovering):
        return None
    return replace(
        current,
        leader=leader,
        leader_epoch=current.leader_epoch + 1,
        isr=isr,
        controller_epoch=controller_epoch,
        recovering=recovering,
    )
