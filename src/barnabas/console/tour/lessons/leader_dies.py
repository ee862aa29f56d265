"""Lesson 3: a leader dies. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from barnabas.console.tour.lesson import Expected, Lesson, Seen, Step, after, broker_set, plural

LESSON = Lesson(
    number=3,
    name="leader-dies",
    title="A leader dies",
    gist="A leader is killed while records are written. Who leads next, how soon, and is anything"
    " lost?",
    about=(
        "When a leader dies, its partitions need another one. The controller, a broker that was"
        " elected for this, chooses it: the first replica in the order of assignment that is alive"
        " and in sync. Only a replica of the in-sync set has all that was acknowledged with"
        " acks=all.",
        "Each election raises the leader epoch by one. By it everyone recognises what an older"
        " leader said.",
    ),
    steps=(
        Step(name="create", will="Create a topic with one partition, three replicas."),
        Step(name="write", will="Write one record after the other with acks=all, without a pause."),
        Step(
            name="kill",
            will="Kill the leader with SIGKILL while the writer goes on. It can say goodbye to"
            " nobody.",
        ),
        Step(name="read", will="Stop the writer, and read the partition from its beginning."),
        Step(name="restart", will="Start the dead broker again."),
    ),
    expects=(
        Expected(
            name="elected",
            text="The first in-sync follower in the order of assignment becomes leader, with the"
            " next epoch.",
        ),
        Expected(name="goes-on", text="The writer goes on with the new leader."),
        Expected(name="kept", text="Every acknowledged record is there, once."),
        Expected(
            name="back",
            text="The broker that comes back is a follower. It copies what it has missed, and joins"
            " the in-sync set.",
        ),
    ),
    lasts_s=4,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the lesson saw."""

    replicas: tuple[int, ...]
    """In the order of assignment."""
    old: int
    old_epoch: int
    isr_before: tuple[int, ...]
    new: int
    """-1: none in time."""
    new_epoch: int
    elected_ms: int | None
    """From the kill to the election, by ZooKeeper's clock."""
    acked: int
    """Records that were acknowledged, all together."""
    acked_after: int
    """Of those, sent after the kill."""
    still_ms: int
    """The longest time between two acknowledgements."""
    lost: int
    """Acknowledged records that were not read."""
    twice: int
    back_ms: int | None
    """From the start of the dead broker until it was in sync; None if it was not."""
    leader_then: int
    """The leader when the broker was back, before a preferred leader may have been elected."""


def seen(facts: Facts) -> list[Seen]:
    """What was seen of what the lesson expects."""
    order = [b for b in facts.replicas if b in facts.isr_before and b != facts.old]
    first = order[0] if order else -1
    if facts.new < 0:
        elected = "Nobody became leader in time."
    else:
        elected = (
            f"Broker {facts.new} became leader {after(facts.elected_ms)}, epoch {facts.old_epoch} →"
            f" {facts.new_epoch}. The order of assignment is {broker_set(facts.replicas)}."
        )
    back = (
        f"Broker {facts.old} was in sync {facts.back_ms:,} ms after it was started; broker"
        f" {facts.leader_then} was leader then."
        if facts.back_ms is not None
        else f"Broker {facts.old} was not in sync in time."
    )
    return [
        Seen(
            name="elected",
            holds=facts.new == first and facts.new >= 0 and facts.new_epoch == facts.old_epoch + 1,
            saw=elected,
        ),
        Seen(
            name="goes-on",
            holds=facts.acked_after > 0,
            saw=f"{plural(facts.acked_after, 'record')} acknowledged after the kill. Writes stood"
            f" still for {facts.still_ms:,} ms at most.",
        ),
        Seen(
            name="kept",
            holds=facts.lost == 0 and facts.twice == 0 and facts.acked > 0,
            saw=f"{plural(facts.acked, 'record')} acknowledged, {facts.lost:,} of them lost,"
            f" {facts.twice:,} there twice.",
        ),
        Seen(
            name="back",
            holds=facts.back_ms is not None and facts.leader_then == facts.new,
            saw=back,
        ),
    ]
