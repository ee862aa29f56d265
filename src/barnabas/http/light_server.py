"""Serves a guarded app with h11, for a broker: few imports, and it runs in the simulator."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import unquote_to_bytes

import h11

from barnabas.http.answers import App, HttpError, Message, Scope
from barnabas.http.guard import Guard
from barnabas.http.guarded import DISCONNECT, Guarded
from barnabas.http.listener import (
    CONNECTIONS_MAX,
    HEAD_BYTES_MAX,
    HEAD_TIMEOUT_S,
    Listener,
    listen,
)

if TYPE_CHECKING:
    import socket  # noqa: TID251  (a socket that the caller has bound)

BODY_BYTES_HELD_MAX: Final = 64 * 1024
"""Bytes of a body that the app has not taken. With more, the connection is not read."""
SEND_TIMEOUT_S: Final = 30.0
"""A client that reads nothing of its answer for this long is disconnected."""


async def start(
    app: App,
    guard: Guard,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    sock: socket.socket | None = None,
    others: bool = False,
    connections_max: int = CONNECTIONS_MAX,
) -> Listener:
    """Like ``start`` in ``uvicorn_server``."""
    guarded = Guarded(app, guard)
    connections: dict[_Connection, None] = {}
    return await listen(
        guarded,
        lambda: _Connection(guarded, connections),
        connections,
        host=host,
        port=port,
        sock=sock,
        others=others,
        connections_max=connections_max,
    )


class _Connection(asyncio.Protocol):
    """One connection; requests are served one after the other."""

    def __init__(self, app: Guarded, all_: dict[_Connection, None]) -> None:
        self._app = app
        self._all = all_
        self._loop = asyncio.get_running_loop()
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX)
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._deadline: asyncio.TimerHandle | None = None
        self._request: _Request | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._ends = False
        """Whether to close after the present answer."""

    # Called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._all[self] = None
        self._transport = cast("asyncio.Transport", transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        self._http.receive_data(data)
        self._read()

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.pop(self, None)
        self._forget_deadline()
        self._writable.set()
        if self._request is not None:
            self._request.disconnect()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # Called by the listener

    def shutdown(self) -> None:
        self._ends = True
        if self._request is None:
            self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    # Requests

    def _read(self) -> None:
        """Handle what was received, up to the next request while one is being served."""
        while not self._transport.is_closing():
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                self._refuse(error)
                return
            if event is h11.NEED_DATA:
                return
            if event is h11.PAUSED:
                self._transport.pause_reading()
                return
            self._take(event)

    def _take(self, event: Any) -> None:
        request = self._request
        if isinstance(event, h11.Request):
            self._begin(event)
        elif isinstance(event, h11.ConnectionClosed):
            self._transport.close()
        elif isinstance(event, h11.EndOfMessage):
            if request is not None:
                request.complete()
            else:
                self._http.start_next_cycle()  # the end of a body that the app did not read
        elif request is not None and request.add(event.data) > BODY_BYTES_HELD_MAX:
            self._transport.pause_reading()

    def _begin(self, head: h11.Request) -> None:
        self._forget_deadline()
        self._request = request = _Request(self, is_head=head.method == b"HEAD")
        request.task = self._loop.create_task(self._serve(head, request))  # one of Guarded.calls

    async def _serve(self, head: h11.Request, request: _Request) -> None:
        path, _, query = head.target.partition(b"?")
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": head.http_version.decode(),
            "method": head.method.decode(),
            "scheme": "http",
            "path": unquote_to_bytes(path).decode("utf-8", "replace"),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": list(head.headers),
            "client": self._transport.get_extra_info("peername"),
            "server": self._transport.get_extra_info("sockname"),
        }
        try:
            await self._app(scope, request.receive, request.send)
        finally:
            self._request = None
            self._answered()

    async def send(self, message: Message, *, is_head: bool) -> None:
        """Send a message. To a client that has gone nothing is sent; one that does not read is
        disconnected."""
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await self._writable.wait()
        except TimeoutError:
            self.abort()
        if self._transport.is_closing():
            return
        if message["type"] == "http.response.start":
            self._write(h11.Response(status_code=message["status"], headers=message["headers"]))
            return
        if message.get("body") and not is_head:
            self._write(h11.Data(data=message["body"]))
        if not message.get("more_body", False):
            self._write(h11.EndOfMessage())

    def ask_for_body(self) -> None:
        """Send ``100 Continue`` if the client waits for it before it sends the body."""
        if self._http.they_are_waiting_for_100_continue:
            self._write(h11.InformationalResponse(status_code=100, headers=[]))

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def _write(self, event: Any) -> None:
        data = self._http.send(event)
        if data:
            self._transport.write(data)

    def _answered(self) -> None:
        """Go on to the next request, or close."""
        if self._transport.is_closing():
            return
        if self._http.our_state not in (h11.DONE, h11.MUST_CLOSE):
            self.abort()  # the handler ended before its answer was whole
        elif self._ends or self._http.our_state is h11.MUST_CLOSE:
            self._transport.close()
        else:
            self._await_head()
            self._transport.resume_reading()
            if self._http.their_state is h11.DONE:
                self._http.start_next_cycle()
            self._read()

    def _refuse(self, error: h11.RemoteProtocolError) -> None:
        """Answer bytes that are not an HTTP request, and close."""
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE) and self._request is None:
            answer = HttpError(error.error_status_hint, "not a request of HTTP/1.1").answer()
            headers = [*answer.headers, (b"connection", b"close")]
            self._write(h11.Response(status_code=answer.status, headers=headers))
            self._write(h11.Data(data=answer.content))
            self._write(h11.EndOfMessage())
        self._transport.close()

    # Time

    def _await_head(self) -> None:
        self._forget_deadline()
        self._deadline = self._loop.call_later(HEAD_TIMEOUT_S, self.abort)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class _Request:
    """One request: its body as it arrives, and its answer."""

    task: asyncio.Task[None]

    def __init__(self, connection: _Connection, *, is_head: bool) -> None:
        self._connection = connection
        self._is_head = is_head
        self._held = bytearray()
        self._is_whole = False
        self._is_told = False
        """Whether the app has been given the end of the body."""
        self._is_gone = False
        self._changed = asyncio.Event()

    def add(self, data: bytes) -> int:
        """Add bytes of the body. Returns how many are held now."""
        self._held += data
        self._changed.set()
        return len(self._held)

    def complete(self) -> None:
        self._is_whole = True
        self._changed.set()

    def disconnect(self) -> None:
        self._is_gone = True
        self._changed.set()

    async def receive(self) -> Message:
        while True:
            if self._is_gone:
                return DISCONNECT
            if self._held or (self._is_whole and not self._is_told):
                body, self._held = bytes(self._held), bytearray()
                self._is_told = self._is_whole
                self._connection.resume_reading()
                return {"type": "http.request", "body": body, "more_body": not self._is_whole}
            if not self._is_whole:
                self._connection.ask_for_body()
            self._changed.clear()
            await self._changed.wait()

    async def send(self, message: Message) -> None:
        await self._connection.send(message, is_head=self._is_head)
