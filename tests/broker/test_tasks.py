"""The tasks of a broker, and what their ends leave behind."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Coroutine
from typing import Any

from barnabas.broker.tasks import BrokerTasks


async def _answer() -> None:
    await asyncio.sleep(0)


async def _send(answer: Coroutine[Any, Any, None]) -> None:
    await answer


def test_an_answer_that_is_cancelled_before_it_has_begun_leaves_nothing() -> None:
    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            tasks = BrokerTasks(group)
            answer = _answer()
            assert tasks.spawn_request(_send(answer), answer)
            await tasks.end()

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        asyncio.run(main())
        gc.collect()
    assert [str(each.message) for each in told] == []


def test_an_answer_comes_to_its_end() -> None:
    async def main() -> None:
        done = asyncio.Event()

        async def answer() -> None:
            await asyncio.sleep(0)
            done.set()

        async with asyncio.TaskGroup() as group:
            work = answer()
            assert BrokerTasks(group).spawn_request(_send(work), work)
            await done.wait()

    asyncio.run(main())
