"""Events: what happened in a cluster, in one form for the console, the command line and files.

Other programs may rely on this form (``docs/events.md``). ``kinds.py`` says what becomes an event;
``timeline.py`` makes and keeps events.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from barnabas.logs import shortened, visible

Level: TypeAlias = Literal["info", "warning", "error"]
Plain: TypeAlias = Any
"""What JSON can hold."""

COORDINATOR = "coordinator"
NO_CONTROLLER_EPOCH = -1
VALUE_LENGTH_MAX = 1_000
"""Characters of one text in an event."""
ITEMS_MAX = 100
"""Items of one list in an event."""


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that happened."""

    kind: str
    """A name of ``kinds.KINDS``: a noun or past tense, such as ``leader_elected``."""
    time_ms: int
    """Wall time by the clock of the source: milliseconds since 1970."""
    source: str
    """The node that noted the event: ``broker:N`` or ``coordinator``."""
    sequence: int
    """Rises by one with each event of a source. A process begins with its start time in ms, so its
    numbers are greater than those of an earlier process of the same source."""
    controller_epoch: int = NO_CONTROLLER_EPOCH
    """The newest controller epoch that the source knew; -1 if it knew none."""
    level: Level = "info"
    broker: int | None = None
    """The broker that the event is about, such as the new leader or the broker that is gone; None
    if it is about no single broker."""
    topic: str | None = None
    partition: int | None = None
    text: str
    """A sentence for people, one printable line."""
    fields: dict[str, Plain] = {}
    """The values that the text was made from; their names depend on the kind."""

    @property
    def order(self) -> tuple[int, int, str, int]:
        """The order of a cluster's events: controller epoch, then time."""
        return self.controller_epoch, self.time_ms, self.source, self.sequence


class _Document(msgspec.Struct):
    events: list[Event]


def merged(events: Iterable[Event]) -> list[Event]:
    """Events of several sources in the order of their cluster.

    The coordinator and a broker that has just started know no controller epoch. Their events are
    placed by time, into the epoch that brokers knew then."""
    known = sorted(events, key=lambda event: (event.time_ms, event.source, event.sequence))
    epoch = NO_CONTROLLER_EPOCH
    placed: list[tuple[tuple[int, int, str, int], Event]] = []
    for event in known:
        epoch = max(epoch, event.controller_epoch)
        own = event.controller_epoch
        place = epoch if own == NO_CONTROLLER_EPOCH else own
        placed.append(((place, *event.order[1:]), event))
    placed.sort(key=lambda each: each[0])
    return [event for _, event in placed]


def to_json(event: Event) -> bytes:
    """The event as one line of JSON, without the newline."""
    return msgspec.json.encode(event)


def events_of_document(document: bytes) -> list[Event]:
    """The events in an answer of ``/events``. Raises ``msgspec.MsgspecError``."""
    return msgspec.json.decode(document, type=_Document).events


def from_json(line: bytes | str) -> Event:
    """The event that ``to_json`` has written. Unknown fields of later versions are ignored. Raises
    ``msgspec.MsgspecError``."""
    return msgspec.json.decode(line, type=Event)


def plain(value: object) -> Plain:
    """A noted value as JSON can hold it, cut to the length that an event may have."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        items = list(value.items())[:ITEMS_MAX]
        return {shortened(str(key), VALUE_LENGTH_MAX): plain(each) for key, each in items}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value[:ITEMS_MAX]]
    return shortened(visible(value), VALUE_LENGTH_MAX)
