"""Kinds of events of clusters that are watched from outside: what a test or the simulator does to
one, and what its znodes hold. Pure.

No broker notes them. A history that begins with ``history_began`` is told from its beginning, so
what it does not name does not exist. ``docs/events.md`` has the same table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from barnabas.observe.events import NO_CONTROLLER_EPOCH, Event, Level, plain
from barnabas.observe.kinds import Fields, Kind

SIMULATOR: Final = "simulator"
TEST: Final = "test"
VIOLATION: Final = "violation"
HISTORY_BEGAN: Final = "history_began"


def _ways(what: str) -> Callable[[Fields], str]:
    def text(fields: Fields) -> str:
        by_source: dict[str, list[str]] = {}
        for source, target in fields["ways"]:
            by_source.setdefault(str(source), []).append(str(target))
        to_same: dict[tuple[str, ...], list[str]] = {}
        for source, targets in by_source.items():
            to_same.setdefault(tuple(sorted(targets)), []).append(source)
        told = (
            f"{', '.join(sources)} to {', '.join(targets)}" for targets, sources in to_same.items()
        )
        return f"{what}: {'; '.join(told)}"

    return text


def _state(fields: Fields) -> str:
    text = f"{fields['topic']}-{fields['partition']} in ZooKeeper: leader {fields['leader']}"
    return f"{text}, epoch {fields['epoch']}, ISR [{', '.join(map(str, fields['isr']))}]"


def _assignment(fields: Fields) -> str:
    told = (f"{number} on {replicas}" for number, replicas in fields["assignment"].items())
    return f"topic {fields['topic']} in ZooKeeper: {', '.join(told)}"


_ROWS: Final[tuple[tuple[str, Level, str | Callable[[Fields], str]], ...]] = (
    (HISTORY_BEGAN, "info", "{about}"),
    ("phase", "info", "{phase}"),
    (VIOLATION, "error", "{invariant}: {why}"),
    # Processes and machines
    ("process_started", "info", "{node} is started"),
    ("process_killed", "warning", "{node} is killed"),
    ("process_stopped", "info", "{node} is told to stop"),
    ("process_paused", "warning", "{node} is paused"),
    ("process_resumed", "info", "{node} goes on"),
    ("process_ended", "warning", "{node} has ended"),
    ("power_lost", "warning", "{nodes}: the machine has lost its power"),
    ("power_restored", "info", "{nodes}: the machine has power again"),
    # Networks and disks
    ("network_cut", "warning", _ways("nothing gets through")),
    ("network_mended", "info", _ways("open again")),
    ("disk_broken", "warning", "{node}: disk {what}"),
    ("disk_mended", "info", "{node}: the disk is as before"),
    ("disturbed", "warning", "{what}: {on}"),
    # What ZooKeeper's server holds
    ("registration_written", "info", "broker {broker} in ZooKeeper: registered, epoch {epoch}"),
    ("registration_gone", "warning", "broker {broker} in ZooKeeper: its registration is gone"),
    ("controller_written", "info", "controller in ZooKeeper: broker {broker}"),
    ("controller_gone", "warning", "controller in ZooKeeper: none"),
    ("state_written", "info", _state),
    ("assignment_written", "info", _assignment),
)


def _kinds() -> Mapping[str, Kind]:
    return MappingProxyType(
        {
            name: Kind(name, level, text.format_map if isinstance(text, str) else text)
            for name, level, text in _ROWS
        }
    )


STAGED: Final = _kinds()


def staged_event(
    kind: str, fields: Mapping[str, Any], *, time_ms: int, source: str, sequence: int
) -> Event:
    """An event of one of these kinds. Raises KeyError for another kind or a field that lacks."""
    found = STAGED[kind]
    told = {name: plain(value) for name, value in fields.items()}
    topic, partition, broker = (told.get(name) for name in ("topic", "partition", "broker"))
    return Event(
        kind=kind,
        time_ms=time_ms,
        source=source,
        sequence=sequence,
        controller_epoch=NO_CONTROLLER_EPOCH,
        level=found.level,
        broker=broker if isinstance(broker, int) else None,
        topic=topic,
        partition=partition,
        text=str(plain(found.text(told))),
        fields=told,
    )
