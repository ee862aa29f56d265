"""Moves that wait for brokers that are not there."""

from __future__ import annotations

import asyncio

import pytest
from tests.virtual_time import run

from barnabas.admin.placement import Placement
from barnabas.admin.planner import PlacedPartition
from barnabas.cli.absence import Absence, awaited, patiently
from barnabas.cli.drain import as_before
from barnabas.client.errors import ClientError, Unfinished, Unreachable
from barnabas.client.metadata import BrokerView, ClusterView, PartitionView, TopicView
from barnabas.client.reassignment import Move
from barnabas.errors import ErrorCode
from barnabas.types import TopicPartition

T0, T1 = TopicPartition("t", 0), TopicPartition("t", 1)
FIRST = Move(partition=T0, replicas=(4, 2, 3), adding=(4,), removing=(3,))
SECOND = Move(partition=T1, replicas=(5, 2, 3), adding=(5,), removing=(3,))


def view(*brokers: int, leader: int = 2) -> ClusterView:
    partitions = tuple(
        PartitionView(
            partition=m.partition.partition,
            error=0,
            leader=leader,
            leader_epoch=0,
            replicas=m.replicas,
            isr=(2, 3),
            offline=(),
        )
        for m in (FIRST, SECOND)
    )
    topic = TopicView(name="t", topic_id=None, error=0, internal=False, partitions=partitions)
    alive = {b: BrokerView(id=b, host="h", port=b, rack=None) for b in brokers}
    return ClusterView(cluster_id=None, controller_id=2, brokers=alive, topics={"t": topic})


def test_which_brokers_a_move_waits_for() -> None:
    assert awaited(FIRST, view(2, 3, 4)) == frozenset()
    assert awaited(FIRST, view(2, 4)) == frozenset(), "3 goes anyway"
    assert awaited(FIRST, view(2, 3)) == {4}
    assert awaited(FIRST, view(3, 4, leader=3)) == {2}, "it stays, and must be in sync"
    assert awaited(FIRST, view(2, 4, leader=3)) == {3}, "nobody else may lead"


def test_a_wait_for_brokers_is_told_and_ends() -> None:
    async def main() -> None:
        absence = Absence(patience_s=20)
        moves = [FIRST, SECOND]
        assert absence.look(moves, view(2, 3, 4)) is None
        await asyncio.sleep(6)
        said = absence.look(moves, view(2, 3, 4))
        assert said == "1 move waits until all brokers are there: broker 5 is not registered"
        await asyncio.sleep(100)
        assert absence.look(moves, view(2, 3, 4)) is None, "the other move goes on"
        assert absence.look(moves, view(2, 3)) is None
        await asyncio.sleep(19)
        said = absence.look(moves, view(2, 3))
        assert said is not None
        assert said.endswith("brokers 4 and 5 are not registered")
        await asyncio.sleep(2)
        with pytest.raises(Unfinished, match=r"2 moves wait .* not registered, for 20 s now"):
            absence.look(moves, view(2, 3))

    run(main())


def test_a_wait_for_any_answer_ends() -> None:
    answers: list[Exception | str] = [
        Unreachable("no controller"),
        ConnectionResetError("gone"),
        Unfinished("moves", "late"),
        "fine",
    ]
    told: list[str] = []

    async def step() -> str:
        answer = answers.pop(0) if answers else Unreachable("no controller")
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def main() -> None:
        assert await patiently(step, 20, lambda error: told.append(str(error))) == "fine"
        assert len(told) == 3
        since = asyncio.get_running_loop().time()
        with pytest.raises(Unreachable, match="no controller, for 20 s now"):
            await patiently(step, 20)
        assert 20 < asyncio.get_running_loop().time() - since < 23
        answers.append(ClientError("moves", ErrorCode.CLUSTER_AUTHORIZATION_FAILED))
        with pytest.raises(ClientError, match="CLUSTER_AUTHORIZATION_FAILED"):
            await patiently(step, 20)

    run(main())


def test_a_plan_that_replaces_moves_begins_where_they_began() -> None:
    def placed(tp: TopicPartition, *replicas: int) -> PlacedPartition:
        return PlacedPartition(partition=tp, replicas=replicas, size=7)

    placement = Placement(
        view=view(2, 3, 4),
        partitions=(placed(T0, 4, 2), placed(T1, 5, 2)),
        moving=frozenset({T0, T1}),
        drained=frozenset(),
        unsized=(),
    )
    anew = as_before(placement, [SECOND])
    assert anew.partitions == (placed(T0, 4, 2), placed(T1, 2, 3))
    assert anew.moving == {T0}
