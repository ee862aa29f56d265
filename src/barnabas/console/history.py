"""A history: the events of a file, and the state after each of them. Pure.

Every ``KEPT_EVERY`` events the state is kept, so that a jump applies few events. Worlds share what
did not change between them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from barnabas.console.documents import event_document, partition_document, snapshot_document
from barnabas.console.told import shown
from barnabas.console.world import UNKNOWN_LEADER, World
from barnabas.logs import shortened, visible
from barnabas.observe.events import Event, from_json, merged
from barnabas.observe.staged import HISTORY_BEGAN, VIOLATION

EVENTS_MAX: Final = 300_000
LINE_BYTES_MAX: Final = 1 << 20
TIME_MS_MAX: Final = 1 << 53
KEPT_EVERY: Final = 500
NEAR_BEFORE: Final = 12
NEAR_AFTER: Final = 6
"""Events around a position that its document has in full."""

Document = dict[str, Any]


class BadHistory(Exception):
    """A file that is no history. The text names the line, from 1, and what is wrong with it."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line}: {visible(why)}")
        self.line = line


def read_events(lines: Iterable[bytes]) -> list[Event]:
    """The events of a file, in its order. A last line without its end, which does not make an
    event, was being written when its broker died, and is left out. Raises BadHistory."""
    events: list[Event] = []
    number = 0
    for number, line in enumerate(lines, start=1):
        if len(line) > LINE_BYTES_MAX:
            raise BadHistory(number, f"more than {LINE_BYTES_MAX:,} bytes")
        if not line.strip():
            continue
        try:
            event = from_json(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            if events and not line.endswith(b"\n"):
                break
            raise BadHistory(number, f"not an event: {shortened(str(error), 200)}") from None
        if not 0 <= event.time_ms < TIME_MS_MAX:
            raise BadHistory(number, "not an event: time_ms is no time")
        if len(events) == EVENTS_MAX:
            raise BadHistory(number, f"more than {EVENTS_MAX:,} events")
        events.append(event)
    if not events:
        raise BadHistory(max(number, 1), "no event")
    return events


def in_order(events: Sequence[Event]) -> list[Event]:
    """As they stand if their times never go back or all are of one source; otherwise in the order
    of their cluster."""
    one_source = all(event.source == events[0].source for event in events)
    times = [event.time_ms for event in events]
    if one_source or all(a <= b for a, b in itertools.pairwise(times)):
        return list(events)
    return merged(events)


class History:
    """Events, and the state after any number of them. ``position`` is that number."""

    def __init__(self, events: Sequence[Event]) -> None:
        """At least one event, in order."""
        self.events = list(events)
        self.times_ms: list[int] = []
        """When each happened. Clocks of machines differ: here time never goes back."""
        self._kept: list[World] = []
        latest = self.events[0].time_ms
        world = World()
        for number, event in enumerate(self.events):
            if number % KEPT_EVERY == 0:
                self._kept.append(world.copy())
            world.apply(event)
            latest = max(latest, event.time_ms)
            self.times_ms.append(latest)
        self.violations = [n for n, e in enumerate(self.events) if e.kind == VIOLATION]

    @property
    def start(self) -> int:
        """Where to begin to look: right after the first violation; else at the beginning."""
        return self.violations[0] + 1 if self.violations else 1

    def world(self, position: int) -> World:
        """The state after the first ``position`` events."""
        position = min(max(position, 0), len(self.events))
        kept = min(position // KEPT_EVERY, len(self._kept) - 1)
        world = self._kept[kept].copy()
        for event in self.events[kept * KEPT_EVERY : position]:
            world.apply(event)
        return world

    def outline(self) -> Document:
        """All events in few words, column by column, and where to begin."""
        names: dict[str, int] = {}
        sources: dict[str, int] = {}
        began = self.times_ms[0]
        first = self.events[0]
        levels = ("info", "warning", "error")
        return {
            "about": first.text if first.kind == HISTORY_BEGAN else "",
            "count": len(self.events),
            "began_ms": began,
            "ms": [time_ms - began for time_ms in self.times_ms],
            "kind": [names.setdefault(e.kind, len(names)) for e in self.events],
            "source": [sources.setdefault(e.source, len(sources)) for e in self.events],
            "level": [levels.index(e.level) for e in self.events],
            "text": [shown(e).text for e in self.events],
            "kinds": list(names),
            "sources": list(sources),
            "violations": self.violations,
            "start": self.start,
        }

    def document(self, position: int) -> Document:
        """The state after ``position`` events, and the events around."""
        position = min(max(position, 0), len(self.events))
        world = self.world(position)
        first = max(position - NEAR_BEFORE, 0)
        near = self.events[first : position + NEAR_AFTER]
        return {
            "position": position,
            **world_document(world),
            "near": [event_document(first + i, shown(e)) for i, e in enumerate(near)],
        }


def world_document(world: World) -> Document:
    """A world for a page. A partition of which not all is told has ``partial``, and a leader that
    was not told is null."""
    known = world.snapshot()
    snapshot = snapshot_document(known)
    for name, parts in world.topics.items():
        for number, part in parts.items():
            if not part.assigned or part.state.leader == UNKNOWN_LEADER:
                told = partition_document(part.state)
                told["partial"] = True
                if part.state.leader == UNKNOWN_LEADER:
                    told["leader"] = None
                snapshot["topics"][name]["partitions"][str(number)] = told
    for topic in snapshot["topics"].values():
        topic["min_isr"] = None
    snapshot["unknown"] = world.unknown_brokers()
    snapshot["controller_known"] = world.complete or world.controller is not None
    snapshot["named"] = sorted(world.named)
    return {
        "snapshot": snapshot,
        "health": world.health(known),
        "nodes": _nodes(world),
        "phase": world.phase,
        "violations": world.violations,
    }


def _nodes(world: World) -> dict[str, Document]:
    """Of each node what is done to it; nothing of those that are as they should be."""
    found: dict[str, Document] = {}
    for node, state in world.processes.items():
        found.setdefault(node, {})["process"] = state
    for source, target in world.ways:
        found.setdefault(source, {}).setdefault("not_to", []).append(target)
        found.setdefault(target, {}).setdefault("not_from", []).append(source)
    for node, what in world.disks.items():
        found.setdefault(node, {})["disk"] = what
    return dict(sorted(found.items()))
