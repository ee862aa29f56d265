"""The events of a test cluster in the form of all events (``docs/events.md``). Pure.

What a node noted has the kinds of a broker's events. What the test did has those of histories, so
that ``barnabas console --events`` shows which node was dead, paused or cut off. A note that is no
event of a broker keeps its name as its kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from barnabas.logs import visible
from barnabas.observe.events import NO_CONTROLLER_EPOCH, Event, plain
from barnabas.observe.kinds import kind_of
from barnabas.observe.staged import HISTORY_BEGAN, TEST, staged_event
from barnabas.observe.timeline import Noted
from barnabas.testing.events import Record

Way = tuple[str, str]

_PROCESSES: Final = {
    "killed": "process_killed",
    "stopped": "process_stopped",
    "paused": "process_paused",
    "resumed": "process_resumed",
    "restarted": "process_started",
}


def observed(
    records: Iterable[Record], began_ms: int, brokers: Sequence[int], *, is_whole: bool
) -> list[Event]:
    """The events, in order of time. ``began_ms``: wall time of the cluster's start. ``is_whole``:
    whether none of its records was dropped."""
    translation = _Translation(began_ms)
    if is_whole:
        about = f"a test's cluster of {len(brokers)} broker{'' if len(brokers) == 1 else 's'}"
        translation.add(0.0, HISTORY_BEGAN, about=about, brokers=list(brokers))
    for record in records:
        translation.take(record)
    return translation.events


class _Translation:
    """Turns one record after the other into an event."""

    def __init__(self, began_ms: int) -> None:
        self.events: list[Event] = []
        self._began_ms = began_ms
        self._sequences: dict[str, int] = {}
        self._epochs: dict[str, int] = {}
        self._cut: dict[Way, None] = {}

    def take(self, record: Record) -> None:
        fields = record.fields
        if record.source == TEST:
            handler = _DONE.get(record.name)
            if record.name in _PROCESSES:
                self.add(record.at, _PROCESSES[record.name], node=fields["node"])
            elif handler is not None:
                handler(self, record)
            else:
                self._note(record)
            return
        if record.name == "ended":
            self.add(record.at, "process_ended", node=record.source)
            return
        epoch = fields.get("epoch") if record.name == "controller_elected" else None
        if isinstance(epoch, int):
            self._epochs[record.source] = epoch
        self._note(record)

    def add(self, at: float, kind: str, **fields: Any) -> None:
        """An event of what the test did."""
        time_ms, sequence = self._place(at, TEST)
        event = staged_event(kind, fields, time_ms=time_ms, source=TEST, sequence=sequence)
        self.events.append(event)

    def _place(self, at: float, source: str) -> tuple[int, int]:
        sequence = self._sequences[source] = self._sequences.get(source, 0) + 1
        return self._began_ms + int(at * 1000), sequence

    def _note(self, record: Record) -> None:
        time_ms, sequence = self._place(record.at, record.source)
        epoch = self._epochs.get(record.source, NO_CONTROLLER_EPOCH)
        fields: Mapping[str, Any] = record.fields
        kind = kind_of(record.name, fields)
        if kind is not None:
            noted = Noted(kind, record.source, time_ms, sequence, epoch, fields)
            self.events.append(noted.event())
            return
        told = {name: plain(value) for name, value in fields.items()}
        topic, partition, broker = (told.get(name) for name in ("topic", "partition", "broker"))
        said = "".join(f" {name}={visible(value)}" for name, value in fields.items())
        self.events.append(
            Event(
                kind=record.name,
                time_ms=time_ms,
                source=record.source,
                sequence=sequence,
                controller_epoch=epoch,
                broker=broker if isinstance(broker, int) else None,
                topic=topic if isinstance(topic, str) else None,
                partition=partition if isinstance(partition, int) else None,
                text=str(plain(record.name.replace("_", " ") + said)),
                fields=told,
            )
        )

    # -- what the test did -----------------------------------------------------------------------

    def _isolated(self, record: Record) -> None:
        fields = record.fields
        node, others = str(fields["node"]), str(fields["from_"]).split(",")
        delay = fields.get("delay_ms")
        ways: list[Way] = []
        if fields["direction"] in ("both", "out"):
            ways += [(node, other) for other in others]
        if fields["direction"] in ("both", "in"):
            ways += [(other, node) for other in others]
        if delay is not None:
            on = f"{node} and {', '.join(others)} by {delay} ms ({fields['direction']})"
            self.add(record.at, "disturbed", what="slow network", on=on)
            self._open(record.at, [way for way in ways if way in self._cut])
            return
        self._cut.update(dict.fromkeys(ways))
        self.add(record.at, "network_cut", ways=[list(way) for way in ways])

    def _healed(self, record: Record) -> None:
        text = str(record.fields["nodes"])
        some = set() if text == "all" else set(text.split(","))
        self._open(record.at, [w for w in self._cut if not some or not some.isdisjoint(w)])

    def _open(self, at: float, ways: list[Way]) -> None:
        for way in ways:
            del self._cut[way]
        if ways:
            self.add(at, "network_mended", ways=[list(way) for way in ways])

    def _disk_filled(self, record: Record) -> None:
        self.add(record.at, "disk_broken", node=record.fields["node"], what="is full")

    def _disk_freed(self, record: Record) -> None:
        self.add(record.at, "disk_mended", node=record.fields["node"])


_DONE: Final[Mapping[str, Callable[[_Translation, Record], None]]] = {
    "isolated": _Translation._isolated,
    "healed": _Translation._healed,
    "disk_filled": _Translation._disk_filled,
    "disk_freed": _Translation._disk_freed,
}
