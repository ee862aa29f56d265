"""Which positions nobody has needed for too long, and which groups are left with nothing. Pure.

Reference 8.7, KIP-211. Members keep the positions of the topics they want; groups whose members we
cannot read keep everything while they have members.
"""

from __future__ import annotations

from barnabas.groups.group import Group
from barnabas.groups.records import CommittedOffset
from barnabas.groups.states import GroupState
from barnabas.types import TopicPartition


def expired_offsets(group: Group, now_ms: int, retention_ms: int) -> list[TopicPartition]:
    """Positions to forget now (wall ms)."""
    offsets = group.offsets

    def since_commit(value: CommittedOffset) -> int:
        return value.commit_ms

    def since_empty(value: CommittedOffset) -> int:
        return value.commit_ms if group.state_since_ms is None else group.state_since_ms

    def nothing(topic: str) -> bool:
        return False

    if group.protocol_type is None:
        return list(offsets.expired(now_ms, retention_ms, since_commit, nothing))
    if group.state is GroupState.EMPTY:
        return list(offsets.expired(now_ms, retention_ms, since_empty, nothing))
    if (
        group.state is GroupState.STABLE
        and group.is_consumer_group
        and group.subscribed is not None
    ):
        return list(offsets.expired(now_ms, retention_ms, since_commit, group.is_subscribed))
    return []


def is_spent(group: Group) -> bool:
    """Whether nothing is left that the group is kept for, but for committed positions."""
    return group.state is GroupState.EMPTY and not group.offsets.undecided and not group.pending
