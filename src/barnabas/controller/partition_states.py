"""PartitionStateMachine, rules: states, their table, how a partition begins (reference 3.2). Pure.

Why there are states: how a partition gets a leader depends on where it stands. Without a state
znode the first leader is written by a create, so that two controllers cannot both begin the
partition. With one, the next leader is written conditionally, with the next epoch. To become
Offline writes nothing: ZooKeeper goes on naming the dead leader and the ISR, and from that ISR the
next election takes its candidates, held by this controller or by its successor.

The actions are flows (``partitions.py``). New, Offline and NonExistent are in memory only; Online
writes leadership to ZooKeeper and tells the brokers.
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
