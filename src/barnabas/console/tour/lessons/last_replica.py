"""Lesson 6: the last replica, and unclean election. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from barnabas.console.tour.lesson import Expected, Lesson, Seen, Step, after, plural

HALF = 5
"""Records that are written before the first death, and again after it."""
WATCHED_MS = 2_000

LESSON = Lesson(
    number=6,
    name="last-replica",
    title="The last replica and unclean election",
    gist="All copies of a partition die. Wait, or lose records?",
    about=(
        "When the last in-sync replica dies, all that are left may lack acknowledged records. Then"
        " there are two ways. The partition waits for the last in-sync replica: nothing is lost,"
        " but nobody can write or read. Or a replica that was not in sync becomes leader, which is"
        " called an unclean election: the partition works again, and what only the dead replica"
        " had is lost.",
        "unclean.leader.election.enable decides. It is false unless somebody sets it. Here two"
        " topics live through the same deaths, one with false and one with true.",
    ),
    steps=(
        Step(
            name="create",
            will="Create two topics on the same two brokers, one of them with"
            " unclean.leader.election.enable=true.",
        ),
        Step(name="first", will=f"Write {HALF} records to each, with both replicas in sync."),
        Step(
            name="follower",
            will=f"Kill the follower, and write {HALF} more records to each with acks=all. Only the"
            " leader has these.",
        ),
        Step(name="leader", will="Kill the leader as well. Now both replicas are dead."),
        Step(
            name="return",
            will="Start the old follower, which lacks the newer records, and watch for"
            f" {WATCHED_MS / 1000:.0f} s who leads. Read what can be read.",
        ),
        Step(name="last", will="Start the old leader, which had them all. Read again."),
    ),
    expects=(
        Expected(
            name="acked",
            text=f"Both topics acknowledge all {2 * HALF} records, the newer half with one replica"
            f" in sync.",
        ),
        Expected(
            name="waits",
            text="Without unclean election: no leader while only the old follower is there.",
        ),
        Expected(
            name="unclean", text="With unclean election: the old follower becomes leader at once."
        ),
        Expected(
            name="lost",
            text="With unclean election: the newer records are lost, and stay lost when the old"
            " leader comes back. It must cut its log to follow.",
        ),
        Expected(
            name="kept",
            text="Without unclean election: when the old leader is back it leads again, and all"
            " records are there.",
        ),
    ),
    lasts_s=7,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the lesson saw. ``safe`` is the topic that allows no unclean election, ``unclean`` the
    one that does."""

    leader: int
    follower: int
    safe_acked: int
    unclean_acked: int
    watched_ms: int
    safe_leader: int
    """While only the old follower was there; -1: nobody."""
    unclean_leader: int
    elected_ms: int | None
    """From the registration of the old follower, by ZooKeeper's clock."""
    unclean_read: int
    """Read from the old follower."""
    unclean_read_at_end: int
    """Read when both were back."""
    safe_leader_at_end: int
    safe_read: int


def seen(facts: Facts) -> list[Seen]:
    """What was seen of what the lesson expects."""
    all_of_it = 2 * HALF
    lost = facts.unclean_acked - facts.unclean_read_at_end
    waits = (
        f"Nobody led it for {facts.watched_ms:,} ms."
        if facts.safe_leader < 0
        else f"Broker {facts.safe_leader} became leader."
    )
    unclean = (
        f"Broker {facts.unclean_leader} became leader {after(facts.elected_ms)}."
        if facts.unclean_leader >= 0
        else "Nobody became leader in time."
    )
    return [
        Seen(
            name="acked",
            holds=facts.safe_acked == facts.unclean_acked == all_of_it,
            saw=f"Acknowledged: {facts.safe_acked} without, {facts.unclean_acked} with unclean"
            " election.",
        ),
        Seen(name="waits", holds=facts.safe_leader < 0, saw=waits),
        Seen(name="unclean", holds=facts.unclean_leader == facts.follower, saw=unclean),
        Seen(
            name="lost",
            holds=facts.unclean_read == facts.unclean_read_at_end == HALF,
            saw=f"Of {plural(facts.unclean_acked, 'acknowledged record')} {facts.unclean_read}"
            f" could be read, and {facts.unclean_read_at_end} when the old leader was back: {lost}"
            f" lost.",
        ),
        Seen(
            name="kept",
            holds=facts.safe_leader_at_end == facts.leader and facts.safe_read == all_of_it,
            saw=f"Broker {facts.safe_leader_at_end} leads again, and {facts.safe_read} of"
            f" {plural(facts.safe_acked, 'acknowledged record')} were read."
            if facts.safe_leader_at_end >= 0
            else "Nobody led it in time.",
        ),
    ]
