"""Random histories of members: the promises that must hold whatever they do."""

from __future__ import annotations

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.coordinator.group.kit import RANGE, Stage
from tests.defaults import group_settings

from barnabas.coordinator.group.classic.states import GroupState
from barnabas.errors import ErrorCode

E, P, C, S = (
    GroupState.EMPTY,
    GroupState.PREPARING_REBALANCE,
    GroupState.COMPLETING_REBALANCE,
    GroupState.STABLE,
)


class Histories(RuleBasedStateMachine):
    """Random members; the promises that must hold whatever they do."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = Stage(settings=group_settings(group_initial_rebalance_delay_ms=500))
        self.ids: list[str] = []
        self.tokens = 0
        self.owners: dict[int, dict[str, bytes]] = {}

    def _token(self) -> str:
        self.tokens += 1
        return f"t{self.tokens}"

    @rule(known=st.booleans(), instance=st.sampled_from([None, None, "I", "J"]))
    def newcomer(self, known: bool, instance: str | None) -> None:
        token = self._token()
        self.stage.join(token, instance_id=instance, require_known_member_id=known)
        self._collect()

    @precondition(lambda self: self.ids)
    @rule(data=st.data(), metadata=st.sampled_from([b"r", b"s"]))
    def member_joins(self, data: st.DataObject, metadata: bytes) -> None:
        member_id = data.draw(st.sampled_from(self.ids))
        self.stage.join(self._token(), member_id, protocols=(("range", metadata),))
        self._collect()

    @precondition(lambda self: self.stage.group.members)
    @rule(data=st.data())
    def member_syncs(self, data: st.DataObject) -> None:
        group = self.stage.group
        member_id = data.draw(st.sampled_from(sorted(group.members)))
        token = self._token()
        given = {m: f"{group.generation}/{m}".encode() for m in group.members}
        leads = group.leader == member_id
        result = self.stage.sync(token, member_id, given if leads else None)
        if result is not None and result.error == ErrorCode.NONE:
            # Nobody is handed a part that was not written in this generation.
            assert result.assignment in (b"", *self._parts())

    def _parts(self) -> list[bytes]:
        return [
            m.assignment
            for write in self.stage.writes
            for m in write.record.members
            if write.generation == self.stage.group.generation
        ]

    @precondition(lambda self: self.ids)
    @rule(data=st.data())
    def heartbeat(self, data: st.DataObject) -> None:
        self.stage.heartbeat(data.draw(st.sampled_from(self.ids)))

    @precondition(lambda self: self.ids)
    @rule(data=st.data())
    def leaves(self, data: st.DataObject) -> None:
        self.stage.leave((data.draw(st.sampled_from(self.ids)), None))

    @rule(ms=st.sampled_from([1, 400, 3000, 20_000, 70_000]))
    def time_passes(self, ms: int) -> None:
        self.stage.tick(ms)
        self._collect()

    @rule()
    def writes_fail_or_wait(self) -> None:
        self.stage.hold_writes = not self.stage.hold_writes
        if not self.stage.hold_writes:
            for write in self.stage.writes[-3:]:
                self.stage.written(write, ErrorCode.NONE)

    def _collect(self) -> None:
        for result in self.stage.told.values():
            member_id = getattr(result, "member_id", "")
            if member_id and member_id not in self.ids:
                self.ids.append(member_id)

    @invariant()
    def the_facts_agree(self) -> None:
        group = self.stage.group
        assert (group.join_phase is not None) == (group.state is P)
        assert bool(group.members) == (group.state in (P, C, S)) or group.state is P
        for instance, member_id in group.static.items():
            assert group.members[member_id].instance_id == instance
        assert group.leader is None or group.leader in group.members
        assert all(m in group.members for m in group.pending_sync)
        if group.state in (C, S):
            assert group.protocol == RANGE[0][0]
            assert group.leader is not None
        deadline_ms = group.next_deadline_ms()
        assert deadline_ms is None or deadline_ms >= self.stage.ms
        # Whoever joins or syncs waits only where somebody will come to answer.
        if group.state in (C, S, E):
            assert all(m.joining is None or self.stage.hold_writes for m in group.members.values())
        if group.state in (P, S, E):
            assert all(m.syncing is None for m in group.members.values())


Histories.TestCase.settings = hypothesis_settings(max_examples=60, stateful_step_count=30)
TestHistories = Histories.TestCase
