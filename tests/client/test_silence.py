"""Addresses that do not answer are named once, and soon."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from tests.virtual_time import run

from barnabas.client.silence import PATIENCE_S, Silence
from barnabas.protocol.connection import RequestTimedOut

A, B = ("a", 1), ("b", 2)


async def fails(silence: Silence, seconds: float, error: OSError) -> None:
    with suppress(OSError), silence.asking(A):
        await asyncio.sleep(seconds)
        raise error


def test_one_that_refuses_is_named_once() -> None:
    async def main() -> None:
        told: list[str] = []
        silence, loop = Silence(told.append), asyncio.get_running_loop()
        began = loop.time()
        while not told:
            await fails(silence, 0.0, ConnectionRefusedError())
            await asyncio.sleep(0.05)
        assert loop.time() - began < PATIENCE_S + 0.2
        for _ in range(100):
            await fails(silence, 0.0, ConnectionRefusedError())
            await asyncio.sleep(0.05)
        assert told == ["a:1 does not answer (connection refused); still trying"]

    run(main())


def test_one_that_says_nothing_is_named_while_it_is_waited_for() -> None:
    async def main() -> None:
        told: list[str] = []
        loop = asyncio.get_running_loop()
        began = loop.time()
        silence = Silence(lambda text: told.append(f"{loop.time() - began:g} {text}"))
        await fails(silence, 10.0, RequestTimedOut("late"))
        assert told == [f"{PATIENCE_S:g} a:1 does not answer; still trying"]

    run(main())


def test_one_that_answers_is_not_named_and_one_that_answered_only_later() -> None:
    async def main() -> None:
        told: list[str] = []
        silence = Silence(told.append)
        for address in (A, B):
            with silence.asking(address):
                await asyncio.sleep(PATIENCE_S - 0.1)
        await fails(silence, PATIENCE_S - 0.1, RequestTimedOut("late"))
        assert not told
        with silence.asking(A):
            await asyncio.sleep(PATIENCE_S)
        assert told == ["a:1 does not answer (silent); still trying"]
        await fails(silence, PATIENCE_S + 0.1, RequestTimedOut("late"))
        assert len(told) == 2, "after an answer its silence is news again"

    run(main())


def test_one_slow_request_beside_answers_is_no_silence() -> None:
    async def main() -> None:
        told: list[str] = []
        silence = Silence(told.append)

        async def slow() -> None:
            with silence.asking(A):
                await asyncio.sleep(3 * PATIENCE_S)

        task = asyncio.create_task(slow())
        for _ in range(20):
            with silence.asking(A):
                await asyncio.sleep(PATIENCE_S / 6)
        await task
        assert not told

    run(main())
