"""AdminUtils: chooses the brokers for the replicas of a new topic. Pure.

Replicas are spread evenly over brokers, and over racks if all brokers have one. The first replicas
of the partitions go to the brokers in turn, from a random start. The other replicas follow with a
shift that grows after each round. So if a broker fails, its load is spread over all others.
"""

from __future__ import annotations

import random
from collections.abc import Container, Iterable, Mapping, Sequence

from barnabas.errors import ErrorCode, KafkaError

Assignment = dict[int, tuple[int, ...]]
"""Partition number to replicas, preferred leader first."""

SMALL_SET = 4
"""Scala's ``Set`` of up to four elements keeps their order in texts; a larger one is a
``HashSet``."""
PARTITIONS_PER_REQUEST_MAX = 10_000
"""The most partitions in one creation, so that a typing error does not fill ZooKeeper."""


def assign_replicas(
    brokers: Mapping[int, str | None],
    *,
    partitions: int,
    replication_factor: int,
    rng: random.Random,
    fixed_start: int | None = None,
    first_partition: int = 0,
) -> Assignment:
    """Place ``partitions`` new partitions on ``brokers`` (id to rack).

    ``fixed_start`` (an index into the sorted brokers) replaces both random starts; it continues an
    existing topic from its partition 0. Raises INVALID_PARTITIONS, INVALID_REPLICATION_FACTOR."""
    _check_counts(partitions, replication_factor, len(brokers))
    racks = set(brokers.values())
    if None in racks:
        order = sorted(brokers)
        racks_of: Mapping[int, str | None] = dict.fromkeys(order, None)
        rack_count = 1
    else:
        order = _alternate_racks({b: r for b, r in brokers.items() if r is not None})
        racks_of = brokers
        rack_count = len(racks)
    start = rng.randrange(len(order)) if fixed_start is None else fixed_start
    shift = rng.randrange(len(order)) if fixed_start is None else fixed_start
    assignment: Assignment = {}
    for number in range(first_partition, first_partition + partitions):
        if number > 0 and number % len(order) == 0:
            shift += 1
        first = (number + start) % len(order)
        assignment[number] = _replicas(
            order, racks_of, rack_count, first=first, shift=shift, count=replication_factor
        )
    return assignment


def _check_counts(partitions: int, replication_factor: int, brokers: int) -> None:
    if partitions <= 0:
        raise KafkaError(
            ErrorCode.INVALID_PARTITIONS, "Number of partitions must be larger than 0."
        )
    if partitions > PARTITIONS_PER_REQUEST_MAX:
        raise KafkaError(
            ErrorCode.INVALID_PARTITIONS,
            f"Number of partitions must be at most {PARTITIONS_PER_REQUEST_MAX} in one request.",
        )
    if replication_factor <= 0:
        raise KafkaError(
            ErrorCode.INVALID_REPLICATION_FACTOR, "Replication factor must be larger than 0."
        )
    if replication_factor > brokers:
        raise KafkaError(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            f"Replication factor: {replication_factor} larger than available brokers: {brokers}.",
        )


def _replicas(
    order: Sequence[int],
    racks_of: Mapping[int, str | None],
    rack_count: int,
    *,
    first: int,
    shift: int,
    count: int,
) -> tuple[int, ...]:
    """The replicas of one partition. No rack gets a second one before every rack has one."""
    n = len(order)
    replicas = [order[first]]
    racks = {racks_of[order[first]]}
    step = 0
    while len(replicas) < count:
        index = (first + 1 + (shift * rack_count + step) % (n - 1)) % n
        broker = order[index]
        step += 1
        if broker in replicas or (racks_of[broker] in racks and len(racks) < rack_count):
            continue
        replicas.append(broker)
        racks.add(racks_of[broker])
    return tuple(replicas)


def _alternate_racks(racks: Mapping[int, str]) -> list[int]:
    """Brokers in an order in which neighbours are in different racks: one of each rack in turn."""
    by_rack: dict[str, list[int]] = {}
    for broker in sorted(racks, key=lambda b: (racks[b], b)):
        by_rack.setdefault(racks[broker], []).append(broker)
    order: list[int] = []
    position = 0
    while len(order) < len(racks):
        order += [ids[position] for ids in by_rack.values() if position < len(ids)]
        position += 1
    return order


