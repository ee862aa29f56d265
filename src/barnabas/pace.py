"""Long work of a coroutine that gives way: as much of it a turn of the loop as others can wait for.

For work that has to come to its end whatever becomes of the connection that asked for it, as a
controller's orders have. What a client asks for goes on in the turns of its connection instead
(``Steps`` in ``api/request.py``).
"""

from __future__ import annotations

import asyncio
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
