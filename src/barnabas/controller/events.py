"""ControllerEvent: what can happen to a controller, and which watch means what. Pure.

Reference 3.5.

A watch event never carries what changed: handlers read everything again and compare (trap 35). So
events of one kind are alike, and one that is queued already need not be queued twice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from barnabas.controller.term import Term
from barnabas.names import is_topic, number_in
from barnabas.types import Broker, TopicPartition
from barnabas.zk import paths
from barnabas.zookeeper.client.operations import WatchEvent
from barnabas.zookeeper.messages import EventType
from barnabas.zookeeper.path_names import child_name, parent_of


@dataclass(frozen=True, slots=True)
class Event:
    """Something to be handled, in turn. One that brings nothing has only a name: events of its
    class are equal."""


class Reelect(Event):
    """Start-up, a new session, or ``/controller`` is gone."""

    __slots__ = ()


class ControllerChange(Event):
    """``/controller`` names somebody."""

    __slots__ = ()


class BrokerChange(Event):
    """The list of brokers changed."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class BrokerModifications(Event):
    """A broker's endpoints may have changed."""

    broker_id: int


class TopicChange(Event):
    """The list of topics changed."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class PartitionModifications(Event):
    """A topic's assignment changed."""

    topic: str


class TopicDeletion(Event):
    """The list of topics to delete changed."""

    __slots__ = ()


class LogDirEventNotification(Event):
    """Brokers lost log directories."""

    __slots__ = ()


class IsrChangeNotification(Event):
    """Leaders on an old inter-broker protocol wrote states themselves."""

    __slots__ = ()


class PreferredElectionRequested(Event):
    """A tool wrote ``/admin/preferred_replica_election``."""

    __slots__ = ()


class ReassignmentRequested(Event):
    """A tool wrote ``/admin/reassign_partitions``, or it is gone."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class UncleanElectionEnabled(Event):
    """A setting changed: ``topic``'s, or (None) the default for all."""

    topic: str | None


# --- of one term: void when another has begun


@dataclass(frozen=True, slots=True)
class TermEvent(Event):
    """Void unless its term is the present one."""

    term: Term


@dataclass(frozen=True, slots=True)
class BrokerUnreachable(TermEvent):
    """A broker's port refuses connections."""

    broker: Broker


@dataclass(frozen=True, slots=True)
class BrokerSilent(TermEvent):
    """A broker's machine gives no sign of life."""

    broker: Broker


@dataclass(frozen=True, slots=True)
class BrokerReachable(TermEvent):
    """A broker that refused or was silent answers again."""

    broker: Broker


@dataclass(frozen=True, slots=True)
class LeaderAndIsrAnswered(TermEvent):
    """A broker answered about directories: replicas that are on failed ones, and that are not."""

    broker_id: int
    failed: tuple[TopicPartition, ...]
    working: tuple[TopicPartition, ...]


@dataclass(frozen=True, slots=True)
class StopReplicaAnswered(TermEvent):
    """A broker answered a deletion: error by replica."""

    broker_id: int
    errors: dict[TopicPartition, int]


class AutoPreferredLeaderElection(TermEvent):
    """Time to look at the balance of leaders."""

    __slots__ = ()


PATIENCE_S = 0.5
SESSION_PATIENCE_S = 2.0


def patience_s(event: Event) -> float:
    """How many seconds an event may wait while brokers carry out the elections of the one before.

    - 0, if it may tell of leaders that are gone or back: partitions have no leader meanwhile.
    - ``SESSION_PATIENCE_S`` for BrokerChange. Mostly it is the end of the session of a broker that
      was found dead just before. Another's death is told by its port or its silence.
    - ``PATIENCE_S`` for most others. AlterPartition requests come in numbers after a death. If each
      of them ended the wait at once, ISRs would shrink beside the elections after all.
    - Without end for ControllerChange. A controller finds that of its own election in its queue,
      and another's election is noticed at the next write, which is fenced."""
    if isinstance(event, ControllerChange):
        return math.inf
    if isinstance(event, BrokerChange):
        return SESSION_PATIENCE_S
    return 0.0 if isinstance(event, _URGENT) else PATIENCE_S


_URGENT = (Reelect, BrokerUnreachable, BrokerSilent, BrokerReachable)


def event_for(watch: WatchEvent) -> Event | None:
    """What a watch that fired means; None if nothing to a controller."""
    path = watch.path
    gone = watch.type is EventType.NODE_DELETED
    if path == paths.CONTROLLER:
        return Reelect() if gone else ControllerChange()
    if watch.type is EventType.NODE_CHILDREN_CHANGED:
        return _CHILDREN.get(path)
    if path == paths.PREFERRED_REPLICA_ELECTION:
        return None if gone else PreferredElectionRequested()
    if path == paths.REASSIGN_PARTITIONS:
        return ReassignmentRequested()
    if watch.type is not EventType.NODE_DATA_CHANGED:
        return None
    parent, name = parent_of(path), child_name(path)
    if parent == paths.BROKER_IDS and (number := number_in(name)) is not None:
        return BrokerModifications(number)
    if parent == paths.TOPICS and is_topic(name):
        return PartitionModifications(name)
    return None


_CHILDREN: dict[str, Event] = {
    paths.BROKER_IDS: BrokerChange(),
    paths.TOPICS: TopicChange(),
    paths.DELETE_TOPICS: TopicDeletion(),
    paths.LOG_DIR_EVENTS: LogDirEventNotification(),
    paths.ISR_CHANGES: IsrChangeNotification(),
}
