"""An assignment: topics and their partitions, and operations on two of them. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

Assignment: TypeAlias = Mapping[uuid.UUID, tuple[int, ...]]
"""Topic id to its partitions, ascending; topics without partitions are left out."""


class TopicIdPartition(NamedTuple):
    """One partition of a topic known by its id."""

    topic_id: uuid.UUID
    partition: int


def partitions_of(assignment: Assignment) -> Iterator[TopicIdPartition]:
    """Its partitions one by one."""
    for topic_id, numbers in assignment.items():
        for number in numbers:
            yield TopicIdPartition(topic_id, number)


def assignment_of(partitions: Iterable[TopicIdPartition]) -> Assignment:
    """An assignment of these; each counts once."""
    found: dict[uuid.UUID, dict[int, None]] = {}
    for topic_id, number in partitions:
        found.setdefault(topic_id, {})[number] = None
    return {topic_id: tuple(sorted(numbers)) for topic_id, numbers in found.items()}


def size(assignment: Assignment) -> int:
    """How many partitions it has."""
    return sum(len(numbers) for numbers in assignment.values())


def common(one: Assignment, other: Assignment) -> Assignment:
    """The partitions that are in both."""
    known = dict.fromkeys(partitions_of(other))
    return assignment_of(p for p in partitions_of(one) if p in known)


def without(one: Assignment, other: Assignment) -> Assignment:
    """The partitions that are only in the first."""
    known = dict.fromkeys(partitions_of(other))
    return assignment_of(p for p in partitions_of(one) if p not in known)


def together(one: Assignment, other: Assignment) -> Assignment:
    """The partitions that are in either."""
    return assignment_of([*partitions_of(one), *partitions_of(other)])
