"""Anomalies that clients can see, found in a history. Pure: it judges simulated and real runs.

A history is what clients did, in the order in which each did it. Every produced value is unique.
``ok`` means acknowledged, ``fail`` means it definitely did not happen, ``info`` means nobody knows:
time-outs, lost connections and NOT_LEADER_OR_FOLLOWER are ``info``. Gaps in offsets are legal
(control records), so positions are compared by rank among the offsets that anybody has seen.

The definitions are those of Jepsen's Kafka workload.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise


class Outcome(Enum):
    """What the client knows of an operation."""

    OK = "ok"
    FAIL = "fail"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """One produced value; ``offset`` if the acknowledgement told it."""

    process: str
    key: str
    """The partition, by whatever name."""
    value: Hashable
    outcome: Outcome
    offset: int | None = None
    completed: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """What one poll returned, in order. A new position (assign, seek) begins a new segment."""

    process: str
    segment: int
    records: tuple[tuple[str, int, Hashable], ...]
    """(key, offset, value)"""
    assigned: bool = True
    """Positions move only when the client moves them (assign), not by rebalances (subscribe)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A group's offset committed."""

    group: str
    key: str
    offset: int
    outcome: Outcome
    invoked: float
    completed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """A group's offset read back; -1 if there was none."""

    group: str
    key: str
    offset: int
    invoked: float


@dataclass(slots=True)
class History:
    """All that clients did."""

    idempotent: bool = True
    """Producers are idempotent, or never retry: a duplicate is a fault."""
    ordered: bool = True
    """Producers are idempotent or keep one request in flight: their offsets grow."""
    drained: bool = False
    """Consumers have read everything after quiet returned: what is unseen now is lost."""
    sends: list[Send] = field(default_factory=list)
    polls: list[Poll] = field(default_factory=list)
    commits: list[Commit] = field(default_factory=list)
    committed: list[Committed] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Anomaly:
    """Something that must not be."""

    kind: str
    key: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind} in {self.key}: {self.text}"


def check(history: History) -> list[Anomaly]:
    """All anomalies of a history; an empty list if it is sound."""
    logs = _logs(history)
    return [
        *_inconsistent_offsets(logs),
        *(_duplicates(logs) if history.idempotent else ()),
        *_lost_writes(history, logs),
        *(_unseen(history) if history.drained else ()),
        *_aborted_reads(history),
        *_polls(history, logs),
        *(_sends(history) if history.ordered else ()),
        *_group_offsets(history),
    ]


@dataclass(slots=True)
class _Log:
    """What is known of one partition: offset -> values, and the rank of each offset."""

    values: dict[int, dict[Hashable, None]] = field(default_factory=dict)
    ranks: dict[int, int] = field(default_factory=dict)

    def offsets_by_value(self) -> dict[Hashable, list[int]]:
        found: dict[Hashable, list[int]] = {}
        for offset in sorted(self.values):
            for value in self.values[offset]:
                found.setdefault(value, []).append(offset)
        return found


def _logs(history: History) -> dict[str, _Log]:
    logs: dict[str, _Log] = {}

    def saw(key: str, offset: int, value: Hashable) -> None:
        logs.setdefault(key, _Log()).values.setdefault(offset, {})[value] = None

    for send in history.sends:
        if send.outcome is Outcome.OK and send.offset is not None and send.offset >= 0:
            saw(send.key, send.offset, send.value)
    for poll in history.polls:
        for key, offset, value in poll.records:
            saw(key, offset, value)
    for log in logs.values():
        log.ranks = {offset: rank for rank, offset in enumerate(sorted(log.values))}
    return dict(sorted(logs.items()))


def _inconsistent_offsets(logs: dict[str, _Log]) -> Iterator[Anomaly]:
    for key, log in logs.items():
        for offset, values in log.values.items():
            if len(values) > 1:
                text = f"offset {offset} was {_some(values)}"
                yield Anomaly(kind="inconsistent-offsets", key=key, text=text)


def _duplicates(logs: dict[str, _Log]) -> Iterator[Anomaly]:
    for key, log in logs.items():
        for value, offsets in log.offsets_by_value().items():
            if len(offsets) > 1:
                text = f"{value!r} is at offsets {_some(offsets)}"
                yield Anomaly(kind="duplicate", key=key, text=text)


def _read_values(history: History) -> dict[tuple[str, Hashable], None]:
    return {(key, value): None for poll in history.polls for key, _, value in poll.records}


