"""The health of a cluster, in numbers and in one sentence. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from barnabas.console.model import Snapshot

HEALTHY, DEGRADED, UNAVAILABLE = "healthy", "degraded", "unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """``level`` is healthy; degraded (there was a failure, but all partitions can be written and
    read); or unavailable (some partition has no leader or refuses writes)."""

    level: str
    sentence: str
    brokers: int
    missing: tuple[int, ...]
    """Brokers that hold replicas and are not registered."""
    topics: int
    partitions: int
    leaderless: int
    under_replicated: int
    under_min_isr: int
    """Counted among the partitions with a leader."""
    moving: int
    """Partitions in a reassignment."""
    not_preferred: int
    """Partitions led by another replica than the preferred one."""


def health_of(snapshot: Snapshot) -> Health:
    """The health of a snapshot."""
    partitions = leaderless = under = under_min = moving = not_preferred = 0
    for topic, _, partition in snapshot.partitions():
        partitions += 1
        if snapshot.is_leaderless(partition):
            leaderless += 1
        else:
            under_min += snapshot.is_under_min_isr(topic, partition)
            not_preferred += partition.leader != partition.preferred
        under += snapshot.is_under_replicated(partition)
        moving += bool(partition.adding or partition.removing)
    missing = tuple(snapshot.missing_brokers())
    has_controller = snapshot.controller.broker in snapshot.brokers
    level = HEALTHY
    if under or missing or not has_controller:
        level = DEGRADED
    if leaderless or under_min or not snapshot.brokers:
        level = UNAVAILABLE
    problems = [
        *_gone(missing),
        *([] if has_controller or not snapshot.brokers else ["no broker is controller"]),
        *_count(leaderless, "has no leader", "have no leader"),
        *_count(
            under_min,
            "refuses writes with acks=all (too few replicas in sync)",
            "refuse writes with acks=all (too few replicas in sync)",
        ),
        *_some(under, partitions),
    ]
    if level == DEGRADED and under:
        problems.append("all can be written and read")
    size = f"{_plural(len(snapshot.brokers), 'broker')}, {_plural(partitions, 'partition')}"
    calm = f"{size}, every replica in sync" if partitions else f"{size} yet"
    if not snapshot.brokers:
        problems = ["no broker is registered"]
    return Health(
        level=level,
        sentence=f"{level.capitalize()}: {'; '.join(problems) if problems else calm}.",
        brokers=len(snapshot.brokers),
        missing=missing,
        topics=len(snapshot.topics),
        partitions=partitions,
        leaderless=leaderless,
        under_replicated=under,
        under_min_isr=under_min,
        moving=moving,
        not_preferred=not_preferred,
    )


def listed(numbers: Sequence[int]) -> str:
    """``1``, ``1 and 2``, ``1, 2 and 3``."""
    texts = [str(number) for number in numbers]
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _gone(missing: tuple[int, ...]) -> list[str]:
    if not missing:
        return []
    one = len(missing) == 1
    return [f"broker{'' if one else 's'} {listed(missing)} {'is' if one else 'are'} gone"]


def _count(count: int, one: str, many: str) -> list[str]:
    return [f"{_plural(count, 'partition')} {one if count == 1 else many}"] if count else []


def _some(under: int, partitions: int) -> list[str]:
    if not under:
        return []
    verb = "lacks" if under == 1 else "lack"
    return [f"{under:,} of {_plural(partitions, 'partition')} {verb} an in-sync replica"]
