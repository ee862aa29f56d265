"""ReplicaSelector: which replica a consumer should read from (KIP-392). Pure.

A leader asks for each partition that a consumer fetches. If another replica is chosen, the
consumer is told its id and gets no records, and fetches from it next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias


class ReplicaView(NamedTuple):
    """A replica that could serve the consumer."""

    broker_id: int
    rack: str | None
    """None also for a broker that does not have the consumer's listener."""
    log_end_offset: int
    caught_up_ms: int
    """When it was caught up with its leader last; the later, the better."""


ReplicaSelector: TypeAlias = Callable[[str, ReplicaView, Sequence[ReplicaView]], ReplicaView]
"""``selector(rack, leader, followers)``; the rack is the consumer's, empty if it has none."""


def rack_aware(rack: str, leader: ReplicaView, followers: Sequence[ReplicaView]) -> ReplicaView:
    """One in the consumer's rack: the leader if it is there, else the one that has copied most."""
    if not rack or leader.rack == rack:
        return leader
    near = [replica for replica in followers if replica.rack == rack]
    return max(near, key=_merit, default=leader)


def _merit(replica: ReplicaView) -> tuple[int, int, int]:
    return replica.log_end_offset, replica.caught_up_ms, replica.broker_id


_JAVA = "org.apache.kafka.common.replica."
SELECTORS: dict[str, ReplicaSelector | None] = {
    "": None,
    f"{_JAVA}LeaderSelector": None,
    f"{_JAVA}RackAwareReplicaSelector": rack_aware,
    "leader": None,
    "rack-aware": rack_aware,
}
"""By the values of ``replica.selector.class``: Kafka's classes, and names of ours. None: consumers
are not sent to followers."""
