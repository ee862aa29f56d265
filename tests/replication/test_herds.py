"""Very many requests that wait and become due together: a part of them each turn of the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tests.replication.support import T0, Cluster, settle
from tests.virtual_time import run

from barnabas.pace import STEPS_PER_TURN, PacedCalls
from barnabas.replication.purgatory import DeadlineWheel
from barnabas.replication.waiting import COMPLETED_AT_ONCE
from barnabas.seams import no_time_passes

HERD = 5 * STEPS_PER_TURN


class Expired:
    """How many have."""

    def __init__(self) -> None:
        self.count = 0
        self.begins = asyncio.Event()


class Item:
    bucket = DeadlineWheel.NOWHERE

    def __init__(self, expired: Expired) -> None:
        self._expired = expired

    def expire(self) -> None:
        self._expired.count += 1
        self._expired.begins.set()


async def _each_turn(count: Callable[[], int], turns: int) -> list[int]:
    """By how much it grew in each of so many turns."""
    grown = []
    for _ in range(turns):
        before = count()
        await asyncio.sleep(0)
        grown.append(count() - before)
    return grown


def test_deadlines_of_one_moment_expire_over_several_turns() -> None:
    async def main() -> None:
        expired = Expired()
        loop = asyncio.get_running_loop()
        wheel = DeadlineWheel(loop, PacedCalls(loop.call_soon, no_time_passes))
        due_ms = int(loop.time() * 1000) + 100
        for _ in range(HERD):
            wheel.add(Item(expired), due_ms)
        await expired.begins.wait()
        grown = await _each_turn(lambda: expired.count, 40)
        assert max(grown) <= STEPS_PER_TURN
        assert expired.count == HERD

    run(main())


def test_a_wheel_that_was_closed_expires_nothing_more() -> None:
    async def main() -> None:
        expired = Expired()
        loop = asyncio.get_running_loop()
        wheel = DeadlineWheel(loop, PacedCalls(loop.call_soon, no_time_passes))
        for _ in range(HERD):
            wheel.add(Item(expired), int(loop.time() * 1000))
        await expired.begins.wait()
        before = expired.count
        wheel.close()
        await asyncio.sleep(1)
        assert expired.count == before < HERD

    run(main())


def test_one_record_wakes_a_herd_of_fetches_over_several_turns() -> None:
    async def main() -> None:
        async with Cluster(1) as cluster:
            await cluster.announce()
            waiting: list[Any] = [
                cluster.consume(0, max_wait_ms=60_000, min_bytes=1) for _ in range(HERD)
            ]
            assert (await cluster.produced("a")).error == 0
            grown = await _each_turn(lambda: sum(each.done() for each in waiting), 40)
            assert max(grown) <= STEPS_PER_TURN
            assert all(each.done() and each.result().partitions[0].size for each in waiting)

    run(main())


def test_followers_wake_before_consumers() -> None:
    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            await cluster.announce()
            context = cluster.nodes[1].manager.context
            woken: list[str] = []
            for _ in range(HERD):
                context.wakes.add(lambda: woken.append("consumer"))
            context.wakes.add(lambda: woken.append("follower"), first=True)
            await settle(3)
            assert woken[0] == "follower"

    run(main())


def test_a_herd_of_produces_is_acknowledged_over_several_turns() -> None:
    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            await cluster.announce()
            cluster.nodes[2].manager.fetchers.remove(T0)
            await settle()
            waiting: list[Any] = [cluster.produce("a") for _ in range(3 * COMPLETED_AT_ONCE)]
            assert not any(each.done() for each in waiting)
            partition = cluster.nodes[1].partition
            partition.note_fetch(
                2,
                offset=len(waiting),
                log_start=0,
                leader_end=len(waiting),
                broker_epoch=cluster.nodes[2].epoch,
            )
            assert sum(each.done() for each in waiting) == COMPLETED_AT_ONCE
            grown = await _each_turn(lambda: sum(each.done() for each in waiting), 10)
            assert max(grown) == COMPLETED_AT_ONCE
            assert {each.result()[0].error for each in waiting} == {0}
            assert [each.result()[0].base_offset for each in waiting] == list(range(len(waiting)))

    run(main())


def test_who_loses_its_leader_amidst_a_herd_is_told() -> None:
    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            await cluster.announce()
            cluster.nodes[2].manager.fetchers.remove(T0)
            await settle()
            waiting: list[Any] = [cluster.produce("a") for _ in range(3 * COMPLETED_AT_ONCE)]
            partition = cluster.nodes[1].partition
            partition.note_fetch(
                2,
                offset=len(waiting),
                log_start=0,
                leader_end=len(waiting),
                broker_epoch=cluster.nodes[2].epoch,
            )
            cluster.elect(2)
            await cluster.announce(1)
            await settle()
            assert all(each.done() for each in waiting)
            again = cluster.nodes[1].partition
            assert again.waiting is not None
            assert not again.waiting._is_paced

    run(main())
