"""A server of each kind, and clients that speak to it byte by byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from barnabas.http import light_server, uvicorn_server
from barnabas.http.answers import App
from barnabas.http.guard import Guard
from barnabas.http.listener import Listener

KINDS = [
    pytest.param(uvicorn_server.start, id="uvicorn"),
    pytest.param(light_server.start, id="light"),
]
Start = Callable[..., Coroutine[Any, Any, Listener]]
OPEN = Guard(token=None)


class Wire:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def say(self, text: str | bytes) -> None:
        self.writer.write(text.encode() if isinstance(text, str) else text)

    def ask(self, target: str, method: str = "GET", body: bytes = b"", **headers: str) -> None:
        """A whole request."""
        lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1"]
        lines += [f"{k.replace('_', '-')}: {v}" for k, v in headers.items()]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.say("\r\n".join([*lines, "", ""]).encode() + body)

    async def answer(self, *, is_head: bool = False) -> tuple[int, dict[str, str], bytes]:
        """Status, headers, body."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        first, *rest = head.removesuffix("\r\n\r\n").split("\r\n")
        headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in rest)}
        body = b""
        if not is_head and "content-length" in headers:
            body = await self.reader.readexactly(int(headers["content-length"]))
        return int(first.split()[1]), headers, body

    async def end(self) -> bytes:
        """What comes until the other side closes."""
        try:
            return await self.reader.read()
        except ConnectionError:
            return b""


@asynccontextmanager
async def connected(listener: Listener) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    try:
        yield Wire(reader, writer)
    finally:
        writer.transport.abort()


async def one(listener: Listener, *args: Any, **kwargs: Any) -> tuple[int, dict[str, str], bytes]:
    """One request on a connection of its own."""
    async with connected(listener) as wire:
        wire.ask(*args, **kwargs)
        return await wire.answer()


def run(start: Start, app: App, test: Callable[[Listener], Coroutine[Any, Any, None]]) -> None:
    """``test`` with a server of ``app`` that asks for no token; nothing may be left of either."""

    async def main() -> None:
        listener = await start(app, OPEN)
        try:
            async with asyncio.timeout(20):
                await test(listener)
        finally:
            await listener.stop()
        mine = asyncio.current_task()
        assert [task for task in asyncio.all_tasks() if task is not mine] == []

    asyncio.run(main())
