"""Server-sent events: a stream that EventSource in a browser can read, and curl.

It is an answer like those of ``answers.py``, for any server. Starlette's library for it
(sse-starlette) is not used: its import patches uvicorn's server, and from the first stream on it
polls that server twice a second.
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
    """The type of the event. Without a name it is ``message`` to an EventSource."""
    id: str | None = None
    """A browser that connects again sends the last id that it has seen, as ``Last-Event-ID``."""

    def encode(self) -> bytes:
        lines = [] if self.id is None else [f"id: {visible(self.id)}"]
        lines += [] if self.name is None else [f"event: {visible(self.name)}"]
        plain = self.data.replace("\r\n", "\n").replace("\r", "\n")
        lines += [f"data: {line}" for line in plain.split("\n")]
        return "\n".join([*lines, "", ""]).encode()


class Events:
    """An answer that lasts until its source ends, its client goes, or the server stops. The source
    waits for a slow client, so what the source queues must be bounded."""

    def __init__(self, source: AsyncIterator[ServerEvent], *, ping_s: float = PING_S) -> None:
        """``ping_s``: after this time without an event a comment is sent, so that the client, the
        server and proxies between them keep the connection."""
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
