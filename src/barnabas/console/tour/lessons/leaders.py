"""Lesson 1: leaders and followers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from barnabas.console.tour.lesson import Expected, Lesson, Seen, Step, plural

LESSON = Lesson(
    number=1,
    name="leaders",
    title="Leaders and followers",
    gist="Who keeps the records, and who takes the writes.",
    about=(
        "A topic is split into partitions. Each partition is a log, and each log is kept by several"
        " brokers: its replicas. One replica is the leader. It takes all writes. The others are"
        " followers. They copy what the leader has.",
        "Leadership is by partition, not by broker. A broker leads some partitions and follows in"
        " others, so that all brokers share the work.",
    ),
    steps=(
        Step(name="create", will="Create a topic with three partitions, three replicas of each."),
        Step(
            name="write",
            will="Write 30 records with keys. The key decides the partition, and the write goes to"
            " the leader of that partition.",
        ),
        Step(
            name="compare", will="Ask each broker how many records its copy of each partition has."
        ),
        Step(name="refuse", will="Send a write to a follower."),
    ),
    expects=(
        Expected(name="spread", text="Each partition has one leader, and each broker leads one."),
        Expected(name="copied", text="All three copies of each partition have the same records."),
        Expected(name="refused", text="The follower refuses the write, and names its error."),
    ),
    lasts_s=2,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the lesson saw."""

    leaders: Mapping[int, int]
    """The leader of each partition."""
    ends: Mapping[int, tuple[int, ...]]
    """Of each partition, how many records each replica has."""
    written: int
    copied_ms: int | None
    """From the last acknowledgement until all copies were the same; None if they were not."""
    follower: int
    answer: str
    """Kafka's name of what the follower answered."""


def seen(facts: Facts) -> list[Seen]:
    """What was seen of what the lesson expects."""
    leaders = ", ".join(f"{p}: broker {b}" for p, b in facts.leaders.items())
    total = sum(max(ends, default=0) for ends in facts.ends.values())
    same = all(len(set(ends)) == 1 for ends in facts.ends.values())
    counts = "; ".join(f"{p}: {', '.join(map(str, e))}" for p, e in facts.ends.items())
    if facts.copied_ms is not None and same:
        copied = (
            f"{plural(total, 'record')} in all ({counts}). The copies were the same"
            f" {facts.copied_ms:,} ms after the last acknowledgement, or sooner."
        )
    else:
        copied = f"The copies were not the same in time: {counts}."
    return [
        Seen(
            name="spread",
            holds=len(facts.leaders) == 3 and len(set(facts.leaders.values())) == 3,
            saw=f"Leaders by partition: {leaders}.",
        ),
        Seen(
            name="copied",
            holds=same and facts.copied_ms is not None and total == facts.written,
            saw=copied,
        ),
        Seen(
            name="refused",
            holds=facts.answer == "NOT_LEADER_OR_FOLLOWER",
            saw=f"Broker {facts.follower} answered {facts.answer}.",
        ),
    ]
