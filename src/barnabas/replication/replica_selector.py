"""ReplicaSelector: which replica a consumer should read from (KIP-392). Pure.

A leader asks for each partition that a consumer fetches. If another replica is chosen, the
consumer is told its id and gets no records, and fetches from it next.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from barnabas.security.principal import KafkaPrincipal
from barnabas.types import Endpoint, TopicPartition


class Consumer(NamedTuple):
    """Who fetches."""

    rack: str
    """Empty if it has none."""
    client_id: str
    host: str
    """Its address."""
    principal: KafkaPrincipal
    listener: str
    """On which it came."""


class ReplicaView(NamedTuple):
    """A replica that could serve the consumer."""

    broker_id: int
    rack: str | None
    """None also for a broker that does not have the consumer's listener."""
    log_end_offset: int
    behind_ms: int
    """How long ago it was caught up with its leader last; 0 for the leader."""
    endpoint: Endpoint | None = None
    """Of its broker on the consumer's listener."""


Choice: TypeAlias = Callable[
    [TopicPartition, ReplicaView, Sequence[ReplicaView]], ReplicaView | None
]
"""``choice(partition, leader, followers)`` for one consumer; None: the leader."""
ReplicaSelector: TypeAlias = Callable[[Consumer], Choice | None]
"""The choice for a consumer; None: it is sent nowhere."""


def rack_aware(consumer: Consumer) -> Choice | None:
    """RackAwareReplicaSelector: consumers without a rack read from leaders."""
    return functools.partial(_in_rack, consumer.rack) if consumer.rack else None


def _in_rack(
    rack: str, _: TopicPartition, leader: ReplicaView, followers: Sequence[ReplicaView]
) -> ReplicaView:
    """One in the consumer's rack: the leader if it is there, else the one that has copied most."""
    if leader.rack == rack:
        return leader
    near = [replica for replica in followers if replica.rack == rack]
    return max(near, key=_merit, default=leader)


def _merit(replica: ReplicaView) -> tuple[int, int, int]:
    return replica.log_end_offset, -replica.behind_ms, replica.broker_id


_JAVA = "org.apache.kafka.common.replica."
SELECTORS: dict[str, ReplicaSelector | None] = {
    "": None,
    f"{_JAVA}LeaderSelector": None,
    f"{_JAVA}RackAwareReplicaSelector": rack_aware,
    "leader": None,
    "rack-aware": rack_aware,
}
"""By the values of ``replica.selector.class``: Kafka's classes, and names of ours. None: consumers
are not sent to followers. Any other value is a plug-in."""
