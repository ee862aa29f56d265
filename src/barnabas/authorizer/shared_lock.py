"""Who may go side by side, and who only alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Some go together, one goes alone, in the order in which they come."""

    def __init__(self) -> None:
        self._alone = asyncio.Lock()
        self._together = 0
        self._nobody = asyncio.Event()
        self._nobody.set()

    @asynccontextmanager
    async def together(self) -> AsyncIterator[None]:
        """With others who do the same."""
        async with self._alone:
            self._together += 1
            self._nobody.clear()
        try:
            yield
        finally:
            self._together -= 1
            if not self._together:
                self._nobody.set()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """With nobody else; who comes meanwhile waits."""
        async with self._alone:
            await self._nobody.wait()
            yield
