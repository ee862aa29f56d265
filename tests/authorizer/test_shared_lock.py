"""Shared and exclusive holders, in the order of asking."""

from __future__ import annotations

import asyncio

from tests.virtual_time import run

from barnabas.authorizer.shared_lock import SharedLock


def test_shared_exclusive_and_in_order() -> None:
    async def main() -> None:
        lock, happened = SharedLock(), list[str]()

        async def work(name: str, *, alone: bool) -> None:
            async with lock.exclusive() if alone else lock.shared():
                happened.append(f"{name} begins")
                await asyncio.sleep(1)
                happened.append(f"{name} ends")

        plan = {"a": False, "b": False, "c": True, "d": False, "e": False}
        await asyncio.gather(*(work(name, alone=alone) for name, alone in plan.items()))
        assert happened == [
            *("a begins", "b begins", "a ends", "b ends"),
            *("c begins", "c ends"),
            *("d begins", "e begins", "d ends", "e ends"),
        ]

    run(main())


def test_a_cancelled_holder_holds_up_nobody() -> None:
    async def main() -> None:
        lock = SharedLock()

        async def hold(*, alone: bool) -> None:
            async with lock.exclusive() if alone else lock.shared():
                await asyncio.sleep(1000)

        for alone in (False, True):
            holding, waiting = (asyncio.ensure_future(hold(alone=a)) for a in (alone, True))
            await asyncio.sleep(1)
            waiting.cancel()
            holding.cancel()
            await asyncio.gather(holding, waiting, return_exceptions=True)
            async with asyncio.timeout(1), lock.exclusive():
                pass

    run(main())
