"""Who may commit and read positions."""

from __future__ import annotations

from tests.coordinator.group.kit import C, P, Stage

from barnabas.coordinator.group.classic.checks import check_commit
from barnabas.errors import ErrorCode


def test_who_may_commit() -> None:
    stage = Stage()
    group = stage.group
    assert check_commit(group, "", None, -1) == ErrorCode.NONE
    assert check_commit(group, "x", None, 3) == ErrorCode.UNKNOWN_MEMBER_ID
    a, b = stage.stable("a", "b")
    assert check_commit(group, a, None, group.generation) == ErrorCode.NONE
    assert check_commit(group, a, None, 1) == ErrorCode.ILLEGAL_GENERATION
    assert check_commit(group, "", None, -1) == ErrorCode.UNKNOWN_MEMBER_ID
    assert check_commit(group, "", None, -1, transactional=True) == ErrorCode.NONE
    stage.join("b", b, protocols=(("range", b"2"),))
    assert stage.state is P
    assert check_commit(group, a, None, group.generation) == ErrorCode.NONE
    stage.join("a", a)
    assert stage.state is C
    in_progress = ErrorCode.REBALANCE_IN_PROGRESS
    assert check_commit(group, a, None, group.generation) == in_progress
    stage.membership.kill(group, ErrorCode.NOT_COORDINATOR, stage.now)
    not_available = ErrorCode.COORDINATOR_NOT_AVAILABLE
    assert check_commit(group, a, None, group.generation) == not_available
