"""Anomalies that clients can see, found in a history. Pure: it judges simulated and real runs.

Gaps in offsets are legal (control records), so positions are compared by rank among the offsets
that anybody has seen. The definitions are those of Jepsen's Kafka workload; those about groups and
compacted partitions are ours.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from tests.simulation.history import Commit, History, Outcome, Send


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
        *_owners(history),
        *_stale_generations(history),
        *_updates(history),
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
        if not _must_be_there(history, send) or (send.key, send.value) in read:
            continue
        offsets = positions.get(send.key, {}).get(send.value)
        if offsets and logs[send.key].ranks[offsets[-1]] <= bounds[send.key]:
            text = f"{send.value!r}, acknowledged at {offsets[-1]}, was passed over by readers"
            yield Anomaly(kind="lost-write", key=send.key, text=text)


def _must_be_there(history: History, send: Send) -> bool:
    """Acknowledged, and not deleted by retention."""
    known = send.offset if send.offset is not None else 0
    return send.outcome is Outcome.OK and known >= history.starts.get(send.key, 0)


def _unseen(history: History) -> Iterator[Anomaly]:
    """By anybody, or by a group whose members have read everything too."""
    for group in dict.fromkeys(["", *(poll.group for poll in history.polls)]):
        polls = [poll for poll in history.polls if group in ("", poll.group)]
        read = {(key, value): None for poll in polls for key, _, value in poll.records}
        for send in history.sends:
            if _must_be_there(history, send) and (send.key, send.value) not in read:
                who = f" by group {group}" if group else ""
                text = f"{send.value!r}, acknowledged at {send.offset}, was never read{who}"
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
    """A group reads back less than the newest offset that was acknowledged, or read, before."""
    seen = [
        Commit(
            group=read.group,
            key=read.key,
            offset=read.offset,
            outcome=Outcome.OK,
            invoked=read.invoked,
            completed=read.completed,
        )
        for read in history.committed
        if read.completed is not None and read.offset >= 0
    ]
    asked = _by_place(history.commits)
    told = _by_place([*history.commits, *seen])
    for read in history.committed:
        place = (read.group, read.key)
        before = [
            c
            for c in told.get(place, ())
            if c.outcome is Outcome.OK and c.completed <= read.invoked
        ]
        latest = max((c.invoked for c in before), default=0.0)
        newest = [c for c in before if c.completed >= latest]
        if not newest:
            continue
        start = min(c.invoked for c in newest)
        # A commit that was given up may arrive at any time after.
        maybe = [
            c.offset
            for c in asked.get(place, ())
            if c.outcome is Outcome.INFO or (c.outcome is Outcome.OK and c.completed >= start)
        ]
        if read.offset < max(c.offset for c in newest) and read.offset not in maybe:
            text = f"group {read.group} reads {read.offset} after {newest[-1].offset} was committed"
            yield Anomaly(kind="lost-group-offset", key=read.key, text=text)


def _by_place(commits: Iterable[Commit]) -> dict[tuple[str, str], list[Commit]]:
    places: dict[tuple[str, str], list[Commit]] = {}
    for commit in commits:
        places.setdefault((commit.group, commit.key), []).append(commit)
    return places


def _owners(history: History) -> Iterator[Anomaly]:
    """One owner for each partition in each generation."""
    owners: dict[tuple[str, int, str], str] = {}
    for given in history.assigned:
        for key in given.keys:
            owner = owners.setdefault((given.group, given.generation, key), given.member)
            if owner != given.member:
                text = f"{owner} and {given.member} own it in generation {given.generation}"
                yield Anomaly(kind="two-owners", key=key, text=text)


def _stale_generations(history: History) -> Iterator[Anomaly]:
    """A commit of a generation succeeds that began after somebody worked in a later one."""
    for commit in history.commits:
        if commit.outcome is not Outcome.OK or commit.generation < 0:
            continue
        for given in history.assigned:
            later = given.generation > commit.generation and given.completed < commit.invoked
            if given.group == commit.group and later:
                text = f"{commit.offset} was committed in generation {commit.generation}"
                text += f", after {given.member} had its partitions of {given.generation}"
                yield Anomaly(kind="stale-generation", key=commit.key, text=text)
                break


_Known = dict[tuple[str, str], dict[int, str | None]]
"""(Partition, key of records) -> offset -> value."""


def _updates(history: History) -> Iterator[Anomaly]:
    """Compacted partitions: of every key the newest value is there, and values never go back."""
    known: _Known = {}
    for update in history.updates:
        if update.outcome is Outcome.OK and update.offset is not None:
            known.setdefault((update.key, update.name), {})[update.offset] = update.value
    yield from _scanned(history, known)
    yield from _versions(history, known)
    for (key, name), values in known.items():
        newest = max(values)
        for scan in history.scans:
            passed = scan.key == key and (scan.final or newest < scan.end)
            if passed and (newest, name, values[newest]) not in scan.records:
                text = f"{scan.process} read up to {scan.end} and not {name}"
                text += f" = {values[newest]!r} at {newest}, its newest value"
                yield Anomaly(kind="lost-update", key=key, text=text)


def _scanned(history: History, known: _Known) -> Iterator[Anomaly]:
    for scan in history.scans:
        for offset, name, value in scan.records:
            before = known.setdefault((scan.key, name), {}).setdefault(offset, value)
            if before != value:
                text = f"{name} at {offset} was {value!r}, and {before!r}"
                yield Anomaly(kind="inconsistent-offsets", key=scan.key, text=text)
        for one, other in pairwise(offset for offset, _, _ in scan.records):
            if other <= one:
                text = f"{scan.process} went from {one} to {other}"
                yield Anomaly(kind="nonmonotonic-poll", key=scan.key, text=text)


def _versions(history: History, known: _Known) -> Iterator[Anomaly]:
    # Deletions are all alike: they tell no version.
    versions: dict[tuple[str, str, str | None], int] = {
        (u.key, u.name, u.value): u.version for u in history.updates if u.value is not None
    }
    for (key, name), values in known.items():
        order = [versions.get((key, name, values[offset])) for offset in sorted(values)]
        told = [version for version in order if version is not None]
        for one, other in pairwise(told):
            if other <= one:
                text = f"{name} has version {other} after version {one}"
                yield Anomaly(kind="key-went-back", key=key, text=text)


def _some(values: Iterable[object]) -> str:
    listed = [repr(value) for value in values]
    more = f" and {len(listed) - 5} more" if len(listed) > 5 else ""
    return ", ".join(listed[:5]) + more
