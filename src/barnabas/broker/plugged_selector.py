"""Asks a plug-in from which replica a consumer should read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from barnabas.plugins.cluster import Node
from barnabas.plugins.loading import Guard
from barnabas.plugins.replicas import ClientMetadata, PartitionView, ReplicaSelector
from barnabas.plugins.replicas import ReplicaView as View
from barnabas.replication.replica_selector import Choice, Consumer, ReplicaView
from barnabas.types import TopicPartition

REPLICA_SELECTOR: Final = "replica.selector.class"


class PluggedSelector:
    """A ``ReplicaSelector`` of replication that asks the plug-in."""

    def __init__(self, plugin: ReplicaSelector) -> None:
        self._guard = Guard(REPLICA_SELECTOR, plugin)

    def __call__(self, consumer: Consumer) -> Choice:
        """The choice for a consumer. It raises KafkaError if the plug-in fails."""
        client = ClientMetadata(
            rack_id=consumer.rack,
            client_id=consumer.client_id,
            client_address=consumer.host,
            principal=consumer.principal,
            listener_name=consumer.listener,
        )

        def choice(
            partition: TopicPartition, leader: ReplicaView, followers: Sequence[ReplicaView]
        ) -> ReplicaView | None:
            reachable = sorted(f for f in followers if f.endpoint is not None)
            known = [leader, *reachable]
            views = tuple(map(_view, known))
            view = PartitionView(replicas=views, leader=views[0])
            with self._guard.answered() as plugin:
                chosen = plugin.select(partition, client, view)
                if chosen is None:
                    return None
                if chosen not in views:
                    raise TypeError(f"select returned {chosen!r}, which is none of the replicas")
            return known[views.index(chosen)]

        return choice


def _view(replica: ReplicaView) -> View:
    _, _, host, port = replica.endpoint or ("", "", "", -1)
    return View(
        endpoint=Node(replica.broker_id, host, port, replica.rack),
        log_end_offset=replica.log_end_offset,
        time_since_last_caught_up_ms=replica.behind_ms,
    )
