"""Tasks with an owner, so that no task's exception is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class TaskOwner:
    """Starts tasks and keeps them. ``watch()`` raises the exception of the first that fails, which
    ends the broker."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._failed: asyncio.Future[None] = loop.create_future()
        self._failure: BaseException | None = None

    def spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run a coroutine until it ends or this owner closes."""
        task = self._loop.create_task(coroutine, name=name)
        self._tasks[task] = None
        task.add_done_callback(self._done)
        return task

    async def watch(self) -> None:
        """Wait until a task fails; raises what it raised. Ends quietly when closed."""
        await asyncio.shield(self._failed)
        if self._failure is not None:
            raise self._failure

    async def close(self) -> None:
        """Cancel everything and wait until it has ended."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if not self._failed.done():
            self._failed.set_result(None)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None and self._failure is None:
            self._failure = error
            if not self._failed.done():
                self._failed.set_result(None)
