"""A client's view of a cluster, from a Metadata answer. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from barnabas.protocol.messages.metadata import MetadataResponse
from barnabas.types import NO_EPOCH, TopicPartition


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionView:
    """One partition as a Metadata answer shows it."""

    partition: int
    error: int
    leader: int
    leader_epoch: int
    replicas: tuple[int, ...]
    isr: tuple[int, ...]
    offline: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicView:
    """One topic; ``partitions`` in order of their numbers."""

    name: str
    topic_id: uuid.UUID | None
    error: int
    internal: bool
    partitions: tuple[PartitionView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerView:
    id: int
    host: str
    port: int
    rack: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterView:
    """Brokers by id, topics by name."""

    cluster_id: str | None
    controller_id: int
    brokers: Mapping[int, BrokerView]
    topics: Mapping[str, TopicView]

    def replicas(self) -> dict[TopicPartition, tuple[int, ...]]:
        """The replicas of each partition."""
        return {
            TopicPartition(name, p.partition): p.replicas
            for name, topic in self.topics.items()
            for p in topic.partitions
        }

    def leader(self, topic: str, partition: int) -> int | None:
        """The live leader's id, or None."""
        view = self.topics.get(topic)
        if view is None or not 0 <= partition < len(view.partitions):
            return None
        leader = view.partitions[partition].leader
        return leader if leader in self.brokers else None

    def replica_state(self, partition: PartitionView, broker: int) -> str:
        """leader, in sync, lagging, offline, or "" if the broker has no replica. A broker that is
        not in the cluster is offline, even if the partition's state still names it."""
        if broker not in partition.replicas and broker != partition.leader:
            return ""
        if broker not in self.brokers or broker in partition.offline:
            return "offline"
        if broker == partition.leader:
            return "leader"
        return "in sync" if broker in partition.isr else "lagging"

    def is_leaderless(self, partition: PartitionView) -> bool:
        """Whether the partition has no live leader."""
        return self.replica_state(partition, partition.leader) != "leader"

    def is_under_replicated(self, partition: PartitionView) -> bool:
        """Whether a replica is offline or not in sync."""
        states = (self.replica_state(partition, broker) for broker in partition.replicas)
        return any(state not in ("leader", "in sync") for state in states)

    def missing_brokers(self) -> list[int]:
        """The brokers with assigned partitions that are not in the cluster."""
        assigned = {r for t in self.topics.values() for p in t.partitions for r in p.replicas}
        return sorted(assigned.difference(self.brokers))

    def leader_epoch(self, topic: str, partition: int) -> int:
        """The leader's epoch; -1 if it is not known."""
        view = self.topics.get(topic)
        if view is None or not 0 <= partition < len(view.partitions):
            return NO_EPOCH
        return view.partitions[partition].leader_epoch


def cluster_view(response: MetadataResponse) -> ClusterView:
    """The view from a decoded Metadata response of version 10 or newer."""
    return ClusterView(
        cluster_id=response.cluster_id,
        controller_id=int(response.controller_id),
        brokers={
            int(b.node_id): BrokerView(
                id=int(b.node_id), host=b.host, port=int(b.port), rack=b.rack
            )
            for b in response.brokers
        },
        topics={
            str(t.name): TopicView(
                name=str(t.name),
                topic_id=t.topic_id,
                error=int(t.error_code),
                internal=bool(t.is_internal),
                partitions=tuple(
                    PartitionView(
                        partition=int(p.partition_index),
                        error=int(p.error_code),
                        leader=int(p.leader_id),
                        leader_epoch=int(p.leader_epoch),
                        replicas=tuple(map(int, p.replica_nodes)),
                        isr=tuple(map(int, p.isr_nodes)),
                        offline=tuple(map(int, p.offline_replicas)),
                    )
                    for p in sorted(t.partitions, key=lambda p: int(p.partition_index))
                ),
            )
            for t in response.topics
            if t.name is not None
        },
    )
