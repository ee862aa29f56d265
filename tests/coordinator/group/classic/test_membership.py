"""Decisions about members, rule by rule (reference 8.2 to 8.4)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.coordinator.group.kit import C, D, E, P, S, Stage
from tests.defaults import group_settings

from barnabas.coordinator.group.classic.group import Group
from barnabas.coordinator.group.classic.membership import NEW_MEMBER_JOIN_TIMEOUT_MS
from barnabas.errors import ErrorCode


def test_one_member_leads_and_gets_what_it_assigns() -> None:
    stage = Stage()
    joined = stage.join("a")
    assert joined is not None
    assert (joined.error, joined.generation, joined.protocol) == (0, 1, "range")
    assert joined.leader == joined.member_id
    assert joined.members == ((joined.member_id, None, b"r"),)
    assert stage.state is C
    synced = stage.sync("a", joined.member_id, {joined.member_id: b"mine"})
    assert synced is not None
    assert (synced.error, synced.assignment) == (0, b"mine")
    assert stage.state is S
    (write,) = stage.writes
    assert write.record.members[0].assignment == b"mine"
    assert write.record.state_since_ms <= stage.now.wall_ms


def test_a_new_member_first_learns_its_id() -> None:
    stage = Stage()
    first = stage.join("a", require_known_member_id=True)
    assert first is not None
    assert first.error == ErrorCode.MEMBER_ID_REQUIRED
    assert stage.state is E
    again = stage.join("a", first.member_id, require_known_member_id=True)
    assert again is not None
    assert (again.error, again.member_id) == (0, first.member_id)


def test_an_id_that_is_never_used_is_forgotten() -> None:
    stage = Stage()
    first = stage.join("a", require_known_member_id=True)
    assert first is not None
    stage.tick(10_000)
    assert not stage.group.pending
    late = stage.join("a", first.member_id, require_known_member_id=True)
    assert late is not None
    assert late.error == ErrorCode.UNKNOWN_MEMBER_ID


def test_an_id_that_was_given_is_not_for_a_static_member() -> None:
    stage = Stage()
    first = stage.join("a", require_known_member_id=True)
    assert first is not None
    refused = stage.join("a", first.member_id, instance_id="A")
    assert refused is not None
    assert refused.error == ErrorCode.UNKNOWN_MEMBER_ID


def test_a_join_phase_waits_for_ids_that_were_given() -> None:
    stage = Stage()
    (a,) = stage.stable("a")
    wanted = stage.join("b", require_known_member_id=True)
    assert wanted is not None
    assert stage.join("a", a) is None
    assert stage.state is P
    assert stage.join("b", wanted.member_id) is not None
    assert stage.joined("a") is not None


def test_the_initial_delay_grows_with_new_members_but_not_for_ever() -> None:
    stage = Stage(settings=group_settings(group_initial_rebalance_delay_ms=3000))
    assert stage.join("a", rebalance_timeout_ms=10_000) is None
    for n in range(20):
        stage.tick(1000)
        if stage.state is C:
            break
        stage.join(f"m{n}", rebalance_timeout_ms=10_000)
    assert stage.state is C
    assert stage.ms == 11_000
    assert stage.joined("a") is not None


def test_nobody_prolongs_the_initial_delay() -> None:
    stage = Stage(settings=group_settings(group_initial_rebalance_delay_ms=3000))
    stage.join("a")
    stage.tick(2999)
    assert stage.state is P
    stage.tick(1)
    assert stage.state is C


def test_protocols_must_have_something_in_common() -> None:
    stage = Stage()
    stage.stable("a")
    for fields in (
        {"protocols": (("sticky", b""),)},
        {"protocol_type": "connect"},
        {"protocols": ()},
    ):
        refused = stage.join("b", **fields)
        assert refused is not None
        assert refused.error == ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    empty = Stage().join("b", protocol_type="")
    assert empty is not None
    assert empty.error == ErrorCode.INCONSISTENT_GROUP_PROTOCOL


def test_the_favourite_of_most_members_that_all_support_wins() -> None:
    stage = Stage(settings=group_settings(group_initial_rebalance_delay_ms=1000))
    stage.join("a", protocols=(("only-a", b""), ("x", b"ax"), ("y", b"ay")))
    stage.join("b", protocols=(("y", b"by"), ("x", b"bx")))
    stage.join("c", protocols=(("y", b"cy"), ("x", b"cx")))
    stage.tick(2_000)
    joined = stage.joined("a")
    assert joined is not None
    assert joined.protocol == "y"
    assert [metadata for *_, metadata in joined.members] == [b"ay", b"by", b"cy"]
    other = stage.joined("b")
    assert other is not None
    assert other.members == ()


def test_a_group_that_is_full() -> None:
    stage = Stage(settings=group_settings(group_initial_rebalance_delay_ms=0, group_max_size=2))
    a, _ = stage.stable("a", "b")
    refused = stage.join("c")
    assert refused is not None
    assert refused.error == ErrorCode.GROUP_MAX_SIZE_REACHED
    assert stage.state is S
    assert stage.heartbeat(a) == ErrorCode.NONE


def test_a_loaded_group_that_is_too_large_sheds_the_last_to_join() -> None:
    stage = Stage()
    a, b, c = stage.stable("a", "b", "c")
    small = Stage(settings=group_settings(group_initial_rebalance_delay_ms=0, group_max_size=2))
    small.group = Group.loaded("g", stage.writes[-1].record, small.now)
    small.membership.shrink_if_too_large(small.group, small.now)
    assert small.state is P
    assert small.join("a", a) is None
    assert small.join("b", b) is None or small.state is C
    refused = small.join("c", c)
    assert refused is not None
    assert refused.error == ErrorCode.GROUP_MAX_SIZE_REACHED
    assert small.state is C
    assert sorted(small.group.members) == sorted([a, b])


def test_a_follower_that_joins_again_unchanged_stays_where_it_is() -> None:
    stage = Stage()
    a, b = stage.stable("a", "b")
    again = stage.join("b", b)
    assert again is not None
    assert (again.error, again.generation, again.leader) == (0, stage.group.generation, a)
    assert stage.state is S


def test_a_leader_that_joins_again_wants_a_rebalance() -> None:
    stage = Stage()
    a, b = stage.stable("a", "b")
    assert stage.join("a", a) is None
    assert stage.state is P
    assert stage.heartbeat(b) == ErrorCode.REBALANCE_IN_PROGRESS


def test_a_member_with_other_metadata_wants_a_rebalance() -> None:
    stage = Stage()
    _, b = stage.stable("a", "b")
    stage.join("b", b, protocols=(("range", b"more"),))
    assert stage.state is P


def test_a_lost_answer_is_given_again_while_the_leader_assigns() -> None:
    stage = Stage()
    joined = stage.join("a")
    assert joined is not None
    again = stage.join("a", joined.member_id)
    assert again == joined
    assert stage.state is C


def test_whoever_does_not_join_again_in_time_is_out() -> None:
    stage = Stage()
    a, b = stage.stable("a", "b")
    stage.join("a", a)
    for _ in range(12):
        stage.heartbeat(b)  # alive, but it does not join
        stage.tick(5000)
    assert list(stage.group.members) == [a]
    joined = stage.joined("a")
    assert joined is not None
    assert joined.leader == a
    assert stage.heartbeat(b) == ErrorCode.UNKNOWN_MEMBER_ID


def test_if_the_leader_does_not_join_again_another_one_leads() -> None:
    stage = Stage()
    a, b = stage.stable("a", "b")
    stage.join("b", b, protocols=(("range", b"new"),))
    stage.tick(60_000)
    joined = stage.joined("b")
    assert joined is not None
    assert joined.leader == b
    assert a not in stage.group.members


def test_joining_twice_answers_the_first_request() -> None:
    stage = Stage()
    a, _ = stage.stable("a", "b")
    stage.join("a", a)
    stage.join("a2", a)
    displaced = stage.joined("a")
    assert displaced is not None
    assert displaced.error == ErrorCode.REBALANCE_IN_PROGRESS


def test_followers_wait_for_the_leader_and_missing_ones_get_nothing() -> None:
    stage = Stage()
    a, b = stage.stable("a", "b")
    stage.join("b", b, protocols=(("range", b"2"),))
    stage.join("a", a)
    assert stage.sync("b", b) is None
    synced = stage.sync("a", a, {a: b"all"})
    assert synced is not None
    assert synced.assignment == b"all"
    other = stage.told["b"]
    assert other.error == ErrorCode.NONE
    assert stage.group.members[b].assignment == b""


def test_a_write_that_fails_is_told_and_starts_again() -> None:
    stage = Stage(hold_writes=True)
    joined = stage.join("a")
    assert joined is not None
    assert stage.sync("a", joined.member_id, {joined.member_id: b"x"}) is None
    stage.written(stage.writes[-1], ErrorCode.COORDINATOR_NOT_AVAILABLE)
    assert stage.told["a"].error == ErrorCode.COORDINATOR_NOT_AVAILABLE
    assert stage.state is P


def test_a_write_of_an_old_generation_changes_nothing() -> None:
    stage = Stage(hold_writes=True)
    joined = stage.join("a")
    assert joined is not None
    stage.sync("a", joined.member_id, {joined.member_id: b"old"})
    old = stage.writes[-1]
    stage.join("b")
    assert stage.told["a"].error == ErrorCode.REBALANCE_IN_PROGRESS
    stage.join("a", joined.member_id)
    assert stage.state is C
    stage.written(old)
    assert stage.state is C
    assert stage.group.members[joined.member_id].assignment == b""


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"generation": 7}, ErrorCode.ILLEGAL_GENERATION),
        ({"protocol": "sticky"}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
        ({"protocol_type": "connect"}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
        ({"instance_id": "i"}, ErrorCode.UNKNOWN_MEMBER_ID),
    ],
)
def test_a_sync_that_does_not_fit(fields: dict[str, Any], error: ErrorCode) -> None:
    stage = Stage()
    (a,) = stage.stable("a")
    synced = stage.sync("a", a, **fields)
    assert synced is not None
    assert synced.error == error


def test_members_that_never_sync_are_out() -> None:
    stage = Stage()
    a, b = stage.stable("a", "b")
    stage.join("b", b, protocols=(("range", b"2"),))
    stage.join("a", a)
    stage.sync("a", a, {a: b"1", b: b"2"})
    assert stage.state is S
    for _ in range(12):
        stage.tick(5000)
        stage.heartbeat(a)
        stage.heartbeat(b)
    assert b not in stage.group.members
    assert stage.state is P


def test_a_silent_member_is_out_and_the_others_join_again() -> None:
    stage = Stage()
    a, b = stage.stable("a", "b")
    stage.tick(9_000)
    assert stage.heartbeat(a) == ErrorCode.NONE
    assert stage.tick(1_000) == [b]
    assert stage.state is P
    assert stage.heartbeat(a) == ErrorCode.REBALANCE_IN_PROGRESS
    joined = stage.join("a", a)
    assert joined is not None
    assert stage.group.generation == 3


def test_whoever_waits_is_not_silent_but_a_new_member_is_after_a_while() -> None:
    stage = Stage()
    a, b = stage.stable("a", "b")
    long: dict[str, Any] = {"rebalance_timeout_ms": 10 * NEW_MEMBER_JOIN_TIMEOUT_MS}
    stage.join("a", a, **long)
    stage.join("new", **long)
    for _ in range(NEW_MEMBER_JOIN_TIMEOUT_MS // 5000 - 1):
        stage.tick(5000)
        stage.heartbeat(b)
    assert len(stage.group.members) == 3
    stage.tick(5000)
    assert stage.told["new"].error == ErrorCode.UNKNOWN_MEMBER_ID
    assert list(stage.group.members) == [b, a] or list(stage.group.members) == [a, b]


def test_the_last_one_to_leave_empties_the_group() -> None:
    stage = Stage()
    (a,) = stage.stable("a")
    assert stage.leave((a, None)) == [ErrorCode.NONE]
    assert stage.state is E
    record = stage.writes[-1].record
    assert (record.generation, record.protocol, record.leader) == (2, None, None)
    assert record.members == ()
    assert stage.group.next_deadline_ms() is None
    assert stage.leave((a, None)) == [ErrorCode.UNKNOWN_MEMBER_ID]


def test_leaving_with_an_id_that_was_only_given() -> None:
    stage = Stage()
    wanted = stage.join("a", require_known_member_id=True)
    assert wanted is not None
    assert stage.leave((wanted.member_id, None)) == [ErrorCode.NONE]
    assert not stage.group.pending


def test_everybody_who_waits_hears_that_the_group_has_moved() -> None:
    stage = Stage(hold_writes=True)
    joined = stage.join("a")
    assert joined is not None
    stage.sync("a", joined.member_id, {})
    stage.membership.kill(stage.group, ErrorCode.NOT_COORDINATOR, stage.now)
    stage.effects()
    assert stage.told["a"].error == ErrorCode.NOT_COORDINATOR
    assert stage.state is D
    refused = stage.join("b")
    assert refused is not None
    assert refused.error == ErrorCode.COORDINATOR_NOT_AVAILABLE


def test_a_loaded_group_goes_on_as_it_was() -> None:
    stage = Stage()
    a, b = stage.stable("a", "b", protocols=(("range", b"\0\1\0\0\0\1\0\1t"),))
    loaded = Stage()
    loaded.group = Group.loaded("g", stage.writes[-1].record, loaded.now)
    assert loaded.state is S
    assert loaded.group.is_subscribed("t")
    assert not loaded.group.is_subscribed("u")
    assert loaded.heartbeat(a) == ErrorCode.NONE
    synced = loaded.sync("b", b)
    assert synced is not None
    assert synced.assignment == f"a-{b}".encode()
    assert loaded.group.record([(m.id, m.assignment) for m in loaded.group.members.values()]) == (
        stage.writes[-1].record
    )
    assert sorted(loaded.tick(10_000)) == sorted([a, b])
