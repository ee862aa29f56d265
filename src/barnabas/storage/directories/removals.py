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
        self._waiting: list[tuple[int, str, bool]] = []
        self._changed = asyncio.Event()

    def add_file(self, path: str, delay_ms: int) -> None:
        """Remove a file ``delay_ms`` after ``run`` hears of it."""
        self._waiting.append((delay_ms, path, False))
        self._changed.set()

    def add_directory(self, path: str, delay_ms: int) -> None:
        """Remove a directory and all in it, likewise."""
        self._waiting.append((delay_ms, path, True))
        self._changed.set()

    async def run(self) -> None:
        """Remove what is due, until cancelled."""
        loop = asyncio.get_running_loop()
        scheduled: list[tuple[float, str, bool]] = []
        while True:
            now = loop.time()
            for delay_ms, path, is_directory in self._waiting:
                scheduled.append((now + delay_ms / 1000, path, is_directory))
            self._waiting.clear()
            self._changed.clear()
            scheduled.sort()
            while scheduled and scheduled[0][0] <= now:
                _, path, is_directory = scheduled.pop(0)
                self._remove(path, is_directory)
                await asyncio.sleep(0)
            wait = scheduled[0][0] - loop.time() if scheduled else None
            with suppress(TimeoutError):
                async with asyncio.timeout(None if wait is None else max(wait, 0)):
                    await self._changed.wait()

    def _remove(self, path: str, is_directory: bool) -> None:
        # A file that cannot be removed costs space, no data: the next start tries again.
        with suppress(OSError):
            if is_directory:
                self._files.remove_tree(path)
            else:
                self._files.remove(path)
