"""How often a server looks at its connections."""

from __future__ import annotations

import asyncio

import pytest
from tests.broker.account_stage import HANDLERS, Run

from barnabas.broker.newcomers import Newcomers


class Unknown:
    """A connection that has not authenticated."""

    peer = "10.0.0.1"

    def abort(self) -> None:
        return


def test_an_idle_server_looks_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0
    original = Newcomers.check

    def check(newcomers: Newcomers, now: float) -> None:
        nonlocal looks
        looks += 1
        original(newcomers, now)

    monkeypatch.setattr(Newcomers, "check", check)

    async def steps(run: Run) -> None:
        async def looks_in(seconds: float) -> int:
            before = looks
            await asyncio.sleep(seconds)
            return looks - before

        assert 9 <= await looks_in(10) <= 11
        newcomers, unknown = run.server.network.newcomers, Unknown()
        newcomers.add(unknown, run.server.network.loop.time())
        await asyncio.sleep(1)
        assert 28 <= await looks_in(3) <= 32
        newcomers.remove(unknown)
        await asyncio.sleep(1)
        assert 9 <= await looks_in(10) <= 11

    Run(HANDLERS["an answer"]).play(steps)
