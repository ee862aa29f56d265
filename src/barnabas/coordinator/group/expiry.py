"""GroupMetadata.removeExpiredOffsets: which positions have expired, and which groups are then
empty. Pure. Reference 8.7, KIP-211.

A position does not expire while a member subscribes to its topic. In a group whose subscriptions
cannot be read nothing expires while it has members.
"""

from __future__ import annotations

from barnabas.coordinator.group.classic.group import Group
from barnabas.coordinator.group.classic.states import GroupState
from barnabas.coordinator.group.consumer.group import ConsumerGroup
from barnabas.coordinator.group.kinds import AnyGroup
from barnabas.coordinator.group.records.group_metadata import CommittedOffset
from barnabas.types import TopicPartition


def expired_offsets(group: AnyGroup, now_ms: int, retention_ms: int) -> list[TopicPartition]:
    """The positions that have expired (wall ms)."""
    if isinstance(group, ConsumerGroup):
        since, is_wanted = _since_commit, group.is_subscribed
        return list(group.offsets.expired(now_ms, retention_ms, since, is_wanted))
    return _of_classic(group, now_ms, retention_ms)


def _of_classic(group: Group, now_ms: int, retention_ms: int) -> list[TopicPartition]:
    offsets = group.offsets

    def since_empty(value: CommittedOffset) -> int:
        return value.commit_ms if group.state_since_ms is None else group.state_since_ms

    def nothing(topic: str) -> bool:
        return False

    if group.protocol_type is None:
        return list(offsets.expired(now_ms, retention_ms, _since_commit, nothing))
    if group.state is GroupState.EMPTY:
        return list(offsets.expired(now_ms, retention_ms, since_empty, nothing))
    if (
        group.state is GroupState.STABLE
        and group.is_consumer_group
        and group.subscribed is not None
    ):
        return list(offsets.expired(now_ms, retention_ms, _since_commit, group.is_subscribed))
    return []


def _since_commit(value: CommittedOffset) -> int:
    return value.commit_ms


def is_unused(group: AnyGroup) -> bool:
    """Whether the group has no members and waits for none. Such a group goes with its last
    position."""
    expected = () if isinstance(group, ConsumerGroup) else group.pending
    return group.is_empty and not expected
