"""Static members: who returns under its instance id (KIP-345, reference 8.2 to 8.4)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.coordinator.group.kit import Stage
from tests.defaults import group_settings

from barnabas.coordinator.group.classic.states import GroupState
from barnabas.errors import ErrorCode


def test_a_static_member_that_returns_keeps_its_assignment() -> None:
    stage = Stage(settings=group_settings(group_initial_rebalance_delay_ms=1000))
    stage.join("a", instance_id="A")
    stage.join("b", instance_id="B")
    stage.tick(2_000)
    first, second = stage.joined("a"), stage.joined("b")
    assert first is not None
    assert second is not None
    stage.sync("b", second.member_id)
    stage.sync("a", first.member_id, {first.member_id: b"1", second.member_id: b"2"})
    generation = stage.group.generation
    back = stage.join("b2", instance_id="B")
    assert back is not None
    assert (back.error, back.generation) == (0, generation)
    assert back.member_id != second.member_id
    assert stage.state is GroupState.STABLE
    synced = stage.sync("b2", back.member_id, instance_id="B")
    assert synced is not None
    assert synced.assignment == b"2"
    kept = {m.id: m.assignment for m in stage.writes[-1].record.members}
    assert kept == {first.member_id: b"1", back.member_id: b"2"}
    fenced = stage.sync("old", second.member_id, instance_id="B")
    assert fenced is not None
    assert fenced.error == ErrorCode.FENCED_INSTANCE_ID


@pytest.mark.parametrize("new_client", [False, True])
def test_a_static_leader_that_returns(new_client: bool) -> None:
    stage = Stage()
    (old,) = stage.stable("a", instance_id="A")
    back = stage.join("a2", instance_id="A", can_skip_assignment=new_client)
    assert back is not None
    assert stage.group.leader == back.member_id
    if new_client:
        assert back.leader == back.member_id
        assert back.skip_assignment
        assert len(back.members) == 1
    else:
        assert back.leader == old  # so that it does not assign
        assert not back.skip_assignment


def test_a_returning_static_member_whose_write_fails_has_its_old_id_again() -> None:
    stage = Stage()
    (old,) = stage.stable("a", instance_id="A")
    stage.hold_writes = True
    assert stage.join("a2", instance_id="A") is None
    stage.written(stage.writes[-1], ErrorCode.NOT_COORDINATOR)
    back = stage.joined("a2")
    assert back is not None
    assert (back.error, back.member_id) == (ErrorCode.NOT_COORDINATOR, "")
    assert list(stage.group.members) == [old]
    assert stage.group.static == {"A": old}


def test_a_static_member_may_be_silent_through_a_join_phase() -> None:
    stage = Stage(settings=group_settings(group_initial_rebalance_delay_ms=1000))
    fields: dict[str, Any] = {"session_timeout_ms": 100_000, "rebalance_timeout_ms": 5000}
    stage.join("a", instance_id="A", **fields)
    stage.join("b", instance_id="B", **fields)
    stage.tick(6000)
    first, second = stage.joined("a"), stage.joined("b")
    assert first is not None
    assert second is not None
    stage.sync("b", second.member_id)
    stage.sync("a", first.member_id, {})
    stage.join("a", first.member_id, instance_id="A", **fields)
    stage.tick(5000)
    again = stage.joined("a")
    assert again is not None
    assert len(again.members) == 2


def test_an_administrator_removes_a_static_member_by_its_instance() -> None:
    stage = Stage()
    stage.stable("a", instance_id="A")
    assert stage.leave(("", "B")) == [ErrorCode.UNKNOWN_MEMBER_ID]
    assert stage.leave(("", "A")) == [ErrorCode.NONE]
    assert stage.state is GroupState.EMPTY
