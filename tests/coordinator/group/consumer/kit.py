"""A consumer group under test: heartbeats in one line, topics by name, time as a number."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.defaults import consumer_group_settings

from barnabas.coordinator.group.clock import Now
from barnabas.coordinator.group.consumer.group import Change, ConsumerGroup
from barnabas.coordinator.group.consumer.membership import ConsumerMembership
from barnabas.coordinator.group.consumer.requests import (
    HeartbeatRequest,
    HeartbeatResult,
    check_request,
)
from barnabas.coordinator.group.consumer.states import ConsumerGroupState
from barnabas.coordinator.group.consumer.topics import Patterns
from barnabas.coordinator.group.records.assignment import (
    Assignment,
    TopicIdPartition,
    assignment_of,
    partitions_of,
)
from barnabas.coordinator.group.records.facts import TopicFacts
from barnabas.errors import ErrorCode, KafkaError

WALL_MS = 1_795_398_600_000
EMPTY, ASSIGNING, RECONCILING, STABLE = (
    ConsumerGroupState.EMPTY,
    ConsumerGroupState.ASSIGNING,
    ConsumerGroupState.RECONCILING,
    ConsumerGroupState.STABLE,
)


def refused(code: ErrorCode) -> Any:
    """The block is refused with this error."""
    return pytest.raises(KafkaError, match=code.name)


def topic_id(name: str) -> uuid.UUID:
    """The id of a topic under test."""
    return uuid.uuid5(uuid.NAMESPACE_DNS, name)


def numbers(assignment: Assignment | None, name: str = "t") -> list[int]:
    """The partitions of a topic in an assignment."""
    return list((assignment or {}).get(topic_id(name), ()))


def of(name: str, *partitions: int) -> Assignment:
    """An assignment of one topic."""
    return assignment_of(TopicIdPartition(topic_id(name), number) for number in partitions)


@dataclass
class FakeTopics:
    """Topics by name with their number of partitions."""

    counts: dict[str, int] = field(default_factory=dict)
    version: int = 1
    patterns: Patterns = field(default_factory=Patterns)

    def set(self, name: str, partitions: int | None) -> None:
        self.version += 1
        self.counts.pop(name, None)
        if partitions is not None:
            self.counts[name] = partitions

    def get(self, name: str) -> TopicFacts | None:
        count = self.counts.get(name)
        return None if count is None else TopicFacts(id=topic_id(name), partitions=count)

    def matching(self, pattern: str) -> Sequence[str]:
        return [n for n in sorted(self.counts) if self.patterns.get(pattern).matches(n)]


class Stage:
    """One group, its decisions, and members that do what they are told."""

    def __init__(self, counts: Mapping[str, int] | None = None, **settings: Any) -> None:
        self.settings = consumer_group_settings(enabled=True, **settings)
        self.topics = FakeTopics(dict(counts or {"t": 6}))
        self.membership = ConsumerMembership(self.settings, self.topics)
        self.group = ConsumerGroup("g")
        self.ms = 1000
        self.log: list[Change] = []
        self.epochs: dict[str, int] = {}
        self.owned: dict[str, Assignment] = {}

    @property
    def now(self) -> Now:
        return Now(self.ms, WALL_MS + self.ms)

    def ask(self, member: str, epoch: int, **fields: Any) -> HeartbeatResult:
        """One heartbeat as it is written here. Raises KafkaError, with the group as before."""
        request = HeartbeatRequest(group_id="g", member_id=member, epoch=epoch, **fields)
        try:
            check_request(request, self.settings.assignors, self.topics.patterns)
            result = self.membership.heartbeat(self.group, request, self.now)
        except KafkaError:
            self.group.undo()
            self.membership.start_sessions(self.group, self.now)
            raise
        self.log += self.group.changes
        self.group.changes.clear()
        return result

    def join(self, member: str, *topics: str, **fields: Any) -> HeartbeatResult:
        values: dict[str, Any] = {
            "topics": topics or ("t",),
            "rebalance_timeout_ms": 60_000,
            "owned": {},
        }
        result = self.ask(member, 0, **{**values, **fields})
        self.epochs[member] = result.epoch
        self.owned[member] = result.assignment or {}
        return result

    def beat(self, member: str, *, revokes: bool = True, **fields: Any) -> HeartbeatResult:
        """A heartbeat of a member that says what it owns; it takes at once what it is given and
        (unless ``revokes`` is off) gives up what it is not."""
        values = {"owned": self.owned[member], **fields}
        result = self.ask(member, self.epochs[member], **values)
        self.epochs[member] = result.epoch
        if result.assignment is not None:
            kept = list(partitions_of({} if revokes else self.owned[member]))
            self.owned[member] = assignment_of([*kept, *partitions_of(result.assignment)])
        return result

    def settle(self, rounds: int = 12) -> None:
        """Everybody calls until nothing changes any more."""
        for _ in range(rounds):
            written = len(self.log)
            for member in list(self.epochs):
                self.beat(member)
            if len(self.log) == written:
                return
        raise AssertionError("the group does not settle")

    def leave(self, member: str, epoch: int = -1, **fields: Any) -> HeartbeatResult:
        result = self.ask(member, epoch, **fields)
        self.epochs.pop(member, None)
        self.owned.pop(member, None)
        return result

    def tick(self, ms: int) -> list[str]:
        """Let time pass; members that were removed."""
        self.ms += ms
        gone = self.membership.expire(self.group, self.now)
        self.log += self.group.changes
        self.group.changes.clear()
        return gone

    def loaded(self) -> ConsumerGroup:
        """The group as the next coordinator finds it in the log."""
        group = ConsumerGroup("g")
        for key, value, _ in self.log:
            group.load(key, value)
        return group
