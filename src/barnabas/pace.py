"""Splits long work into short turns of the event loop, so that others do not have to wait. And
saves turns that nobody needs.

``Pace`` is for a coroutine that must finish even if the connection that asked for it has closed, as
a controller's orders must. A client's long request uses ``Steps`` in ``api/request.py`` instead.
``PacedCalls`` is for many calls that become due at the same time. A ``PromptFuture`` tells its
listener at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

T = TypeVar("T")

TURN_S: Final = 0.004
STEPS_PER_TURN: Final = 256
"""The most steps in a turn. It matters in the simulator, whose stopwatch does not move."""


class Pace:
    """The turns of one piece of work. The first one begins when this is made."""

    __slots__ = ("_ends", "_steps", "_stopwatch")

    def __init__(self, stopwatch: Callable[[], float]) -> None:
        self._stopwatch = stopwatch
        self._steps = 0
        self._ends = stopwatch() + TURN_S

    async def step(self) -> None:
        """Call this before each part of the work. If the turn is over, it lets others run first; so
        everything read before may have changed."""
        self._steps += 1
        if self._steps < STEPS_PER_TURN and self._stopwatch() < self._ends:
            return
        await asyncio.sleep(0)
        self._steps = 0
        self._ends = self._stopwatch() + TURN_S


class PacedCalls:
    """``call_soon`` for many calls: it runs as many per turn of the loop as others can wait for.
    Calls run in the order of ``add``, but those with ``first`` run before all others."""

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
        """How many calls wait."""
        return len(self._first) + len(self._others)

    def add(self, call: Callable[[], object], *, first: bool = False) -> None:
        """Call it in the next turn of the loop, or in a later one."""
        (self._first if first else self._others).append(call)
        if not self._scheduled:
            self._scheduled = True
            self._call_soon(self._run)

    def _run(self) -> None:
        """Run the calls that wait now. Calls that they add wait for the next turn."""
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


class PromptFuture(asyncio.Future[T], Generic[T]):
    """A future that calls its listener in the call that completes it. A turn of the loop for each
    step of a request would cost more than the step."""

    listener: Callable[[asyncio.Future[T]], object] | None = None
    """See ``when_done``."""
    given_up: Callable[[], object] | None = None
    """Called before the listener if it is cancelled."""

    def set_result(self, result: T, /) -> None:
        super().set_result(result)
        if self.listener is not None:
            self.listener(self)

    def set_exception(self, exception: type | BaseException, /) -> None:
        super().set_exception(exception)
        if self.listener is not None:
            self.listener(self)

    def cancel(self, msg: Any | None = None) -> bool:
        if not super().cancel(msg):
            return False
        if self.given_up is not None:
            self.given_up()
        if self.listener is not None:
            self.listener(self)
        return True


def when_done(future: asyncio.Future[T], listener: Callable[[asyncio.Future[T]], object]) -> None:
    """Call ``listener(future)`` when it is done: at once if it is prompt, else in the next turn of
    the loop. The listener must not raise."""
    if isinstance(future, PromptFuture) and future.listener is None and not future.done():
        future.listener = listener
    else:
        future.add_done_callback(listener)
