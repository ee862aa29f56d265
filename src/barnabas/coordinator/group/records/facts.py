"""What a group is made of: one value for each record in ``__consumer_offsets``. Pure.

A group changes only by putting such a value under its key, or None to remove it: the same way when
a heartbeat is decided and when the log is loaded, so that a coordinator knows exactly what its
successor will find.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple, TypeAlias

from barnabas.coordinator.group.records.assignment import Assignment

LEAVE_EPOCH = -1
"""A member goes for good."""
STATIC_LEAVE_EPOCH = -2
"""A static member goes and will be back; its partitions stay its own meanwhile."""
NO_TARGET_EPOCH = -1


class MemberState(IntEnum):
    """How far a member is on its way to its target. Values are those of the records."""

    STABLE = 0
    """It has what the target of its epoch gives it."""
    UNREVOKED_PARTITIONS = 1
    """It must give partitions back before it comes to the next epoch."""
    UNRELEASED_PARTITIONS = 2
    """It has come to the target's epoch; others still hold partitions that it will get."""
    UNKNOWN = 127
    """A newer release wrote something else: the member must start again with nothing."""


class EpochKey(NamedTuple):
    """The group epoch: an int."""

    group: str


class TopicsKey(NamedTuple):
    """What the members subscribe to, as it was when the epoch rose: name to TopicFacts."""

    group: str


class MemberKey(NamedTuple):
    """Who a member is and what it wants: MemberFacts."""

    group: str
    member: str


class TargetEpochKey(NamedTuple):
    """The epoch whose assignment has been computed: an int."""

    group: str


class TargetKey(NamedTuple):
    """What a member shall own: an Assignment."""

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
    """Partition to the racks of its replicas, as the original writes it. Read, not used: a broker
    that is down has no rack in ZooKeeper mode, and that is no reason to assign anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberFacts:
    """A member as it is kept."""

    instance_id: str | None = None
    rack_id: str | None = None
    client_id: str = ""
    client_host: str = ""
    topics: tuple[str, ...] = ()
    """Names that it subscribes to, ascending."""
    regex: str | None = None
    """It subscribes to the topics that this matches, too. Never empty."""
    rebalance_timeout_ms: int = -1
    assignor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentFacts:
    """Where a member is on its way to its target."""

    epoch: int = 0
    previous_epoch: int = -1
    """Its epoch before: the answer with the new one may have been lost."""
    state: MemberState = MemberState.STABLE
    assigned: Assignment = field(default_factory=dict)
    revoking: Assignment = field(default_factory=dict)
    """No longer its own once it says so."""


ConsumerValue: TypeAlias = int | Mapping[str, TopicFacts] | MemberFacts | Assignment | CurrentFacts
