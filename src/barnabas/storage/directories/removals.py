"""Files and directories that are renamed already and go after a delay (``file.delete.delay.ms``).

What a stopping broker did not get to is removed by the next start: the names say so."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from barnabas.seams import Files


class Removals:
    """A queue ordered by due time."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._waiting: list[tuple[int, str]] = []
        self._changed = asyncio.Event()

    def add(self, path: str, delay_ms: int) -> None:
        """Remove a file, or a directory and all in it, ``delay_ms`` after ``run`` hears of it."""
        self._waiting.append((delay_ms, path))
        self._changed.set()

    async def run(self) -> None:
        """Remove what is due, until cancelled."""
        loop = asyncio.get_running_loop()
        scheduled: list[tuple[float, str]] = []
        while True:
            now = loop.time()
            for delay_ms, path in self._waiting:
                scheduled.append((now + delay_ms / 1000, path))
            self._waiting.clear()
            self._changed.clear()
            scheduled.sort()
            while scheduled and scheduled[0][0] <= now:
                # What cannot be removed costs space, no data: the next start tries again.
                with suppress(OSError):
                    await self._files.remove_aside(scheduled.pop(0)[1])
                await asyncio.sleep(0)
            wait = scheduled[0][0] - loop.time() if scheduled else None
            with suppress(TimeoutError):
                async with asyncio.timeout(None if wait is None else max(wait, 0)):
                    await self._changed.wait()
