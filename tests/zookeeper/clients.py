"""Clients for tests, with what they heard."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from barnabas.seams import Env, Files
from barnabas.zookeeper.client.client import SessionState, WatchEvent, ZooKeeperClient


class FixedClock:
    """Wall time that stands still."""

    def wall_ms(self) -> int:
        return 1_700_000_000_000


class Notes:
    """An observer that keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, dict[str, object]]] = []

    def note(self, event: str, /, **fields: object) -> None:
        self.heard.append((event, fields))

    def names(self) -> list[str]:
        return [event for event, _ in self.heard]


def make_env(seed: int = 1) -> Env:
    return Env(
        clock=FixedClock(),
        random=random.Random(seed),
        files=cast("Files", None),  # not reached from here
        boot_id="boot",
        observer=Notes(),
    )


class Client(ZooKeeperClient):
    """A client that writes down its callbacks, in order."""

    def __init__(self, connect_string: str, timeout_ms: int = 6000, **options: Any) -> None:
        super().__init__(make_env(), connect_string, timeout_ms, **options)
        self.heard: list[SessionState | WatchEvent] = []
        self._news = asyncio.Event()
        self.on_event = self.on_session = self._hear

    def _hear(self, what: SessionState | WatchEvent) -> None:
        self.heard.append(what)
        self._news.set()

    async def hear(self, what: SessionState | WatchEvent, count: int = 1) -> None:
        """Wait until this has been heard ``count`` times."""
        await self.until(lambda: self.heard.count(what) >= count)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def connected(
    connect_string: str, timeout_ms: int = 6000, **options: Any
) -> AsyncIterator[Client]:
    """A client with a session, closed at the end."""
    client = Client(connect_string, timeout_ms, **options)
    await client.connect(20_000)
    try:
        yield client
    finally:
        await client.close()
