"""The end of a log in memory, as it was appended, until its followers have it.

A follower is sent the very bytes that came from the client: the system need not copy them out of
its page cache for each. Produce requests that wait for the followers hold these bytes anyway. Of
small batches a follower gets many with one read, which costs less than to keep each.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from barnabas.memory import Account
from barnabas.storage.segment import Segment
from barnabas.types import Buffer

KEPT_BYTES_MIN: Final = 16 * 1024
"""Smaller batches are not kept, nor those before them."""


class Tail:
    """Whole batches of one segment, without a gap between them."""

    __slots__ = ("_account", "_batches", "_end", "_segment", "_start")

    def __init__(self, account: Account) -> None:
        """``account``: of all logs of a broker. When it is full nothing is kept."""
        self._account = account
        self._batches: deque[tuple[int, Buffer]] = deque()
        """(last offset, bytes)"""
        self._segment: Segment | None = None
        self._start = 0
        """Its position in the segment."""
        self._end = 0

    def add(self, segment: Segment, batch: Buffer, last_offset: int) -> None:
        """Keep the batch that was written last, if there is memory for it."""
        size = len(batch)
        start = segment.size - size
        if size < KEPT_BYTES_MIN or self._account.is_full:
            self.clear()
            return
        if segment is not self._segment or start != self._end:
            self.clear()
            self._segment = segment
            self._start = self._end = start
        view = memoryview(batch)
        if 2 * size < memoryview(view.obj).nbytes:
            batch = bytes(view)  # it would keep all of its request in memory
        self._batches.append((last_offset, batch))
        self._end += size
        self._account.held += size

    def forget_below(self, offset: int) -> None:
        """Batches that end below this offset are not asked for any more."""
        batches = self._batches
        while batches and batches[0][0] < offset:
            size = len(batches.popleft()[1])
            self._start += size
            self._account.held -= size

    def clear(self) -> None:
        """Forget everything."""
        self._account.held -= self._end - self._start
        self._batches.clear()
        self._segment = None
        self._start = self._end = 0

    def read(self, segment: Segment, position: int, length: int) -> list[Buffer] | None:
        """``length`` bytes (> 0) of a segment from ``position`` on; None if they are not here."""
        if segment is not self._segment or position < self._start:
            return None
        stop = position + length
        if stop > self._end:
            return None
        at = self._start
        pieces: list[Buffer] = []
        for _, batch in self._batches:
            end = at + len(batch)
            if end > position:
                whole = at >= position and end <= stop
                first, last = max(position - at, 0), min(stop, end) - at
                pieces.append(batch if whole else memoryview(batch)[first:last])
                if end >= stop:
                    break
            at = end
        return pieces
