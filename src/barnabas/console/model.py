"""What a console shows of a cluster at one moment, and what changed between two moments. Pure.

A snapshot is made from znodes or from Metadata answers (``zookeeper_source.py``,
``metadata_source.py``), or from a recorded history. A patch leads from one snapshot to the next:
``applied(before, patch_between(before, after)) == after``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, TypeVar

from barnabas.types import NO_EPOCH, NO_LEADER, Endpoint

LEADER, IN_SYNC, LAGGING, OFFLINE = "leader", "in sync", "lagging", "offline"
NOTHING: Final[Mapping[str, object]] = MappingProxyType({})
UNKNOWN_TIME = -1

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerState:
    """A registered broker."""

    id: int
    epoch: int = NO_EPOCH
    """The czxid of its registration; -1 if the source cannot tell."""
    endpoints: tuple[Endpoint, ...] = ()
    rack: str | None = None
    since_ms: int = UNKNOWN_TIME
    """Wall time of its registration, by ZooKeeper's clock; -1 if the source cannot tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerState:
    """The controller; ``broker`` is -1 while there is none."""

    broker: int = NO_LEADER
    epoch: int = NO_EPOCH
    """-1 if the source cannot tell."""
    since_ms: int = UNKNOWN_TIME
    zxid: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionState:
    """One partition: its assignment, and what its state znode says."""

    replicas: tuple[int, ...]
    """The preferred leader first; with the replicas that a reassignment adds or removes."""
    leader: int = NO_LEADER
    leader_epoch: int = NO_EPOCH
    isr: tuple[int, ...] = ()
    adding: tuple[int, ...] = ()
    removing: tuple[int, ...] = ()
    partition_epoch: int = NO_EPOCH
    """Goes up by one with each change of the state; -1 if the source cannot tell."""
    controller_epoch: int = NO_EPOCH
    recovering: bool = False
    """Elected uncleanly and not yet confirmed."""
    changed_ms: int = UNKNOWN_TIME
    """Wall time of the last change of the state, by ZooKeeper's clock; -1 if unknown."""
    zxid: int = 0
    """The zxid of that change, by which changes are ordered; 0 if unknown."""

    @property
    def preferred(self) -> int:
        """The preferred leader; -1 if the partition has no replicas."""
        return self.replicas[0] if self.replicas else NO_LEADER


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicState:
    """One topic; ``partitions`` in order of their numbers."""

    name: str
    partitions: Mapping[int, PartitionState]
    topic_id: str | None = None
    min_isr: int = 1

    @property
    def is_internal(self) -> bool:
        return self.name in ("__consumer_offsets", "__transaction_state")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A cluster at one moment: brokers by id, topics by name, both in order."""

    cluster_id: str | None = None
    controller: ControllerState = ControllerState()
    brokers: Mapping[int, BrokerState] = field(default_factory=dict)
    topics: Mapping[str, TopicState] = field(default_factory=dict)

    def partitions(self) -> Iterator[tuple[TopicState, int, PartitionState]]:
        """All partitions, in order of topic and number."""
        for topic in self.topics.values():
            for number, partition in topic.partitions.items():
                yield topic, number, partition

    def replica_state(self, partition: PartitionState, broker: int) -> str:
        """leader, in sync, lagging, offline, or "" where the broker holds no replica. A broker that
        is not registered is offline, even if the partition's state still names it."""
        if broker not in partition.replicas and broker != partition.leader:
            return ""
        if broker not in self.brokers:
            return OFFLINE
        if broker == partition.leader:
            return LEADER
        return IN_SYNC if broker in partition.isr else LAGGING

    def is_leaderless(self, partition: PartitionState) -> bool:
        """Whether it has no leader that is registered."""
        return partition.leader not in self.brokers

    def is_under_replicated(self, partition: PartitionState) -> bool:
        """Whether a replica is offline or not in sync."""
        return any(
            self.replica_state(partition, broker) in (LAGGING, OFFLINE)
            for broker in partition.replicas
        )

    def live_isr(self, partition: PartitionState) -> int:
        """How many in-sync replicas are on registered brokers."""
        return sum(broker in self.brokers for broker in partition.isr)

    def is_under_min_isr(self, topic: TopicState, partition: PartitionState) -> bool:
        """Whether it refuses writes with acks=all because too few replicas are in sync."""
        return self.live_isr(partition) < topic.min_isr

    def missing_brokers(self) -> list[int]:
        """Brokers that replicas are assigned to and that are not registered."""
        assigned = {r for _, _, p in self.partitions() for r in p.replicas}
        return sorted(assigned.difference(self.brokers))


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicPatch:
    """The changes of one topic; None in place of a partition means that it is gone."""

    topic_id: str | None
    min_isr: int
    partitions: Mapping[int, PartitionState | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """The changes between two snapshots. None in place of a broker or a topic means that it is
    gone. None as ``controller`` means that it has not changed."""

    cluster_id: str | None = None
    controller: ControllerState | None = None
    brokers: Mapping[int, BrokerState | None] = field(default_factory=dict)
    topics: Mapping[str, TopicPatch | None] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.controller or self.brokers or self.topics)


def patch_between(before: Snapshot, after: Snapshot) -> Patch:
    """The patch from ``before`` to ``after``. A topic that is the same object in both
    costs nothing."""
    topics: dict[str, TopicPatch | None] = {}
    for name, topic in after.topics.items():
        old = before.topics.get(name)
        if old is topic or old == topic:
            continue
        known = {} if old is None else old.partitions
        topics[name] = TopicPatch(
            topic_id=topic.topic_id,
            min_isr=topic.min_isr,
            partitions=_changes(known, topic.partitions),
        )
    topics.update(dict.fromkeys((n for n in before.topics if n not in after.topics), None))
    return Patch(
        cluster_id=after.cluster_id,
        controller=None if before.controller == after.controller else after.controller,
        brokers=_changes(before.brokers, after.brokers),
        topics=topics,
    )


def applied(before: Snapshot, patch: Patch) -> Snapshot:
    """The snapshot after the change."""
    topics = dict(before.topics)
    for name, change in patch.topics.items():
        if change is None:
            topics.pop(name, None)
            continue
        old = topics.get(name)
        topics[name] = TopicState(
            name=name,
            topic_id=change.topic_id,
            min_isr=change.min_isr,
            partitions=_changed({} if old is None else old.partitions, change.partitions),
        )
    return Snapshot(
        cluster_id=patch.cluster_id,
        controller=patch.controller or before.controller,
        brokers=_changed(before.brokers, patch.brokers),
        topics={name: topics[name] for name in sorted(topics)},
    )


def _changes(before: Mapping[K, V], after: Mapping[K, V]) -> dict[K, V | None]:
    changes: dict[K, V | None] = {k: v for k, v in after.items() if before.get(k) != v}
    changes.update(dict.fromkeys((k for k in before if k not in after), None))
    return changes


def _changed(before: Mapping[K, V], changes: Mapping[K, V | None]) -> dict[K, V]:
    merged: dict[K, V | None] = {**before, **changes}
    kept = {k: v for k, v in merged.items() if v is not None}
    return {k: kept[k] for k in sorted(kept)}  # type: ignore[type-var]