def _lost_writes(history: History, logs: dict[str, _Log]) -> Iterator[Anomaly]:
    """A later value was read, this acknowledged one by nobody."""
    read = _read_values(history)
    bounds = {
        key: max(
            (
                log.ranks[offsets[0]]
                for value, offsets in log.offsets_by_value().items()
                if (key, value) in read
            ),
            default=-1,
        )
        for key, log in logs.items()
    }
    positions = {key: log.offsets_by_value() for key, log in logs.items()}
    for send in history.sends:
        if send.outcome is not Outcome.OK or (send.key, send.value) in read:
            continue
        offsets = positions.get(send.key, {}).get(send.value)
        if offsets and logs[send.key].ranks[offsets[-1]] <= bounds[send.key]:
            text = f"{send.value!r}, acknowledged at {offsets[-1]}, was passed over by readers"
            yield Anomaly(kind="lost-write", key=send.key, text=text)


def _unseen(history: History) -> Iterator[Anomaly]:
    read = _read_values(history)
    for send in history.sends:
        if send.outcome is Outcome.OK and (send.key, send.value) not in read:
            text = f"{send.value!r}, acknowledged at {send.offset}, was never read"
            yield Anomaly(kind="unseen", key=send.key, text=text)


def _aborted_reads(history: History) -> Iterator[Anomaly]:
    read = _read_values(history)
    for send in history.sends:
        if send.outcome is Outcome.FAIL and (send.key, send.value) in read:
            text = f"{send.value!r} was read, though its send had failed for good"
            yield Anomaly(kind="G1a", key=send.key, text=text)


def _polls(history: History, logs: dict[str, _Log]) -> Iterator[Anomaly]:
    """Skips and steps back, inside one poll and from one poll to the next."""
    last: dict[tuple[str, int, str], int] = {}
    for poll in history.polls:
        offsets: dict[str, list[int]] = {}
        for key, offset, _ in poll.records:
            offsets.setdefault(key, []).append(offset)
        for key, seen in offsets.items():
            ranks = logs[key].ranks
            who = (poll.process, poll.segment, key)
            for one, other in pairwise(seen):
                yield from _step("int-", poll.process, key, ranks, one, other)
            if poll.assigned and who in last:
                yield from _step("", poll.process, key, ranks, last[who], seen[0])
            last[who] = seen[-1]


def _step(
    prefix: str, process: str, key: str, ranks: dict[int, int], one: int, other: int
) -> Iterator[Anomaly]:
    if ranks[other] > ranks[one] + 1:
        missed = [offset for offset in ranks if one < offset < other]
        text = f"{process} went from {one} to {other}, past {_some(sorted(missed))}"
        yield Anomaly(kind=f"{prefix}poll-skip", key=key, text=text)
    elif ranks[other] <= ranks[one]:
        text = f"{process} went from {one} to {other}"
        yield Anomaly(kind=f"{prefix}nonmonotonic-poll", key=key, text=text)


def _sends(history: History) -> Iterator[Anomaly]:
    last: dict[tuple[str, str], int] = {}
    for send in history.sends:
        if send.outcome is not Outcome.OK or send.offset is None or send.offset < 0:
            continue
        who = (send.process, send.key)
        if send.offset <= last.get(who, -1):
            text = f"{send.process} sent {send.value!r} to {send.offset} after {last[who]}"
            yield Anomaly(kind="nonmonotonic-send", key=send.key, text=text)
        last[who] = send.offset


def _group_offsets(history: History) -> Iterator[Anomaly]:
    """A group reads back less than the newest offset that was acknowledged before."""
    for read in history.committed:
        mine = [c for c in history.commits if (c.group, c.key) == (read.group, read.key)]
        before = [c for c in mine if c.outcome is Outcome.OK and c.completed <= read.invoked]
        newest = [c for c in before if not any(o.invoked >= c.completed for o in before if o != c)]
        if not newest:
            continue
        start = min(c.invoked for c in newest)
        maybe = [c for c in mine if c.outcome is not Outcome.FAIL and c.completed >= start]
        if read.offset < max(c.offset for c in newest) and read.offset not in [
            c.offset for c in maybe
        ]:
            text = f"group {read.group} reads {read.offset} after {newest[-1].offset} was committed"
            yield Anomaly(kind="lost-group-offset", key=read.key, text=text)


def _some(values: Iterable[object]) -> str:
    listed = [repr(value) for value in values]
    more = f" and {len(listed) - 5} more" if len(listed) > 5 else ""
    return ", ".join(listed[:5]) + more
