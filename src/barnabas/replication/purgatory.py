"""DelayedOperationPurgatory, DelayedProduce: requests wait for replication, a flush, or data.

No timer belongs to a partition or a request: one wheel holds all deadlines. A produce waits in a
deque of its partition, ordered by offset, so an advance of the high watermark touches only what it
completes. A fetch waits in its watch (``watches.py``), and is woken at most once per loop turn.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Iterator
from functools import partial
from typing import Protocol

from barnabas.errors import ErrorCode
from barnabas.pace import PacedCalls
from barnabas.replication.results import ProduceResult


class Expires(Protocol):
    """Something with a deadline."""

    bucket: int

    def expire(self) -> None:
        """The deadline has passed. It may have finished since."""
        ...


class DeadlineWheel:
    """Deadlines in buckets of ``TICK_MS``; one loop timer for the earliest bucket.

    Adding and discarding cost a dictionary operation each. An item expires at its deadline or up
    to one tick later, never before; of very many some turns of the loop later.
    """

    TICK_MS = 10
    NOWHERE = -1

    def __init__(self, loop: asyncio.AbstractEventLoop, calls: PacedCalls) -> None:
        self._loop = loop
        self._calls = calls
        self._buckets: dict[int, dict[Expires, None]] = {}
        self._order: list[int] = []
        self._timer: asyncio.TimerHandle | None = None
        self._timer_bucket = 0
        self._closed = False

    def add(self, item: Expires, deadline_ms: int) -> None:
        """Call ``item.expire()`` once the loop's clock has passed ``deadline_ms``."""
        if self._closed:
            return
        key = -(-deadline_ms // self.TICK_MS)
        item.bucket = key
        bucket = self._buckets.get(key)
        if bucket is not None:
            bucket[item] = None
            return
        self._buckets[key] = {item: None}
        heapq.heappush(self._order, key)
        if self._timer is None or key < self._timer_bucket:
            self._arm()

    def discard(self, item: Expires) -> None:
        """Forget an item that has finished in time."""
        bucket = self._buckets.get(item.bucket)
        if bucket is not None:
            bucket.pop(item, None)
        item.bucket = self.NOWHERE

    def count(self, kind: type[object]) -> int:
        """How many items of a kind wait."""
        waiting = list(self._buckets.values())
        return sum(isinstance(item, kind) for bucket in waiting for item in bucket)

    def close(self) -> None:
        """Stop the timer; nothing expires any more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._buckets.clear()
        self._order.clear()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        # A bucket whose items have all finished costs no wake-up.
        while self._order and not self._buckets[self._order[0]]:
            del self._buckets[heapq.heappop(self._order)]
        if self._order:
            self._timer_bucket = self._order[0]
            self._timer = self._loop.call_at(
                self._timer_bucket * self.TICK_MS / 1000, self._on_timer
            )

    def _on_timer(self) -> None:
        self._timer = None
        now_ms = self._loop.time() * 1000
        while self._order and self._order[0] * self.TICK_MS <= now_ms + 0.5:
            items = self._buckets.pop(heapq.heappop(self._order))
            for item in items:
                item.bucket = self.NOWHERE
                self._calls.add(partial(self._expire, item))
        self._arm()

    def _expire(self, item: Expires) -> None:
        if not self._closed:
            item.expire()


class DelayedProduce:
    """One produce request with parts that are appended but not yet acknowledged."""

    __slots__ = ("_open", "_wheel", "bucket", "future", "results")

    def __init__(
        self,
        results: list[ProduceResult],
        future: asyncio.Future[list[ProduceResult]],
        wheel: DeadlineWheel,
    ) -> None:
        self.results = results
        self.future = future
        self.bucket = DeadlineWheel.NOWHERE
        self._open: dict[int, None] = {}
        self._wheel = wheel

    def wait(self, index: int) -> None:
        """Part ``index`` of the results is not decided yet."""
        self._open[index] = None

    def is_open(self, index: int) -> bool:
        """Whether part ``index`` still waits."""
        return index in self._open

    def decide(self, index: int, error: ErrorCode, leader: tuple[int, int] | None = None) -> None:
        """Decide one part; the last one completes the request."""
        if index not in self._open:
            return
        del self._open[index]
        if error != ErrorCode.NONE:
            self.results[index].fail(error, leader=leader)
        if not self._open:
            self._wheel.discard(self)
            self._finish()

    def expire(self) -> None:
        """The records stay in the log. The client gets REQUEST_TIMED_OUT: the outcome is unknown
        (reference 5.5)."""
        for index in self._open:
            self.results[index].fail(ErrorCode.REQUEST_TIMED_OUT)
        self._open.clear()
        self._finish()

    def _finish(self) -> None:
        if not self.future.done():
            self.future.set_result(self.results)


class Waits(Protocol):
    """A request of several parts, each of which waits for one partition."""

    def is_open(self, index: int) -> bool: ...
    def decide(
        self, index: int, error: ErrorCode, leader: tuple[int, int] | None = None
    ) -> None: ...


class OffsetQueue:
    """The parts of requests that wait for one partition to reach an offset."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, Waits, int]] | None = None
        """None until something waits for the first time: an empty deque takes 600 bytes."""

    def __len__(self) -> int:
        return 0 if self._waiting is None else len(self._waiting)

    def add(self, required_offset: int, request: Waits, index: int) -> None:
        """Part ``index`` is done once the offset reached is at least ``required_offset``."""
        waiting = self._waiting
        if waiting is None:
            waiting = self._waiting = deque()
        while waiting and not waiting[0][1].is_open(waiting[0][2]):
            waiting.popleft()
        if not waiting or waiting[-1][0] <= required_offset:
            waiting.append((required_offset, request, index))
            return
        # A repeated idempotent batch asks for an offset below the end: keep the order.
        place = len(waiting)
        while place and waiting[place - 1][0] > required_offset:
            place -= 1
        waiting.insert(place, (required_offset, request, index))

    def is_reached(self, offset: int) -> bool:
        """Whether something is done at ``offset``."""
        waiting = self._waiting
        return waiting[0][0] <= offset if waiting else False

    def reached(self, offset: int) -> Iterator[tuple[Waits, int]]:
        """Take out, in offset order, what is done at ``offset``."""
        waiting = self._waiting
        while waiting and waiting[0][0] <= offset:
            _, request, index = waiting.popleft()
            yield request, index

    def drain(self) -> Iterator[tuple[Waits, int]]:
        """Take out everything."""
        while self._waiting:
            _, request, index = self._waiting.popleft()
            yield request, index
