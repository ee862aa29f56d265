"""The timeline of one node: an observer that turns notes into events and keeps the last ones.

Events that clients cause are kept apart from those of the cluster. So a flood of failed logins
drives out no election. Each follower has its own bounded queue. A follower that falls behind loses
events; the gap in ``sequence`` says how many.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from barnabas.observe.cleaner import CleanerFigures
from barnabas.observe.events import NO_CONTROLLER_EPOCH, Event, plain
from barnabas.observe.kinds import Kind, kind_of, level_of, subject_of
from barnabas.seams import Clock, Observer, hears_steps

KEPT_MAX: Final = 5_000
"""Events of the cluster. They take some MiB when this many are kept."""
KEPT_BY_CLIENTS_MAX: Final = 1_000
BY_CLIENTS_PER_SECOND_MAX: Final = 10
"""Events of one kind. Any more in the same second are only counted."""


class Noted(NamedTuple):
    """A note as it was given. It becomes an event only when somebody reads it, so that an election
    of thousands of partitions costs little."""

    kind: Kind
    source: str
    time_ms: int
    sequence: int
    controller_epoch: int
    fields: Mapping[str, Any]

    def event(self) -> Event:
        """The event of this note."""
        told = {name: plain(value) for name, value in self.fields.items()}
        topic, partition = told.get("topic"), told.get("partition")
        return Event(
            kind=self.kind.name,
            time_ms=self.time_ms,
            source=self.source,
            sequence=self.sequence,
            controller_epoch=self.controller_epoch,
            level=level_of(self.kind, told),
            broker=subject_of(self.kind, told),
            topic=topic if isinstance(topic, str) else None,
            partition=partition if isinstance(partition, int) else None,
            text=str(plain(_text(self.kind, told))),
            fields=told,
        )


Listener = Callable[[Noted], None]


def _text(kind: Kind, told: Mapping[str, Any]) -> str:
    """The text of the event. If the note lacks a field of it, the name of the kind: an incomplete
    note must not end a broker."""
    try:
        return kind.text(told)
    except (KeyError, TypeError, ValueError):
        return kind.name


class Timeline:
    """``seams.Observer`` of one node. It passes each note on to the next observer."""

    def __init__(
        self,
        clock: Clock,
        source: str,
        then: Observer,
        *,
        sequence: int = 0,
        kept_max: int = KEPT_MAX,
        kept_by_clients_max: int = KEPT_BY_CLIENTS_MAX,
    ) -> None:
        self.source = source
        """The source of the events: ``broker:N`` or ``coordinator``."""
        self._clock = clock
        self._then = then
        self.hears_steps = hears_steps(then)
        self._kept: deque[Noted] = deque(maxlen=kept_max)
        self._by_clients: deque[Noted] = deque(maxlen=kept_by_clients_max)
        self._sequence = sequence
        self._controller_epoch = NO_CONTROLLER_EPOCH
        self._second = 0
        self._in_second: dict[str, int] = {}
        self.left_out = 0
        """How many events by clients were only counted."""
        self.counts: dict[str, int] = {}
        """Counts of all events so far, by kind."""
        self.cleaned = CleanerFigures()
        self._listeners: dict[Listener, None] = {}

    def note(self, event: str, /, **fields: object) -> None:
        """Keep the note if it becomes an event, and call the followers. No note makes it raise."""
        self._then.note(event, **fields)
        if event == "log_cleaned":
            self.cleaned.add(fields, self._clock.wall_ms())
        if event == "controller_order" or event == "controller_elected":
            self._learn_epoch(fields.get("controller_epoch", fields.get("epoch")))
        kind = kind_of(event, fields)
        if kind is None:
            return
        self.counts[kind.name] = self.counts.get(kind.name, 0) + 1
        now_ms = self._clock.wall_ms()
        if kind.by_clients and self._is_flood(kind, now_ms):
            self.left_out += 1
            return
        self._add(kind, fields, now_ms)

    def events(self, after: int = 0) -> list[Event]:
        """The kept events with a greater ``sequence`` than ``after``, the oldest first."""
        return [noted.event() for noted in self.noted(after)]

    def noted(self, after: int = 0) -> list[Noted]:
        """The notes of the same events."""
        found = [n for ring in (self._kept, self._by_clients) for n in ring if n.sequence > after]
        found.sort(key=lambda noted: noted.sequence)
        return found

    def follow(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` with each new note, until the returned function is called. The listener
        must not raise, and must return quickly."""
        self._listeners[listener] = None

        def leave() -> None:
            self._listeners.pop(listener, None)

        return leave

    def _learn_epoch(self, epoch: object) -> None:
        if isinstance(epoch, int):
            self._controller_epoch = max(self._controller_epoch, epoch)

    def _is_flood(self, kind: Kind, now_ms: int) -> bool:
        second = now_ms // 1000
        if second != self._second:
            self._second = second
            self._in_second.clear()
        seen = self._in_second[kind.name] = self._in_second.get(kind.name, 0) + 1
        return seen > BY_CLIENTS_PER_SECOND_MAX

    def _add(self, kind: Kind, fields: Mapping[str, Any], now_ms: int) -> None:
        self._sequence += 1
        noted = Noted(kind, self.source, now_ms, self._sequence, self._controller_epoch, fields)
        (self._by_clients if kind.by_clients else self._kept).append(noted)
        if self._listeners:
            for listener in list(self._listeners):
                listener(noted)
