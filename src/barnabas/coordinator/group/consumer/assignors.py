"""RangeAssignor, UniformAssignor: which member gets which partition. Pure.

Both take the members with their subscriptions and previous targets, and give every member a target.
Every partition of a topic with subscribers goes to exactly one of them.
"""

from __future__ import annotations

import heapq
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from barnabas.coordinator.group.records.assignment import (
    Assignment,
    TopicIdPartition,
    assignment_of,
    partitions_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssigneeFacts:
    """A member as assignors see it."""

    topics: frozenset[uuid.UUID]
    """What it subscribes to, of the topics that exist."""
    instance_id: str | None = None
    had: Assignment = field(default_factory=dict)
    """Its target before."""


Assignees: TypeAlias = Mapping[str, AssigneeFacts]
Topics: TypeAlias = Mapping[uuid.UUID, int]
"""Topic id to the number of its partitions."""
Assignor: TypeAlias = Callable[[Assignees, Topics], dict[str, Assignment]]


def assign_ranges(members: Assignees, topics: Topics) -> dict[str, Assignment]:
    """``range``: each topic is cut into as many ranges as it has subscribers. Members with the same
    subscriptions get ranges of the same position. Static members come first, by instance id, so
    that they keep their ranges under new member ids."""
    order = sorted(members, key=lambda m: _static_first(m, members[m].instance_id))
    given: dict[str, list[TopicIdPartition]] = {member: [] for member in members}
    for topic_id, count in topics.items():
        subscribers = [m for m in order if topic_id in members[m].topics]
        start = 0
        for index, member in enumerate(subscribers):
            more = index < count % len(subscribers)
            end = start + count // len(subscribers) + more
            given[member] += (TopicIdPartition(topic_id, n) for n in range(start, end))
            start = end
    return {member: assignment_of(partitions) for member, partitions in given.items()}


def _static_first(member: str, instance_id: str | None) -> tuple[bool, str]:
    return instance_id is None, member if instance_id is None else instance_id


def assign_uniformly(members: Assignees, topics: Topics) -> dict[str, Assignment]:
    """``uniform``: loads are even, and members keep what they had as far as that allows. With equal
    subscriptions the loads of two members differ by one partition at most. Otherwise no move of one
    partition to another subscriber would make two loads more even."""
    return _Uniform(members, topics).assign()


class _Uniform:
    """One computation of the ``uniform`` assignor."""

    def __init__(self, members: Assignees, topics: Topics) -> None:
        self._topics = topics
        self._subscribers = {
            topic_id: [m for m in sorted(members) if topic_id in members[m].topics]
            for topic_id in topics
        }
        self._given: dict[str, dict[TopicIdPartition, None]] = {m: {} for m in members}
        self._taken: dict[TopicIdPartition, None] = {}
        self._keep(members)

    def _keep(self, members: Assignees) -> None:
        """Give every member what it had, as far as it still exists and the member still subscribes
        to it."""
        for member, facts in members.items():
            for partition in partitions_of(facts.had):
                exists = partition.partition < self._topics.get(partition.topic_id, 0)
                wanted = exists and member in self._subscribers[partition.topic_id]
                if wanted and partition not in self._taken:
                    self._given[member][partition] = None
                    self._taken[partition] = None

    def assign(self) -> dict[str, Assignment]:
        # Topics with few subscribers first: their partitions have the least choice.
        scarce = sorted(self._topics, key=lambda t: (len(self._subscribers[t]), t))
        for topic_id in scarce:
            self._give_out(topic_id)
        # Topics with the same subscribers are balanced together.
        heaps: dict[tuple[str, ...], dict[uuid.UUID, None]] = {}
        for topic_id in scarce:
            heaps.setdefault(tuple(self._subscribers[topic_id]), {})[topic_id] = None
        moved = True
        while moved:
            moved = False
            for subscribers, topics in heaps.items():
                moved |= self._level(subscribers, topics)
        return {m: assignment_of(given) for m, given in self._given.items()}

    def _load(self, member: str) -> int:
        return len(self._given[member])

    def _give_out(self, topic_id: uuid.UUID) -> None:
        """Give partitions without an owner to the member with the fewest."""
        takers = self._by_load(self._subscribers[topic_id])
        if not takers:
            return
        for number in range(self._topics[topic_id]):
            partition = TopicIdPartition(topic_id, number)
            if partition not in self._taken:
                load, member = takers[0]
                self._given[member][partition] = None
                heapq.heapreplace(takers, (load + 1, member))

    def _by_load(self, subscribers: Sequence[str]) -> list[tuple[int, str]]:
        loads = [(self._load(member), member) for member in subscribers]
        heapq.heapify(loads)
        return loads

    def _level(self, subscribers: Sequence[str], topics: Mapping[uuid.UUID, None]) -> bool:
        """Move partitions of these topics from the subscriber with the most to the one with the
        fewest; whether any moved. Each move makes the sum of the squares of the loads smaller, so
        this ends."""
        takers = self._by_load(subscribers)
        if not takers or max(takers)[0] - takers[0][0] < 2:
            return False
        movable = {m: [p for p in self._given[m] if p.topic_id in topics] for m in subscribers}
        givers = [(-load, m) for load, m in takers if movable[m]]
        heapq.heapify(givers)
        moved = False
        while givers:
            most, giver = heapq.heappop(givers)
            if -most != self._load(giver) or not movable[giver]:
                continue  # the member is in the heap again, with its present load
            least, taker = takers[0]
            if -most - least < 2:
                break
            # The partition that it got last: it keeps what it has had for longest.
            partition = movable[giver].pop()
            del self._given[giver][partition]
            self._given[taker][partition] = None
            movable[taker].append(partition)
            heapq.heapreplace(takers, (least + 1, taker))
            heapq.heappush(givers, (most + 1, giver))
            moved = True
        return moved


ASSIGNORS: Final[Mapping[str, Assignor]] = {"uniform": assign_uniformly, "range": assign_ranges}
"""Assignors by the name that members ask for."""
