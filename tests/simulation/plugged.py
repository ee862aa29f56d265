"""Plug-ins of the brokers of some seeds. They allow everything, and fail if what they are asked
makes no sense: then a client is told of an error that nothing else explains."""

from __future__ import annotations

from typing import Final

from barnabas.plugins import (
    AlterConfigPolicy,
    ClientMetadata,
    CreateTopicPolicy,
    PartitionView,
    ReplicaSelector,
    ReplicaView,
    TopicPartition,
)

SETTINGS: Final = {
    "create.topic.policy.class.name": "plugged.Topics",
    "alter.config.policy.class.name": "plugged.Changes",
}
SELECTOR: Final = {"replica.selector.class": "plugged.Anywhere"}


class Topics(CreateTopicPolicy):
    def validate(self, request: CreateTopicPolicy.RequestMetadata) -> None:
        counted = request.num_partitions is not None and request.replication_factor is not None
        placed = request.replicas_assignments is not None and len(request.replicas_assignments) > 0
        if not request.topic or counted == placed:
            raise ValueError(repr(request))


class Changes(AlterConfigPolicy):
    def validate(self, request: AlterConfigPolicy.RequestMetadata) -> None:
        if not request.configs:
            raise ValueError(repr(request))


class Anywhere(ReplicaSelector):
    """Sends every consumer somewhere else each time: to each replica in turn."""

    def __init__(self) -> None:
        self._turn = 0

    def select(
        self,
        topic_partition: TopicPartition,
        client_metadata: ClientMetadata,
        partition_view: PartitionView,
    ) -> ReplicaView | None:
        replicas = partition_view.replicas
        if partition_view.leader != replicas[0] or any(
            view.time_since_last_caught_up_ms < 0 for view in replicas
        ):
            raise ValueError(repr(partition_view))
        self._turn += 1
        return replicas[self._turn % len(replicas)]


CLASSES: Final[dict[str, type]] = {
    "plugged.Topics": Topics,
    "plugged.Changes": Changes,
    "plugged.Anywhere": Anywhere,
}
