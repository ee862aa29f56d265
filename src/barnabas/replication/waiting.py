"""DelayedOperations of one partition: the requests that wait for it, by what they wait for. And the
partitions whose latest batches wait to be written together."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Protocol

from barnabas.errors import ErrorCode
from barnabas.pace import PacedCalls
from barnabas.replication.purgatory import OffsetQueue

COMPLETED_AT_ONCE = 256
"""Parts of produce requests; the others follow in the next turns of the loop."""


class WaitingRequests:
    """Of one partition, made when something waits for the first time. ``go_on`` is called in
    another turn of the loop when more have been replicated than are completed at once."""

    __slots__ = ("_go_on", "_is_paced", "_wakes", "flush", "low_watermark", "replication")

    def __init__(self, wakes: PacedCalls, go_on: Callable[[], None]) -> None:
        self._wakes = wakes
        self._go_on = go_on
        self._is_paced = False
        """More is completed in another turn of the loop."""
        self.replication = OffsetQueue()
        """Until the high watermark has reached an offset."""
        self.flush = OffsetQueue()
        """Until an offset is on the disk."""
        self.low_watermark = OffsetQueue()
        """Until all replicas begin at an offset."""

    def replicated(self, high_watermark: int, error: ErrorCode) -> None:
        """Complete, with ``error``, what the high watermark has reached."""
        if not self.replication or self._is_paced:
            return
        for request, index in islice(self.replication.reached(high_watermark), COMPLETED_AT_ONCE):
            request.decide(index, error)
        if self.replication.is_reached(high_watermark):
            self._is_paced = True
            self._wakes.add(self._complete_more)

    def _complete_more(self) -> None:
        self._is_paced = False
        self._go_on()

    def flushed(self, offset: int) -> None:
        """Complete what is on the disk now."""
        for request, index in self.flush.reached(offset):
            request.decide(index, ErrorCode.NONE)

    def deleted(self, low_watermark: int) -> None:
        """Complete DeleteRecords that all replicas have followed."""
        for request, index in self.low_watermark.reached(low_watermark):
            request.decide(index, ErrorCode.NONE)

    def fail(self, error: ErrorCode, leader: tuple[int, int] | None) -> None:
        """Answer everything; the role that it waited on is gone."""
        for queue in (self.replication, self.flush, self.low_watermark):
            for request, index in queue.drain():
                request.decide(index, error, leader=leader)


class Writes(Protocol):
    """A partition that may have something to write."""

    def write(self) -> None:
        """Write it. Must not raise; what was written meanwhile is not written again."""
        ...


class Unwritten:
    """A write for each of many small batches costs the leader more than what it does beside it for
    the batch in the file system: those that came in one turn of the loop go to the system in one
    call for each partition."""

    __slots__ = ("_call_soon", "_partitions")

    def __init__(self, call_soon: Callable[[Callable[[], None]], object]) -> None:
        self._call_soon = call_soon
        self._partitions: dict[Writes, None] = {}

    def add(self, partition: Writes) -> None:
        """Let it write, once, in the next turn of the loop."""
        if not self._partitions:
            self._call_soon(self._write)
        self._partitions[partition] = None

    def _write(self) -> None:
        partitions, self._partitions = self._partitions, {}
        for partition in partitions:
            partition.write()
