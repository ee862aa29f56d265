"""Lesson 2: the in-sync set and ``acks``. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from barnabas.console.tour.lesson import Expected, Lesson, Seen, Step, broker_set

WAITS_MS = 250
"""A write that took at least this long has waited for something; one on a calm cluster takes a
few milliseconds."""

LESSON = Lesson(
    number=2,
    name="in-sync",
    title="The in-sync set and acks",
    gist="When a write counts as done, and what a silent follower does to it.",
    about=(
        "The in-sync set of a partition (ISR) is its leader and all followers that keep up with"
        " it. A producer says with acks when a write counts as done. acks=0: at once, without an"
        " answer. acks=1: when the leader has it. acks=all: when every replica of the in-sync set"
        " has it.",
        "A follower that falls silent holds back writes with acks=all until it leaves the in-sync"
        " set. min.insync.replicas, here 2, is the smallest in-sync set with which acks=all is"
        " accepted.",
    ),
    steps=(
        Step(name="create", will="Create a topic with one partition and three replicas."),
        Step(name="calm", will="Write with acks=0, 1 and all while all replicas are in sync."),
        Step(
            name="pause",
            will="Pause one follower. It keeps its connections and its place in the in-sync set,"
            " and answers nobody. Then write with acks=1 and with acks=all.",
        ),
        Step(name="second", will="Pause the other follower as well, until the leader is alone."),
        Step(name="alone", will="Write with acks=1 and with acks=all to the leader that is alone."),
        Step(
            name="resume", will="Let both followers go on, and wait until they are in sync again."
        ),
    ),
    expects=(
        Expected(name="calm", text="With all replicas in sync each write is done at once."),
        Expected(
            name="waits",
            text="acks=1 does not wait for the paused follower. acks=all does, until the follower"
            " has left the in-sync set.",
        ),
        Expected(
            name="refused",
            text="With fewer than min.insync.replicas in sync, acks=all is refused. acks=1 is still"
            " accepted: then only one copy exists.",
        ),
        Expected(name="back", text="Both followers join the in-sync set again, by themselves."),
    ),
    lasts_s=10,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """What came of one write."""

    answer: str
    """Kafka's name of the error; NONE if it was accepted."""
    ms: int

    @property
    def ok(self) -> bool:
        return self.answer == "NONE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the lesson saw."""

    calm: Mapping[str, Write]
    """By acks: "0", "1", "all"."""
    paused: int
    one: Write
    """With acks=1, while a follower was paused."""
    all: Write
    isr_after: tuple[int, ...]
    """When the write with acks=all was done."""
    isr_alone: tuple[int, ...]
    alone_one: Write
    alone_all: Write
    isr_back: tuple[int, ...]
    back_ms: int | None
    """From resume until all were in sync; None if they were not."""


def seen(facts: Facts) -> list[Seen]:
    """What was seen of what the lesson expects."""
    calm = ", ".join(f"acks={acks}: {_told(w)}" for acks, w in facts.calm.items())
    left = facts.paused not in facts.isr_after
    back = (
        f"All three were in sync {facts.back_ms:,} ms after they went on."
        if facts.back_ms is not None
        else f"In time only {broker_set(facts.isr_back)} were in sync."
    )
    return [
        Seen(name="calm", holds=all(w.ok for w in facts.calm.values()), saw=f"{calm}."),
        Seen(
            name="waits",
            holds=facts.one.ok
            and facts.all.ok
            and left
            and facts.one.ms < facts.all.ms >= WAITS_MS,
            saw=f"acks=1: {_told(facts.one)}, acks=all: {_told(facts.all)}. After that"
            f" {broker_set(facts.isr_after)} were in sync; broker {facts.paused} was paused.",
        ),
        Seen(
            name="refused",
            holds=facts.alone_one.ok and facts.alone_all.answer == "NOT_ENOUGH_REPLICAS",
            saw=f"With {broker_set(facts.isr_alone)} in sync: acks=1: {_told(facts.alone_one)},"
            f" acks=all: {_told(facts.alone_all)}.",
        ),
        Seen(name="back", holds=facts.back_ms is not None, saw=back),
    ]


def _told(write: Write) -> str:
    return f"{'done' if write.ok else write.answer} after {write.ms:,} ms"
