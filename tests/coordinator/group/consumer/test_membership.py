"""Decisions about members of consumer groups, rule by rule (KIP-848)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.coordinator.group.consumer.kit import (
    ASSIGNING,
    EMPTY,
    STABLE,
    Stage,
    numbers,
    of,
    refused,
    topic_id,
)

from barnabas.coordinator.group.consumer.group import ConsumerGroup
from barnabas.coordinator.group.records.assignment import partitions_of
from barnabas.coordinator.group.records.facts import (
    MemberState,
)
from barnabas.errors import ErrorCode, KafkaError


def test_one_member_gets_everything_at_once() -> None:
    stage = Stage()
    result = stage.join("a")
    assert (result.member_id, result.epoch) == ("a", 1)
    assert numbers(result.assignment) == [0, 1, 2, 3, 4, 5]
    assert (stage.group.state, stage.group.epoch, stage.group.target_epoch) == (STABLE, 1, 1)
    kinds = [type(change.key).__name__ for change in stage.log]
    assert kinds == [
        "MemberKey",
        "TopicsKey",
        "EpochKey",
        "TargetKey",
        "TargetEpochKey",
        "CurrentKey",
    ]


def test_a_second_member_waits_until_the_first_has_revoked() -> None:
    stage = Stage()
    stage.join("a")
    second = stage.join("b")
    assert (second.epoch, numbers(second.assignment)) == (2, [])
    assert stage.group.now_of("b").state is MemberState.UNRELEASED_PARTITIONS
    first = stage.beat("a", revokes=False)
    assert (first.epoch, numbers(first.assignment)) == (1, [0, 1, 2])
    assert stage.group.now_of("a").state is MemberState.UNREVOKED_PARTITIONS
    assert stage.beat("a", revokes=False).assignment is None  # still owns what it should revoke
    assert stage.beat("b").assignment is None
    stage.owned["a"] = of("t", 0, 1, 2)
    assert stage.beat("a").epoch == 2
    assert numbers(stage.beat("b").assignment) == [3, 4, 5]
    assert stage.group.state is STABLE


def test_a_heartbeat_that_changes_nothing_writes_nothing() -> None:
    stage = Stage()
    stage.join("a")
    written = len(stage.log)
    assert stage.beat("a").assignment is None
    assert len(stage.log) == written


def test_a_full_request_is_told_the_assignment_again() -> None:
    stage = Stage()
    stage.join("a")
    result = stage.beat("a", topics=("t",), rebalance_timeout_ms=60_000)
    assert numbers(result.assignment) == [0, 1, 2, 3, 4, 5]


def test_an_answer_that_was_lost() -> None:
    stage = Stage()
    stage.join("a")
    stage.join("b")
    stage.settle()
    stage.leave("b")
    before = stage.epochs["a"]
    stage.beat("a")
    after = stage.epochs["a"]
    assert after == before + 1
    # It calls with the epoch before and with no more than what it has.
    assert stage.ask("a", before, owned=of("t", 0)).epoch == after
    with refused(ErrorCode.FENCED_MEMBER_EPOCH):
        stage.ask("a", before)
    with refused(ErrorCode.FENCED_MEMBER_EPOCH):
        stage.ask("a", before, owned=of("u", 0))


def test_epochs_that_are_not_the_members() -> None:
    stage = Stage()
    stage.join("a")
    for epoch in (2, 7):
        with refused(ErrorCode.FENCED_MEMBER_EPOCH):
            stage.ask("a", epoch, owned=of("t", 0))
    with refused(ErrorCode.UNKNOWN_MEMBER_ID):
        stage.ask("z", 1)


def test_a_member_that_starts_again_begins_with_nothing() -> None:
    stage = Stage()
    stage.join("a")
    stage.join("b")
    stage.settle()
    again = stage.join("a")
    assert again.epoch == stage.group.epoch == 2
    assert numbers(again.assignment) == [0, 1, 2]
    assert stage.group.state is STABLE


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"rebalance_timeout_ms": -1}, ErrorCode.INVALID_REQUEST),
        ({"owned": None}, ErrorCode.INVALID_REQUEST),
        ({"owned": of("t", 1)}, ErrorCode.INVALID_REQUEST),
        ({"topics": None}, ErrorCode.INVALID_REQUEST),
        ({"topics": (), "brings_own_id": False}, ErrorCode.INVALID_REQUEST),
        ({"instance_id": " "}, ErrorCode.INVALID_REQUEST),
        ({"rack_id": ""}, ErrorCode.INVALID_REQUEST),
        ({"assignor": "sticky"}, ErrorCode.UNSUPPORTED_ASSIGNOR),
        ({"regex": "("}, ErrorCode.INVALID_REGULAR_EXPRESSION),
    ],
)
def test_joins_that_are_refused(fields: dict[str, Any], code: ErrorCode) -> None:
    stage = Stage()
    with refused(code):
        stage.join("a", **fields)
    assert stage.group.state is EMPTY
    assert not stage.log


def test_a_group_has_room_for_so_many() -> None:
    stage = Stage(max_size=1)
    stage.join("a")
    with refused(ErrorCode.GROUP_MAX_SIZE_REACHED):
        stage.join("b")
    stage.beat("a")


def test_topics_that_come_grow_and_go() -> None:
    stage = Stage({"t": 1})
    assert numbers(stage.join("a", "t", "u").assignment, "u") == []
    for name, count, epoch in (("u", 2, 2), ("u", 3, 3), ("t", None, 4)):
        stage.topics.set(name, count)
        stage.settle()
        assert stage.group.epoch == epoch
    assert numbers(stage.owned["a"], "t") == []
    assert numbers(stage.owned["a"], "u") == [0, 1, 2]
    stage.topics.set("other", 3)
    stage.settle()
    assert stage.group.epoch == 4


def test_nothing_counts_as_deleted_while_nothing_is_known() -> None:
    stage = Stage()
    stage.join("a")
    stage.topics.version = 0
    stage.topics.counts.clear()
    stage.beat("a")
    stage.leave("a")
    assert list(stage.group.topics) == ["t"]


def test_a_subscription_by_expression() -> None:
    stage = Stage({"red.a": 1, "red.b": 1, "blue": 1})
    stage.join("a", topics=(), regex="red\\..*")
    assert sorted(stage.owned["a"]) == sorted([topic_id("red.a"), topic_id("red.b")])
    stage.topics.set("red.c", 1)
    stage.settle()
    assert topic_id("red.c") in stage.owned["a"]
    stage.beat("a", regex="blue")
    stage.settle()
    assert list(stage.owned["a"]) == [topic_id("blue")]
    stage.beat("a", regex="", topics=("red.a",))
    stage.settle()
    assert list(stage.owned["a"]) == [topic_id("red.a")]


def test_an_expression_finds_what_its_member_may_see() -> None:
    stage = Stage({"red.a": 1, "red.b": 1})
    may: dict[str, set[str]] = {"a": {"red.a"}, "b": set()}
    rights = 1

    def fields(name: str) -> dict[str, Any]:
        return {"regex": "red.*", "describable": may[name], "rights": rights}

    def settle() -> None:
        for _ in range(6):
            for name in may:
                stage.beat(name, **fields(name), owned=stage.owned[name])

    for name in may:
        stage.join(name, topics=(), **fields(name))
    settle()
    assert [list(stage.owned[name]) for name in may] == [[topic_id("red.a")], []]
    may["b"].add("red.b")
    rights = 2
    settle()
    assert [list(stage.owned[name]) for name in may] == [[topic_id("red.a")], [topic_id("red.b")]]
    may["a"].clear()
    rights = 3
    settle()
    assert [list(stage.owned[name]) for name in may] == [[], [topic_id("red.b")]]
    before = stage.group.epoch
    rights = 4  # ACLs of something else
    settle()
    assert stage.group.epoch == before


def test_the_assignor_that_most_ask_for() -> None:
    stage = Stage({"t": 2, "u": 2})
    stage.join("a", "t", "u", assignor="range")
    stage.join("b", "t", "u")
    stage.settle()
    assert stage.group.assignor("uniform") == "range"
    # Range: the same numbers of both topics.
    assert numbers(stage.owned["a"], "t") == numbers(stage.owned["a"], "u") == [0]
    assert ConsumerGroup("h").assignor("uniform") == "uniform"


def test_who_leaves_leaves_everything_to_the_others() -> None:
    stage = Stage()
    stage.join("a")
    stage.join("b")
    stage.settle()
    assert stage.leave("b").epoch == -1
    assert stage.group.state is ASSIGNING
    stage.settle()
    assert numbers(stage.owned["a"]) == [0, 1, 2, 3, 4, 5]
    stage.leave("a")
    assert (stage.group.state, stage.group.topics) == (EMPTY, {})
    assert not stage.group.holders
    with refused(ErrorCode.UNKNOWN_MEMBER_ID):
        stage.leave("a")


def test_silence_ends_membership() -> None:
    stage = Stage()
    stage.join("a")
    stage.tick(20_000)
    stage.join("b")
    assert stage.tick(25_000) == ["a"]
    assert stage.group.next_deadline_ms() == stage.ms + 20_000
    with refused(ErrorCode.UNKNOWN_MEMBER_ID):
        stage.beat("a")
    assert numbers(stage.beat("b").assignment) == [0, 1, 2, 3, 4, 5]


def test_who_does_not_revoke_in_time_is_removed() -> None:
    stage = Stage()
    stage.join("a", rebalance_timeout_ms=30_000)
    stage.join("b")
    stage.beat("a", revokes=False)
    stage.tick(20_000)
    stage.beat("a", revokes=False)
    stage.beat("b")
    assert stage.tick(10_000) == ["a"]


def test_a_static_member_comes_back_to_its_partitions() -> None:
    stage = Stage()
    stage.join("a", instance_id="one")
    stage.join("b")
    stage.settle()
    epoch, held = stage.group.epoch, stage.owned["a"]
    assert stage.leave("a", -2, instance_id="one").epoch == -2
    stage.settle()
    assert numbers(stage.owned["b"]) == [3, 4, 5]
    back = stage.join("c", instance_id="one")
    assert (back.epoch, back.assignment) == (epoch, held)
    assert "a" not in stage.group.members
    with refused(ErrorCode.FENCED_INSTANCE_ID):
        stage.ask("a", epoch, instance_id="one")
    with refused(ErrorCode.UNKNOWN_MEMBER_ID):
        stage.ask("a", epoch, instance_id="two")


def test_a_static_member_comes_back_under_the_same_id() -> None:
    stage = Stage()
    stage.join("a", instance_id="one")
    stage.leave("a", -2, instance_id="one")
    with refused(ErrorCode.FENCED_MEMBER_EPOCH):
        stage.ask("a", 1)
    assert numbers(stage.join("a", instance_id="one").assignment) == [0, 1, 2, 3, 4, 5]


def test_an_instance_that_is_not_released() -> None:
    stage = Stage()
    stage.join("a", instance_id="one")
    with refused(ErrorCode.UNRELEASED_INSTANCE_ID):
        stage.join("b", instance_id="one")
    stage.join("a", instance_id="one")
    stage.leave("a", instance_id="one")
    stage.join("b", instance_id="one")


def test_a_static_member_that_does_not_come_back() -> None:
    stage = Stage()
    stage.join("a", instance_id="one")
    stage.leave("a", -2, instance_id="one")
    assert stage.tick(45_000) == ["a"]
    assert not stage.group.static


def test_a_decision_that_is_undone_leaves_no_trace() -> None:
    stage = Stage()
    stage.join("a", instance_id="one")
    stage.join("b")
    stage.settle()
    stage.leave("a", -2, instance_id="one")
    before = (dict(stage.group.members), dict(stage.group.current), dict(stage.group.targets))
    holders, static = dict(stage.group.holders), dict(stage.group.static)
    stage.topics.set("t", 9)
    kept, stage.log = stage.log, []
    stage.join("c", instance_id="one")
    stage.group.changes = stage.log
    stage.group.undo()
    assert (stage.group.members, stage.group.current, stage.group.targets) == before
    assert (stage.group.holders, stage.group.static) == (holders, static)
    stage.log = kept
    stage.epochs.pop("c")
    # The change of the topic has not been forgotten with it.
    stage.settle()
    assert stage.group.topics["t"].partitions == 9


class Groups(RuleBasedStateMachine):
    """Members come, call, are slow to revoke, lose answers, leave and fall silent."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = Stage({"t": 5, "u": 3})
        self.ids = 0
        self.moves: set[tuple[MemberState, MemberState]] = set()

    def members(self) -> list[str]:
        return sorted(self.stage.epochs)

    @rule(topics=st.sampled_from([("t",), ("t", "u"), ("u",)]))
    def join(self, topics: tuple[str, ...]) -> None:
        if len(self.stage.epochs) < 5:
            self.ids += 1
            self.stage.join(f"m{self.ids}", *topics)

    @precondition(lambda self: self.stage.epochs)
    @rule(data=st.data(), revokes=st.booleans(), answered=st.booleans())
    def beat(self, data: st.DataObject, revokes: bool, answered: bool) -> None:
        member = data.draw(st.sampled_from(self.members()))
        before = (self.stage.epochs[member], self.stage.owned[member])
        try:
            self.stage.beat(member, revokes=revokes)
        except KafkaError:  # it has lost two answers
            self.stage.join(member)
            return
        if not answered:
            self.stage.epochs[member], self.stage.owned[member] = before

    @precondition(lambda self: self.stage.epochs)
    @rule(data=st.data())
    def give_up_what_is_not_assigned(self, data: st.DataObject) -> None:
        member = data.draw(st.sampled_from(self.members()))
        self.stage.owned[member] = self.stage.group.now_of(member).assigned

    @precondition(lambda self: self.stage.epochs)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        self.stage.leave(data.draw(st.sampled_from(self.members())))

    @rule(count=st.sampled_from([0, 1, 4, 7]))
    def change_topic(self, count: int) -> None:
        self.stage.topics.set("u", count or None)

    @rule()
    def silence(self) -> None:
        for member in self.stage.tick(50_000):
            self.stage.epochs.pop(member, None)
            self.stage.owned.pop(member, None)

    @invariant()
    def a_partition_has_one_holder_who_knows(self) -> None:
        group = self.stage.group
        held = [p for now in group.current.values() for p in partitions_of(now.assigned)]
        held += [p for now in group.current.values() for p in partitions_of(now.revoking)]
        assert len(held) == len(set(held)) == len(group.holders)

    @invariant()
    def nobody_works_on_what_another_has(self) -> None:
        seen: dict[Any, str] = {}
        for member, owned in self.stage.owned.items():
            for partition in partitions_of(owned):
                assert seen.setdefault(partition, member) == member

    @invariant()
    def epochs_follow_each_other(self) -> None:
        group = self.stage.group
        assert group.target_epoch <= group.epoch
        for member in group.members:
            assert group.now_of(member).epoch <= max(group.target_epoch, 0)

    @invariant()
    def the_log_says_the_same(self) -> None:
        group, loaded = self.stage.group, self.stage.loaded()
        assert loaded.members == group.members
        assert loaded.current == group.current
        assert loaded.targets == group.targets
        assert loaded.holders == group.holders
        assert (loaded.epoch, loaded.target_epoch) == (group.epoch, group.target_epoch)
        assert (loaded.topics, loaded.static) == (group.topics, group.static)

    def teardown(self) -> None:
        """In the end everybody gets what it shall have, and all partitions have an owner."""
        stage = self.stage
        for member in self.members():
            stage.owned[member] = stage.group.now_of(member).assigned
            stage.epochs[member] = stage.group.now_of(member).epoch
        if not stage.epochs:
            return
        stage.settle(40)
        assert stage.group.state is STABLE
        given = [p for owned in stage.owned.values() for p in partitions_of(owned)]
        assert len(given) == sum(topic.partitions for topic in stage.group.topics.values())


TestGroups = Groups.TestCase
TestGroups.settings = hypothesis_settings(max_examples=30, stateful_step_count=30)
