"""What the console knows now, and who wants to hear of changes.

A source publishes snapshots; a page asks for what changed since the snapshot that it has. So a slow
page costs nothing but its own last snapshot: it gets fewer and larger changes. Events are kept in a
ring.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final

from barnabas.console.model import Snapshot
from barnabas.console.timeline import Event, events_between

EVENTS_MAX: Final = 5_000


class Hub:
    """The present snapshot, the last events, and a wake-up for those who follow."""

    def __init__(self, events_max: int = EVENTS_MAX) -> None:
        self.snapshot = Snapshot()
        self.is_complete = False
        """Whether the source has seen the whole cluster once."""
        self.trouble: str | None = "not connected yet"
        """Why what is shown may be old; None if it is not."""
        self.processes: Mapping[str, str] = {}
        """States of the processes of ``barnabas up``, by name; none for other clusters."""
        self._events: deque[Event] = deque(maxlen=events_max)
        self._noted = 0
        self.version = 0
        """Goes up with everything that is told."""
        self._changed = asyncio.Event()

    @property
    def noted(self) -> int:
        """How many events there have been; the next one gets this number."""
        return self._noted

    def publish(self, snapshot: Snapshot, now_ms: int) -> None:
        """The cluster is so now. The first snapshot makes no events: nothing has been seen to
        happen."""
        if self.is_complete:
            self.note(events_between(self.snapshot, snapshot, now_ms))
        self.snapshot, self.is_complete = snapshot, True
        self.tell()

    def note(self, events: Iterable[Event]) -> None:
        """Add events; who follows hears of them with the next ``tell``."""
        for event in events:
            self._events.append(event)
            self._noted += 1

    def say_trouble(self, trouble: str | None) -> None:
        """What is shown may be old because of this; None: it is not any more."""
        if trouble != self.trouble:
            self.trouble = trouble
            self.tell()

    def set_processes(self, processes: Mapping[str, str]) -> None:
        """The states of a local cluster's processes."""
        if processes != self.processes:
            self.processes = processes
            self.tell()

    def events(self, since: int = 0) -> list[tuple[int, Event]]:
        """Those with numbers from ``since`` on that are still kept."""
        first = self._noted - len(self._events)
        skipped = max(since - first, 0)
        kept = list(self._events)[skipped:] if skipped < len(self._events) else []
        return list(enumerate(kept, start=first + skipped))

    def tell(self) -> None:
        """Wake everybody who waits."""
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def after(self, version: int) -> None:
        """Return once there is something newer than ``version``."""
        while self.version <= version:
            await self._changed.wait()
