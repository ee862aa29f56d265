"""PacedCalls: herds come a part a turn of the loop. PromptFuture: its listener hears at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.virtual_time import run

from barnabas.pace import STEPS_PER_TURN, TURN_S, PacedCalls, PromptFuture, when_done
from barnabas.seams import no_time_passes


class Loop:
    """Turns that somebody else decides about."""

    def __init__(self) -> None:
        self.soon: list[Callable[[], None]] = []

    def call_soon(self, call: Callable[[], None]) -> None:
        self.soon.append(call)

    def turn(self) -> None:
        calls, self.soon = self.soon, []
        for call in calls:
            call()


def test_a_herd_is_served_over_many_turns_and_what_comes_first_first() -> None:
    loop, done = Loop(), []
    calls = PacedCalls(loop.call_soon, no_time_passes)
    for number in range(2 * STEPS_PER_TURN + 5):
        calls.add(lambda number=number: done.append(number))  # type: ignore[misc]
    calls.add(lambda: done.append(-1), first=True)
    assert len(loop.soon) == 1
    counts = []
    while loop.soon:
        loop.turn()
        counts.append(len(done))
    assert counts == [STEPS_PER_TURN, 2 * STEPS_PER_TURN, 2 * STEPS_PER_TURN + 6]
    assert done == [-1, *range(2 * STEPS_PER_TURN + 5)]
    assert len(calls) == 0


def test_a_turn_ends_when_its_time_is_over() -> None:
    loop, now, done = Loop(), [0.0], []
    calls = PacedCalls(loop.call_soon, lambda: now[0])

    def slow() -> None:
        now[0] += TURN_S / 2
        done.append(now[0])

    for _ in range(5):
        calls.add(slow)
    loop.turn()
    assert len(done) == 2
    loop.turn()
    assert len(done) == 4


def test_what_a_call_leads_to_has_the_next_turn() -> None:
    loop, done = Loop(), []
    calls = PacedCalls(loop.call_soon, no_time_passes)
    calls.add(lambda: calls.add(lambda: done.append("then")))
    loop.turn()
    assert not done
    loop.turn()
    assert done == ["then"]
    assert not loop.soon


def test_a_call_that_fails_does_not_stop_the_others() -> None:
    loop, done = Loop(), []
    calls = PacedCalls(loop.call_soon, no_time_passes)

    def fail() -> None:
        raise ValueError("ours")

    calls.add(fail)
    calls.add(lambda: done.append(1))
    with pytest.raises(ValueError, match="ours"):
        loop.turn()
    loop.turn()
    assert done == [1]


def test_the_listener_of_a_prompt_future_hears_in_the_call_that_completes_it() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        heard: list[Any] = []
        endings: list[tuple[str, tuple[Any, ...]]] = [
            ("set_result", (3,)),
            ("set_exception", (OSError(),)),
            ("cancel", ()),
        ]
        for name, arguments in endings:
            future: PromptFuture[int] = PromptFuture(loop=loop)
            future.given_up = lambda: heard.append("given up")
            when_done(future, heard.append)
            getattr(future, name)(*arguments)
            assert heard.pop() is future
            assert heard == (["given up"] if name == "cancel" else [])
        assert not future.cancel()
        assert len(heard) == 1, "given up once"

    run(main())


def test_other_listeners_hear_in_the_next_turn() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        heard: list[Any] = []
        prompt: PromptFuture[int] = PromptFuture(loop=loop)
        when_done(prompt, heard.append)
        when_done(prompt, lambda _: heard.append("second"))
        done: PromptFuture[int] = PromptFuture(loop=loop)
        done.set_result(1)
        plain: asyncio.Future[int] = loop.create_future()
        for future in (done, plain):
            when_done(future, heard.append)
        prompt.set_result(2)
        plain.set_result(3)
        assert heard == [prompt]
        await asyncio.sleep(0)
        assert heard == [prompt, done, "second", plain]

    run(main())
