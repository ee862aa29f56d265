"""ControllerContext: what the controller knows of brokers, topics, partitions and replicas.

Memory only and without I/O. Everything in it is read again from ZooKeeper by the next controller.
One object per partition holds its assignment, leadership and states; maps keep insertion order, so
nothing here depends on the order of a set.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from barnabas.controller.election import Situation
from barnabas.controller.partition_states import PartitionState
from barnabas.controller.replica_states import ReplicaState
from barnabas.types import NO_LEADER, ZERO_UUID, Broker, LeaderAndIsr, TopicPartition


class ReplicaAssignment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where a partition lives. During a reassignment ``replicas`` is the union of old and new."""

    replicas: tuple[int, ...]
    adding: tuple[int, ...] = ()
    removing: tuple[int, ...] = ()

    @property
    def target(self) -> tuple[int, ...]:
        """The replicas after the reassignment."""
        return tuple(r for r in self.replicas if r not in self.removing)

    @property
    def origin(self) -> tuple[int, ...]:
        """The replicas before it."""
        return tuple(r for r in self.replicas if r not in self.adding)

    @property
    def being_reassigned(self) -> bool:
        """Whether the partition is on the move."""
        return bool(self.adding or self.removing)


@dataclass(slots=True, kw_only=True)
class PartitionInfo:
    """One partition as the controller sees it."""

    topic_partition: TopicPartition
    assignment: ReplicaAssignment
    state: PartitionState = PartitionState.NON_EXISTENT
    leadership: LeaderAndIsr | None = None
    """The body of the state znode; None while there is none."""
    mzxid: int = -1
    """The zxid of the write that left ``leadership`` in ZooKeeper; a broker epoch (czxid) above it
    means that the broker registered after that write."""
    replica_states: dict[int, ReplicaState] = field(default_factory=dict)
    offline_noted: bool = False
    """Whether the observer was told that the partition has no leader."""


@dataclass(slots=True, kw_only=True)
class TopicInfo:
    """One topic."""

    name: str
    topic_id: uuid.UUID | None
    partitions: dict[int, PartitionInfo] = field(default_factory=dict)


