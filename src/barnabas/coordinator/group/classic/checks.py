"""Which member may do what in a group, and the error for others. Pure (reference 8.3 to 8.5)."""

from __future__ import annotations

from barnabas.coordinator.group.classic.group import Group
from barnabas.coordinator.group.classic.member import SyncRequest
from barnabas.coordinator.group.classic.states import GroupState
from barnabas.errors import ErrorCode


def check_member(group: Group, member_id: str, instance_id: str | None) -> ErrorCode:
    """The error unless this is a member, under the id that its instance has now."""
    if instance_id is not None:
        current = group.static.get(instance_id)
        if current is None:
            return ErrorCode.UNKNOWN_MEMBER_ID
        if current != member_id:
            return ErrorCode.FENCED_INSTANCE_ID
    return ErrorCode.NONE if member_id in group.members else ErrorCode.UNKNOWN_MEMBER_ID


def check_generation(
    group: Group, member_id: str, instance_id: str | None, generation: int
) -> ErrorCode:
    """The error unless this is a member of the current generation."""
    if group.state is GroupState.DEAD:
        return ErrorCode.COORDINATOR_NOT_AVAILABLE
    error = check_member(group, member_id, instance_id)
    if error == ErrorCode.NONE and generation != group.generation:
        return ErrorCode.ILLEGAL_GENERATION
    return error


def check_commit(
    group: Group,
    member_id: str,
    instance_id: str | None,
    generation: int,
    *,
    transactional: bool = False,
) -> ErrorCode:
    """The error unless positions may be committed. Members of the current generation may; anybody
    may where a group has no members. Reference 8.5."""
    if group.state is GroupState.DEAD:
        return ErrorCode.COORDINATOR_NOT_AVAILABLE
    if generation < 0 and group.state is GroupState.EMPTY:
        return ErrorCode.NONE
    if generation >= 0 or member_id or instance_id is not None:
        error = check_generation(group, member_id, instance_id, generation)
        if error != ErrorCode.NONE:
            return error
    elif not transactional:
        return ErrorCode.UNKNOWN_MEMBER_ID
    if group.state is GroupState.COMPLETING_REBALANCE and not transactional:
        # The member knows this generation but not its assignment: what it commits is not its own.
        return ErrorCode.REBALANCE_IN_PROGRESS
    return ErrorCode.NONE


def check_sync(group: Group, request: SyncRequest) -> ErrorCode:
    """The error unless a member may have its assignment now, or wait for it."""
    error = check_generation(group, request.member_id, request.instance_id, request.generation)
    if error != ErrorCode.NONE:
        return error
    kind, protocol = request.protocol_type, request.protocol
    if kind is not None and kind != group.protocol_type:
        return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    if protocol is not None and protocol != group.protocol:
        return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    if group.state is GroupState.EMPTY:
        return ErrorCode.UNKNOWN_MEMBER_ID
    if group.state is GroupState.PREPARING_REBALANCE:
        return ErrorCode.REBALANCE_IN_PROGRESS
    return ErrorCode.NONE
