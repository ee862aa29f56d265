"""The rules of a move: what is asked for, what it becomes, when it is done."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barnabas.controller.context import ReplicaAssignment
from barnabas.controller.reassignment import check_target, is_complete, planned, recorded
from barnabas.errors import ErrorCode, KafkaError
from barnabas.zk.znodes import TopicZNode, decode_topic, encode_topic


def assignment(
    *replicas: int, adding: tuple[int, ...] = (), removing: tuple[int, ...] = ()
) -> ReplicaAssignment:
    return ReplicaAssignment(replicas=replicas, adding=adding, removing=removing)


RESTING = assignment(1, 2, 3)
MOVING = assignment(4, 2, 1, 3, adding=(4,), removing=(1, 3))
"""From 1,2,3 to 4,2."""


@pytest.mark.parametrize(
    ("present", "target", "expected"),
    [
        (RESTING, (4, 2), MOVING),
        (RESTING, (3, 1, 2), assignment(3, 1, 2)),
        (RESTING, (1, 2, 3), RESTING),
        (RESTING, (1, 2, 3, 4), assignment(1, 2, 3, 4, adding=(4,))),
        (RESTING, (2,), assignment(2, 1, 3, removing=(1, 3))),
        (MOVING, None, assignment(2, 1, 3)),
        (MOVING, (4, 2), MOVING),
        (MOVING, (5, 4), assignment(5, 4, 2, 1, 3, adding=(5, 4), removing=(2, 1, 3))),
    ],
)
def test_targets_come_first_and_origins_stay_until_the_end(
    present: ReplicaAssignment, target: tuple[int, ...] | None, expected: ReplicaAssignment
) -> None:
    assert planned(present, target, isr=(1, 2, 3), electable=(1, 2, 3)) == expected


def test_nothing_to_cancel() -> None:
    with pytest.raises(KafkaError) as error:
        planned(RESTING, None, isr=(1,), electable=(1,))
    assert error.value.code == ErrorCode.NO_REASSIGNMENT_IN_PROGRESS


def test_the_last_in_sync_replicas_are_not_dropped_by_a_cancellation() -> None:
    kept = planned(MOVING, None, isr=(4,), electable=(4,))
    assert kept == assignment(2, 1, 3, 4, removing=(4,))
    assert not is_complete(kept, (4,))
    assert is_complete(kept, (4, 1, 2, 3))
    assert planned(kept, None, isr=(4,), electable=(4,)).target == (2, 1, 3, 4)
    away = planned(MOVING, (5,), isr=(2, 4), electable=(4,))
    assert away.removing == (2, 1, 3, 4), "2 is in sync, but not there to lead"


@pytest.mark.parametrize("target", [(), (1, 1), (-1, 2), (7,), (1, 2, 7)])
def test_targets_that_cannot_be(target: tuple[int, ...]) -> None:
    with pytest.raises(KafkaError) as error:
        check_target(RESTING, target, (1, 4))
    assert error.value.code == ErrorCode.INVALID_REPLICA_ASSIGNMENT


def test_only_added_replicas_must_be_live() -> None:
    check_target(RESTING, (2, 4), (4,))
    with pytest.raises(KafkaError):
        check_target(MOVING, (4, 2), (1, 2, 3))


def test_a_move_is_complete_when_the_target_is_in_sync() -> None:
    assert not is_complete(MOVING, (1, 2, 3))
    assert is_complete(MOVING, (1, 2, 3, 4))
    assert is_complete(MOVING, (2, 4))
    assert is_complete(RESTING, ())


def test_the_znode_names_only_what_moves() -> None:
    znode = TopicZNode(partitions={0: (1, 2, 3), 1: (2,)}, topic_id=uuid.UUID(int=5))
    moving = recorded(znode, {0: MOVING})
    assert decode_topic("/t", encode_topic(moving)) == moving
    assert moving.adding == {0: (4,)}
    assert moving.removing == {0: (1, 3)}
    assert moving.partitions == {0: (4, 2, 1, 3), 1: (2,)}
    done = recorded(moving, {0: assignment(4, 2)})
    assert (done.adding, done.removing) == ({}, {})
    assert recorded(done, {0: assignment(4, 2)}) == done


BROKERS = st.lists(st.integers(1, 5), min_size=1, max_size=4, unique=True).map(tuple)
SOME = st.lists(st.integers(1, 5), unique=True).map(tuple)


@given(
    start=BROKERS,
    moves=st.lists(st.tuples(st.none() | BROKERS, SOME, SOME), max_size=6),
)
def test_every_sequence_of_moves(
    start: tuple[int, ...],
    moves: list[tuple[tuple[int, ...] | None, tuple[int, ...], tuple[int, ...]]],
) -> None:
    present = assignment(*start)
    for target, isr, electable in moves:
        electable = tuple(r for r in electable if r in isr and r in present.replicas)
        try:
            plan = planned(present, target, isr=isr, electable=electable)
        except KafkaError:
            assert target is None
            assert not present.being_reassigned
            continue
        assert plan.target == (present.origin if target is None else target)
        assert set(plan.origin) <= set(present.replicas)
        assert set(present.origin) <= set(plan.origin), "originals stay until the end"
        assert len(set(plan.replicas)) == len(plan.replicas)
        assert set(plan.adding) <= set(plan.target)
        assert not set(plan.removing) & set(plan.target)
        assert not electable or set(electable) & set(plan.replicas), "somebody who stays may lead"
        assert planned(plan, plan.target, isr=isr, electable=electable) == plan, "asking twice"
        present = plan
