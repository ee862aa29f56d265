"""Partitions whose latest batches are written together, in the next turn of the loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


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
