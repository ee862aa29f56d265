"""A loop whose time passes only while everything waits, and then at once.

Sockets on loopback are real: a loop with sockets open gives the system a moment before it lets time
pass, because what was written to one may need it to arrive. (The simulator has a loop of its own
without real sockets: ``tests/simulation/loop.py``.)
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_OWN_SOCKETS = 1
"""The loop's own, with which other threads would wake it."""
_ARRIVAL_S = 0.002


class _Selector(selectors.DefaultSelector):
    """Waiting for nothing moves the clock."""

    now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if events or (timeout is not None and timeout <= 0):
            return events
        if len(self.get_map()) > _OWN_SOCKETS:
            events = super().select(_ARRIVAL_S if timeout is not None else None)
        elif timeout is None:
            raise RuntimeError("everything waits for ever")
        if not events and timeout is not None:
            self.now += timeout
        return events


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A real loop with virtual time, which begins at 1000 seconds."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now

    def skip(self, seconds: float) -> None:
        """Time passes without anybody being run, as for a process that was stopped."""
        self._virtual.now += seconds


def run(main: Coroutine[Any, Any, T], *, limit_s: float = 86_400.0) -> T:
    """``asyncio.run`` in virtual time, for at most ``limit_s`` of it."""

    async def limited() -> T:
        async with asyncio.timeout(limit_s):
            return await main

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(limited())
