"""The broker's side of client connections: frames in, answers out, in request order.

A connection holds a queue of slots, one a request. A slot is filled when its answer is ready; the
filled ones at the head of the queue are written together. Reading pauses while too much is
unsent or too many requests wait (performance rules 10 and 11).

A question about the cluster is handled when its turn to be answered has come: behind a produce that
waits for a dead follower, an answer made at once would name the dead as they were before it.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias, cast

from barnabas import limits
from barnabas.api.dispatch import Dispatcher
from barnabas.api.request import Answer, Pieces, Request, api_name
from barnabas.errors import InvalidRequest
from barnabas.protocol.api import ApiKey
from barnabas.protocol.framing import FrameBuffer
from barnabas.protocol.header import parse_request_header
from barnabas.zookeeper.errors import ZooKeeperError

log = logging.getLogger("kafka.network")

JOIN_BYTES_MAX = 8 * 1024
"""Small answers are joined: copying them costs less than handing the system several buffers."""

IN_TURN = frozenset(
    {
        ApiKey.METADATA,
        ApiKey.FIND_COORDINATOR,
        ApiKey.DESCRIBE_CLUSTER,
        ApiKey.DESCRIBE_TOPIC_PARTITIONS,
    }
)
"""Handled when everything that came before them on their connection is answered."""

Spawn: TypeAlias = Callable[[Coroutine[Any, Any, None]], bool]
"""Run a coroutine in the broker; False if that is shutting down."""


class _Slot:
    """The place of one request's answer in the order of its connection."""

    __slots__ = ("pieces", "ready", "request")

    def __init__(self) -> None:
        self.ready = False
        self.pieces: Pieces | None = None
        self.request: Request | None = None
        """To be handled in its turn."""


