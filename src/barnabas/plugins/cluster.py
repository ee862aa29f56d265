"""Cluster, PartitionInfo, Node: the cluster as plug-ins see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from barnabas.types import TopicPartition


class Node(NamedTuple):
    """A broker, as it is reached on one listener."""

    id: int
    host: str
    """Empty for a broker that is not there."""
    port: int
    """-1 for a broker that is not there."""
    rack: str | None
    """``broker.rack``"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionInfo:
    """A partition, as the controller has announced it."""

    topic: str
    partition: int
    leader: Node | None
    """None if it has none."""
    replicas: tuple[Node, ...]
    in_sync_replicas: tuple[Node, ...]
    offline_replicas: tuple[Node, ...]


class Cluster(Protocol):
    """The brokers, topics and partitions as this broker knows them now. It is no copy: it answers
    from the broker's memory when it is asked, so that very many partitions cost nothing. Topics
    that are being deleted are not in it."""

    @property
    def cluster_id(self) -> str: ...

    def nodes(self) -> list[Node]:
        """The live brokers, by id."""
        ...

    def node_by_id(self, broker_id: int) -> Node | None:
        """A live broker."""
        ...

    def controller(self) -> Node | None: ...

    def topics(self) -> list[str]:
        """All topics, by name."""
        ...

    def partition_count_for_topic(self, topic: str) -> int | None:
        """None if there is no such topic."""
        ...

    def partitions_for_topic(self, topic: str) -> list[PartitionInfo]:
        """By number; none if there is no such topic."""
        ...

    def leader_for(self, partition: TopicPartition) -> Node | None: ...
