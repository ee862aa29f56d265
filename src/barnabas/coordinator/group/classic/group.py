"""GroupMetadata: one group, its members, its generation, and what is to be answered or written.
Pure.

The state and its invariants are here; ``membership.py`` decides how it changes. A member that waits
for an answer is known by a token. Decisions put (token, answer) into ``answers`` and records to be
written into ``stores``. The coordinator takes both out after every decision.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from barnabas.coordinator.group.classic.member import (
    GroupView,
    JoinResult,
    Member,
    MemberView,
    Protocols,
    SyncResult,
    Token,
)
from barnabas.coordinator.group.classic.states import GroupState, check_transition
from barnabas.coordinator.group.classic.subscription import (
    CONSUMER_PROTOCOL_TYPE,
    subscribed_topics,
)
from barnabas.coordinator.group.clock import Now
from barnabas.coordinator.group.offsets import GroupOffsets
from barnabas.coordinator.group.records.group_metadata import (
    GroupRecord,
    MemberRecord,
    encode_group_key,
)


@dataclass(slots=True, kw_only=True)
class JoinPhase:
    """The wait for members to join, while PreparingRebalance."""

    deadline_ms: int
    initial: bool = False
    """A group that was Empty: the delay always runs to its end, and every new member prolongs it.
    """
    delay_ms: int = 0
    remaining_ms: int = 0
    """How much longer new members may prolong it."""
    member_added: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreGroup:
    """The group is to be written; ``Membership.stored`` is then told how that went."""

    record: GroupRecord
    generation: int
    assignments: tuple[tuple[str, bytes], ...] | None = None
    """The leader's assignments, handed out once they are written. None if no assignment is waited
    for."""
    replaced: Replacement | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """A static member that came back under a new id, and what is needed to undo that."""

    instance_id: str
    old_id: str
    new_id: str
    old_protocols: Protocols
    old_rebalance_timeout_ms: int
    old_session_timeout_ms: int
    old_leader: str
    can_skip_assignment: bool


class Group:
    """State of one group at its coordinator."""

    kind = "classic"

    def __init__(self, group_id: str, state: GroupState = GroupState.EMPTY) -> None:
        self.id = group_id
        self.state = state
        self.state_since_ms: int | None = None
        """Wall time of the last change of state; None if the record does not say."""
        self.generation = 0
        self.protocol_type: str | None = None
        """None: the group never had members and only keeps offsets."""
        self.protocol: str | None = None
        self.leader: str | None = None
        self.members: dict[str, Member] = {}
        self.static: dict[str, str] = {}
        """Instance id to member id; every static member is in both."""
        self.pending: dict[str, int] = {}
        """Ids given to members that have not joined with them yet, with their deadlines."""
        self.pending_sync: dict[str, None] = {}
        """Members of this generation that have not synced yet."""
        self.sync_deadline_ms: int | None = None
        self.join_phase: JoinPhase | None = None
        """Present exactly while PreparingRebalance."""
        self.subscribed: frozenset[str] | None = None
        """Topics of a consumer group's members; None if not known."""
        self.offsets = GroupOffsets()
        self.answers: list[tuple[Token, JoinResult | SyncResult]] = []
        self.stores: list[StoreGroup] = []
        self.timer_ms: int | None = None
        """When the coordinator will look at it next; kept by ``timers.py``."""
        self.told: tuple[GroupState, int] | None = None
        """The state and generation that were logged last."""
        self._support: Counter[str] = Counter()

    # Looking

    def is_in(self, *states: GroupState) -> bool:
        """Whether its state is one of these."""
        return self.state in states

    @property
    def is_empty(self) -> bool:
        """Whether it has no members and may be deleted."""
        return self.state is GroupState.EMPTY

    @property
    def is_dead(self) -> bool:
        """Whether it has been deleted, or moved away."""
        return self.state is GroupState.DEAD

    def own_keys(self) -> list[bytes]:
        """Keys of the records to remove when the group is removed."""
        # A group that never had members has no record of its own.
        return [encode_group_key(self.id)] if self.generation > 0 else []

    @property
    def is_consumer_group(self) -> bool:
        """Whether its members are consumers, whose metadata we can read."""
        return self.protocol_type == CONSUMER_PROTOCOL_TYPE

    def is_subscribed(self, topic: str) -> bool:
        """Whether a member subscribes to the topic; True if the subscriptions cannot be read."""
        return self.subscribed is None or topic in self.subscribed

    @property
    def joining(self) -> int:
        """Members that have joined (again) and wait for the answer."""
        return sum(1 for m in self.members.values() if m.joining is not None)

    @property
    def all_joined(self) -> bool:
        """Whether every member has joined again."""
        return not self.pending and all(m.joining is not None for m in self.members.values())

    @property
    def rebalance_timeout_ms(self) -> int:
        """The longest rebalance timeout of all members."""
        return max((m.rebalance_timeout_ms for m in self.members.values()), default=0)

    def supports(self, protocol_type: str, protocols: Protocols) -> bool:
        """Whether a member with these protocols has one in common with all others."""
        if self.state is GroupState.EMPTY:
            return bool(protocol_type) and bool(protocols)
        size = len(self.members)
        return self.protocol_type == protocol_type and any(
            self._support[name] == size for name, _ in protocols
        )

    def choose_protocol(self) -> str:
        """The assignor with the most votes among those that all members support. Of several with
        as many votes, the one that a member voted for first."""
        size = len(self.members)
        first = next(iter(self.members.values()))
        candidates = {name: None for name, _ in first.protocols if self._support[name] == size}
        votes = Counter(member.vote(candidates) for member in self.members.values())
        return votes.most_common(1)[0][0]

    def everybody(self) -> tuple[tuple[str, str | None, bytes], ...]:
        """(id, instance id, metadata) of all members, for the leader."""
        assert self.protocol is not None
        return tuple(
            (m.id, m.instance_id, m.metadata(self.protocol)) for m in self.members.values()
        )

    def next_deadline_ms(self) -> int | None:
        """When ``expire`` has something to do if no request comes before; None if it never will."""
        if self.state is GroupState.DEAD:
            return None
        deadlines = [m.session_deadline_ms for m in self.members.values() if m.can_expire]
        deadlines += self.pending.values()
        if self.join_phase is not None:
            deadlines.append(self.join_phase.deadline_ms)
        if self.sync_deadline_ms is not None:
            deadlines.append(self.sync_deadline_ms)
        return min(deadlines, default=None)

    # Members

    def add(self, member: Member, protocol_type: str) -> None:
        """Add a member. The first one becomes the leader and decides the protocol type."""
        assert member.id not in self.members
        if not self.members:
            self.protocol_type = protocol_type
        if self.leader is None:
            self.leader = member.id
        if member.instance_id is not None:
            assert member.instance_id not in self.static
            self.static[member.instance_id] = member.id
        self.members[member.id] = member
        self._support.update(_names(member.protocols))
        self.pending.pop(member.id, None)

    def remove(self, member_id: str) -> Member | None:
        """Remove a member, or an id that was given but never used. If the leader goes, the first of
        the others leads."""
        self.pending.pop(member_id, None)
        self.pending_sync.pop(member_id, None)
        member = self.members.pop(member_id, None)
        if member is None:
            return None
        self._forget_support(member)
        if member.instance_id is not None and self.static.get(member.instance_id) == member_id:
            del self.static[member.instance_id]
        if self.leader == member_id:
            self.leader = next(iter(self.members), None)
        return member

    def set_protocols(self, member: Member, protocols: Protocols) -> None:
        """A member has changed its protocols."""
        self._forget_support(member)
        member.protocols = protocols
        self._support.update(_names(protocols))

    def _forget_support(self, member: Member) -> None:
        for name in _names(member.protocols):
            self._support[name] -= 1
            if not self._support[name]:
                del self._support[name]  # names never pile up, whatever members call themselves

    def rename(self, instance_id: str, old_id: str, new_id: str) -> Member:
        """A static member gets a new id."""
        member = self.members.pop(old_id)
        member.id = new_id
        self.members[new_id] = member
        self.static[instance_id] = new_id
        if self.pending_sync.pop(old_id, 0) is None:
            self.pending_sync[new_id] = None
        if self.leader == old_id:
            self.leader = new_id
        return member

    def elect_leader(self) -> bool:
        """Keep the leader if it has joined again; otherwise the first that has leads. False if none
        has."""
        leader = None if self.leader is None else self.members.get(self.leader)
        if leader is not None and leader.joining is not None:
            return True
        joined = next((m.id for m in self.members.values() if m.joining is not None), None)
        if joined is not None:
            self.leader = joined
        return joined is not None

    # Moves

    def move(self, state: GroupState, now: Now) -> None:
        """Change the state."""
        check_transition(self.state, state)
        self.state = state
        self.state_since_ms = now.wall_ms
        if state is not GroupState.PREPARING_REBALANCE:
            self.join_phase = None

    def next_generation(self, now: Now) -> None:
        """End the join phase."""
        self.generation += 1
        self.pending_sync.clear()
        self.protocol = self.choose_protocol() if self.members else None
        self.move(
            GroupState.COMPLETING_REBALANCE if self.members else GroupState.EMPTY,
            now,
        )
        self.find_subscriptions()

    def find_subscriptions(self) -> None:
        """Learn which topics the members want."""
        self.subscribed = None
        if not self.is_consumer_group:
            return
        protocol = self.protocol
        if protocol is None or not self.members:
            self.subscribed = None if self.members else frozenset()
            return
        self.subscribed = subscribed_topics(m.metadata(protocol) for m in self.members.values())

    # Records

    def record(self, assignments: Iterable[tuple[str, bytes]]) -> GroupRecord:
        """The group with these assignments, as it is kept."""
        given = dict(assignments)
        protocol = self.protocol
        return GroupRecord(
            protocol_type=self.protocol_type or "",
            generation=self.generation,
            protocol=protocol,
            leader=self.leader,
            state_since_ms=-1 if self.state_since_ms is None else self.state_since_ms,
            members=tuple(
                MemberRecord(
                    id=m.id,
                    instance_id=m.instance_id,
                    client_id=m.client_id,
                    client_host=m.client_host,
                    rebalance_timeout_ms=m.rebalance_timeout_ms,
                    session_timeout_ms=m.session_timeout_ms,
                    subscription=b"" if protocol is None else m.metadata(protocol),
                    assignment=given.get(m.id, b""),
                )
                for m in self.members.values()
            ),
        )

    @classmethod
    def loaded(cls, group_id: str, record: GroupRecord, now: Now) -> Group:
        """The group that a record describes. Its members' sessions start anew."""
        group = cls(group_id, GroupState.STABLE if record.members else GroupState.EMPTY)
        group.state_since_ms = None if record.state_since_ms < 0 else record.state_since_ms
        group.generation = record.generation
        group.protocol = record.protocol
        for kept in record.members:
            member = Member(
                id=kept.id,
                instance_id=kept.instance_id,
                client_id=kept.client_id,
                client_host=kept.client_host,
                rebalance_timeout_ms=kept.rebalance_timeout_ms,
                session_timeout_ms=kept.session_timeout_ms,
                protocols=((record.protocol or "", kept.subscription),),
                assignment=kept.assignment,
                session_deadline_ms=now.ms + kept.session_timeout_ms,
            )
            group.add(member, record.protocol_type)
        group.protocol_type = record.protocol_type or None
        group.leader = record.leader
        group.find_subscriptions()
        return group

    def view(self) -> GroupView:
        """For DescribeGroups: assignments and metadata only while the group is stable."""
        is_stable = self.state is GroupState.STABLE and self.protocol is not None
        return GroupView(
            id=self.id,
            state=self.state.value,
            protocol_type=self.protocol_type or "",
            protocol=(self.protocol or "") if is_stable else "",
            members=tuple(
                MemberView(
                    id=m.id,
                    instance_id=m.instance_id,
                    client_id=m.client_id,
                    client_host=m.client_host,
                    metadata=m.metadata(self.protocol or "") if is_stable else b"",
                    assignment=m.assignment if is_stable else b"",
                )
                for m in self.members.values()
            ),
        )


def _names(protocols: Protocols) -> list[str]:
    """Each name once: a member has one vote for it, however often it names it."""
    return list(dict.fromkeys(name for name, _ in protocols))
