"""The events of a test cluster, and the error that shows them."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from barnabas.logs import visible

KEPT_MAX = 10_000
SHOWN = 20
"""How many events the text of a failure shows."""
READY: Final = "broker_ready"
"""The event of a broker that serves clients and has producer ids for them."""
EVERYDAY: Final = frozenset(
    {
        "high_watermark",
        "controller_order",
        "zookeeper_session",
        "zookeeper_session_connected",
        "zookeeper_session_disconnected",
        "zookeeper_session_closed",
        "connection_lost",
        "session_began",
        "isr_expansion_proposed",
        "isr_shrink_proposed",
    }
)
"""Events that do not help the reader of a failed test, or that another event contains."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What a node noted or the test did, as it was told; ``observed.py`` makes an event of it."""

    at: float
    """Seconds since the cluster was started."""
    source: str
    """``test`` for what the test did, otherwise the node: ``broker:N`` or ``coordinator``."""
    name: str
    """A noun or past tense, such as ``isr_changed``."""
    fields: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        told = "".join(f" {k}={visible(v)}" for k, v in self.fields.items())
        return f"{self.at:8.3f}  {self.source:<12} {self.name}{told}"


class EventLog:
    """The last events of a cluster."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self.began_ms = time.time_ns() // 1_000_000
        """Wall time of the cluster's start: milliseconds since 1970."""
        self._kept: deque[Record] = deque(maxlen=KEPT_MAX)
        self._count = 0
        self._followers: list[asyncio.Event] = []

    def add(
        self, source: str, name: str, fields: Mapping[str, object], *, at: float | None = None
    ) -> None:
        """Add an event. ``at``: monotonic time in seconds, by default now."""
        if name not in EVERYDAY:
            since = (time.monotonic() if at is None else at) - self._since
            self._kept.append(Record(at=since, source=source, name=name, fields=fields))
            self._count += 1
            for follower in self._followers:
                follower.set()

    def all(self) -> list[Record]:
        """All events, in order of time."""
        return sorted(self._kept, key=lambda event: event.at)

    @property
    def is_whole(self) -> bool:
        """Whether no event was dropped."""
        return self._count == len(self._kept)

    def after(self, number: int) -> list[tuple[int, Record]]:
        """What came after the event of this number, as it came. The first event is 1."""
        first = self._count - len(self._kept) + 1
        kept = zip(range(first, self._count + 1), list(self._kept), strict=True)
        return [(n, event) for n, event in kept if n > number]

    async def more(self, number: int) -> None:
        """Until there is something after that, or after what there is now if that is earlier."""
        seen = min(number, self._count)
        follower = asyncio.Event()
        self._followers.append(follower)
        try:
            while self._count <= seen:
                follower.clear()
                await follower.wait()
        finally:
            self._followers.remove(follower)

    def sources(self, name: str) -> set[str]:
        """The nodes that have noted an event of this name."""
        return {event.source for event in self._kept if event.name == name}

    def tail(self, count: int = SHOWN) -> str:
        """The last events, one line each."""
        return "\n".join(map(str, self.all()[-count:]))


class TimedOut(AssertionError):
    """What a test waited for did not happen in time. The text shows the last events."""


class Reporter:
    """``seams.Observer`` of one node."""

    def __init__(self, log: EventLog, source: str) -> None:
        self._log = log
        self._source = source

    def note(self, event: str, /, **fields: object) -> None:
        self._log.add(self._source, event, fields)
