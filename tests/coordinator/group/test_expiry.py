"""When positions and groups expire."""

from __future__ import annotations

from tests.coordinator.group.offset_kit import T0, T1, at

from barnabas.coordinator.group.classic.group import Group
from barnabas.coordinator.group.classic.states import GroupState
from barnabas.coordinator.group.expiry import expired_offsets, is_unused
from barnabas.types import TopicPartition

DAY_MS = 86_400_000


def _group(state: GroupState, protocol_type: str | None, since_ms: int | None) -> Group:
    group = Group("g", state)
    group.protocol_type = protocol_type
    group.state_since_ms = since_ms
    group.offsets.load(T0, at(1, commit_ms=10 * DAY_MS), 0)
    group.offsets.load(TopicPartition("u", 0), at(1, commit_ms=2 * DAY_MS), 1)
    return group


def test_expiry_by_the_state_of_the_group() -> None:
    def names(group: Group, day: int) -> list[str]:
        return [p.topic for p in expired_offsets(group, day * DAY_MS, 7 * DAY_MS)]

    simple = _group(GroupState.EMPTY, None, None)
    assert names(simple, 8) == []
    assert names(simple, 9) == ["u"]
    assert names(simple, 17) == ["t", "u"]
    empty = _group(GroupState.EMPTY, "consumer", 11 * DAY_MS)
    assert names(empty, 17) == []
    assert names(empty, 18) == ["t", "u"]
    old = _group(GroupState.EMPTY, "consumer", None)
    assert names(old, 9) == ["u"]
    stable = _group(GroupState.STABLE, "consumer", 0)
    stable.subscribed = frozenset({"t"})
    assert names(stable, 30) == ["u"]
    stable.subscribed = None
    assert names(stable, 30) == []
    assert names(_group(GroupState.STABLE, "connect", 0), 30) == []
    assert names(_group(GroupState.PREPARING_REBALANCE, "consumer", 0), 30) == []


def test_an_expiry_of_their_own_and_commits_on_their_way() -> None:
    group = Group("g")
    group.offsets.load(T0, at(1, expire_ms=50), 0)
    group.offsets.load(T1, at(1), 1)
    assert expired_offsets(group, 49, 10**9) == []
    assert expired_offsets(group, 50, 10**9) == [T0]
    group.offsets.stage([(T0, at(2))])
    assert expired_offsets(group, 50, 10**9) == []


def test_who_is_kept_for_positions_alone() -> None:
    group = Group("g")
    assert is_unused(group)
    group.pending["m"] = 5
    assert not is_unused(group), "its id was given to a member that may still join"
    assert not is_unused(_group(GroupState.PREPARING_REBALANCE, "consumer", 0))
