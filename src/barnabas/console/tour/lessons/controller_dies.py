"""Lesson 4: the controller dies. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from barnabas.console.tour.lesson import Expected, Lesson, Seen, Step, after, plural

LESSON = Lesson(
    number=4,
    name="controller-dies",
    title="The controller dies",
    gist="The broker that elects leaders is killed. Who notices?",
    about=(
        "One broker is the controller. It elects the leaders of all partitions. Who is controller"
        " is decided through ZooKeeper: the broker that creates the node /controller is it. The"
        " node belongs to that broker's session and disappears with it. Then all others try to"
        " create it again, and one of them can.",
        "The controller is no part of writing or reading. Partitions that need no election do not"
        " notice that it is gone.",
    ),
    steps=(
        Step(
            name="create",
            will="Create a topic with two partitions. The controller has no replica of partition 0,"
            " and leads partition 1.",
        ),
        Step(name="write", will="Write to partition 0 with acks=all, without a pause."),
        Step(name="kill", will="Kill the controller with SIGKILL while the writer goes on."),
        Step(name="read", will="Stop the writer, and read partition 0 from its beginning."),
        Step(name="restart", will="Start the dead broker again."),
    ),
    expects=(
        Expected(
            name="elected",
            text="Another broker becomes controller, with the next controller epoch.",
        ),
        Expected(
            name="led",
            text="The new controller elects a leader for partition 1, which lost its own.",
        ),
        Expected(
            name="undisturbed",
            text="Partition 0 keeps its leader and its leader epoch, and its writer goes on.",
        ),
        Expected(name="kept", text="Every acknowledged record is there, once."),
    ),
    lasts_s=4,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the lesson saw. Times are from the kill, by ZooKeeper's clock."""

    old: int
    old_epoch: int
    new: int
    """-1: none in time."""
    new_epoch: int
    elected_ms: int | None
    leader: int
    """The new leader of partition 1; -1: none in time."""
    led_ms: int | None
    acked: int
    acked_after: int
    """Of those, sent after the kill."""
    acked_between: int
    """Of those, acknowledged before there was a controller again."""
    led_before: tuple[int, int]
    """Leader and leader epoch of partition 0 before the kill."""
    led_after: tuple[int, int]
    """The same after the election."""
    still_ms: int
    """The longest time between two acknowledgements."""
    lost: int
    twice: int


def seen(facts: Facts) -> list[Seen]:
    """What was seen of what the lesson expects."""
    elected = (
        f"Broker {facts.new} became controller {after(facts.elected_ms)}, epoch {facts.old_epoch} →"
        f" {facts.new_epoch}."
        if facts.new >= 0
        else "Nobody became controller in time."
    )
    led = (
        f"Broker {facts.leader} became leader of partition 1 {after(facts.led_ms)}."
        if facts.leader >= 0
        else "Partition 1 had no leader in time."
    )
    return [
        Seen(
            name="elected",
            holds=facts.new >= 0 and facts.new != facts.old and facts.new_epoch > facts.old_epoch,
            saw=elected,
        ),
        Seen(name="led", holds=facts.leader >= 0 and facts.leader != facts.old, saw=led),
        Seen(
            name="undisturbed",
            holds=facts.acked_after > 0 and facts.led_before == facts.led_after,
            saw=f"Broker {facts.led_after[0]} leads it, epoch {facts.led_before[1]} →"
            f" {facts.led_after[1]}. {plural(facts.acked_between, 'record')} acknowledged between"
            f" the kill and the election of a controller, {facts.acked_after:,} after the kill."
            f" Writes stood still for {facts.still_ms:,} ms at most.",
        ),
        Seen(
            name="kept",
            holds=facts.lost == 0 and facts.twice == 0 and facts.acked > 0,
            saw=f"{plural(facts.acked, 'record')} acknowledged, {facts.lost:,} of them lost,"
            f" {facts.twice:,} there twice.",
        ),
    ]
