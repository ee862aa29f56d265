"""ReplicationQuotaManager: bytes a second for the copying of replicas that are being moved (KIP-73,
KIP-542). Pure; times are in ms of the loop's clock.

A topic lists its throttled replicas. What is copied of them counts, in sync or not; only those that
are not in sync wait, so that no replica leaves an ISR for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from barnabas.quotas.rate import SimpleRate, Window

UNLIMITED: Final = 2**63 - 1
ALL: Final = None
"""Every partition of a topic."""


class ReplicationQuota:
    """What one broker may send, or fetch, or move, in a second."""

    def __init__(self, window: Window) -> None:
        self.limit = UNLIMITED
        self.topics: dict[str, frozenset[int] | None] = {}
        """The throttled partitions by topic."""
        self._rate = SimpleRate(window)

    def set_topic(self, topic: str, partitions: Iterable[int] | None) -> None:
        """The throttled partitions of a topic; ``ALL`` of them, or none."""
        found = ALL if partitions is None else frozenset(partitions)
        if found is ALL or found:
            self.topics[topic] = found
        else:
            self.topics.pop(topic, None)

    def is_throttled(self, topic: str, partition: int) -> bool:
        """Whether copies of it count."""
        found = self.topics.get(topic, _NONE)
        return found is ALL or partition in found

    def record(self, size: int, now_ms: int) -> None:
        """So many bytes were copied."""
        self._rate.record(size, now_ms)

    def wait_ms(self, now_ms: int) -> int:
        """How long nothing more may be copied; 0: the quota is not exceeded."""
        if self.limit == UNLIMITED:
            return 0
        return self._rate.throttle_ms(self.limit, now_ms)


_NONE: Final[frozenset[int]] = frozenset()


@dataclass(slots=True, kw_only=True)
class ReplicationQuotas:
    """All of one broker."""

    leader: ReplicationQuota = field(default_factory=lambda: ReplicationQuota(Window()))
    """For what it sends to followers."""
    follower: ReplicationQuota = field(default_factory=lambda: ReplicationQuota(Window()))
    """For what it fetches."""
    moves: ReplicationQuota = field(default_factory=lambda: ReplicationQuota(Window()))
    """For what it copies to another log directory."""


def throttled_partitions(replicas: Iterable[str], broker_id: int) -> frozenset[int] | None:
    """Of a topic's list ``partition:broker,...`` or ``*``, those of one broker."""
    found = set()
    for text in replicas:
        partition, _, broker = text.strip().partition(":")
        if partition == "*":
            return ALL
        if broker.strip() == str(broker_id):
            found.add(int(partition))
    return frozenset(found)
