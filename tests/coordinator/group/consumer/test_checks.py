"""Who may commit and read positions: members at their epoch."""

from __future__ import annotations

from tests.coordinator.group.consumer.kit import Stage, refused

from barnabas.coordinator.group.consumer.checks import check_commit, check_fetch
from barnabas.errors import ErrorCode


def test_who_may_commit_and_read() -> None:
    stage = Stage()
    group = stage.group
    assert check_commit(group, "", -1) == ErrorCode.NONE
    assert check_commit(group, "a", 0) == ErrorCode.UNKNOWN_MEMBER_ID
    stage.join("a")
    assert check_commit(group, "", -1) == ErrorCode.UNKNOWN_MEMBER_ID
    assert check_commit(group, "a", 1) == ErrorCode.NONE
    assert check_commit(group, "a", 2) == ErrorCode.STALE_MEMBER_EPOCH
    assert check_commit(group, "a", 2, transactional=True) == ErrorCode.ILLEGAL_GENERATION
    assert check_commit(group, "a", 1, knows_epochs=False) == ErrorCode.UNSUPPORTED_VERSION
    check_fetch(group, None, -1)
    check_fetch(group, "a", 1)
    with refused(ErrorCode.STALE_MEMBER_EPOCH):
        check_fetch(group, "a", 2)
    with refused(ErrorCode.UNKNOWN_MEMBER_ID):
        check_fetch(group, "b", 1)
    group.is_dead = True
    assert check_commit(group, "a", 1) == ErrorCode.COORDINATOR_NOT_AVAILABLE
