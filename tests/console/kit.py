"""Snapshots for tests, in few words."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from barnabas.console.hub import Hub
from barnabas.console.model import (
    BrokerState,
    ControllerState,
    PartitionState,
    Snapshot,
    TopicState,
)


def partition(
    replicas: str, leader: int, isr: str, epoch: int = 0, *, zxid: int = 0, time_ms: int = -1
) -> PartitionState:
    """``replicas`` and ``isr`` are digits: "312"."""
    return PartitionState(
        replicas=tuple(map(int, replicas)),
        leader=leader,
        leader_epoch=epoch,
        isr=tuple(map(int, isr)),
        partition_epoch=epoch,
        controller_epoch=1,
        zxid=zxid,
        changed_ms=time_ms,
    )


def cluster(
    brokers: str, *partitions: PartitionState, controller: int = 1, min_isr: int = 1
) -> Snapshot:
    """One topic, ``orders``, with these partitions."""
    topics = {}
    if partitions:
        topics["orders"] = TopicState(
            name="orders",
            topic_id="orders-id",
            min_isr=min_isr,
            partitions=dict(enumerate(partitions)),
        )
    return Snapshot(
        cluster_id="made-up",
        controller=ControllerState(broker=controller, epoch=1),
        brokers={int(b): BrokerState(id=int(b), epoch=int(b)) for b in brokers},
        topics=topics,
    )


async def until(hub: Hub, holds: Callable[[Hub], bool], timeout_s: float = 30.0) -> None:
    """Wait until what the hub knows is so."""
    async with asyncio.timeout(timeout_s):
        while not holds(hub):
            await hub.after(hub.version)
