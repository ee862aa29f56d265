"""Waiting: the wheel of deadlines, queues ordered by offset."""

from __future__ import annotations

import asyncio

from tests.virtual_time import run

from barnabas.errors import ErrorCode
from barnabas.pace import PacedCalls
from barnabas.replication.purgatory import DeadlineWheel, DelayedProduce, OffsetQueue
from barnabas.replication.results import ProduceResult
from barnabas.seams import no_time_passes


class Item:
    def __init__(self, expired: list[tuple[float, int]], name: int) -> None:
        self.bucket = -1
        self.expired = expired
        self.name = name

    def expire(self) -> None:
        self.expired.append((asyncio.get_running_loop().time(), self.name))


def test_deadlines_expire_in_order_and_never_early() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        wheel = DeadlineWheel(loop, PacedCalls(loop.call_soon, no_time_passes))
        expired: list[tuple[float, int]] = []
        start_ms = int(loop.time() * 1000)
        items = {}
        for delay in (500, 30, 31, 29, 2000, 500):
            item = items[delay] = Item(expired, delay)
            wheel.add(item, start_ms + delay)
        wheel.discard(items[31])
        await asyncio.sleep(3)
        assert [name for _, name in expired] == [29, 30, 500, 500, 2000] or [
            name for _, name in expired
        ] == [30, 29, 500, 500, 2000]
        for when, name in expired:
            assert name <= when * 1000 - start_ms + 0.5 <= name + DeadlineWheel.TICK_MS + 1
        wheel.close()
        wheel.add(Item(expired, 1), 0)
        assert len(expired) == 5

    run(main())


def test_finished_items_cost_no_wake_up() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        wheel = DeadlineWheel(loop, PacedCalls(loop.call_soon, no_time_passes))
        expired: list[tuple[float, int]] = []
        now_ms = int(loop.time() * 1000)
        for i in range(10_000):
            item = Item(expired, i)
            wheel.add(item, now_ms + 30_000 + i // 10)
            wheel.discard(item)
        last = Item(expired, -1)
        wheel.add(last, now_ms + 40_000)
        await asyncio.sleep(50)
        assert [name for _, name in expired] == [-1]
        assert len(wheel._buckets) == 0

    run(main())


def produce(loop: asyncio.AbstractEventLoop, wheel: DeadlineWheel, parts: int) -> DelayedProduce:
    results = [ProduceResult("t", i) for i in range(parts)]
    delayed = DelayedProduce(results, loop.create_future(), wheel)
    for i in range(parts):
        results[i].base_offset = i
        delayed.wait(i)
    return delayed


def test_a_produce_is_complete_with_its_last_part() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        wheel = DeadlineWheel(loop, PacedCalls(loop.call_soon, no_time_passes))
        one = produce(loop, wheel, 3)
        one.decide(1, ErrorCode.NONE)
        one.decide(1, ErrorCode.NONE)
        one.decide(0, ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND)
        assert not one.future.done()
        one.expire()
        results = await one.future
        assert [r.error for r in results] == [
            ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
            ErrorCode.NONE,
            ErrorCode.REQUEST_TIMED_OUT,
        ]
        assert [r.base_offset for r in results] == [-1, 1, -1]

    run(main())


def test_queues_complete_in_offset_order_whatever_the_order_of_arrival() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        wheel = DeadlineWheel(loop, PacedCalls(loop.call_soon, no_time_passes))
        queue = OffsetQueue()
        made = {offset: produce(loop, wheel, 1) for offset in (5, 9, 7, 9, 3)}
        for offset in (5, 9, 7, 3):
            queue.add(offset, made[offset], 0)
        assert [made[o] for o in (3, 5, 7)] == [r for r, _ in queue.reached(8)]
        assert len(queue) == 1
        assert [r for r, _ in queue.drain()] == [made[9]]

    run(main())


def test_what_timed_out_does_not_pile_up() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        wheel = DeadlineWheel(loop, PacedCalls(loop.call_soon, no_time_passes))
        queue = OffsetQueue()
        for offset in range(100):
            one = produce(loop, wheel, 1)
            queue.add(offset, one, 0)
            one.expire()
        assert len(queue) == 1

    run(main())
