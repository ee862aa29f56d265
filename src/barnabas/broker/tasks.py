"""The tasks of one broker: what runs as long as it does, and what answers a request.

All are in the broker's task group: a fault in one of them ends the broker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def unless_stopped(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """The result of ``work``, which may wait for long; None if ``stop`` is set before."""
    working = asyncio.ensure_future(work)
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait([working, stopped], return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        working.cancel()
        stopped.cancel()
        await asyncio.gather(working, stopped, return_exceptions=True)


class BrokerTasks:
    """In ``group``, which is the broker's."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self._background: list[asyncio.Task[None]] = []
        self._requests: dict[asyncio.Task[None], None] = {}
        """Tasks that answer requests."""

    def run(self, name: str, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Begin what runs until the broker stops."""
        task = self._group.create_task(coroutine, name=name)
        self._background.append(task)
        return task

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
        """Begin what comes to its end by itself; None if a fault has ended the broker."""
        try:
            return self._group.create_task(coroutine)
        except RuntimeError:  # a fault has ended another task: this broker is on its way down
            coroutine.close()
            return None

    def spawn_request(self, coroutine: Coroutine[Any, Any, None]) -> bool:
        """Begin to answer a request; False if a fault has ended the broker."""
        task = self.spawn(coroutine)
        if task is None:
            return False
        self._requests[task] = None
        task.add_done_callback(self._requests.pop)
        return True

    async def end(self) -> None:
        """End what runs, and the answers: nobody hears them any more, and some wait for as long as
        their client has said."""
        for task in (*self._requests, *self._background):
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
