"""A lock with many shared holders or one exclusive holder, granted in the order of asking."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class SharedLock:
    """See above. A shared holder that comes after a waiting exclusive one waits behind it."""

    def __init__(self) -> None:
        self._exclusive = asyncio.Lock()
        self._holders = 0
        self._unused = asyncio.Event()
        self._unused.set()

    @asynccontextmanager
    async def shared(self) -> AsyncIterator[None]:
        """Hold it together with others who hold it shared."""
        async with self._exclusive:
            self._holders += 1
            self._unused.clear()
        try:
            yield
        finally:
            self._holders -= 1
            if not self._holders:
                self._unused.set()

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        """Hold it alone."""
        async with self._exclusive:
            await self._unused.wait()
            yield
