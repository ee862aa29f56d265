"""A client before a server that misbehaves on command."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tests.zookeeper.client.puppet_server import PuppetServer
from tests.zookeeper.clients import Client, connected

from barnabas.zookeeper.client.client import (
    SessionState,
)

CONNECTED, DISCONNECTED = SessionState.CONNECTED, SessionState.DISCONNECTED


def run(test: Callable[[PuppetServer, Client], Awaitable[None]], **options: Any) -> None:
    """Run a test with a server and a client that is connected to it."""

    async def main() -> None:
        async with (
            asyncio.timeout(20),
            PuppetServer() as server,
            connected(server.connect_string, **options) as client,
        ):
            await test(server, client)

    asyncio.run(main())


def once(op: int, what: str) -> Callable[[int, Any], str | None]:
    """A fault at the first request with this operation."""
    left = [what]
    return lambda code, record: left.pop() if code == op and left else None