def _impossible(reason: str) -> KafkaError:
    return KafkaError(ErrorCode.INVALID_REPLICA_ASSIGNMENT, reason)


def check_assignment(
    assignment: Mapping[int, Sequence[int]], known_brokers: Container[int]
) -> None:
    """Raise INVALID_REPLICA_ASSIGNMENT unless a client's own placement of a new topic is valid.

    Partitions must be 0 to n-1, replicas distinct and known, and each partition must have the same
    number. Kafka accepts unknown brokers, and partitions without replicas."""
    if len({len(replicas) for replicas in assignment.values()}) != 1:
        raise _impossible("All partitions should have the same number of replicas")
    for replicas in assignment.values():
        if len(set(replicas)) != len(replicas):
            listed = ", ".join(f"{n} -> {_scala(r)}" for n, r in sorted(assignment.items()))
            raise _impossible(f"Duplicate replica assignment found: HashMap({listed})")
    if sorted(assignment) != list(range(len(assignment))):
        raise _impossible("partitions should be a consecutive 0-based integer sequence")
    for number, replicas in sorted(assignment.items()):
        if not replicas:
            raise _impossible(f"Cannot have replication factor of 0 for partition id {number}.")
    _check_known(assignment.values(), known_brokers)


def _scala(replicas: Iterable[int]) -> str:
    """Replicas as Kafka's texts show them."""
    return f"ArrayBuffer({', '.join(map(str, replicas))})"


def _check_known(placed: Iterable[Sequence[int]], known_brokers: Container[int]) -> None:
    named = dict.fromkeys(r for replicas in placed for r in replicas)
    unknown = [r for r in named if r not in known_brokers]
    if len(named) > SMALL_SET:
        unknown.sort()
    if unknown:
        listed = ", ".join(map(str, unknown))
        raise _impossible(f"Unknown broker(s) in replica assignment: {listed}.")


def grow(
    existing: Mapping[int, Sequence[int]],
    total: int,
    brokers: Mapping[int, str | None],
    *,
    rng: random.Random,
    placement: Sequence[Sequence[int]] | None = None,
) -> Assignment:
    """The partitions to add so that a topic has ``total`` (CreatePartitions).

    ``placement``: one list of replicas for each new partition; None to continue the placement of
    the creation. Raises INVALID_PARTITIONS, INVALID_REPLICA_ASSIGNMENT, ..."""
    count = total - len(existing)
    if count < 0:
        raise KafkaError(
            ErrorCode.INVALID_PARTITIONS,
            f"Topic currently has {len(existing)} partitions, which is higher than the requested"
            f" {total}.",
        )
    if count == 0:
        raise KafkaError(
            ErrorCode.INVALID_PARTITIONS, f"Topic already has {len(existing)} partitions."
        )
    model = existing[0]
    if placement is None:
        order = sorted(brokers)
        start = order.index(model[0]) if model[0] in order else 0
        return assign_replicas(
            brokers,
            partitions=count,
            replication_factor=len(model),
            rng=rng,
            fixed_start=start,
            first_partition=len(existing),
        )
    _check_known(placement, brokers)
    if len(placement) != count:
        raise _impossible(
            f"Increasing the number of partitions by {count} but {len(placement)} assignments"
            " provided."
        )
    added = dict(enumerate((tuple(p) for p in placement), start=len(existing)))
    _check_added(added, len(model))
    return added


def _check_added(added: Assignment, replication_factor: int) -> None:
    for number, replicas in added.items():
        if not replicas:
            raise _impossible(f"Cannot have replication factor of 0 for partition id {number}.")
        if len(set(replicas)) != len(replicas):
            listed = ", ".join(map(str, replicas))
            raise _impossible(
                f"Duplicate brokers not allowed in replica assignment: {listed} for partition id"
                f" {number}."
            )
    uneven = {n: len(r) for n, r in added.items() if len(r) != replication_factor}
    if uneven:
        numbers, factors = ", ".join(map(str, uneven)), ", ".join(map(str, uneven.values()))
        raise _impossible(
            "Inconsistent replication factor between partitions, partition 0 has"
            f" {replication_factor} while partitions [{numbers}] have replication factors"
            f" [{factors}], respectively."
        )
