"""One timer for all groups of a broker, however many members they have.

A group is looked at when its earliest deadline comes. Heartbeats only move deadlines back, so they
cost nothing here: the timer then fires too early, and is set again.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable

from barnabas.coordinator.group.kinds import AnyGroup


def whole_ms(loop: asyncio.AbstractEventLoop) -> int:
    """The loop's time in milliseconds, rounded. A deadline may lie a fraction after the moment for
    which the loop woke up. Code that compares with a deadline must round in the same way; otherwise
    nothing would be due and the timer would be set to the same moment again and again."""
    return round(loop.time() * 1000)


class GroupTimers:
    """Calls ``due(group)`` no earlier than the group's next deadline, and soon after it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, due: Callable[[AnyGroup], None]) -> None:
        self._loop = loop
        self._due = due
        self._heap: list[tuple[int, int, AnyGroup]] = []
        self._sequence = 0
        self._handle: asyncio.TimerHandle | None = None

    def arm(self, group: AnyGroup) -> None:
        """Look at the group in time for its next deadline."""
        deadline_ms = group.next_deadline_ms()
        if deadline_ms is None or (group.timer_ms is not None and group.timer_ms <= deadline_ms):
            return
        group.timer_ms = deadline_ms
        self._sequence += 1
        heapq.heappush(self._heap, (deadline_ms, self._sequence, group))
        if self._heap[0][1] == self._sequence:
            self._schedule()

    def close(self) -> None:
        """Drop all timers."""
        self._heap.clear()
        self._schedule()

    def _schedule(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if self._heap:
            self._handle = self._loop.call_at(self._heap[0][0] / 1000, self._fire)

    def _fire(self) -> None:
        self._handle = None
        now_ms = whole_ms(self._loop)
        ready: list[AnyGroup] = []
        while self._heap and self._heap[0][0] <= now_ms:
            deadline_ms, _, group = heapq.heappop(self._heap)
            if group.timer_ms == deadline_ms:
                group.timer_ms = None
                ready.append(group)
        for group in ready:
            self._due(group)
            self.arm(group)
        self._schedule()
