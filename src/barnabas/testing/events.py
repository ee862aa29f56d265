"""What happened in a test cluster, and the failure that shows it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from barnabas.logs import visible

KEPT_MAX = 10_000
SHOWN = 20
"""Events in the text of a failure."""
READY: Final = "broker_ready"
"""It serves clients, and has producer ids for them."""
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
"""Of no use to the reader of a failed test, or told by another event as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened."""

    at: float
    """Seconds since the cluster was started."""
    source: str
    """``test`` for what the test did, else who noted it: ``broker:N`` or ``coordinator``."""
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
        self._kept: deque[Event] = deque(maxlen=KEPT_MAX)

    def add(
        self, source: str, name: str, fields: Mapping[str, object], *, at: float | None = None
    ) -> None:
        """``at`` is monotonic time in seconds; by default now."""
        if name not in EVERYDAY:
            since = (time.monotonic() if at is None else at) - self._since
            self._kept.append(Event(at=since, source=source, name=name, fields=fields))

    def all(self) -> list[Event]:
        """In order of time."""
        return sorted(self._kept, key=lambda event: event.at)

    def sources(self, name: str) -> set[str]:
        """Who has noted an event of this name."""
        return {event.source for event in self._kept if event.name == name}

    def tail(self, count: int = SHOWN) -> str:
        """The last events, a line each."""
        return "\n".join(map(str, self.all()[-count:]))


class TimedOut(AssertionError):
    """What a test waited for did not happen in time. The text has the last events."""


class Reporter:
    """``seams.Observer`` of one node."""

    def __init__(self, log: EventLog, source: str) -> None:
        self._log = log
        self._source = source

    def note(self, event: str, /, **fields: object) -> None:
        self._log.add(self._source, event, fields)
