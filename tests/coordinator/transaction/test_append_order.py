"""Appends of one producer to one partition, in the order of their requests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from barnabas.coordinator.transaction.append_order import AppendOrder, Turn
from barnabas.errors import ErrorCode
from barnabas.types import TopicPartition

T, U = TopicPartition("t", 0), TopicPartition("u", 0)
PRODUCER = 7


def run(scenario: Callable[[AppendOrder, Callable[[], Turn]], Awaitable[None]]) -> None:
    async def main() -> None:
        await scenario(AppendOrder(), asyncio.get_running_loop().create_future)

    asyncio.run(main())


def _note(appended: list[int], number: int, _: Turn) -> None:
    appended.append(number)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_who_waits_for_nothing_appends_at_once() -> None:
    async def scenario(order: AppendOrder, _: Callable[[], Turn]) -> None:
        assert order.turn(PRODUCER, [T, U], None) is None

    run(scenario)


def test_later_requests_wait_for_those_before_them() -> None:
    async def scenario(order: AppendOrder, verdict: Callable[[], Turn]) -> None:
        asked, again = verdict(), verdict()
        first = order.turn(PRODUCER, [T], asked)
        second = order.turn(PRODUCER, [T, U], again)
        third = order.turn(PRODUCER, [U], None)
        assert first is not None
        assert second is not None
        assert third is not None
        assert order.turn(PRODUCER + 1, [T], None) is None, "another producer's"
        again.set_result({U: ErrorCode.INVALID_TXN_STATE})
        await settle()
        assert not any(turn.done() for turn in (first, second, third))
        asked.set_result({})
        appended: list[int] = []
        for number, turn in enumerate((first, second, third)):
            turn.add_done_callback(partial(_note, appended, number))
        await settle()
        assert appended == [0, 1, 2]
        assert (second.result(), third.result()) == ({U: ErrorCode.INVALID_TXN_STATE}, {})
        assert order.turn(PRODUCER, [T, U], None) is None, "all are over"

    run(scenario)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_request_whose_client_is_gone_holds_up_nobody(when: str) -> None:
    async def scenario(order: AppendOrder, verdict: Callable[[], Turn]) -> None:
        asked = verdict()
        first = order.turn(PRODUCER, [T], asked)
        second = order.turn(PRODUCER, [T], None)
        assert first is not None
        assert second is not None
        if when == "before":
            first.cancel()
        else:
            second.cancel()
        asked.set_result({})
        await settle()
        assert first.done()
        assert second.done()
        assert order.turn(PRODUCER, [T], None) is None

    run(scenario)


@pytest.mark.parametrize("how", ["appended", "gone"])
def test_who_comes_after_a_large_request_waits_until_all_of_it_is_appended(how: str) -> None:
    async def scenario(order: AppendOrder, verdict: Callable[[], Turn]) -> None:
        loop = asyncio.get_running_loop()
        asked, appended, unused = verdict(), loop.create_future(), loop.create_future()
        first = order.turn(PRODUCER, [T, U], asked, appended)
        second = order.turn(PRODUCER, [U], None)
        assert first is not None
        assert second is not None
        asked.set_result({})
        await settle()
        assert first.done()
        assert not second.done(), "it is being appended"
        third = order.turn(PRODUCER, [T], None)
        assert third is not None
        if how == "gone":
            appended.cancel()
        else:
            appended.set_result(None)
        await settle()
        assert second.done()
        assert third.done()
        assert order.turn(PRODUCER, [T, U], None, unused) is None, "all are over"

    run(scenario)
