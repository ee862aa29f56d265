"""GroupCoordinator, rules: what changes when members join, sync, send heartbeats, leave or fall
silent. Pure. Reference 8.3 and 8.4, after the original's ``GroupCoordinator``.

Why there are generations: members read partitions that others read before them. Each rebalance has
all members meet once, at the join, and begins a generation that one of them, the leader, assigns.
Who comes with an older generation may own what others have by now, so it is refused and joins
again. A member that falls silent is waited for until its session ends, and only then does the
group meet without it.

Each decision changes the group and leaves answers and writes in it. It takes the time as an
argument; ``Group.next_deadline_ms`` says when ``expire`` has something to do. Callers have made
sure that the group is not loading.
"""

from __future__ import annotations

from collections.abc import Sequence

from barnabas.coordinator.group.classic.answers import (
    answer_join,
    answer_sync,
    assigned,
    joined,
    touch,
)
from barnabas.coordinator.group.classic.checks import check_generation, check_member, check_sync
from barnabas.coordinator.group.classic.group import Group, JoinPhase, Replacement, StoreGroup
from barnabas.coordinator.group.classic.member import (
    JoinRequest,
    JoinResult,
    Member,
    SyncRequest,
    SyncResult,
    Token,
)
from barnabas.coordinator.group.classic.states import CAN_REBALANCE, GroupState
from barnabas.coordinator.group.clock import Now
from barnabas.coordinator.group.settings import GroupSettings
from barnabas.errors import ErrorCode

NEW_MEMBER_JOIN_TIMEOUT_MS = 300_000
"""How long a new member may wait in its first JoinGroup before it is removed."""
JOIN_PHASE_MS_MIN = 100
"""Least length of a join phase, whatever timeouts the members ask for."""

_EMPTY = GroupState.EMPTY
_PREPARING = GroupState.PREPARING_REBALANCE
_COMPLETING = GroupState.COMPLETING_REBALANCE
_STABLE = GroupState.STABLE
_DEAD = GroupState.DEAD


