"""What members are answered. Pure: answers are left in the group; the coordinator sends them."""

from __future__ import annotations

from barnabas.coordinator.group.classic.group import Group
from barnabas.coordinator.group.classic.member import JoinResult, Member, SyncResult
from barnabas.coordinator.group.clock import Now
from barnabas.errors import ErrorCode


def touch(member: Member, now: Now) -> None:
    """The member is alive: its session timeout starts again."""
    member.session_deadline_ms = now.ms + member.session_timeout_ms


def joined(
    group: Group,
    member: Member,
    *,
    error: ErrorCode = ErrorCode.NONE,
    member_id: str | None = None,
    leader: str | None = None,
    skip_assignment: bool = False,
    members: tuple[tuple[str, str | None, bytes], ...] = (),
) -> JoinResult:
    """A member's place in the current generation."""
    return JoinResult(
        error=error,
        member_id=member.id if member_id is None else member_id,
        generation=group.generation,
        protocol_type=group.protocol_type,
        protocol=group.protocol,
        leader=(group.leader or "") if leader is None else leader,
        skip_assignment=skip_assignment,
        members=members,
    )


def assigned(group: Group, member: Member) -> SyncResult:
    """The assignment that a member gets."""
    return SyncResult(
        protocol_type=group.protocol_type, protocol=group.protocol, assignment=member.assignment
    )


def answer_join(group: Group, member: Member, result: JoinResult) -> None:
    """Answer a member's JoinGroup; it no longer waits for it."""
    if member.joining is not None:
        group.answers.append((member.joining, result))
        member.joining = None


def answer_sync(group: Group, member: Member, error: ErrorCode) -> None:
    """Answer a member's SyncGroup: an error, or its assignment."""
    if member.syncing is not None:
        result = SyncResult(error=error) if error else assigned(group, member)
        group.answers.append((member.syncing, result))
        member.syncing = None
