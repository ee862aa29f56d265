"""ConsumerGroup: what its records add up to."""

from __future__ import annotations

from tests.coordinator.group.consumer.kit import EMPTY, STABLE, Stage, numbers, of, refused

from barnabas.coordinator.group.consumer.group import ConsumerGroup
from barnabas.coordinator.group.records.facts import (
    CurrentFacts,
    CurrentKey,
    MemberState,
    TargetKey,
    TopicsKey,
)
from barnabas.errors import ErrorCode


def test_a_state_of_a_newer_release() -> None:
    stage = Stage()
    stage.join("a")
    key = CurrentKey("g", "a")
    stage.group.load(key, CurrentFacts(epoch=1, state=MemberState.UNKNOWN))
    with refused(ErrorCode.FENCED_MEMBER_EPOCH):
        stage.ask("a", 1, owned=of("t", 0))
    assert stage.ask("a", 1, owned={}).epoch == 1
    assert stage.group.state is STABLE


def test_facts_are_put_under_their_keys_and_taken_away() -> None:
    group = ConsumerGroup("g")
    group.put(TopicsKey("g"), None)
    group.put(TargetKey("g", "a"), of("t", 1))
    assert numbers(group.targets["a"]) == [1]
    group.undo()
    assert not group.targets
    assert group.state is EMPTY
