"""What an operator wishes for the placement of replicas, planned for a cluster as it is. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from barnabas.admin.placement import Placement
from barnabas.admin.planner import PlacedPartition, PlannedMove, plan_moves
from barnabas.client.errors import ClientError
from barnabas.errors import ConfigError, ErrorCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Which partitions are placed anew, and where."""

    topics: tuple[str, ...] | None = None
    """None: all topics."""
    holder: int | None = None
    """Only partitions with a replica on this broker."""
    brokers: tuple[int, ...] | None = None
    """Where replicas may be; None: on all registered brokers that are not drained."""
    replication_factor: int | None = None
    """None: each partition keeps its number of replicas."""
    only_needed: bool = False
    """What may stay where it is stays there, however uneven that is."""
    ignore_racks: bool = False


def plan_wish(wish: Wish, placement: Placement) -> list[PlannedMove]:
    """The moves that fulfil a wish. Raises ClientError for unknown topics and for partitions on the
    move, ConfigError for what is not possible."""
    chosen, others = chosen_partitions(wish, placement)
    for p in chosen:
        if p.partition in placement.moving:
            code = ErrorCode.REASSIGNMENT_IN_PROGRESS
            raise ClientError(str(p.partition), code, "its move has to end before")
    return plan_moves(
        chosen,
        brokers_of(wish, placement),
        replication_factor=wish.replication_factor,
        only_needed=wish.only_needed,
        others=others if wish.only_needed else (),
    )


def chosen_partitions(
    wish: Wish, placement: Placement
) -> tuple[list[PlacedPartition], list[PlacedPartition]]:
    """The partitions of a wish, and all others. Raises ClientError for unknown topics."""
    for name in wish.topics or ():
        found = placement.view.topics.get(name)
        if found is None or found.error:
            error = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION if found is None else found.error
            raise ClientError(f"topic {name}", error)
    chosen: list[PlacedPartition] = []
    others: list[PlacedPartition] = []
    for p in placement.partitions:
        wanted = wish.topics is None or p.partition.topic in wish.topics
        wanted = wanted and wish.holder in (None, *p.replicas)
        (chosen if wanted else others).append(p)
    return chosen, others


def brokers_of(wish: Wish, placement: Placement) -> Mapping[int, str | None]:
    """Where replicas may be, with their racks. Raises ConfigError."""
    known = placement.view.brokers
    ids: Sequence[int] = [b for b in sorted(known) if b not in placement.drained]
    if wish.brokers is not None:
        ids = wish.brokers
    unknown = [b for b in ids if b not in known]
    if unknown:
        raise ConfigError(f"not in the cluster: broker {', '.join(map(str, unknown))}")
    return {b: None if wish.ignore_racks else known[b].rack for b in ids}
