"""NetworkClient: a connection to a broker, which sends requests and matches the answers by order.

A broker answers the requests of one connection in order, so a deque of futures is enough. The
correlation id is checked; a wrong one ends the connection. Every failure is a ConnectionError. It
is ConnectionRefusedError if nothing listens, which means that the peer's process is gone.
"""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections import deque
from collections.abc import Sequence
from typing import Self, cast

from barnabas import addresses
from barnabas.errors import InvalidRequest
from barnabas.limits import REQUEST_BYTES_MAX
from barnabas.protocol import codec
from barnabas.protocol.framing import FrameBuffer
from barnabas.protocol.header import correlation_id_of, parse_response_header
from barnabas.protocol.message import ApiMessage, RequestMessage, ResponseT
from barnabas.types import Buffer


class RequestTimedOut(ConnectionError):
    """There was no answer in time. The connection is closed; the request may have been carried
    out."""


class KafkaConnection(asyncio.BufferedProtocol):
    """A client connection. Make one with ``await KafkaConnection.connect(...)``.

    It has no task of its own. Its owner must call ``close``, which leaves nothing behind."""

    def __init__(self, client_id: str, response_bytes_max: int = REQUEST_BYTES_MAX) -> None:
        self.client_id = client_id
        self._frames = FrameBuffer(response_bytes_max)
        self._pending: deque[tuple[int, asyncio.Future[memoryview]]] = deque()
        self._next_correlation_id = 0
        self._transport: asyncio.WriteTransport | None = None
        self._lost: ConnectionError | None = None
        self._closed: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def connect(
        cls,
        host: str,
        port: int,
        *,
        client_id: str,
        timeout_ms: int,
        response_bytes_max: int = REQUEST_BYTES_MAX,
        tls: ssl.SSLContext | None = None,
    ) -> Self:
        """Open a connection, with TLS if there is a context. Raises ConnectionRefusedError if the
        port is closed. Raises ConnectionError if the peer cannot be reached in ``timeout_ms``, or
        if its certificate is wrong."""
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                connection = await addresses.connect(
                    lambda: cls(client_id, response_bytes_max), host, port, tls
                )
        except ConnectionError:
            raise
        except TimeoutError as error:
            raise ConnectionError(f"{host}:{port}: no connection in {timeout_ms} ms") from error
        except OSError as error:
            if _all_refused(error):
                raise ConnectionRefusedError(errno.ECONNREFUSED, str(error)) from error
            raise ConnectionError(f"{host}:{port}: {error}") from error
        return connection

    @property
    def is_open(self) -> bool:
        """Whether requests can be sent."""
        return self._transport is not None and self._lost is None

    @property
    def closed(self) -> asyncio.Future[None]:
        """Done as soon as either side has closed the connection. Never fails."""
        if self._closed is None:
            self._closed = self._loop.create_future()
            if self._transport is None:
                self._closed.set_result(None)
        return self._closed

    @property
    def pending(self) -> int:
        """Requests without an answer."""
        return len(self._pending)

    def next_correlation_id(self) -> int:
        """The id for the next frame given to ``send_frame``: 0, 1, 2 ... (wraps at 2**31)."""
        value = self._next_correlation_id
        self._next_correlation_id = (value + 1) & 0x7FFFFFFF
        return value

    async def send(
        self,
        api_key: int,
        version: int,
        message: RequestMessage[ResponseT],
        *,
        timeout_ms: int | None = None,
    ) -> ResponseT:
        """Send a request and wait for its decoded answer. Several requests may wait; they are sent
        in the order of the calls. Without ``timeout_ms`` it waits until the connection closes.

        Raises RequestTimedOut, and closes. Raises ConnectionError if the connection is lost, or if
        the answer is malformed; then it closes too."""
        correlation_id = self.next_correlation_id()
        frame = codec.encode_request(api_key, version, correlation_id, self.client_id, message)
        answer = await self.wait(self.send_frame(frame), timeout_ms)
        try:
            _, offset = parse_response_header(api_key, version, answer)
            return cast("ResponseT", codec.decode_response(api_key, version, answer, offset))
        except InvalidRequest as error:
            lost = ConnectionError(f"malformed answer: {error}")
            self._fail(lost)
            raise lost from error

    def send_frame(
        self, frame: bytes | Sequence[Buffer], future: asyncio.Future[memoryview] | None = None
    ) -> asyncio.Future[memoryview]:
        """Write a whole request frame (size included; ``next_correlation_id`` inside). The future,
        a given one or a new one, gives the answer's frame without its size, from the correlation id
        on, or fails with ConnectionError. Cancelling the future only drops the answer."""
        if future is None:
            future = self._loop.create_future()
        if self._transport is None or self._lost is not None:
            future.set_exception(self._lost or ConnectionError("not connected"))
            return future
        pieces = [frame] if isinstance(frame, bytes) else frame
        correlation_id = int.from_bytes(bytes(pieces[0][8:12]), "big", signed=True)
        self._pending.append((correlation_id, future))
        if isinstance(frame, bytes):
            self._transport.write(frame)
        else:
            # No empty pieces: asyncio of Python 3.12 and 3.13 would try to send one for ever.
            self._transport.writelines([piece for piece in frame if piece])
        return future

    def post(self, api_key: int, version: int, message: ApiMessage) -> None:
        """Send a request that has no answer (Produce with acks=0). Raises ConnectionError."""
        if self._transport is None or self._lost is not None:
            raise self._lost or ConnectionError("not connected")
        self._post(
            codec.encode_request(
                api_key, version, self.next_correlation_id(), self.client_id, message
            )
        )

    def _post(self, frame: bytes) -> None:
        assert self._transport is not None
        self._transport.write(frame)

    async def wait(self, future: asyncio.Future[memoryview], timeout_ms: int | None) -> memoryview:
        """Wait for ``send_frame``'s future. Raises RequestTimedOut, and closes, if it is not done
        in ``timeout_ms``."""
        if timeout_ms is None:
            return await future
        timer = self._loop.call_later(timeout_ms / 1000, self._late, future, timeout_ms)
        try:
            return await future
        finally:
            timer.cancel()

    def _late(self, future: asyncio.Future[memoryview], timeout_ms: int) -> None:
        if not future.done():
            self._fail(RequestTimedOut(f"no answer in {timeout_ms} ms"))

    def close(self) -> None:
        """Close at once; pending requests fail with ConnectionError. May be called again."""
        self._fail(ConnectionError("connection closed by us"))

    def hand_over(self, protocol: asyncio.BaseProtocol) -> None:
        """Give the transport to another protocol; no request may be in flight. Raises
        ConnectionError."""
        transport, self._transport = self._transport, None
        if transport is None or self._lost is not None:
            raise self._lost or ConnectionError("not connected")
        self._lost = ConnectionError("the connection has another owner")
        transport.set_protocol(protocol)
        protocol.connection_made(transport)

    def _fail(self, error: ConnectionError) -> None:
        if self._lost is None:
            self._lost = error
        if self._transport is not None:
            self._transport.abort()
        while self._pending:
            _, future = self._pending.popleft()
            if not future.done():
                future.set_exception(self._lost)
                future.exception()  # marks the exception as seen, so that asyncio does not log it

    # asyncio calls the rest.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        reason = f": {exc}" if exc else ""
        self._fail(
            exc
            if isinstance(exc, ConnectionError)
            else ConnectionError(f"connection closed by the peer{reason}")
        )
        self._transport = None
        if self._closed is not None and not self._closed.done():
            self._closed.set_result(None)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._frames.get_buffer(sizehint)

    def buffer_updated(self, nbytes: int) -> None:
        try:
            frames = self._frames.buffer_updated(nbytes)
        except InvalidRequest as error:
            self._fail(ConnectionError(str(error)))
            return
        self._deliver(frames)

    def data_received(self, data: bytes) -> None:
        """For transports that pass bytes instead of filling a buffer."""
        try:
            frames = self._frames.feed(data)
        except InvalidRequest as error:
            self._fail(ConnectionError(str(error)))
            return
        self._deliver(frames)

    def _deliver(self, frames: list[memoryview]) -> None:
        for frame in frames:
            if self._lost is not None:
                return
            try:
                got = correlation_id_of(frame)
            except InvalidRequest as error:
                self._fail(ConnectionError(str(error)))
                return
            if not self._pending or self._pending[0][0] != got:
                self._fail(ConnectionError(f"answer with unexpected correlation id {got}"))
                return
            _, future = self._pending.popleft()
            if not future.done():
                future.set_result(frame)


def _all_refused(error: OSError) -> bool:
    """Whether asyncio's error for several addresses (of ``localhost``) says refused for each."""
    text = str(error)
    refused = text.count(f"[Errno {errno.ECONNREFUSED}]")
    return error.errno == errno.ECONNREFUSED or (refused > 0 and refused == text.count("[Errno"))
