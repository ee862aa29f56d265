"""Lesson 5: ZooKeeper goes away. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from barnabas.console.tour.lesson import Expected, Lesson, Seen, Step, plural

WATCHED_MS = 2_500
"""How long the lesson looks whether a leader is elected without ZooKeeper."""

LESSON = Lesson(
    number=5,
    name="no-zookeeper",
    title="ZooKeeper goes away",
    gist="What still works while nothing can be decided, and what does not.",
    about=(
        "ZooKeeper keeps what all brokers must agree on: who is alive, who is controller, who leads"
        " which partition, who is in sync. No record goes through it. In this cluster a small"
        " coordinator that speaks ZooKeeper's protocol is in its place.",
        "Without ZooKeeper nothing can be decided anew. What was decided before stays as it is.",
    ),
    steps=(
        Step(name="create", will="Create a topic with two partitions, led by different brokers."),
        Step(name="away", will="Kill the coordinator with SIGKILL."),
        Step(name="write", will="Write 100 records with acks=all to partition 0, and read them."),
        Step(
            name="kill",
            will="Kill the leader of partition 1 while ZooKeeper is away, and watch the partition"
            f" for {WATCHED_MS / 1000:.1f} s.",
        ),
        Step(name="return", will="Start the coordinator again."),
        Step(name="restart", will="Start the dead broker again."),
    ),
    expects=(
        Expected(
            name="serves",
            text="Partitions that have a leader are written and read without ZooKeeper.",
        ),
        Expected(name="stuck", text="The partition that loses its leader gets no other one."),
        Expected(
            name="resumes",
            text="When ZooKeeper is back, the controller goes on and elects a leader.",
        ),
        Expected(name="whole", text="All brokers are registered again, and all replicas in sync."),
    ),
    lasts_s=10,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the lesson saw."""

    written: int
    """Acknowledged while ZooKeeper was away."""
    wanted: int
    read: int
    wrote_ms: int
    dead: int
    """The leader of partition 1 that was killed."""
    elected_without: bool
    """Whether a broker said that partition 1 had another leader, before ZooKeeper was back."""
    watched_ms: int
    leader: int
    """Of partition 1, after ZooKeeper was back; -1: none in time."""
    elected_ms: int | None
    """From the start of the coordinator to that."""
    whole_ms: int | None
    """From the start of the dead broker until all was whole; None if it was not."""


def seen(facts: Facts) -> list[Seen]:
    """What was seen of what the lesson expects."""
    stuck = (
        f"Partition 1 got another leader within {facts.watched_ms:,} ms."
        if facts.elected_without
        else f"Broker {facts.dead} was dead, and for {facts.watched_ms:,} ms no broker knew another"
        " leader of partition 1."
    )
    resumes = (
        f"Broker {facts.leader} became leader {facts.elected_ms:,} ms after the coordinator was"
        " started."
        if facts.elected_ms is not None
        else "Partition 1 had no leader in time."
    )
    whole = (
        f"All was whole {facts.whole_ms:,} ms after broker {facts.dead} was started."
        if facts.whole_ms is not None
        else "The cluster was not whole in time."
    )
    return [
        Seen(
            name="serves",
            holds=facts.written == facts.read == facts.wanted,
            saw=f"{plural(facts.written, 'record')} of {facts.wanted} acknowledged in"
            f" {facts.wrote_ms:,} ms, {facts.read:,} read.",
        ),
        Seen(name="stuck", holds=not facts.elected_without, saw=stuck),
        Seen(
            name="resumes",
            holds=facts.elected_ms is not None and facts.leader not in (-1, facts.dead),
            saw=resumes,
        ),
        Seen(name="whole", holds=facts.whole_ms is not None, saw=whole),
    ]
