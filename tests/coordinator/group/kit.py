"""A group under test: requests in one line, answers by token, time as a number."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.defaults import group_settings

from barnabas.coordinator.group.classic.group import Group, StoreGroup
from barnabas.coordinator.group.classic.member import (
    JoinRequest,
    JoinResult,
    SyncRequest,
    SyncResult,
)
from barnabas.coordinator.group.classic.membership import Membership
from barnabas.coordinator.group.classic.states import GroupState
from barnabas.coordinator.group.clock import Now
from barnabas.coordinator.group.settings import GroupSettings
from barnabas.errors import ErrorCode

RANGE = (("range", b"r"),)
WALL_MS = 1_795_398_600_000
E, P, C, S, D = (
    GroupState.EMPTY,
    GroupState.PREPARING_REBALANCE,
    GroupState.COMPLETING_REBALANCE,
    GroupState.STABLE,
    GroupState.DEAD,
)


@dataclass
class Stage:
    """One group, its decisions, and who has been told what."""

    settings: GroupSettings = field(
        default_factory=lambda: group_settings(group_initial_rebalance_delay_ms=0)
    )
    ms: int = 1000
    group: Group = field(default_factory=lambda: Group("g"))
    told: dict[str, JoinResult | SyncResult] = field(default_factory=dict)
    writes: list[StoreGroup] = field(default_factory=list)
    hold_writes: bool = False
    ids: int = 0

    def __post_init__(self) -> None:
        self.membership = Membership(self.settings)

    @property
    def now(self) -> Now:
        return Now(self.ms, WALL_MS + self.ms)

    @property
    def state(self) -> GroupState:
        return self.group.state

    def join(self, token: str, member_id: str = "", **fields: Any) -> JoinResult | None:
        """The answer if there is one at once (or, from Empty, after the initial delay of 0)."""
        self.ids += 1
        values: dict[str, Any] = {
            "member_id": member_id,
            "instance_id": None,
            "client_id": token,
            "client_host": "/127.0.0.1",
            "rebalance_timeout_ms": 60_000,
            "session_timeout_ms": 10_000,
            "protocol_type": "consumer",
            "protocols": RANGE,
            "new_member_id": f"{token}#{self.ids}",
        }
        request = JoinRequest(**{**values, **fields})
        self.told.pop(token, None)
        self.membership.join(self.group, request, token, self.now)
        self.effects()
        self.tick(0)
        return self.joined(token)

    def sync(
        self, token: str, member_id: str, assignments: dict[str, bytes] | None = None, **fields: Any
    ) -> SyncResult | None:
        values: dict[str, Any] = {
            "member_id": member_id,
            "instance_id": None,
            "generation": self.group.generation,
            "protocol_type": None,
            "protocol": None,
            "assignments": tuple((assignments or {}).items()),
        }
        self.told.pop(token, None)
        request = SyncRequest(**{**values, **fields})
        self.membership.sync(self.group, request, token, self.now)
        self.effects()
        found = self.told.get(token)
        assert found is None or isinstance(found, SyncResult)
        return found

    def heartbeat(self, member_id: str, generation: int | None = None) -> ErrorCode:
        number = self.group.generation if generation is None else generation
        return self.membership.heartbeat(self.group, member_id, None, number, self.now)

    def leave(self, *members: tuple[str, str | None]) -> list[ErrorCode]:
        errors = self.membership.leave(self.group, members, self.now)
        self.effects()
        return errors

    def joined(self, token: str) -> JoinResult | None:
        found = self.told.get(token)
        assert found is None or isinstance(found, JoinResult)
        return found

    def effects(self) -> None:
        """Tell whoever is to be told; writes succeed at once unless they are held."""
        while self.group.stores or self.group.answers:
            stores, self.group.stores = self.group.stores, []
            self.writes += stores
            for store in stores:
                if not self.hold_writes:
                    self.membership.stored(self.group, store, ErrorCode.NONE, self.now)
            answers, self.group.answers = self.group.answers, []
            for token, result in answers:
                assert isinstance(token, str)
                assert token not in self.told, "told twice"
                self.told[token] = result

    def written(self, store: StoreGroup, error: ErrorCode = ErrorCode.NONE) -> None:
        """A held write is done."""
        self.membership.stored(self.group, store, error, self.now)
        self.effects()

    def tick(self, ms: int) -> list[str]:
        """Let time pass, deadline after deadline; members that fell silent."""
        end, silent = self.ms + ms, []
        while True:
            deadline_ms = self.group.next_deadline_ms()
            if deadline_ms is None or deadline_ms > end:
                break
            self.ms = max(self.ms, deadline_ms)
            silent += self.membership.expire(self.group, self.now)
            self.effects()
        self.ms = end
        return silent

    def stable(self, *names: str, **fields: Any) -> list[str]:
        """A stable group of new members; their ids, the leader first."""
        # The first one is in a generation of its own; the others make it join again.
        first = self.join(names[0], **fields)
        assert first is not None
        ids = [first.member_id]
        for name in names[1:]:
            assert self.join(name, **fields) is None
        if len(names) > 1:
            self.join(names[0], ids[0], **fields)
            ids += [self._member_of(name) for name in names[1:]]
        for name, member_id in zip(reversed(names), reversed(ids), strict=True):
            self.sync(name, member_id, {m: f"a-{m}".encode() for m in ids})
        assert self.state is GroupState.STABLE
        return ids

    def _member_of(self, token: str) -> str:
        result = self.joined(token)
        assert result is not None
        return result.member_id
