"""What a history tells of a cluster up to one of its events. Pure.

A ``World`` takes one event after the other. What no event has told is unknown: a broker of which
nobody has said that it is there or gone, the replicas of a partition beside those in its ISR, the
controller. A history that begins with ``history_began`` is told from its beginning, and in it
nothing exists before it is named.

Of a partition the newest state counts, by leader epoch and version of its state's node: a
controller may tell of a change after ZooKeeper holds the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

from barnabas.console.health import health_of, listed
from barnabas.console.model import (
    BrokerState,
    ControllerState,
    PartitionState,
    Snapshot,
    TopicState,
)
from barnabas.observe.events import Event
from barnabas.observe.staged import HISTORY_BEGAN, VIOLATION
from barnabas.types import NO_EPOCH, NO_LEADER

UNKNOWN_LEADER: Final = -9
RUNNING: Final = "running"
_SOURCE: Final = "broker:"


class Part(NamedTuple):
    """What is known of one partition."""

    state: PartitionState
    """``leader`` is ``UNKNOWN_LEADER`` if it was not told."""
    assigned: bool
    """Whether all its replicas are known; else ``replicas`` are those that were named."""


class World:
    """The state after some events."""

    def __init__(self) -> None:
        self.complete = False
        """Whether the history is told from its beginning."""
        self.brokers: dict[int, BrokerState | None] = {}
        """Those that were told to be registered; None: told not to be."""
        self.named: dict[int, None] = {}
        """Brokers that any event has named."""
        self.controller: ControllerState | None = None
        """None: not told."""
        self.controller_epoch = NO_EPOCH
        """The highest that was told; what a controller of an older one tells is passed over."""
        self.topics: dict[str, dict[int, Part]] = {}
        self.topic_ids: dict[str, str] = {}
        self.processes: dict[str, str] = {}
        """By node; in histories of tests and of the simulator."""
        self.ways: dict[tuple[str, str], None] = {}
        """Pairs of nodes: nothing gets from the first to the second."""
        self.disks: dict[str, str] = {}
        """What is wrong with a node's disk."""
        self.phase = ""
        self.violations = 0
        self._own: dict[str, None] = {}
        """Topics whose partitions no other world shares."""

    def copy(self) -> World:
        """Another world, which goes its own way from here."""
        other = World()
        for name, value in vars(self).items():
            setattr(other, name, dict(value) if isinstance(value, dict) else value)
        self._own.clear()
        other._own.clear()
        return other

    def apply(self, event: Event) -> None:
        """Take one event. What its fields lack stays as it was."""
        if event.source.startswith(_SOURCE):
            self._name(_number(event.source.removeprefix(_SOURCE)))
        self._name(event.broker)
        handler = _HANDLERS.get(event.kind)
        if handler is not None:
            handler(self, event, event.fields)

    # -- what is asked ---------------------------------------------------------------------------

    def unknown_brokers(self) -> list[int]:
        """Brokers that were named, and of which nobody said whether they are there."""
        if self.complete:
            return []
        return sorted(broker for broker in self.named if broker not in self.brokers)

    def snapshot(self) -> Snapshot:
        """What is known, in the form of a living cluster. ``min_isr`` is 0: no event tells it."""
        return Snapshot(
            controller=self.controller or ControllerState(),
            brokers={i: b for i, b in sorted(self.brokers.items()) if b is not None},
            topics={
                name: TopicState(
                    name=name,
                    topic_id=self.topic_ids.get(name),
                    min_isr=0,
                    partitions={n: part.state for n, part in sorted(self.topics[name].items())},
                )
                for name in sorted(self.topics)
            },
        )

    def health(self, snapshot: Snapshot) -> dict[str, str]:
        """``level`` and ``sentence``; the level is ``unknown`` while not everything is told."""
        unknown = self.unknown_brokers()
        gaps = []
        if unknown:
            one = len(unknown) == 1
            gaps.append(f"whether broker{'' if one else 's'} {listed(unknown)} live")
            gaps[-1] += "s" if one else ""
        if self.controller is None and not self.complete:
            gaps.append("who is controller")
        partial = sum(
            not part.assigned or part.state.leader == UNKNOWN_LEADER
            for parts in self.topics.values()
            for part in parts.values()
        )
        if partial:
            gaps.append(f"all of {partial:,} partition{'' if partial == 1 else 's'}")
        if gaps:
            return {"level": "unknown", "sentence": f"Not told yet: {'; '.join(gaps)}."}
        health = health_of(snapshot)
        return {"level": health.level, "sentence": health.sentence}

    # -- what happens ----------------------------------------------------------------------------

    def _name(self, *brokers: int | None) -> None:
        for broker in brokers:
            if broker is not None and broker >= 0:
                self.named.setdefault(broker)

    def _began(self, event: Event, fields: Mapping[str, Any]) -> None:
        self.complete = True
        self._name(*(_ints(fields.get("brokers")) or ()))

    def _registered(self, event: Event, fields: Mapping[str, Any]) -> None:
        if event.broker is None:
            return
        epoch = _int(fields.get("epoch"))
        known = self.brokers.get(event.broker)
        if known is None or (epoch is not None and epoch != known.epoch):
            self.brokers[event.broker] = BrokerState(
                id=event.broker,
                epoch=NO_EPOCH if epoch is None else epoch,
                since_ms=event.time_ms,
            )

    def _gone(self, event: Event, fields: Mapping[str, Any]) -> None:
        if event.broker is not None:
            self.brokers[event.broker] = None

    def _controller(self, event: Event, fields: Mapping[str, Any]) -> None:
        epoch = _int(fields.get("epoch"))
        known = self.controller
        if event.broker is None or self._is_old(epoch):
            return
        if known is not None and known.broker == event.broker and epoch in (None, known.epoch):
            return
        self.controller = ControllerState(
            broker=event.broker,
            epoch=NO_EPOCH if epoch is None else epoch,
            since_ms=event.time_ms,
        )

    def _controller_ready(self, event: Event, fields: Mapping[str, Any]) -> None:
        if self._is_old(_int(fields.get("epoch"))):
            return
        self._controller(event, fields)
        live = _ints(fields.get("brokers"))
        if live is None:
            return
        self._name(*live)
        for broker in [b for b in self.named if b not in live]:
            self.brokers[broker] = None
        for broker in live:
            if self.brokers.get(broker) is None:
                self.brokers[broker] = BrokerState(id=broker)

    def _no_controller(self, event: Event, fields: Mapping[str, Any]) -> None:
        known, epoch = self.controller, _int(fields.get("epoch"))
        if self._is_old(epoch):
            return
        if known is None or event.broker in (None, known.broker):
            self.controller = ControllerState()

    def _is_old(self, epoch: int | None) -> bool:
        """Whether a controller's epoch is over."""
        if epoch is None:
            return False
        self.controller_epoch = max(self.controller_epoch, epoch)
        return epoch < self.controller_epoch

    def _partition(self, event: Event, fields: Mapping[str, Any]) -> None:
        """A leader, an in-sync set, or both."""
        if event.topic is None or event.partition is None or event.partition < 0:
            return
        known = self._part(event.topic, event.partition)
        if event.kind == "partition_offline":
            told = replace(known.state, leader=NO_LEADER)
        else:
            newer = _newer(known.state, fields)
            if newer is None:
                return
            told = newer
        isr = _ints(fields.get("isr"))
        if isr is not None:
            told = replace(told, isr=isr)
        self._set(event, known, replace(told, changed_ms=event.time_ms), fields)

    def _move(self, event: Event, fields: Mapping[str, Any]) -> None:
        if event.topic is None or event.partition is None or event.partition < 0:
            return
        known = self._part(event.topic, event.partition)
        adding, removing = (_ints(fields.get(name)) or () for name in ("adding", "removing"))
        state = replace(known.state, adding=adding, removing=removing)
        self._set(event, known, state, fields)

    def _assigned(self, event: Event, fields: Mapping[str, Any]) -> None:
        assignment = fields.get("assignment")
        if event.topic is None or not isinstance(assignment, Mapping):
            return
        self._topic_created(event, fields)
        for text, members in assignment.items():
            number, replicas = _number(str(text)), _ints(members)
            if number is None or replicas is None:
                continue
            known = self._part(event.topic, number)
            adding, removing = (
                _ints(_of(fields.get(name), text)) or () for name in ("adding", "removing")
            )
            state = replace(known.state, adding=adding, removing=removing, replicas=replicas)
            self._name(*replicas)
            self._topic(event.topic)[number] = Part(state, True)

    def _topic_created(self, event: Event, fields: Mapping[str, Any]) -> None:
        if event.topic is None:
            return
        told, known = fields.get("topic_id"), self.topic_ids.get(event.topic)
        if isinstance(told, str):
            if known is not None and known != told:
                self._topic_deleted(event, fields)
            self.topic_ids[event.topic] = told
        self._topic(event.topic)

    def _topic_deleted(self, event: Event, fields: Mapping[str, Any]) -> None:
        self.topics.pop(event.topic or "", None)
        self.topic_ids.pop(event.topic or "", None)

    def _process(self, event: Event, fields: Mapping[str, Any]) -> None:
        state = _PROCESSES[event.kind]
        for node in _nodes(fields):
            if state is not None:
                self.processes[node] = state

    def _network(self, event: Event, fields: Mapping[str, Any]) -> None:
        ways = fields.get("ways")
        for way in ways if isinstance(ways, list) else ():
            if isinstance(way, list) and len(way) == 2:
                if event.kind == "network_cut":
                    self.ways[str(way[0]), str(way[1])] = None
                else:
                    self.ways.pop((str(way[0]), str(way[1])), None)

    def _disk(self, event: Event, fields: Mapping[str, Any]) -> None:
        for node in _nodes(fields):
            if event.kind == "disk_broken":
                self.disks[node] = str(fields.get("what", "broken"))
            else:
                self.disks.pop(node, None)

    def _phase(self, event: Event, fields: Mapping[str, Any]) -> None:
        self.phase = str(fields.get("phase", ""))

    def _violated(self, event: Event, fields: Mapping[str, Any]) -> None:
        self.violations += 1

    # -- partitions ------------------------------------------------------------------------------

    def _topic(self, name: str) -> dict[int, Part]:
        """A topic's partitions, to be changed."""
        if name not in self._own:
            self.topics[name] = dict(self.topics.get(name, {}))
            self._own[name] = None
        return self.topics.setdefault(name, {})

    def _part(self, topic: str, number: int) -> Part:
        unknown = PartitionState(replicas=(), leader=UNKNOWN_LEADER)
        return self.topics.get(topic, {}).get(number, Part(unknown, False))

    def _set(
        self, event: Event, known: Part, state: PartitionState, fields: Mapping[str, Any]
    ) -> None:
        assert event.topic is not None
        assert event.partition is not None
        replicas = _ints(fields.get("replicas"))
        if replicas is not None:
            part = Part(replace(state, replicas=replicas), True)
        elif known.assigned:
            part = Part(state, True)
        else:
            leads = (state.leader,) if state.leader >= 0 else ()
            members = dict.fromkeys((*state.replicas, *leads, *state.isr))
            part = Part(replace(state, replicas=tuple(members)), False)
        self._name(*part.state.replicas, *part.state.isr, part.state.leader)
        self._topic(event.topic)[event.partition] = part


