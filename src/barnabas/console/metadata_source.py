"""The cluster as its brokers describe it, by polling Metadata and DescribeCluster.

For clusters whose ZooKeeper cannot be reached. Brokers tell less than znodes: neither the epoch of
the controller nor the times of changes. Of several changes within one round only the last is seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from barnabas.client.cluster import ClusterClient
from barnabas.client.errors import ClientError, Unreachable
from barnabas.client.metadata import ClusterView, PartitionView, TopicView
from barnabas.client.reassignment import Move, list_moves
from barnabas.console.hub import Hub
from barnabas.console.model import (
    BrokerState,
    ControllerState,
    PartitionState,
    Snapshot,
    TopicState,
)
from barnabas.seams import Env
from barnabas.types import NO_LEADER, Endpoint, TopicPartition, topic_id_text

ROUND_S: Final = 0.5
REST: Final = 10
"""The pause after a round is at least this many times its length, so that large clusters are asked
less often."""


class MetadataSource:
    """Publishes to ``hub`` until it is cancelled."""

    def __init__(self, env: Env, client: ClusterClient, hub: Hub) -> None:
        self._env = env
        self._client = client
        self._hub = hub
        self.min_isr_default = 1
        """``min.insync.replicas`` of each topic, which Metadata answers do not contain."""

    async def run(self) -> None:
        """Poll and publish, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                view = await self._client.status()
                moves = await list_moves(self._client)
            except (ClientError, Unreachable, OSError) as error:
                self._hub.say_trouble(f"no broker answers: {error}")
            else:
                known = self._hub.snapshot
                snapshot = snapshot_of(view, moves, known, lambda _: self.min_isr_default)
                self._hub.publish(snapshot, self._env.clock.wall_ms())
                self._hub.say_trouble(None)
            await asyncio.sleep(max(ROUND_S, REST * (loop.time() - began)))


def snapshot_of(
    view: ClusterView, moves: Sequence[Move], known: Snapshot, min_isr: Callable[[str], int]
) -> Snapshot:
    """A snapshot of the brokers' answers. Objects of ``known`` that have not changed are used
    again. Pure."""
    on_the_move = {move.partition: move for move in moves}
    topics = {}
    for name in sorted(view.topics):
        topic = view.topics[name]
        if topic.error and not topic.partitions:
            continue
        made = _topic(topic, on_the_move, min_isr(name))
        old = known.topics.get(name)
        topics[name] = old if old is not None and old == made else made
    controller = view.controller_id if view.controller_id in view.brokers else NO_LEADER
    return Snapshot(
        cluster_id=view.cluster_id,
        controller=ControllerState(broker=controller),
        brokers={
            b.id: BrokerState(id=b.id, rack=b.rack, endpoints=(Endpoint("", "", b.host, b.port),))
            for _, b in sorted(view.brokers.items())
        },
        topics=topics,
    )


def _topic(topic: TopicView, moves: Mapping[TopicPartition, Move], min_isr: int) -> TopicState:
    partitions = {}
    for p in topic.partitions:
        move = moves.get(TopicPartition(topic.name, p.partition))
        partitions[p.partition] = _partition(p, move)
    topic_id = None if topic.topic_id is None else topic_id_text(topic.topic_id)
    return TopicState(name=topic.name, topic_id=topic_id, min_isr=min_isr, partitions=partitions)


def _partition(p: PartitionView, move: Move | None) -> PartitionState:
    return PartitionState(
        replicas=p.replicas,
        leader=p.leader,
        leader_epoch=p.leader_epoch,
        isr=p.isr,
        adding=() if move is None else move.adding,
        removing=() if move is None else move.removing,
    )
