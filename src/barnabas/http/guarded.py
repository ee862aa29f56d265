"""An app behind its guard: requests that are refused or too large do not reach the app."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from barnabas.http.answers import App, HttpError, Message, Receive, Scope, Send, Text
from barnabas.http.guard import Guard, Head, Judgement

BODY_TIMEOUT_S: Final = 30.0
"""Time for the whole body of a request, after its head."""
DISCONNECT: Final[Message] = {"type": "http.disconnect"}

log = logging.getLogger(__name__)


class _Gone(Exception):
    """The client closed the connection before its request was whole."""


class Guarded:
    """An ASGI app. A handler gets each request with its whole body. After that it receives only
    ``http.disconnect``: the client has gone, or the server stops. Errors are one line of JSON."""

    def __init__(self, app: App, guard: Guard) -> None:
        self._app = app
        self._guard = guard
        self._stopping = asyncio.Event()
        self._cut_off: set[asyncio.Task[object]] = set()
        self.calls: dict[asyncio.Task[object], None] = {}
        """Requests that are being served, in the order in which they came."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http", "neither lifespan nor WebSockets"
        task = asyncio.current_task()
        assert task is not None
        self.calls[task] = None
        try:
            await self._serve(scope, receive, send)
        except _Gone:
            pass
        except asyncio.CancelledError:
            if task not in self._cut_off:
                raise
        finally:
            self.calls.pop(task, None)
            self._cut_off.discard(task)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = Head(
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"],
            headers=scope["headers"],
        )
        judgement = self._guard.judge(head)
        answer = _Answer(send, judgement)
        try:
            if judgement.status >= 400:
                raise HttpError(judgement.status, judgement.text)
            if judgement.status:
                await Text("", judgement.status)(scope, receive, answer)
                return
            body = await self._body(head, receive)
            inner = {**scope, "query_string": judgement.query}
            await self._app(inner, _Request(body, receive, self._stopping), answer)
        except HttpError as error:
            if not answer.started:
                await error.answer()(scope, receive, answer)
        except _Gone:
            raise
        except Exception:
            log.exception("%s %s: an unexpected error", head.method, head.path)
            if not answer.started:
                await HttpError(500, "an unexpected error; see the log").answer()(
                    scope, receive, answer
                )

    async def _body(self, head: Head, receive: Receive) -> bytes:
        """Read the whole body. Raises HttpError, _Gone."""
        too_long = HttpError(413, f"more than {self._guard.body_bytes_max} bytes")
        for length in head.all(b"content-length"):
            if int(length) > self._guard.body_bytes_max:  # the server has checked: digits
                raise too_long
        pieces = bytearray()
        more = True
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _Gone
                    pieces += message.get("body", b"")
                    if len(pieces) > self._guard.body_bytes_max:
                        raise too_long
                    more = message.get("more_body", False)
        except TimeoutError:
            raise HttpError(408, f"no whole request within {BODY_TIMEOUT_S:g} s") from None
        return bytes(pieces)

    def begin_stop(self) -> None:
        """Give ``http.disconnect`` to all handlers that wait for it."""
        self._stopping.set()

    async def finish(self, timeout_s: float) -> None:
        """Wait until no request is being served, but no longer than ``timeout_s``."""
        if calls := self._others():
            await asyncio.wait(calls, timeout=timeout_s)

    async def cut_off(self) -> None:
        """Cancel the requests that are still being served. Their connections must be closed."""
        calls = self._others()
        for call in calls:
            self._cut_off.add(call)
            call.cancel()
        if calls:
            await asyncio.wait(calls)

    def _others(self) -> list[asyncio.Task[object]]:
        """All requests but the one that calls this: a handler may stop the server."""
        mine = asyncio.current_task()
        return [call for call in self.calls if call is not mine]


class _Answer:
    """``send`` of one request: it adds the guard's headers to the first message."""

    def __init__(self, send: Send, judgement: Judgement) -> None:
        self._send = send
        self._headers = judgement.headers
        self.started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            message = {**message, "headers": [*message.get("headers", ()), *self._headers]}
        await self._send(message)


class _Request:
    """``receive`` of one request: gives its body once, and then ``http.disconnect``."""

    def __init__(self, body: bytes, receive: Receive, stopping: asyncio.Event) -> None:
        self._body: bytes | None = body
        self._receive = receive
        self._stopping = stopping

    async def __call__(self) -> Message:
        body, self._body = self._body, None
        if body is not None:
            return {"type": "http.request", "body": body, "more_body": False}
        waits: list[asyncio.Future[object]] = [
            asyncio.ensure_future(self._receive()),
            asyncio.ensure_future(self._stopping.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        return DISCONNECT
