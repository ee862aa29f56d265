"""ReplicationQuotaManager: limits the bytes per second that are copied while replicas are moved
(KIP-73, KIP-542). Pure; times are in ms of the loop's clock.

A topic's settings list its throttled replicas. All bytes copied for them count. Only replicas that
are not in sync have to wait: if others waited too, they would leave the ISR.
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
    """How many bytes one broker may send, fetch or move per second."""

    def __init__(self, window: Window) -> None:
        self.limit = UNLIMITED
        self.topics: dict[str, frozenset[int] | None] = {}
        """The throttled partitions by topic."""
        self._rate = SimpleRate(window)

    def set_topic(self, topic: str, partitions: Iterable[int] | None) -> None:
        """Set the throttled partitions of a topic; ``ALL`` for all of them."""
        found = ALL if partitions is None else frozenset(partitions)
        if found is ALL or found:
            self.topics[topic] = found
        else:
            self.topics.pop(topic, None)

    def is_throttled(self, topic: str, partition: int) -> bool:
        """Whether bytes copied for this partition count."""
        found = self.topics.get(topic, _NONE)
        return found is ALL or partition in found

    def record(self, size: int, now_ms: int) -> None:
        """Count ``size`` bytes that were copied."""
        self._rate.record(size, now_ms)

    def wait_ms(self, now_ms: int) -> int:
        """How long nothing more may be copied; 0 if the quota is not exceeded."""
        if self.limit == UNLIMITED:
            return 0
        return self._rate.throttle_ms(self.limit, now_ms)

    def room(self, now_ms: int) -> int:
        """How many bytes may be copied at once now; 0 if the quota is exceeded. At most those of a
        second, so that a rate is not a burst and then silence: an answer to a fetch may be larger
        than what a low rate allows for all the time that the rate is measured over. At least those
        of a tenth of a second."""
        if self.limit == UNLIMITED:
            return UNLIMITED
        if self.limit <= 0 or self._rate.throttle_ms(self.limit, now_ms) > 0:
            return 0
        window_ms = self._rate.window_ms(now_ms)
        spare = int((self.limit - self._rate.measure(now_ms)) * window_ms / 1000)
        return max(min(spare, self.limit), self.limit // 10, 1)


_NONE: Final[frozenset[int]] = frozenset()


@dataclass(slots=True, kw_only=True)
class ReplicationQuotas:
    """All replication quotas of one broker."""

    leader: ReplicationQuota = field(default_factory=lambda: ReplicationQuota(Window()))
    """For what it sends to followers."""
    follower: ReplicationQuota = field(default_factory=lambda: ReplicationQuota(Window()))
    """For what it fetches."""
    moves: ReplicationQuota = field(default_factory=lambda: ReplicationQuota(Window()))
    """For what it copies to another log directory."""


def throttled_partitions(replicas: Iterable[str], broker_id: int) -> frozenset[int] | None:
    """The partitions of one broker in a topic's list ``partition:broker,...`` or ``*``."""
    found = set()
    for text in replicas:
        partition, _, broker = text.strip().partition(":")
        if partition == "*":
            return ALL
        if broker.strip() == str(broker_id):
            found.add(int(partition))
    return frozenset(found)
