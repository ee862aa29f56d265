"""Where a cluster's replicas are, and how large: what plans of moves begin with."""

from __future__ import annotations

from dataclasses import dataclass

from barnabas.admin.planner import PlacedPartition
from barnabas.client.cluster import ClusterClient
from barnabas.client.drains import drained_brokers
from barnabas.client.metadata import ClusterView
from barnabas.client.reassignment import list_moves
from barnabas.client.replica_sizes import Sizes, replica_sizes
from barnabas.types import TopicPartition


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """A cluster's replicas and their sizes."""

    view: ClusterView
    """With registered brokers only."""
    partitions: tuple[PlacedPartition, ...]
    """Those on the move are where they go to."""
    moving: frozenset[TopicPartition]
    drained: frozenset[int]
    """Brokers that get nothing unless they are named."""
    unsized: tuple[int, ...]
    """Brokers that did not say how large their replicas are."""


async def read_placement(client: ClusterClient) -> Placement:
    """Where all replicas are. Raises ClientError, Unreachable."""
    view = await client.status()
    targets = {m.partition: m.target for m in await list_moves(client)}
    sizes = await replica_sizes(client, view.brokers, None)
    placed = []
    for name, topic in sorted(view.topics.items()):
        for p in topic.partitions:
            tp = TopicPartition(name, p.partition)
            placed.append(
                PlacedPartition(
                    partition=tp,
                    replicas=targets.get(tp, p.replicas),
                    size=size_of(sizes, tp, p.leader),
                )
            )
    return Placement(
        view=view,
        partitions=tuple(placed),
        moving=frozenset(targets),
        drained=await drained_brokers(client, sorted(view.brokers)),
        unsized=tuple(sorted(set(view.brokers).difference(sizes))),
    )


def size_of(sizes: Sizes, partition: TopicPartition, leader: int) -> int:
    """The bytes of a partition at its leader; if that cannot be asked, at the fullest replica."""
    known = {b: held[partition] for b, held in sizes.items() if partition in held}
    return known.get(leader, max(known.values(), default=0))
