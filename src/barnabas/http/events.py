"""Server-sent events: a stream that a browser's EventSource reads, and curl.

An answer as those of ``answers.py``, for any server. The library for it that goes with Starlette
changes uvicorn's server when it is imported, and from its first stream on looks twice a second
whether that stops.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from barnabas.http.answers import Receive, Scope, Send
from barnabas.logs import visible

PING_S: Final = 15.0
_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerEvent:
    """One event, in the form of the HTML standard."""

    data: str
    name: str | None = None
    """Of its type; an EventSource takes None for ``message``."""
    id: str | None = None
    """A browser that comes back says the last it has seen, in ``Last-Event-ID``."""

    def encode(self) -> bytes:
        lines = [] if self.id is None else [f"id: {visible(self.id)}"]
        lines += [] if self.name is None else [f"event: {visible(self.name)}"]
        plain = self.data.replace("\r\n", "\n").replace("\r", "\n")
        lines += [f"data: {line}" for line in plain.split("\n")]
        return "\n".join([*lines, "", ""]).encode()


class Events:
    """An answer that lasts until its source ends, its client goes, or the server stops. A client
    that reads slowly holds up its source, so that must be bounded."""

    def __init__(self, source: AsyncIterator[ServerEvent], *, ping_s: float = PING_S) -> None:
        """``ping_s``: after so long without an event a comment is sent, which tells both sides and
        all between them that the connection lives."""
        self._source = source
        self._ping_s = ping_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        if scope["method"] != "HEAD":
            await self._stream(receive, send)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _stream(self, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.body", "body": b": hello\n\n", "more_body": True})
        gone = asyncio.ensure_future(_gone(receive))
        event: asyncio.Future[ServerEvent | None] = asyncio.ensure_future(self._next())
        try:
            while True:
                await asyncio.wait(
                    (gone, event), timeout=self._ping_s, return_when=asyncio.FIRST_COMPLETED
                )
                if gone.done():
                    return
                piece = b": ping\n\n"
                if event.done():
                    happened = event.result()
                    if happened is None:
                        return
                    piece = happened.encode()
                    event = asyncio.ensure_future(self._next())
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        finally:
            gone.cancel()
            event.cancel()
            await asyncio.gather(gone, event, return_exceptions=True)

    async def _next(self) -> ServerEvent | None:
        try:
            return await anext(self._source)
        except StopAsyncIteration:
            return None


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
