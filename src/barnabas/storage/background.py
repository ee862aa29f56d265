"""Small parts of background tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


def take_all(queue: dict[T, None]) -> list[T]:
    """Empty a queue; what was in it, in order."""
    taken = list(queue)
    queue.clear()
    return taken


async def every(job: Callable[[], Awaitable[None]], first_ms: int, interval_ms: int) -> None:
    """Run a job after ``first_ms`` and then with ``interval_ms`` between, until cancelled. Without
    an interval, or with a negative one, it runs once, as in ``KafkaScheduler``."""
    await asyncio.sleep(first_ms / 1000)
    await job()
    while interval_ms > 0:
        await asyncio.sleep(interval_ms / 1000)
        await job()
