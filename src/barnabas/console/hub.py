"""What the console knows now, and a wake-up for those who wait for changes.

A source publishes snapshots. Each page is sent what changed since the snapshot that it has. So a
slow page gets fewer and larger changes, and costs no more memory than its last snapshot. Only the
last events are kept.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

from barnabas.console.health import Health, health_of
from barnabas.console.model import Snapshot
from barnabas.console.timeline import Event, Key, events_between, key_of
from barnabas.console.told import SEEN_IN_ZNODES, own_event, refined
from barnabas.observe import events as observed
from barnabas.types import TopicPartition

EVENTS_MAX: Final = 10_000
KEYS_MAX: Final = 10_000
NEAR_MS: Final = 30_000
"""Between what a znode shows and what a broker tells of the same; clocks may differ by so much."""

V = TypeVar("V")


class Hub:
    """The present snapshot, the last events, and a wake-up for those who wait for changes."""

    def __init__(self, events_max: int = EVENTS_MAX) -> None:
        self.snapshot = Snapshot()
        self.is_complete = False
        """Whether the source has seen the whole cluster once."""
        self.trouble: str | None = "not connected yet"
        """Why the snapshot may be old; None if it is not."""
        self.processes: Mapping[str, str] = {}
        """States of the processes of ``barnabas up``, by name; none for other clusters."""
        self.lag: Mapping[TopicPartition, Mapping[int, int]] = {}
        self._events: deque[Event] = deque(maxlen=events_max)
        self._noted = 0
        self.version = 0
        """Rises with each change of what the hub knows."""
        self._changed = asyncio.Event()
        self._health: tuple[Snapshot, Health] | None = None
        self._first_ms: int | None = None
        """When the cluster was seen for the first time: what was before, brokers tell."""
        self._numbers: dict[Key, int] = {}
        """Where events are that brokers may say more of."""
        self._told: dict[Key, observed.Event] = {}
        """What brokers said before it was seen in a znode."""
        self._refined: deque[tuple[int, int]] = deque(maxlen=events_max)
        """Version and number of events that have changed since they were noted."""

    @property
    def health(self) -> Health:
        """Of the present snapshot; counted once for all who ask."""
        if self._health is None or self._health[0] is not self.snapshot:
            self._health = self.snapshot, health_of(self.snapshot)
        return self._health[1]

    @property
    def noted(self) -> int:
        """How many events there have been, and so the number of the next one."""
        return self._noted

    def publish(self, snapshot: Snapshot, now_ms: int) -> None:
        """Set the present snapshot, and make events of its changes. The first snapshot makes no
        events, as no change was seen."""
        if self.is_complete:
            for event in events_between(self.snapshot, snapshot, now_ms):
                told = None if event.key is None else self._told.pop(event.key, None)
                if told is not None and _is_near(event, told):
                    event = refined(event, told)
                self.note([event])
        else:
            self._first_ms = now_ms
        self.snapshot, self.is_complete = snapshot, True
        self.tell()

    def note(self, events: Iterable[Event]) -> None:
        """Add events. Those who wait learn of them with the next ``tell``."""
        for event in events:
            if event.key is not None:
                self._numbers[event.key] = self._noted
                _forget_oldest(self._numbers)
            self._events.append(event)
            self._noted += 1

    def hear(self, told: observed.Event) -> None:
        """A broker tells of something. It says more of what znodes show, or is an event of its own;
        so is what happened before this console was there."""
        was_before = self._first_ms is None or told.time_ms < self._first_ms
        if was_before or told.kind not in SEEN_IN_ZNODES:
            self._note_own(told)
        else:
            self._say_more(told)

    def _say_more(self, told: observed.Event) -> None:
        key = key_of(told.kind, told.broker, told.topic, told.partition, told.fields)
        if key is None:
            return
        number = self._numbers.get(key)
        at = -1 if number is None else number - (self._noted - len(self._events))
        # A broker may go more than once: a word that is far in time is about another time.
        if number is None or at < 0 or not _is_near(self._events[at], told):
            self._told[key] = told
            _forget_oldest(self._told)
            return
        self._events[at] = refined(self._events[at], told)
        self._refined.append((self.version + 1, number))
        self.tell()

    def _note_own(self, told: observed.Event) -> None:
        event = own_event(told)
        if event is not None:
            self.note([event])
            self.tell()

    def refined_since(self, version: int, before: int) -> list[tuple[int, Event]]:
        """Events with numbers below ``before`` that have changed after ``version``."""
        first = self._noted - len(self._events)
        changed = dict.fromkeys(n for v, n in self._refined if v > version and first <= n < before)
        return [(number, self._events[number - first]) for number in changed]

    def say_trouble(self, trouble: str | None) -> None:
        """Set why the snapshot may be old; None if it is current again."""
        if trouble != self.trouble:
            self.trouble = trouble
            self.tell()

    def set_processes(self, processes: Mapping[str, str]) -> None:
        """Set the states of a local cluster's processes."""
        if processes != self.processes:
            self.processes = processes
            self.tell()

    def set_lag(self, lag: Mapping[TopicPartition, Mapping[int, int]]) -> None:
        """How many records replicas are behind that are not in sync."""
        if lag != self.lag:
            self.lag = lag
            self.tell()

    def events(self, since: int = 0) -> list[tuple[int, Event]]:
        """The kept events with numbers from ``since`` on."""
        first = self._noted - len(self._events)
        skipped = max(since - first, 0)
        kept = list(self._events)[skipped:] if skipped < len(self._events) else []
        return list(enumerate(kept, start=first + skipped))

    def tell(self) -> None:
        """Wake all who wait in ``after``."""
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def after(self, version: int) -> None:
        """Wait until the hub's version is newer than ``version``."""
        while self.version <= version:
            await self._changed.wait()


def _is_near(event: Event, told: observed.Event) -> bool:
    return abs(event.time_ms - told.time_ms) < NEAR_MS


def _forget_oldest(kept: dict[Key, V]) -> None:
    while len(kept) > KEYS_MAX:
        del kept[next(iter(kept))]
