"""How many records replicas that are not in sync are behind, asked for again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from barnabas.client.cluster import ClusterClient
from barnabas.client.errors import ClientError, Unreachable
from barnabas.client.offsets import log_ends
from barnabas.console.hub import Hub
from barnabas.console.model import LAGGING, Snapshot
from barnabas.types import TopicPartition

ROUND_S: Final = 1.0
PARTITIONS_MAX: Final = 500
"""Whose lag is asked for in one round."""

Lag = Mapping[TopicPartition, Mapping[int, int]]
"""Records by partition and broker."""


async def follow_lag(hub: Hub, new_client: Callable[[], ClusterClient]) -> None:
    """Tell the hub, for ever; nobody is asked while every replica is in sync or gone."""
    async with new_client() as client:
        while True:
            wanted = lagging(hub.snapshot)
            found: Lag = {}
            if wanted:
                try:
                    found = await _ask(client, hub.snapshot, wanted)
                except (ClientError, Unreachable, OSError):
                    found = {}  # it is asked again
            hub.set_lag(found)
            await asyncio.sleep(ROUND_S)


def lagging(snapshot: Snapshot) -> dict[TopicPartition, list[int]]:
    """Replicas that are there and not in sync, of partitions that are led. Pure."""
    found: dict[TopicPartition, list[int]] = {}
    for topic, number, partition in snapshot.partitions():
        if snapshot.is_leaderless(partition):
            continue
        behind = [b for b in partition.replicas if snapshot.replica_state(partition, b) == LAGGING]
        if behind:
            found[TopicPartition(topic.name, number)] = behind
            if len(found) == PARTITIONS_MAX:
                break
    return found


async def _ask(
    client: ClusterClient, snapshot: Snapshot, wanted: Mapping[TopicPartition, list[int]]
) -> Lag:
    await client.metadata([])
    asked: dict[int, list[TopicPartition]] = {}
    leaders: dict[TopicPartition, int] = {}
    for tp, behind in wanted.items():
        leaders[tp] = snapshot.topics[tp.topic].partitions[tp.partition].leader
        for broker in (leaders[tp], *behind):
            asked.setdefault(broker, []).append(tp)
    ends: dict[int, Mapping[TopicPartition, int]] = {}
    for broker, partitions in asked.items():
        try:
            ends[broker] = await log_ends(client, broker, partitions)
        except OSError:
            ends[broker] = {}  # it has just gone
    return {
        tp: {
            broker: max(ends[leaders[tp]][tp] - ends[broker][tp], 0)
            for broker in behind
            if tp in ends[broker] and tp in ends[leaders[tp]]
        }
        for tp, behind in wanted.items()
    }
