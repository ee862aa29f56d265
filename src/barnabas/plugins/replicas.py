"""ReplicaSelector, ClientMetadata, PartitionView: a class that chooses where consumers read
(KIP-392)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from barnabas.plugins.base import Plugin
from barnabas.plugins.cluster import Node
from barnabas.security.principal import KafkaPrincipal
from barnabas.types import TopicPartition


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientMetadata:
    """The consumer."""

    rack_id: str
    """``client.rack``; empty if it has none."""
    client_id: str
    client_address: str
    """Its IP address."""
    principal: KafkaPrincipal
    listener_name: str
    """The listener on which it came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaView:
    """A replica that has the record which the consumer asks for, and is in sync."""

    endpoint: Node
    """Its broker, on the consumer's listener."""
    log_end_offset: int
    time_since_last_caught_up_ms: int
    """0 for the leader."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionView:
    """The replicas of a partition that a consumer can read from."""

    replicas: tuple[ReplicaView, ...]
    """The leader, and the others by their brokers' ids. One whose broker does not have the
    consumer's listener is not among them."""
    leader: ReplicaView


class ReplicaSelector(Plugin, ABC):
    """``replica.selector.class``: chooses the replica that a consumer should read from.

    A leader asks for each partition in each fetch of a consumer (Fetch v11 and later, with and
    without a rack), and again each time it looks whether a waiting fetch has something to read.
    So it is on the way of every record.
    """

    @abstractmethod
    def select(
        self,
        topic_partition: TopicPartition,
        client_metadata: ClientMetadata,
        partition_view: PartitionView,
    ) -> ReplicaView | None:
        """One of ``partition_view.replicas``; the leader or None: the consumer reads here. If it
        raises or returns anything else, the consumer gets UNKNOWN_SERVER_ERROR for the partition,
        and asks again."""