class Membership:
    """The decisions; stateless but for the settings."""

    def __init__(self, settings: GroupSettings) -> None:
        self._settings = settings

    # JoinGroup

    def check_session_timeout(self, session_timeout_ms: int) -> ErrorCode:
        """Whether a member may send this request."""
        settings = self._settings
        low, high = settings.group_min_session_timeout_ms, settings.group_max_session_timeout_ms
        if low <= session_timeout_ms <= high:
            return ErrorCode.NONE
        return ErrorCode.INVALID_SESSION_TIMEOUT

    def join(self, group: Group, request: JoinRequest, token: Token, now: Now) -> None:
        """A member joins the next generation. ``token`` gets a JoinResult, perhaps later."""
        refusal = self._refusal(group, request)
        if refusal != ErrorCode.NONE:
            member_id = request.member_id
            if refusal == ErrorCode.GROUP_MAX_SIZE_REACHED:
                self._discard(group, member_id)
                member_id = ""
            group.answers.append((token, JoinResult(error=refusal, member_id=member_id)))
        elif not request.member_id:
            self._join_new(group, request, token, now)
        elif request.member_id in group.pending:
            self._add(group, request, request.member_id, token, now)
        else:
            self._join_again(group, request, token, now)
        self._complete_if_all_joined(group, now)

    def _refusal(self, group: Group, request: JoinRequest) -> ErrorCode:
        if not self._has_room(group, request.member_id):
            return ErrorCode.GROUP_MAX_SIZE_REACHED
        if group.state is _DEAD:
            return ErrorCode.COORDINATOR_NOT_AVAILABLE
        if not group.supports(request.protocol_type, request.protocols):
            return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
        if not request.member_id:
            return ErrorCode.NONE
        if request.member_id in group.pending:
            # Static members are never told to come again with an id.
            return ErrorCode.UNKNOWN_MEMBER_ID if request.instance_id else ErrorCode.NONE
        return check_member(group, request.member_id, request.instance_id)

    def _has_room(self, group: Group, member_id: str) -> bool:
        """In a join phase the first members to join stay: the maximum may have been lowered."""
        if group.is_in(_EMPTY, _DEAD):
            return True
        member = group.members.get(member_id)
        if group.state is _PREPARING:
            waits = member is not None and member.joining is not None
            return waits or group.joining < self._settings.group_max_size
        return member is not None or len(group.members) < self._settings.group_max_size

    def _discard(self, group: Group, member_id: str) -> None:
        member = group.remove(member_id)
        if member is not None:
            answer_sync(group, member, ErrorCode.UNKNOWN_MEMBER_ID)

    def _join_new(self, group: Group, request: JoinRequest, token: Token, now: Now) -> None:
        new_id = request.new_member_id
        if request.instance_id is not None:
            old_id = group.static.get(request.instance_id)
            if old_id is not None:
                self._replace(group, old_id, request, token, now)
            else:
                self._add(group, request, new_id, token, now)
        elif request.require_known_member_id:
            group.pending[new_id] = now.ms + request.session_timeout_ms
            result = JoinResult(error=ErrorCode.MEMBER_ID_REQUIRED, member_id=new_id)
            group.answers.append((token, result))
        else:
            self._add(group, request, new_id, token, now)

    def _add(
        self, group: Group, request: JoinRequest, member_id: str, token: Token, now: Now
    ) -> None:
        if group.join_phase is not None and group.generation == 0:
            group.join_phase.member_added = True
        member = Member(
            id=member_id,
            instance_id=request.instance_id,
            client_id=request.client_id,
            client_host=request.client_host,
            rebalance_timeout_ms=request.rebalance_timeout_ms,
            session_timeout_ms=request.session_timeout_ms,
            protocols=request.protocols,
            joining=token,
            is_new=True,
            session_deadline_ms=now.ms + NEW_MEMBER_JOIN_TIMEOUT_MS,
        )
        group.add(member, request.protocol_type)
        self._rebalance(group, now)

    def _join_again(self, group: Group, request: JoinRequest, token: Token, now: Now) -> None:
        member = group.members[request.member_id]
        same = member.protocols == request.protocols
        leads = group.leader == member.id
        if group.state is _COMPLETING and same:
            # It may have missed the first answer.
            members = group.everybody() if leads else ()
            group.answers.append((token, joined(group, member, members=members)))
        elif group.state is _STABLE and same and not leads:
            group.answers.append((token, joined(group, member)))
        else:
            # A leader asks for a rebalance in this way, for example when a topic has new
            # partitions.
            self._update(group, member, request, token)
            self._rebalance(group, now)

    def _update(self, group: Group, member: Member, request: JoinRequest, token: Token) -> None:
        """A member that is known waits for the next generation. An earlier JoinGroup of it gets an
        error."""
        if member.joining is not None:
            result = JoinResult(error=ErrorCode.REBALANCE_IN_PROGRESS, member_id=member.id)
            group.answers.append((member.joining, result))
        group.set_protocols(member, request.protocols)
        member.rebalance_timeout_ms = request.rebalance_timeout_ms
        member.session_timeout_ms = request.session_timeout_ms
        member.joining = token

    # Static members (KIP-345, KIP-814)

    def _replace(
        self, group: Group, old_id: str, request: JoinRequest, token: Token, now: Now
    ) -> None:
        """A static member is back without an id. Its assignment stays if its protocols have not
        changed the group's."""
        old = group.members[old_id]
        assert request.instance_id is not None
        replacement = Replacement(
            instance_id=request.instance_id,
            old_id=old_id,
            new_id=request.new_member_id,
            old_protocols=old.protocols,
            old_rebalance_timeout_ms=old.rebalance_timeout_ms,
            old_session_timeout_ms=old.session_timeout_ms,
            old_leader=group.leader or "",
            can_skip_assignment=request.can_skip_assignment,
        )
        answer_join(group, old, JoinResult(error=ErrorCode.FENCED_INSTANCE_ID, member_id=old_id))
        answer_sync(group, old, ErrorCode.FENCED_INSTANCE_ID)
        member = group.rename(request.instance_id, old_id, request.new_member_id)
        member.client_id, member.client_host = request.client_id, request.client_host
        self._update(group, member, request, token)
        touch(member, now)
        if group.state is _STABLE and group.choose_protocol() == group.protocol:
            assignments = [(m.id, m.assignment) for m in group.members.values()]
            group.stores.append(
                StoreGroup(
                    record=group.record(assignments),
                    generation=group.generation,
                    replaced=replacement,
                )
            )
        else:
            # In CompletingRebalance the leader assigns to the old id: start again.
            self._rebalance(group, now)

    def _replaced(self, group: Group, replacement: Replacement, error: ErrorCode, now: Now) -> None:
        """The record with the new id is written; or that failed, and the old id is valid again."""
        member = group.members.get(replacement.new_id)
        if member is None or group.state is not _STABLE:
            # It left, or a rebalance began meanwhile, which answers it.
            return
        if error != ErrorCode.NONE:
            group.set_protocols(member, replacement.old_protocols)
            member.rebalance_timeout_ms = replacement.old_rebalance_timeout_ms
            member.session_timeout_ms = replacement.old_session_timeout_ms
            answer_join(group, member, joined(group, member, error=error, member_id=""))
            group.rename(replacement.instance_id, replacement.new_id, replacement.old_id)
        else:
            leads = group.leader == member.id
            # An old client must not believe that it leads: no member waits for an assignment from
            # it.
            result = joined(group, member, leader=replacement.old_leader)
            if replacement.can_skip_assignment:
                members = group.everybody() if leads else ()
                result = joined(group, member, members=members, skip_assignment=leads)
            answer_join(group, member, result)
        touch(member, now)

    # Rebalance

    def _rebalance(self, group: Group, now: Now) -> None:
        """Start a join phase unless one is under way."""
        if group.state not in CAN_REBALANCE:
            return
        if group.state is _COMPLETING:
            self._reset_assignments(group, ErrorCode.REBALANCE_IN_PROGRESS, now)
        group.sync_deadline_ms = None
        timeout_ms = max(group.rebalance_timeout_ms, JOIN_PHASE_MS_MIN)
        phase = JoinPhase(deadline_ms=now.ms + timeout_ms)
        if group.state is _EMPTY:
            delay_ms = self._settings.group_initial_rebalance_delay_ms
            phase = JoinPhase(
                deadline_ms=now.ms + delay_ms,
                initial=True,
                delay_ms=delay_ms,
                remaining_ms=max(group.rebalance_timeout_ms - delay_ms, 0),
            )
        group.move(_PREPARING, now)
        group.join_phase = phase
        self._complete_if_all_joined(group, now)

    def _complete_if_all_joined(self, group: Group, now: Now) -> None:
        phase = group.join_phase
        if phase is not None and not phase.initial and group.all_joined:
            self._complete_join(group, now)

    def _join_phase_due(self, group: Group, phase: JoinPhase, now: Now) -> None:
        if phase.initial and phase.member_added and phase.remaining_ms > 0:
            delay_ms = min(phase.delay_ms, phase.remaining_ms)
            phase.member_added = False
            phase.remaining_ms -= delay_ms
            phase.deadline_ms = now.ms + delay_ms
            return
        self._complete_join(group, now)

    def _complete_join(self, group: Group, now: Now) -> None:
        """End the join phase. Static members that are missing stay members until their session
        ends."""
        for member in list(group.members.values()):
            if member.joining is None and member.instance_id is None:
                group.remove(member.id)
        if group.members and not group.elect_leader():
            timeout_ms = max(group.rebalance_timeout_ms, JOIN_PHASE_MS_MIN)
            group.join_phase = JoinPhase(deadline_ms=now.ms + timeout_ms)
            return
        group.next_generation(now)
        if not group.members:
            group.stores.append(StoreGroup(record=group.record(()), generation=group.generation))
            return
        for member in group.members.values():
            members = group.everybody() if group.leader == member.id else ()
            answer_join(group, member, joined(group, member, members=members))
            touch(member, now)
            member.is_new = False
            group.pending_sync[member.id] = None
        group.sync_deadline_ms = now.ms + max(group.rebalance_timeout_ms, JOIN_PHASE_MS_MIN)

    # SyncGroup

    def sync(self, group: Group, request: SyncRequest, token: Token, now: Now) -> None:
        """A member asks for its assignment. The leader brings the assignments of all."""
        error = check_sync(group, request)
        if error != ErrorCode.NONE:
            group.answers.append((token, SyncResult(error=error)))
            return
        member = group.members[request.member_id]
        self._synced(group, member.id)
        if group.state is _STABLE:
            touch(member, now)
            group.answers.append((token, assigned(group, member)))
            return
        if member.syncing is not None:
            answer_sync(group, member, ErrorCode.REBALANCE_IN_PROGRESS)
        member.syncing = token
        if group.leader == member.id:
            given = dict(request.assignments)
            assignments = tuple((m, given.get(m, b"")) for m in group.members)
            group.stores.append(
                StoreGroup(
                    record=group.record(assignments),
                    generation=group.generation,
                    assignments=assignments,
                )
            )

    def _synced(self, group: Group, member_id: str) -> None:
        group.pending_sync.pop(member_id, None)
        if not group.pending_sync:
            group.sync_deadline_ms = None

    def stored(self, group: Group, store: StoreGroup, error: ErrorCode, now: Now) -> None:
        """The record of the group has been replicated, or its outcome is unknown."""
        if group.generation != store.generation:
            return
        if store.replaced is not None:
            self._replaced(group, store.replaced, error, now)
        elif store.assignments is not None and group.state is _COMPLETING:
            if error != ErrorCode.NONE:
                self._reset_assignments(group, error, now)
                self._rebalance(group, now)
                return
            for member_id, assignment in store.assignments:
                member = group.members.get(member_id)
                if member is not None:
                    member.assignment = assignment
            group.move(_STABLE, now)
            for member in group.members.values():
                if member.syncing is not None:
                    answer_sync(group, member, ErrorCode.NONE)
                    touch(member, now)

    def _reset_assignments(self, group: Group, error: ErrorCode, now: Now) -> None:
        for member in group.members.values():
            member.assignment = b""
            if member.syncing is not None:
                answer_sync(group, member, error)
                touch(member, now)

    # Heartbeat

    def heartbeat(
        self, group: Group, member_id: str, instance_id: str | None, generation: int, now: Now
    ) -> ErrorCode:
        """A heartbeat: the member is alive."""
        error = check_generation(group, member_id, instance_id, generation)
        if error != ErrorCode.NONE:
            return error
        if group.state is _EMPTY:
            return ErrorCode.UNKNOWN_MEMBER_ID
        touch(group.members[member_id], now)
        if group.state is _PREPARING:
            return ErrorCode.REBALANCE_IN_PROGRESS
        return ErrorCode.NONE

    def committed(self, group: Group, member_id: str, now: Now) -> None:
        """A commit counts as a heartbeat."""
        member = group.members.get(member_id)
        if member is not None:
            touch(member, now)

    # LeaveGroup and silence

    def leave(
        self, group: Group, members: Sequence[tuple[str, str | None]], now: Now
    ) -> list[ErrorCode]:
        """Members (id, instance id) leave. An administrator names static members by their instance
        id alone."""
        return [self._leave(group, member_id, instance, now) for member_id, instance in members]

    def _leave(self, group: Group, member_id: str, instance_id: str | None, now: Now) -> ErrorCode:
        if not member_id:
            current = None if instance_id is None else group.static.get(instance_id)
            if current is None:
                return ErrorCode.UNKNOWN_MEMBER_ID
            self._remove(group, current, now)
        elif member_id in group.pending:
            group.remove(member_id)
            self._complete_if_all_joined(group, now)
        else:
            error = check_member(group, member_id, instance_id)
            if error != ErrorCode.NONE:
                return error
            self._remove(group, member_id, now)
        return ErrorCode.NONE

    def _remove(self, group: Group, member_id: str, now: Now) -> None:
        member = group.remove(member_id)
        assert member is not None
        answer_join(group, member, JoinResult(error=ErrorCode.UNKNOWN_MEMBER_ID))
        answer_sync(group, member, ErrorCode.UNKNOWN_MEMBER_ID)
        if group.state is _PREPARING:
            self._complete_if_all_joined(group, now)
        else:
            self._rebalance(group, now)

    def expire(self, group: Group, now: Now) -> list[str]:
        """Handle every deadline that has passed; ids of the members that were removed."""
        if group.state is _DEAD:
            return []
        for member_id, deadline_ms in list(group.pending.items()):
            if deadline_ms <= now.ms:
                group.remove(member_id)
                self._complete_if_all_joined(group, now)
        silent = [
            m.id for m in group.members.values() if m.can_expire and m.session_deadline_ms <= now.ms
        ]
        for member_id in silent:
            if member_id in group.members:
                self._remove(group, member_id, now)
        phase = group.join_phase
        if phase is not None and phase.deadline_ms <= now.ms:
            self._join_phase_due(group, phase, now)
        if group.sync_deadline_ms is not None and group.sync_deadline_ms <= now.ms:
            self._sync_due(group, now)
        return silent

    def _sync_due(self, group: Group, now: Now) -> None:
        """Remove members that got a generation but never asked for their assignment."""
        for member_id in list(group.pending_sync):
            member = group.remove(member_id)
            if member is not None:
                answer_join(group, member, JoinResult(error=ErrorCode.UNKNOWN_MEMBER_ID))
        group.sync_deadline_ms = None
        self._rebalance(group, now)

    # Loading, moving away, deleting

    def shrink_if_too_large(self, group: Group, now: Now) -> None:
        """A loaded group with more members than are allowed rebalances."""
        if len(group.members) > self._settings.group_max_size:
            self._rebalance(group, now)

    def kill(self, group: Group, error: ErrorCode, now: Now) -> None:
        """The group is deleted, or another coordinator has it: waiting requests get an error."""
        if group.state is _DEAD:
            return
        group.move(_DEAD, now)
        for member in group.members.values():
            answer_join(group, member, JoinResult(error=error, member_id=member.id))
            answer_sync(group, member, error)
