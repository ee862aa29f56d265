"""What metrics and health are read from: the parts of one broker, and counts of its partitions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from barnabas.api.services import Services
from barnabas.monitor.health import Condition
from barnabas.observe.figures import ReplicationFigures
from barnabas.observe.histogram import Histogram
from barnabas.observe.requests import RequestFigures
from barnabas.observe.timeline import Timeline
from barnabas.replication.partition import Partition
from barnabas.types import NO_LEADER

PARTITIONS_PER_TURN: Final = 200


class Network(Protocol):
    """The connections of a broker."""

    @property
    def connections(self) -> Mapping[str, int]:
        """How many there are, by listener."""
        ...

    @property
    def created(self) -> Mapping[str, int]:
        """How many have come since the start, by listener."""
        ...

    def software(self) -> Mapping[tuple[str, str], int]:
        """Connections by name and version of their client library."""
        ...

    @property
    def waiting_requests(self) -> int:
        """Requests that wait for their answer."""
        ...

    @property
    def request_bytes(self) -> int: ...
    @property
    def answer_bytes(self) -> int: ...


ELECTING: Final = frozenset(
    {
        "BrokerChange",
        "BrokerUnreachable",
        "BrokerSilent",
        "AutoPreferredLeaderElection",
        "PreferredElectionRequested",
        "UncleanElectionEnabled",
        "ReplicaLeaderElection",
        "ControlledShutdown",
        "LogDirEventNotification",
    }
)
"""Events of the controller that may elect leaders."""


class ControllerStats:
    """How long the events of this broker's controller waited and took."""

    def __init__(self) -> None:
        self.waited = Histogram()
        self.elections = Histogram()

    def processed(self, event: str, waited_s: float, took_s: float) -> None:
        """Count an event that was processed."""
        self.waited.add(waited_s)
        if event in ELECTING:
            self.elections.add(took_s)


RATE_S: Final = 10.0


class Rate:
    """The growth of a count per second, between two readings at least ``RATE_S`` apart."""

    def __init__(self) -> None:
        self._since: tuple[float, float] | None = None
        self.a_second = 0.0

    def of(self, count: float, now_s: float) -> float:
        """The rate up to now, or the last one if less than ``RATE_S`` has passed; 0 at first."""
        if self._since is None:
            self._since = now_s, count
            return 0.0
        began, before = self._since
        if now_s - began >= RATE_S:
            self.a_second = (count - before) / (now_s - began)
            self._since = now_s, count
        elif self.a_second == 0.0 and now_s > began:
            return (count - before) / (now_s - began)
        return self.a_second


@dataclass(slots=True, kw_only=True)
class Subject:
    """The parts of one broker that metrics and health are read from."""

    services: Services
    network: Network
    timeline: Timeline
    requests: RequestFigures
    replication: ReplicationFigures
    zookeeper_latency: Histogram
    is_registered: Callable[[], bool]
    cpu_s: Callable[[], float]
    """Processor time of this process."""
    disk_bytes: Callable[[str], int | None]
    """Bytes that this process has read or written ("read", "write"); None if the system does not
    say."""
    controller: ControllerStats = field(default_factory=ControllerStats)
    rates: dict[object, Rate] = field(default_factory=dict)
    """The last readings, by series."""

    @property
    def now_s(self) -> float:
        """The time of the event loop."""
        return asyncio.get_running_loop().time()

    def rate(self, series: object, count: float) -> float:
        """The growth of a count per second."""
        return self.rates.setdefault(series, Rate()).of(count, self.now_s)

    def idle_share(self) -> float:
        """The share of a core that this process does not use."""
        return min(1.0, max(0.0, 1.0 - self.rate("cpu", self.cpu_s())))

    def forget_deleted_topics(self) -> None:
        """Drop the counts of topics that are gone."""
        known = self.services.metadata
        for topic in list(self.replication.topics):
            if known.partitions(topic) is None:
                del self.replication.topics[topic]

    def partitions(self) -> Iterator[Partition]:
        """The partitions hosted now."""
        return iter(list(self.services.replicas.partitions.values()))


def condition_of(subject: Subject) -> Condition:
    """What decides now whether the broker is ready."""
    services = subject.services
    controller = services.metadata.controller_id
    return Condition(
        broker_id=services.broker_id,
        registered=subject.is_registered(),
        controller_id=controller if controller in services.metadata.brokers else None,
        offline=[
            partition.topic_partition
            for partition in subject.partitions()
            if partition.offline and partition.leader_id == services.broker_id
        ],
    )


@dataclass(slots=True)
class PartitionCounts:
    """Counts of all partitions that a broker hosts. Where they are about replicas in sync, only
    partitions that it leads are counted."""

    hosted: int = 0
    led: int = 0
    offline: int = 0
    """Partitions whose disk has failed."""
    under_replicated: int = 0
    under_min_isr: int = 0
    at_min_isr: int = 0
    reassigning: int = 0
    max_lag: int = 0
    """The most committed records of a leader that one follower here lacks."""
    by_directory: dict[str, int] = field(default_factory=dict)

    def add(self, partition: Partition) -> None:
        """Count a partition."""
        self.hosted += 1
        self.offline += partition.offline
        log = partition.log
        if log is not None:
            place = log.directory.rpartition("/")[0]
            self.by_directory[place] = self.by_directory.get(place, 0) + 1
        leadership = partition.leadership
        if leadership is None:
            return
        self.led += 1
        in_sync = len(leadership.state.committed)
        self.under_replicated += in_sync < len(partition.replicas) - len(partition.adding)
        self.under_min_isr += in_sync < partition.min_isr
        self.at_min_isr += in_sync == partition.min_isr
        self.reassigning += bool(partition.adding or partition.removing)


async def count_partitions(subject: Subject) -> PartitionCounts:
    """Count all partitions in steps, between which clients are served."""
    counts = PartitionCounts()
    for number, partition in enumerate(subject.partitions()):
        counts.add(partition)
        if number % PARTITIONS_PER_TURN == PARTITIONS_PER_TURN - 1:
            await asyncio.sleep(0)
    counts.max_lag = max(subject.services.replicas.fetchers.lags().values(), default=0)
    return counts


@dataclass(slots=True)
class ControllerCounts:
    """What the active controller knows of the cluster; all 0 on other brokers, as in Kafka."""

    topics: int = 0
    partitions: int = 0
    offline: int = 0
    not_preferred: int = 0
    brokers: int = 0
    deleting: int = 0
    ineligible: int = 0


async def count_cluster(subject: Subject) -> ControllerCounts:
    """Count in steps, between which clients are served. All 0 if the controller resigns
    meanwhile."""
    counts = ControllerCounts()
    context = subject.services.controller.context
    if context is None:
        return counts
    counts.topics, counts.partitions = len(context.topics), len(context.partitions)
    counts.brokers = len(context.live_broker_ids)
    counts.deleting, counts.ineligible = (
        len(context.topics_to_delete),
        len(context.topics_ineligible),
    )
    for number, p in enumerate(list(context.partitions.values())):
        leader = NO_LEADER if p.leadership is None else p.leadership.leader
        deleting = context.is_being_deleted(p.topic_partition.topic)
        if not deleting and not context.has_leader_online(p):
            counts.offline += 1
        if not deleting and p.assignment.replicas and leader != p.assignment.replicas[0]:
            counts.not_preferred += 1
        if number % PARTITIONS_PER_TURN == PARTITIONS_PER_TURN - 1:
            await asyncio.sleep(0)
    return counts if subject.services.controller.context is context else ControllerCounts()
