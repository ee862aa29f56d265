"""Lesson 7: a consumer group rebalances. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from barnabas.console.tour.lesson import Expected, Lesson, Seen, Step, after, plural

PARTITIONS = 6

LESSON = Lesson(
    number=7,
    name="rebalance",
    title="A consumer group rebalances",
    gist="Three consumers share six partitions; one leaves, one dies.",
    about=(
        "Consumers that name the same group share the partitions of a topic: each partition is read"
        " by one member of the group. One broker, the group's coordinator, keeps the list of"
        " members. When a member comes or goes, all join again and the partitions are given out"
        " anew. That is a rebalance, and each one has the next generation number.",
        "A member that leaves says so. One that dies is missed only when its session times out. The"
        " group commits its positions, so whoever gets a partition goes on where the last one"
        " committed. What was read and not committed yet is read again.",
    ),
    steps=(
        Step(name="create", will="Create a topic with six partitions, and write to all of them."),
        Step(name="one", will="Start a consumer, member A, which reads and commits."),
        Step(name="three", will="Start two more, B and C, in the same group."),
        Step(name="leave", will="Let B leave the group in good order."),
        Step(name="die", will="Let C die: it says nothing, and sends no more heartbeats."),
        Step(name="read", will="Let A read all that is left, and stop."),
    ),
    expects=(
        Expected(name="alone", text="A alone reads all six partitions."),
        Expected(name="shared", text="Of three members each reads two, and no partition has two."),
        Expected(name="left", text="When B leaves, its partitions go to the others at once."),
        Expected(
            name="died",
            text="When C dies, its partitions wait until its session has timed out. Then A has"
            " all.",
        ),
        Expected(name="read", text="Every record was read, whoever had the partition."),
    ),
    lasts_s=11,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the lesson saw. Assignments are the partitions of each member that is there."""

    alone: Mapping[str, Collection[int]]
    shared: Mapping[str, Collection[int]]
    shared_ms: int | None
    """From the start of B and C until all three had two; None if they had not."""
    after_leave: Mapping[str, Collection[int]]
    left_ms: int | None
    after_death: Mapping[str, Collection[int]]
    died_ms: int | None
    session_ms: int
    generations: tuple[int, ...]
    """When A was alone, with three, after B left, after C died."""
    written: int
    read: int
    """How many of the records were read at least once."""
    again: int
    """How many reads were of a record that had been read before."""


def seen(facts: Facts) -> list[Seen]:
    """What was seen of what the lesson expects."""
    early = facts.died_ms is not None and facts.died_ms < facts.session_ms // 2
    return [
        Seen(
            name="alone",
            holds=_sizes(facts.alone) == [PARTITIONS] and _is_shared_out(facts.alone),
            saw=f"{_told(facts.alone)}; generation {_generation(facts, 0)}.",
        ),
        Seen(
            name="shared",
            holds=_sizes(facts.shared) == [2, 2, 2] and _is_shared_out(facts.shared),
            saw=f"{_told(facts.shared)}; generation {_generation(facts, 1)},"
            f" {_when(facts.shared_ms)}.",
        ),
        Seen(
            name="left",
            holds=facts.left_ms is not None
            and facts.left_ms < facts.session_ms
            and _is_shared_out(facts.after_leave),
            saw=f"{_told(facts.after_leave)}; generation {_generation(facts, 2)},"
            f" {_when(facts.left_ms)}.",
        ),
        Seen(
            name="died",
            holds=facts.died_ms is not None and not early and _is_shared_out(facts.after_death),
            saw=f"{_told(facts.after_death)}; generation {_generation(facts, 3)},"
            f" {_when(facts.died_ms)}. The session timeout is {facts.session_ms:,} ms.",
        ),
        Seen(
            name="read",
            holds=facts.read == facts.written > 0,
            saw=f"{facts.read:,} of {plural(facts.written, 'record')} read, {facts.again:,} of them"
            " more than once.",
        ),
    ]


def _sizes(members: Mapping[str, Collection[int]]) -> list[int]:
    return sorted(len(p) for p in members.values())


def _is_shared_out(members: Mapping[str, Collection[int]]) -> bool:
    """Whether each partition has one reader."""
    return sorted(n for p in members.values() for n in p) == list(range(PARTITIONS))


def _told(members: Mapping[str, Collection[int]]) -> str:
    texts = [f"{m} reads {', '.join(map(str, sorted(p))) or 'none'}" for m, p in members.items()]
    return "; ".join(texts) or "Nobody reads"


def _generation(facts: Facts, at: int) -> str:
    return str(facts.generations[at]) if at < len(facts.generations) else "unknown"


def _when(ms: int | None) -> str:
    return "not in time" if ms is None else after(ms)