class ClientConnection(asyncio.BufferedProtocol):
    """One accepted connection."""

    def __init__(self, server: NetworkServer, listener: str) -> None:
        self._server = server
        self._listener = listener
        self._frames = FrameBuffer(server.request_bytes_max)
        self._slots: deque[_Slot] = deque()
        self._transport: asyncio.Transport | None = None
        self._client_host = ""
        self._writing_paused = False
        self._reading_paused = False
        self.last_active = 0.0

    # Transport events

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is not a subclass
        peer = transport.get_extra_info("peername")
        self._client_host = str(peer[0]) if peer else ""
        self._transport.set_write_buffer_limits(high=limits.WRITE_BUFFER_BYTES_MAX)
        self.last_active = self._server.loop.time()
        self._server.opened(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._frames.get_buffer(sizehint)

    def buffer_updated(self, nbytes: int) -> None:
        self.last_active = self._server.loop.time()
        try:
            for frame in self._frames.buffer_updated(nbytes):
                self._receive(frame)
        except InvalidRequest as error:
            self._refuse(str(error))
            return
        self._flush()

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        self._writing_paused = True
        self._balance()

    def resume_writing(self) -> None:
        self._writing_paused = False
        self._balance()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._slots.clear()
        self._server.closed(self)

    # Requests

    def _receive(self, frame: memoryview) -> None:
        header, body_offset = parse_request_header(frame)
        request = Request(
            api_key=header.api_key,
            api_version=header.api_version,
            correlation_id=header.correlation_id,
            client_id=header.client_id,
            frame=frame,
            body_offset=body_offset,
            client_host=self._client_host,
            listener=self._listener,
        )
        slot = _Slot()
        if self._slots and request.api_key in IN_TURN:
            slot.request = request
        self._slots.append(slot)
        if slot.request is None:
            self._handle(request, slot)

    def _handle(self, request: Request, slot: _Slot) -> None:
        """Raises InvalidRequest."""
        try:
            answer = self._server.dispatcher.handle(request)
        except InvalidRequest:
            raise
        except Exception:
            self._failed(request)
            return
        self._settle(request, slot, answer)

    def _settle(self, request: Request, slot: _Slot, answer: Answer) -> None:
        if answer is None or isinstance(answer, list):
            slot.pieces = answer
            slot.ready = True
        elif isinstance(answer, asyncio.Future):
            answer.add_done_callback(lambda done: self._answered(request, slot, done))
        elif not self._server.spawn(self._await(request, slot, answer)):
            answer.close()

    def _answered(self, request: Request, slot: _Slot, done: asyncio.Future[Pieces]) -> None:
        if done.cancelled():
            self.close()
        elif done.exception() is not None:
            self._failed(request, done.exception())
        else:
            self._fill(slot, done.result())

    async def _await(
        self, request: Request, slot: _Slot, answer: Coroutine[Any, Any, Pieces | None]
    ) -> None:
        try:
            pieces = await answer
        except InvalidRequest as error:
            self._refuse(str(error))
        except Exception:
            self._failed(request)
        else:
            self._fill(slot, pieces)

    def _fill(self, slot: _Slot, pieces: Pieces | None) -> None:
        slot.pieces = pieces
        slot.ready = True
        if self._slots and self._slots[0] is slot:
            self._server.flush_soon(self)

    def _is_next_ready(self) -> bool:
        """Whether the oldest request has its answer; it is handled if it waited for its turn."""
        slot = self._slots[0]
        request, slot.request = slot.request, None
        if request is not None:
            try:
                self._handle(request, slot)
            except InvalidRequest as error:
                self._refuse(str(error))
        return slot.ready

    def _flush(self) -> None:
        """Write every answer that is ready and next in order."""
        slots = self._slots
        out: Pieces = []
        while slots and self._is_next_ready():
            pieces = slots.popleft().pieces
            if pieces is not None:
                out += pieces
        if self._transport is not None and out:
            if len(out) == 1:
                self._transport.write(out[0])
            elif sum(map(len, out)) <= JOIN_BYTES_MAX:
                self._transport.write(b"".join(out))
            else:
                self._transport.writelines(out)
        self._balance()

    flush = _flush

    def _balance(self) -> None:
        """Read only while what waits on this connection stays within its bounds."""
        if self._transport is None or self._transport.is_closing():
            return
        pause = self._writing_paused or len(self._slots) >= limits.PARKED_REQUESTS_MAX
        if pause and not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()
        elif self._reading_paused and not pause:
            self._reading_paused = False
            self._transport.resume_reading()

    # Endings

    def _refuse(self, why: str) -> None:
        """The peer broke the protocol: there is no answer to that, its connection ends."""
        log.warning("closing connection from %s: %s", self._client_host, why)
        self._server.dispatcher.services.env.observer.note("request_refused", why=why)
        self.close()

    def _failed(self, request: Request, error: BaseException | None = None) -> None:
        """The connection ends, so that its client looks anew: ZooKeeper went away, or there is a
        fault of ours, which is said loudly."""
        error = error or sys.exception()
        api = api_name(request.api_key)
        text = f"{api} v{request.api_version} from {self._client_host} failed"
        if isinstance(error, ZooKeeperError):
            log.warning("%s: %s", text, error)
        else:
            log.error("%s", text, exc_info=error)
            note = self._server.dispatcher.services.env.observer.note
            note("handler_failed", api=api, error=repr(error))
        self.close()

    @property
    def waiting(self) -> int:
        """Requests without an answer yet."""
        return len(self._slots)

    def close(self) -> None:
        """Send what is buffered, then close."""
        self._slots.clear()
        if self._transport is not None:
            self._transport.close()


class NetworkServer:
    """Accepts connections on every listener of a broker."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        spawn: Spawn,
        *,
        request_bytes_max: int,
        connections_max: int,
        idle_ms_max: int,
        backlog: int,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.dispatcher = dispatcher
        self.spawn = spawn
        self.request_bytes_max = request_bytes_max
        self.connections_max = connections_max
        self._idle_s_max = idle_ms_max / 1000
        self._backlog = backlog
        self._servers: list[asyncio.AbstractServer] = []
        self._connections: dict[ClientConnection, None] = {}
        self._to_flush: dict[ClientConnection, None] = {}

    async def listen(self, listener: str, host: str, port: int) -> int:
        """Start to accept; the port in use (chosen by the system if ``port`` is 0)."""
        server = await self.loop.create_server(
            lambda: ClientConnection(self, listener), host or None, port, backlog=self._backlog
        )
        self._servers.append(server)
        sockets = server.sockets
        return int(sockets[0].getsockname()[1]) if sockets else port

    def opened(self, connection: ClientConnection) -> None:
        if len(self._connections) >= self.connections_max:
            log.warning("max.connections (%d) reached: connection closed", self.connections_max)
            connection.close()
            return
        self._connections[connection] = None

    def closed(self, connection: ClientConnection) -> None:
        self._connections.pop(connection, None)
        self._to_flush.pop(connection, None)

    def flush_soon(self, connection: ClientConnection) -> None:
        """Write the connection's ready answers once, at the end of this turn of the loop."""
        if not self._to_flush:
            self.loop.call_soon(self._flush_all)
        self._to_flush[connection] = None

    def _flush_all(self) -> None:
        pending = list(self._to_flush)
        self._to_flush.clear()
        for connection in pending:
            connection.flush()

    async def close_idle(self) -> None:
        """Close connections on which nothing came for ``connections.max.idle.ms``; for ever. A
        negative time means never."""
        while self._idle_s_max >= 0:
            await asyncio.sleep(max(1.0, min(self._idle_s_max / 4, 60.0)))
            oldest = self.loop.time() - self._idle_s_max
            for connection in list(self._connections):
                if connection.last_active < oldest and not connection.waiting:
                    connection.close()

    def stop_accepting(self) -> None:
        for server in self._servers:
            server.close()

    def close(self) -> None:
        """Stop accepting and close every connection."""
        self.stop_accepting()
        for connection in list(self._connections):
            connection.close()
