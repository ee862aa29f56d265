"""The tasks of one broker: those that run as long as it does, and those that answer requests.

All are in the broker's task group, so an unexpected error in one of them ends the broker.
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
    """Tasks in ``group``, the broker's task group."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self._background: list[asyncio.Task[None]] = []
        self._requests: dict[asyncio.Task[None], None] = {}
        """Tasks that answer requests."""

    def run(self, name: str, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task that runs until the broker stops."""
        task = self._group.create_task(coroutine, name=name)
        self._background.append(task)
        return task

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
        """Start a task that ends by itself; None if an error has already ended the broker."""
        try:
            return self._group.create_task(coroutine)
        except RuntimeError:  # another task has failed: this broker is ending
            coroutine.close()
            return None

    def spawn_request(
        self, coroutine: Coroutine[Any, Any, None], *awaited: Coroutine[Any, Any, Any]
    ) -> bool:
        """Start a task that answers a request; False if an error has already ended the broker.
        ``awaited`` are closed at the end: the task may be cancelled before it awaits them."""
        task = self.spawn(coroutine)
        if task is None:
            for each in awaited:
                each.close()
            return False

        def done(task: asyncio.Task[None]) -> None:
            self._requests.pop(task)
            for each in awaited:
                each.close()

        self._requests[task] = None
        task.add_done_callback(done)
        return True

    async def end(self) -> None:
        """End all tasks, also those that answer requests: their connections are closed, and some
        would wait for as long as their client asked for."""
        for task in (*self._requests, *self._background):
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
