"""NIOServerCnxn: one client's TCP connection to the coordinator, with bounds in both directions."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Protocol, cast

from barnabas.errors import InvalidRequest
from barnabas.limits import WRITE_BUFFER_BYTES_MAX
from barnabas.zookeeper import jute
from barnabas.zookeeper.server.acl import Identity
from barnabas.zookeeper.server.sessions import Session

if TYPE_CHECKING:
    from barnabas.security.sasl.mechanism import ServerLogin

_TURN_REQUESTS_MAX = 128
"""The most requests of one connection that are served before other connections have a turn."""
_EVENT_XID = b"\xff\xff\xff\xff"
_UNREAD_BYTES_MAX = 16 * WRITE_BUFFER_BYTES_MAX
"""With more unsent bytes (mostly of watch events) the connection is aborted: the client does not
read."""


class ConnectionHandler(Protocol):
    """What a connection needs of the coordinator."""

    def opened(self, connection: Connection) -> None: ...
    def answer_word(self, connection: Connection, word: bytes) -> bytes | None:
        """The answer to a four-letter word; None if the bytes are no such word."""
        ...

    def connect(self, connection: Connection, frame: bytes) -> None: ...
    def request(self, connection: Connection, frame: bytes) -> None: ...
    def closed(self, connection: Connection, reason: str) -> None: ...
    def answered(self, seconds: float) -> None:
        """A reply was sent this long after its request had arrived."""
        ...

    def failed(self, connection: Connection, problem: Exception) -> None:
        """An unexpected error: the connection has to be closed."""
        ...


class Connection(asyncio.Protocol):
    """Reads four bytes (a four-letter word or a length), then the connect record, then requests."""

    def __init__(self, handler: ConnectionHandler, frame_bytes_max: int) -> None:
        self._handler = handler
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._splitter = jute.FrameSplitter(frame_bytes_max)
        self._first = b""
        self._sees_frames = False
        self._backlog: deque[bytes] = deque()
        self._arrivals: deque[float] = deque()
        """When the work on each request without an answer began."""
        self._out: list[bytes] | None = None
        self._unsent_bytes = 0
        self._deaf = False
        self._full = False
        self._reading = True
        self._reason = "closed by the client"
        self.session: Session[Connection] | None = None
        self.identities: list[Identity] = []
        self.login: ServerLogin | None = None
        """A SASL login that has begun, and that may be complete."""
        self.is_known = False
        """Whether the client has logged in or shown a certificate."""
        self.host = ""
        self.port = 0
        self.same_machine = False
        """Whether client and server have the same address. If so, the connection closes as soon as
        the client's process dies."""
        self.received = 0
        self.sent = 0

    # --- asyncio's side --------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES_MAX)
        peer = transport.get_extra_info("peername") or ("", 0)
        own = transport.get_extra_info("sockname") or ("", 0)
        self.host, self.port = str(peer[0]).removeprefix("::ffff:"), peer[1]
        loopback = self.host.startswith("127.") or self.host == "::1"
        self.same_machine = loopback or (self.host != "" and peer[0] == own[0])
        self.identities.append(("ip", self.host))
        tls = transport.get_extra_info("ssl_object")
        certificate = None if tls is None else tls.getpeercert(binary_form=True)
        if certificate is not None:
            self._take_name(certificate)
        self._handler.opened(self)

    def _take_name(self, certificate: bytes) -> None:
        """Add the name of a trusted certificate. One that cannot be read adds nothing."""
        from barnabas.security.tls import peer_name

        try:
            self.identities.append(("x509", peer_name(certificate)))
        except ValueError:
            return
        self.is_known = True

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        if not self._sees_frames:
            self._first += data
            if len(self._first) < 4:
                return
            self._sees_frames = True
            data, self._first = self._first, b""
            try:
                answer = self._handler.answer_word(self, data[:4])
            except Exception as problem:
                self._handler.failed(self, problem)
                return
            if answer is not None:
                self._send_last(answer)
                return
        try:
            self._backlog.extend(self._splitter.feed(data))
        except InvalidRequest as problem:
            self.close(str(problem))
            return
        self._work()

    def pause_writing(self) -> None:
        self._full = True
        self._balance()

    def resume_writing(self) -> None:
        self._full = False
        self._go_on()

    def connection_lost(self, problem: Exception | None) -> None:
        self._transport = None
        self._backlog.clear()
        self._handler.closed(self, self._reason)

    # --- requests --------------------------------------------------------------------------------

    def _work(self) -> None:
        """Serve a bounded number of the requests that have arrived; send their answers together."""
        out: list[bytes] = []
        refusal = ""
        self._out = out
        try:
            for _ in range(_TURN_REQUESTS_MAX):
                if not self._backlog or self._transport is None or self._choked():
                    break
                frame = self._backlog.popleft()
                self.received += 1
                self._arrivals.append(self._loop.time())
                if self.session is None:
                    self._handler.connect(self, frame)
                else:
                    self._handler.request(self, frame)
        except InvalidRequest as problem:
            refusal = str(problem)
        except Exception as problem:
            self._handler.failed(self, problem)
        finally:
            self._out = None
        if out:
            self._unsent_bytes -= sum(map(len, out))
            self._write(b"".join(out))
        if refusal:
            self.close(refusal)
        if self._backlog and not self._choked():
            self._loop.call_soon(self._go_on)
        self._balance()

    def _go_on(self) -> None:
        if self._backlog and self._out is None and not self._choked():
            self._work()
        else:
            self._balance()

    def stop_serving(self) -> None:
        """The session has ended: requests that still arrive are not answered."""
        self._deaf = True
        self._backlog.clear()

    def _choked(self) -> bool:
        return self._full or self._unsent_bytes > WRITE_BUFFER_BYTES_MAX

    def _balance(self) -> None:
        """Read only while answers can be sent and no request waits to be served."""
        if self._transport is None or self._transport.is_closing():
            return
        reading = not self._choked() and not self._backlog
        if reading != self._reading:
            self._reading = reading
            if reading:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    # --- answers ---------------------------------------------------------------------------------

    def hold(self, size: int) -> None:
        self._unsent_bytes += size

    def deliver(self, frames: list[bytes | None]) -> None:
        ready = [frame for frame in frames if frame is not None]
        self.sent += len(ready)
        self._take_times(ready)
        if self._out is not None and None not in frames:
            self._out += ready
            self._unsent_bytes += sum(map(len, ready))
            return
        if self._out:
            ready = [*self._out, *ready]
            self._unsent_bytes -= sum(map(len, self._out))
            self._out.clear()
        if ready:
            self._write(b"".join(ready))
        if None in frames:
            self.close("closed by the coordinator")
        else:
            self._go_on()

    def _take_times(self, frames: list[bytes]) -> None:
        now = self._loop.time()
        for frame in frames:
            if self._arrivals and not frame.startswith(_EVENT_XID, 4):
                self._handler.answered(now - self._arrivals.popleft())

    def _send_last(self, answer: bytes) -> None:
        self._write(answer)
        self.close("closed by the coordinator")

    def _write(self, data: bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.write(data)
        if transport.get_write_buffer_size() > _UNREAD_BYTES_MAX:
            self._reason = "the client does not read"
            transport.abort()

    def close(self, reason: str) -> None:
        """Close after what has been written."""
        if self._transport is not None and not self._transport.is_closing():
            self._reason = reason
            self._backlog.clear()
            self._transport.close()
