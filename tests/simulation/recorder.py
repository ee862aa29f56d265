"""A run as a history: events that ``barnabas console --events`` opens (docs/events.md).

It has what brokers and the coordinator note, what is done to them, and what the coordinator holds.
Times are the true ones: the clocks of the hosts are not asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.simulation.kernel import MILLISECOND
from tests.simulation.nodes import EPOCH_MS, Process, Simulation

from barnabas.observe.events import COORDINATOR, Event, to_json
from barnabas.observe.staged import HISTORY_BEGAN, SIMULATOR, VIOLATION, staged_event
from barnabas.observe.timeline import Noted, Timeline
from barnabas.seams import SilentObserver
from barnabas.types import LeaderAndIsr, TopicPartition, topic_id_text
from barnabas.zk import paths
from barnabas.zk.znodes import (
    TopicZNode,
    decode_controller,
    decode_partition_state,
    decode_topic,
)
from barnabas.zookeeper.server.store import Batch as StoreBatch
from barnabas.zookeeper.server.store import StoredNode

_OF_PROCESSES: Final = {
    "start": "process_started",
    "kill": "process_killed",
    "pause": "process_paused",
    "resume": "process_resumed",
    "end": "process_ended",
}
_OF_HOSTS: Final = {"power_loss": "power_lost", "power_on": "power_restored"}
_DISKS: Final = {"disk_error": "fails", "disk_full": "is full", "slow_disk": "is slow"}
_TOLD_OTHERWISE: Final = ("isolate", "one_way", "cut_coordinator")
"""What events of the network tell."""


class Recorder:
    """Everything that happens in a simulation, from now on."""

    def __init__(self, simulation: Simulation, about: str, brokers: tuple[int, ...]) -> None:
        self.events: list[Event] = []
        self._simulation = simulation
        self._sequences: dict[str, int] = {}
        self._timelines: dict[str, Timeline] = {}
        self._cut: list[tuple[str, str]] = []
        self._cut_at: tuple[bool, int] | None = None
        """Whether ways were blocked or opened last, and when: they are told together."""
        self._broken: dict[str, None] = {}
        self._registered: dict[int, int] = {}
        self._controller = -1
        self._states: dict[TopicPartition, LeaderAndIsr] = {}
        self._topics: dict[str, TopicZNode] = {}
        simulation.listening.append(self._noted)
        simulation.watching.append(self._done)
        simulation.network.on_ways = self._ways
        self._add(HISTORY_BEGAN, about=about, brokers=list(brokers))

    def write(self, path: Path) -> None:
        """A line of JSON for each event."""
        self._tell_ways()
        path.write_bytes(b"".join(to_json(event) + b"\n" for event in self.events))

    def failed(self) -> None:
        """The run has failed; why, unless that was told."""
        self._tell_ways()
        for failure in self._simulation.kernel.failures[:1]:
            why = failure.text.partition("\n")[0]
            known = [e for e in self.events if e.kind == VIOLATION]
            if not any(f"{e.fields['invariant']}: {e.fields['why']}" == why for e in known):
                self._add(VIOLATION, invariant=failure.node, why=why)

    def wall_ms(self) -> int:
        """The true time."""
        return EPOCH_MS + self._simulation.kernel.now_ns // MILLISECOND

    # -- what happens ----------------------------------------------------------------------------

    def _noted(self, process: Process, event: str, fields: dict[str, object]) -> None:
        node = _node(process.name)
        if node is None:
            return
        timeline = self._timelines.get(node)
        if timeline is None:
            timeline = self._timelines[node] = Timeline(self, node, SilentObserver(), kept_max=1)
            timeline.follow(self._heard)
        timeline.note(event, **fields)

    def _heard(self, noted: Noted) -> None:
        self._tell_ways()
        self.events.append(noted.event())

    def _done(self, event: str, who: str, fields: dict[str, object]) -> None:
        if event == "phase":
            self._add("phase", phase=who)
        elif event == "violation":
            self._add(VIOLATION, invariant=who, why=str(fields["text"]))
        elif event in _OF_PROCESSES:
            node = _node(who)
            if node is not None:
                self._add(_OF_PROCESSES[event], node=node)
        elif event in _OF_HOSTS:
            self._add(_OF_HOSTS[event], nodes=self._nodes(who))
        elif event in ("heal", "disk_mended"):
            self._mend(list(self._broken) if event == "heal" else self._nodes(who))
        elif event in _DISKS:
            self._break(who, _DISKS[event])
        elif event not in _TOLD_OTHERWISE:
            self._add("disturbed", what=event.replace("_", " "), on=who)

    def _break(self, who: str, what: str) -> None:
        name, _, how = who.partition(" ")
        for node in self._nodes(name):
            self._broken[node] = None
            self._add("disk_broken", node=node, what=f"{what} {how}".rstrip())

    def _mend(self, nodes: list[str]) -> None:
        for node in nodes:
            if node in self._broken:
                del self._broken[node]
                self._add("disk_mended", node=node)

    def _ways(self, blocked: bool, ways: list[tuple[str, str]]) -> None:
        now = (blocked, self._simulation.kernel.now_ns)
        if self._cut_at != now:
            self._tell_ways()
        self._cut_at = now
        for source, target in ways:
            for one in self._nodes(source):
                self._cut += [(one, other) for other in self._nodes(target)]

    def _tell_ways(self) -> None:
        ways, self._cut = self._cut, []
        if ways and self._cut_at is not None:
            kind = "network_cut" if self._cut_at[0] else "network_mended"
            self._add(kind, at_ns=self._cut_at[1], ways=[list(way) for way in ways])

    def _nodes(self, name: str) -> list[str]:
        """The nodes of a host, or of the host of a process; the host itself if it has none."""
        process = self._simulation.processes.get(name)
        host = self._simulation.hosts.get(name) if process is None else process.host
        found = [] if host is None else [node for p in host.processes if (node := _node(p))]
        return found or [name]

    # -- what the coordinator holds --------------------------------------------------------------

    def on_commit(self, batch: StoreBatch) -> None:
        """The coordinator has made changes durable."""
        for path in batch.deleted_paths:
            self._deleted(path)
        for node in batch.nodes:
            if node.path.startswith(paths.TOPICS + "/") and node.path.count("/") == 3:
                self._assigned(node)
            elif node.path.startswith(paths.BROKER_IDS + "/"):
                self._is_registered(int(node.path.rpartition("/")[2]), node.czxid)
            elif node.path == paths.CONTROLLER:
                broker = decode_controller(node.path, node.data).broker_id
                if broker != self._controller:
                    self._controller = broker
                    self._add("controller_written", source=COORDINATOR, broker=broker)
        for node in batch.nodes:
            tp = paths.parse_partition_state_path(node.path)
            if tp is not None and node.path.endswith("/state"):
                self._state(tp, node)

    def _deleted(self, path: str) -> None:
        tp = paths.parse_partition_state_path(path)
        if tp is not None:
            self._states.pop(tp, None)
        elif path == paths.CONTROLLER:
            self._controller = -1
            self._add("controller_gone", source=COORDINATOR)
        elif path.startswith(paths.BROKER_IDS + "/"):
            broker = int(path.rpartition("/")[2])
            if self._registered.pop(broker, None) is not None:
                self._add("registration_gone", source=COORDINATOR, broker=broker)
        elif path.startswith(paths.TOPICS + "/") and path.count("/") == 3:
            self._topics.pop(path.rpartition("/")[2], None)

    def _is_registered(self, broker: int, epoch: int) -> None:
        if self._registered.get(broker) != epoch:
            self._registered[broker] = epoch
            self._add("registration_written", source=COORDINATOR, broker=broker, epoch=epoch)

    def _assigned(self, node: StoredNode) -> None:
        topic, znode = node.path.rpartition("/")[2], decode_topic(node.path, node.data)
        if self._topics.get(topic) == znode:
            return
        self._topics[topic] = znode
        self._add(
            "assignment_written",
            source=COORDINATOR,
            topic=topic,
            topic_id=None if znode.topic_id is None else topic_id_text(znode.topic_id),
            assignment=_lists(znode.partitions),
            adding=_lists(znode.adding),
            removing=_lists(znode.removing),
        )

    def _state(self, tp: TopicPartition, node: StoredNode) -> None:
        state = decode_partition_state(node.path, node.data, node.version)
        if self._states.get(tp) == state:
            return
        self._states[tp] = state
        self._add(
            "state_written",
            source=COORDINATOR,
            topic=tp.topic,
            partition=tp.partition,
            leader=state.leader,
            epoch=state.leader_epoch,
            isr=list(state.isr),
            partition_epoch=state.partition_epoch,
            recovering=state.recovering,
        )

    def _add(
        self, kind: str, *, source: str = SIMULATOR, at_ns: int | None = None, **fields: Any
    ) -> None:
        if at_ns is None:
            self._tell_ways()
        at_ms = self.wall_ms() if at_ns is None else EPOCH_MS + at_ns // MILLISECOND
        sequence = self._sequences[source] = self._sequences.get(source, 0) + 1
        event = staged_event(kind, fields, time_ms=at_ms, source=source, sequence=sequence)
        self.events.append(event)


def _node(process: str) -> str | None:
    if process == "zk":
        return COORDINATOR
    number = process[1:]
    return f"broker:{number}" if process[0] == "b" and number.isdigit() else None


def _lists(members: Mapping[int, tuple[int, ...]]) -> dict[str, list[int]]:
    return {str(number): list(each) for number, each in members.items()}
