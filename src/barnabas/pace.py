"""Long work of a coroutine that gives way: as much of it a turn of the loop as others can wait for.

For work that has to come to its end whatever becomes of the connection that asked for it, as a
controller's orders have. What a client asks for goes on in the turns of its connection instead
(``Steps`` in ``api/request.py``). ``PacedCalls`` is for much that becomes due at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

TURN_S: Final = 0.004
STEPS_PER_TURN: Final = 256
"""Ends a turn in the simulator, where the stopwatch stands still."""


class Pace:
    """Of one piece of work, from where it is made."""

    __slots__ = ("_ends", "_steps", "_stopwatch")

    def __init__(self, stopwatch: Callable[[], float]) -> None:
        self._stopwatch = stopwatch
        self._steps = 0
        self._ends = stopwatch() + TURN_S

    async def step(self) -> None:
        """Before each part of the work: others are served now if this turn is over. Whatever was
        known before may have changed then."""
        self._steps += 1
        if self._steps < STEPS_PER_TURN and self._stopwatch() < self._ends:
            return
        await asyncio.sleep(0)
        self._steps = 0
        self._ends = self._stopwatch() + TURN_S


class PacedCalls:
    """``call_soon`` for calls that may come in herds: as many a turn of the loop as others can wait
    for, in their order; those that come first, first."""

    __slots__ = ("_call_soon", "_first", "_others", "_scheduled", "_stopwatch")

    def __init__(
        self, call_soon: Callable[[Callable[[], None]], object], stopwatch: Callable[[], float]
    ) -> None:
        self._call_soon = call_soon
        self._stopwatch = stopwatch
        self._first: deque[Callable[[], object]] = deque()
        self._others: deque[Callable[[], object]] = deque()
        self._scheduled = False

    def __len__(self) -> int:
        """How many wait."""
        return len(self._first) + len(self._others)

    def add(self, call: Callable[[], object], *, first: bool = False) -> None:
        """Call it in the next turn of the loop, or in a later one."""
        (self._first if first else self._others).append(call)
        if not self._scheduled:
            self._scheduled = True
            self._call_soon(self._run)

    def _run(self) -> None:
        """What is there now: what these calls lead to has the next turn."""
        ends = self._stopwatch() + TURN_S
        try:
            for _ in range(min(len(self), STEPS_PER_TURN)):
                (self._first or self._others).popleft()()
                if self._stopwatch() >= ends:
                    break
        finally:
            self._scheduled = bool(self._first or self._others)
            if self._scheduled:
                self._call_soon(self._run)
