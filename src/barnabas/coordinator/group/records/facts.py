"""The values of a consumer group's records in ``__consumer_offsets``, as typed keys and values.
Pure.

A group changes only by putting such a value under its key, or None to remove it. A heartbeat and a
load do it in the same way, so a coordinator knows exactly what its successor will find.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple, TypeAlias

from barnabas.coordinator.group.records.assignment import Assignment

LEAVE_EPOCH = -1
"""Epoch of a member that leaves for good."""
STATIC_LEAVE_EPOCH = -2
"""Epoch of a static member that leaves and will be back; its partitions stay its own meanwhile."""
NO_TARGET_EPOCH = -1


class MemberState(IntEnum):
    """How far a member is on its way to its target. Values are those of the records."""

    STABLE = 0
    """It has everything that the target of its epoch assigns to it."""
    UNREVOKED_PARTITIONS = 1
    """It must revoke partitions before it moves to the next epoch."""
    UNRELEASED_PARTITIONS = 2
    """It has reached the target's epoch; other members still hold partitions that it will get."""
    UNKNOWN = 127
    """A newer release wrote another value: the member must start again with nothing."""


class EpochKey(NamedTuple):
    """The group epoch: an int."""

    group: str


class TopicsKey(NamedTuple):
    """The topics that the members subscribe to, as they were when the epoch rose: name to
    TopicFacts."""

    group: str


class MemberKey(NamedTuple):
    """Identity and subscription of a member: MemberFacts."""

    group: str
    member: str


class TargetEpochKey(NamedTuple):
    """The epoch whose assignment has been computed: an int."""

    group: str


class TargetKey(NamedTuple):
    """What a member is to own: an Assignment."""

    group: str
    member: str


class CurrentKey(NamedTuple):
    """What a member owns now: CurrentFacts."""

    group: str
    member: str


ConsumerKey: TypeAlias = EpochKey | TopicsKey | MemberKey | TargetEpochKey | TargetKey | CurrentKey


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicFacts:
    """A topic that somebody subscribes to."""

    id: uuid.UUID
    partitions: int
    racks: Mapping[int, tuple[str, ...]] = field(default_factory=dict, compare=False)
    """Partition to the racks of its replicas, as the original writes it. It is read and not used:
    in ZooKeeper mode a broker that is down has no rack, which is no reason for a new assignment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberFacts:
    """Identity and subscription of a member, as they are kept."""

    instance_id: str | None = None
    rack_id: str | None = None
    client_id: str = ""
    client_host: str = ""
    topics: tuple[str, ...] = ()
    """Names that it subscribes to, ascending."""
    regex: str | None = None
    """It also subscribes to the topics that this expression matches. Never empty."""
    rebalance_timeout_ms: int = -1
    assignor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentFacts:
    """Current assignment and epoch of a member."""

    epoch: int = 0
    previous_epoch: int = -1
    """Its previous epoch: the answer with the present one may have been lost."""
    state: MemberState = MemberState.STABLE
    assigned: Assignment = field(default_factory=dict)
    revoking: Assignment = field(default_factory=dict)
    """Partitions that it must revoke; they are no longer its own once it reports so."""


ConsumerValue: TypeAlias = int | Mapping[str, TopicFacts] | MemberFacts | Assignment | CurrentFacts
