"""PartitionStateMachine, rules: states, their table, how a partition begins (reference 3.2). Pure.

The actions themselves are flows (``partitions.py``): New and Offline and NonExistent are memory
only, Online writes leadership to ZooKeeper and tells the brokers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from types import MappingProxyType

from barnabas.types import INITIAL_LEADER_EPOCH, LeaderAndIsr


class PartitionState(IntEnum):
    """Numbers are Kafka's (they appear in its metrics)."""

    NEW = 0
    """Assigned, but without a state znode yet."""
    ONLINE = 1
    """Has a leader."""
    OFFLINE = 2
    """Its leader is gone and nobody could be elected."""
    NON_EXISTENT = 3
    """Never created, or deleted."""


VALID_PREVIOUS: Mapping[PartitionState, tuple[PartitionState, ...]] = MappingProxyType(
    {
        PartitionState.NEW: (PartitionState.NON_EXISTENT,),
        PartitionState.ONLINE: (
            PartitionState.NEW,
            PartitionState.ONLINE,
            PartitionState.OFFLINE,
        ),
        PartitionState.OFFLINE: (
            PartitionState.NEW,
            PartitionState.ONLINE,
            PartitionState.OFFLINE,
        ),
        PartitionState.NON_EXISTENT: (PartitionState.OFFLINE,),
    }
)
"""Target state to the states it may be entered from."""


def is_valid_transition(source: PartitionState, target: PartitionState) -> bool:
    """Whether the table has the step."""
    return source in VALID_PREVIOUS[target]


def initial_leadership(
    assignment: Sequence[int], online: Sequence[int], controller_epoch: int
) -> LeaderAndIsr | None:
    """New to Online: all live replicas are in sync, the first of them in assignment order leads.

    None if no replica is online; the partition then stays New."""
    isr = tuple(replica for replica in assignment if replica in online)
    if not isr:
        return None
    return LeaderAndIsr(
        leader=isr[0],
        leader_epoch=INITIAL_LEADER_EPOCH,
        isr=isr,
        partition_epoch=0,
        controller_epoch=controller_epoch,
    )
