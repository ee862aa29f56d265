"""MemberMetadata: a member of a group, its requests and their answers. Plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from barnabas.errors import ErrorCode

Token: TypeAlias = object
"""Identifies a request that waits for its answer. The coordinator makes it and gets it back with
the answer."""

Protocols: TypeAlias = tuple[tuple[str, bytes], ...]
"""Assignors a member can work with, the favourite first, each with the member's metadata."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinRequest:
    """What JoinGroup carries, with what the version implies."""

    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    rebalance_timeout_ms: int
    session_timeout_ms: int
    protocol_type: str
    protocols: Protocols
    new_member_id: str
    """Given if the member has none yet."""
    require_known_member_id: bool = False
    """v4 and later: a new member first learns its id (KIP-394)."""
    can_skip_assignment: bool = False
    """v9 and later: a returning static leader may be told that it leads (KIP-814)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinResult:
    """Answer of JoinGroup."""

    error: ErrorCode = ErrorCode.NONE
    member_id: str = ""
    generation: int = -1
    protocol_type: str | None = None
    protocol: str | None = None
    leader: str = ""
    skip_assignment: bool = False
    members: tuple[tuple[str, str | None, bytes], ...] = ()
    """(id, instance id, metadata) of everybody, for the leader only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRequest:
    """What SyncGroup carries."""

    member_id: str
    instance_id: str | None
    generation: int
    protocol_type: str | None
    protocol: str | None
    assignments: tuple[tuple[str, bytes], ...]
    """(member id, assignment), from the leader only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncResult:
    """Answer of SyncGroup."""

    error: ErrorCode = ErrorCode.NONE
    protocol_type: str | None = None
    protocol: str | None = None
    assignment: bytes = b""


@dataclass(slots=True, kw_only=True)
class Member:
    """One member of a group."""

    id: str
    instance_id: str | None
    client_id: str
    client_host: str
    rebalance_timeout_ms: int
    session_timeout_ms: int
    protocols: Protocols
    assignment: bytes = b""
    joining: Token | None = None
    """The token of its JoinGroup while that waits."""
    syncing: Token | None = None
    """The token of its SyncGroup while that waits."""
    is_new: bool = False
    """In its first rebalance: it cannot send heartbeats yet."""
    session_deadline_ms: int = field(default=0)

    @property
    def can_expire(self) -> bool:
        """Whether its session can time out. Not while a request of it waits here, unless it is new:
        a client that gives up and comes again would leave a dead member behind each time."""
        return self.is_new or (self.joining is None and self.syncing is None)

    def metadata(self, protocol: str) -> bytes:
        """Its metadata for one of the assignors that it supports."""
        return next(data for name, data in self.protocols if name == protocol)

    def vote(self, candidates: dict[str, None]) -> str:
        """The first of its assignors that all members support."""
        return next(name for name, _ in self.protocols if name in candidates)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberView:
    """A member as DescribeGroups shows it."""

    id: str
    instance_id: str | None
    client_id: str
    client_host: str
    metadata: bytes
    assignment: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupView:
    """A group as DescribeGroups shows it."""

    id: str
    error: ErrorCode = ErrorCode.NONE
    state: str = ""
    protocol_type: str = ""
    protocol: str = ""
    members: tuple[MemberView, ...] = ()
