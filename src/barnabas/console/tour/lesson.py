"""What a lesson of the tour is made of, and the pictures that it shows. Pure.

A lesson is described once: what it is about, what will be done, what is expected. What was seen of
that is decided from facts by the lesson's own function. The page and the terminal show both.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from barnabas.console.model import IN_SYNC, LAGGING, LEADER, OFFLINE, Snapshot
from barnabas.types import TopicPartition

READS: Final = "reads"
"""The state of a cell of a group: this member reads this partition."""
STATES: Final = (LEADER, IN_SYNC, LAGGING, OFFLINE, READS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that a lesson does."""

    name: str
    will: str
    """What is about to happen, in a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """One thing that a lesson expects to see."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """One lesson. ``name`` is part of its address and of the names of its topics."""

    number: int
    name: str
    title: str
    gist: str
    """What it is about, in a line."""
    about: tuple[str, ...]
    """What one needs to know before, in paragraphs."""
    steps: tuple[Step, ...]
    expects: tuple[Expected, ...]
    lasts_s: int
    """About how long it takes with the profile ``dev``."""

    @property
    def topic(self) -> str:
        """The name of its topic, and the beginning of the names of its topics."""
        return f"tour-{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen of something that was expected."""

    name: str
    """That of the ``Expected``."""
    holds: bool
    saw: str
    """What was seen, in a sentence with its numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """``state``: one of ``STATES``, or "" where there is nothing."""

    state: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of a picture, with what is said of it at its end."""

    name: str
    cells: tuple[Cell, ...]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """The state at one moment: rows of partitions, columns of brokers or of members."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    note: str = ""


Ends = Mapping[tuple[TopicPartition, int], int]
"""How many records a broker has of a partition: where its log ends."""


def picture_of(
    title: str,
    snapshot: Snapshot,
    topics: Collection[str],
    brokers: Sequence[int],
    *,
    ends: Ends | None = None,
    gone: Collection[int] = (),
    paused: Collection[int] = (),
    note: str = "",
) -> Picture:
    """Partitions by brokers. ``gone``: brokers that are dead, whatever the snapshot says."""
    rows = []
    for topic, number, partition in snapshot.partitions():
        if topic.name not in topics:
            continue
        tp = TopicPartition(topic.name, number)
        cells = []
        for broker in brokers:
            state = snapshot.replica_state(partition, broker)
            end = None if ends is None else ends.get((tp, broker))
            if state and broker in gone:
                state = OFFLINE
            said = end is not None and state not in ("", OFFLINE)
            cells.append(Cell(state=state, note=plural(end or 0, "record") if said else ""))
        led = partition.leader in snapshot.brokers and partition.leader not in gone
        leader = f"leader {partition.leader}" if led else "no leader"
        epoch = f", epoch {partition.leader_epoch}" if partition.leader_epoch >= 0 else ""
        rows.append(
            Row(
                name=f"{topic.name}/{number}",
                cells=tuple(cells),
                note=f"{leader}{epoch}, in sync {broker_set(partition.isr)}",
            )
        )
    return Picture(
        title=title,
        columns=tuple(_column(snapshot, broker, gone, paused) for broker in brokers),
        rows=tuple(rows),
        note=note,
    )


def _column(snapshot: Snapshot, broker: int, gone: Collection[int], paused: Collection[int]) -> str:
    if broker in paused:
        return f"broker {broker}, paused"
    if broker not in snapshot.brokers or broker in gone:
        return f"broker {broker}, gone"
    return f"broker {broker}" + (", controller" if snapshot.controller.broker == broker else "")


def group_picture(
    title: str, members: Mapping[str, Collection[int]], partitions: int, *, note: str = ""
) -> Picture:
    """Partitions by the members of a group, who read them."""
    return Picture(
        title=title,
        columns=tuple(members),
        rows=tuple(
            Row(
                name=f"partition {number}",
                cells=tuple(Cell(state=READS if number in p else "") for p in members.values()),
            )
            for number in range(partitions)
        ),
        note=note,
    )


# --- words ----------------------------------------------------------------------------------------


def plural(count: int, noun: str) -> str:
    """``1 record``, ``1,000 records``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def broker_set(brokers: Iterable[int]) -> str:
    """``[1, 2]``"""
    return f"[{', '.join(map(str, brokers))}]"


def after(ms: int | None) -> str:
    """``after 7 ms``"""
    return "at an unknown time" if ms is None else f"after {ms:,} ms"