class ControllerContext:
    """See the module. Made anew for every term of a controller."""

    def __init__(self, epoch: int, epoch_zk_version: int) -> None:
        self.epoch = epoch
        self.epoch_zk_version = epoch_zk_version
        self.brokers: dict[int, Broker] = {}
        """Registered and reachable; shutting down or not (``liveOrShuttingDownBrokers``)."""
        self.unreachable: dict[int, Broker] = {}
        """Registered, but their port refuses connections: treated as dead until it answers."""
        self.returning: dict[int, Broker] = {}
        """Brokers that have registered anew while the failure of their previous incarnation is
        still being handled."""
        self.shutting_down: dict[int, None] = {}
        self.topics: dict[str, TopicInfo] = {}
        self.partitions: dict[TopicPartition, PartitionInfo] = {}
        self.reassigning: dict[TopicPartition, None] = {}
        """Partitions on the move."""
        self.offline_dirs: dict[int, dict[TopicPartition, None]] = {}
        """Replicas whose log directory failed, by broker."""
        self.topics_to_delete: dict[str, None] = {}
        self.topics_deletion_started: dict[str, None] = {}
        self.topics_ineligible: dict[str, str] = {}
        """Topics whose deletion waits, and why."""

    # --- brokers

    @property
    def live_broker_ids(self) -> tuple[int, ...]:
        """Registered, reachable and not shutting down; sorted."""
        return tuple(sorted(b for b in self.brokers if b not in self.shutting_down))

    def is_live(self, broker_id: int) -> bool:
        """Whether the broker may take part: registered, reachable, not shutting down."""
        return broker_id in self.brokers and broker_id not in self.shutting_down

    def broker_epoch(self, broker_id: int) -> int | None:
        """The epoch of a live or shutting-down broker."""
        broker = self.brokers.get(broker_id)
        return None if broker is None else broker.epoch

    def is_replica_online(
        self, broker_id: int, tp: TopicPartition, *, include_shutting_down: bool = False
    ) -> bool:
        """Whether the broker is live and its directory of this partition works."""
        if broker_id not in self.brokers:
            return False
        if broker_id in self.shutting_down and not include_shutting_down:
            return False
        offline = self.offline_dirs.get(broker_id)
        return offline is None or tp not in offline

    def absence(self, broker_id: int, tp: TopicPartition) -> str:
        """Why a broker cannot serve its replica, in a few words; "" if it can."""
        if broker_id not in self.brokers:
            why = "refuses connections" if broker_id in self.unreachable else "is gone"
        elif broker_id in self.shutting_down:
            why = "shuts down"
        elif tp in self.offline_dirs.get(broker_id, {}):
            why = "has lost the disk"
        else:
            why = ""
        return f"broker {broker_id} {why}" if why else ""

    def has_leader_online(self, p: PartitionInfo) -> bool:
        """Whether the recorded leader is live."""
        return p.leadership is not None and self.is_replica_online(
            p.leadership.leader, p.topic_partition
        )

    # --- topics and partitions

    def add_topic(self, name: str, topic_id: uuid.UUID | None) -> TopicInfo:
        """Add a topic, still without partitions."""
        topic = TopicInfo(name=name, topic_id=topic_id)
        self.topics[name] = topic
        return topic

    def add_partition(
        self, topic: TopicInfo, number: int, assignment: ReplicaAssignment
    ) -> PartitionInfo:
        """Add a partition of a known topic; it and its replicas do not exist yet."""
        info = PartitionInfo(
            topic_partition=TopicPartition(topic.name, number),
            assignment=assignment,
            replica_states=dict.fromkeys(assignment.replicas, ReplicaState.NON_EXISTENT),
        )
        topic.partitions[number] = info
        self.partitions[info.topic_partition] = info
        if assignment.being_reassigned:
            self.reassigning[info.topic_partition] = None
        return info

    def assign(self, p: PartitionInfo, assignment: ReplicaAssignment) -> None:
        """Replace a partition's assignment. This decides nothing about its replicas."""
        p.assignment = assignment
        self.reassigning.pop(p.topic_partition, None)
        if assignment.being_reassigned:
            self.reassigning[p.topic_partition] = None

    def remove_topic(self, name: str) -> None:
        """Forget a topic, its partitions and everything planned for it."""
        topic = self.topics.pop(name, None)
        for p in topic.partitions.values() if topic else ():
            self.partitions.pop(p.topic_partition, None)
            self.reassigning.pop(p.topic_partition, None)
            for offline in self.offline_dirs.values():
                offline.pop(p.topic_partition, None)
        self.topics_to_delete.pop(name, None)
        self.topics_deletion_started.pop(name, None)
        self.topics_ineligible.pop(name, None)

    def is_being_deleted(self, topic: str) -> bool:
        """Whether the topic is queued for deletion."""
        return topic in self.topics_to_delete

    def partitions_of(self, topics: Iterable[str]) -> Iterator[PartitionInfo]:
        """All partitions of the known ones among ``topics``."""
        for name in topics:
            if topic := self.topics.get(name):
                yield from topic.partitions.values()

    def partitions_on(self, broker_ids: Collection[int]) -> Iterator[PartitionInfo]:
        """All partitions with a replica on one of the brokers."""
        for p in self.partitions.values():
            if any(b in p.assignment.replicas for b in broker_ids):
                yield p

    def topic_id(self, topic: str) -> uuid.UUID:
        """A topic's id, or the zero one."""
        info = self.topics.get(topic)
        return ZERO_UUID if info is None or info.topic_id is None else info.topic_id

    def topic_ids(self) -> Mapping[uuid.UUID, str]:
        """Topic names by id."""
        return {t.topic_id: t.name for t in self.topics.values() if t.topic_id is not None}

    # --- restarts that leadership does not know of

    def restarted_since(self, p: PartitionInfo) -> tuple[int, ...]:
        """Live ISR members (the leader is one) that registered after the ISR was written: the zxid
        of the write is below that of the registration. Such a broker has lost every role that the
        write gave it."""
        leadership = p.leadership
        if leadership is None:
            return ()
        brokers = self.brokers
        return tuple(
            m for m in leadership.isr if (b := brokers.get(m)) is not None and b.epoch > p.mzxid
        )

    def doubtful(self, p: PartitionInfo) -> tuple[int, ...]:
        """ISR members that may lack acknowledged records (KIP-966, see ``election``).

        They are: members that registered after a crash of their machine, if the ISR is older than
        that; the last member of an ISR that is recorded as held; and, while any live member has
        been there all along, every member that restarted since the ISR was written: it comes back
        by fetching, as after a bounce that a controller saw (KIP-903)."""
        leadership = p.leadership
        if leadership is None or len(p.assignment.replicas) == 1:
            return ()
        isr = leadership.isr
        if leadership.leader == NO_LEADER and leadership.recovering and len(isr) == 1:
            return isr
        # Without a leader all members count as restarted, whatever the order of the writes: that
        # of leader -1 may be younger than a registration that its controller had not seen yet.
        leaderless = leadership.leader == NO_LEADER
        restarted = [
            b for m in isr if (b := self.registered(m)) and (leaderless or b.epoch > p.mzxid)
        ]
        if not restarted:
            return ()
        anew = [b.id for b in restarted]
        stayed = any(m in self.brokers and m not in anew for m in isr)
        return tuple(b.id for b in restarted if stayed or b.unclean_start)

    def learnt_of(self, broker: Broker) -> None:
        """A registration was seen just now. A state written after it may have been decided without
        seeing it, so the state counts for the previous incarnation only."""
        for p in self.partitions_on([broker.id]):
            if p.leadership is not None and broker.id in p.leadership.isr:
                p.mzxid = min(p.mzxid, broker.epoch - 1)

    def registered(self, broker_id: int) -> Broker | None:
        """The broker's present registration, whether it is counted as live or not."""
        for brokers in (self.brokers, self.returning, self.unreachable):
            if broker_id in brokers:
                return brokers[broker_id]
        return None

    # --- what a decision is given

    def situation(
        self, p: PartitionInfo, *, include_shutting_down: bool = False, unclean: bool = False
    ) -> Situation:
        """What an election of this partition looks at; its leadership must be known."""
        assert p.leadership is not None
        tp = p.topic_partition
        known = dict.fromkeys(p.assignment.replicas + p.leadership.isr)
        return Situation(
            assignment=p.assignment.replicas,
            current=p.leadership,
            online=tuple(
                b
                for b in known
                if self.is_replica_online(b, tp, include_shutting_down=include_shutting_down)
            ),
            controller_epoch=self.epoch,
            unclean_allowed=unclean,
            doubtful=self.doubtful(p),
            shutting_down=tuple(self.shutting_down),
        )

    def offline_replicas(self, p: PartitionInfo) -> tuple[int, ...]:
        """Assigned replicas that are dead, shutting down or on a failed directory."""
        members, brokers = p.assignment.replicas, self.brokers
        if not (self.shutting_down or self.offline_dirs):  # almost always
            for replica in members:
                if replica not in brokers:
                    break
            else:
                return ()
        tp = p.topic_partition
        return tuple(r for r in members if not self.is_replica_online(r, tp))