def _newer(known: PartitionState, fields: Mapping[str, Any]) -> PartitionState | None:
    """The known state with the leader and the epochs that are told; None if they are old."""
    epoch, version = _int(fields.get("epoch")), _int(fields.get("partition_epoch"))
    if epoch is None or epoch < known.leader_epoch:
        return None
    leader = _int(fields.get("leader"))
    if epoch == known.leader_epoch:
        if version is not None and version < known.partition_epoch:
            return None
        leader = known.leader if leader is None else leader
    same_epoch = epoch == known.leader_epoch
    unclean = fields.get("unclean", fields.get("recovering", same_epoch and known.recovering))
    return replace(
        known,
        leader=UNKNOWN_LEADER if leader is None else leader,
        leader_epoch=epoch,
        partition_epoch=NO_EPOCH if version is None else version,
        recovering=bool(unclean),
    )


def _int(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _ints(value: object) -> tuple[int, ...] | None:
    if not isinstance(value, list) or not all(_int(each) is not None for each in value):
        return None
    return tuple(value)


def _of(value: object, key: object) -> object:
    return value.get(key) if isinstance(value, Mapping) else None


def _nodes(fields: Mapping[str, Any]) -> Iterable[str]:
    nodes = fields.get("nodes", [fields["node"]] if "node" in fields else [])
    return map(str, nodes) if isinstance(nodes, list) else ()


_PROCESSES: Final[Mapping[str, str | None]] = {
    "process_started": RUNNING,
    "process_resumed": RUNNING,
    "process_killed": "killed",
    "process_stopped": "stopped",
    "process_paused": "paused",
    "process_ended": "ended",
    "power_lost": "without power",
    "power_restored": "not started",
}
_HANDLERS: Final[Mapping[str, Callable[[World, Event, Mapping[str, Any]], None]]] = {
    HISTORY_BEGAN: World._began,
    "phase": World._phase,
    VIOLATION: World._violated,
    "broker_registered": World._registered,
    "broker_up": World._registered,
    "registration_written": World._registered,
    "broker_down": World._gone,
    "registration_gone": World._gone,
    "controller_elected": World._controller,
    "controller_written": World._controller,
    "controller_ready": World._controller_ready,
    "controller_gone": World._no_controller,
    "controller_resigned": World._no_controller,
    "leader_elected": World._partition,
    "isr_shrank": World._partition,
    "isr_expanded": World._partition,
    "partition_offline": World._partition,
    "state_written": World._partition,
    "reassignment_began": World._move,
    "reassignment_done": World._move,
    "assignment_written": World._assigned,
    "topic_created": World._topic_created,
    "topic_deleted": World._topic_deleted,
    **dict.fromkeys(_PROCESSES, World._process),
    "network_cut": World._network,
    "network_mended": World._network,
    "disk_broken": World._disk,
    "disk_mended": World._disk,
}
