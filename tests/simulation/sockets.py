"""Simulated sockets, as asyncio's transports use them: non-blocking and level-triggered.

The transports are asyncio's own (``_SelectorSocketTransport``); these objects stand where an
operating system's sockets would. A socket belongs to the loop of a process and lives in the kernel
of its host: it goes on receiving while its process is paused.
"""

from __future__ import annotations

import errno
import socket
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from tests.simulation.loop import SimHandle, os_error

if TYPE_CHECKING:
    from tests.simulation.loop import SimLoop
    from tests.simulation.network import Pipe

FIN, RST = object(), object()
Address = tuple[str, int]
_TCP_ESTABLISHED, _TCP_CLOSE, _TCP_CLOSE_WAIT = 1, 7, 8


class SimSocket:
    """One end of a TCP connection."""

    family, type, proto = socket.AF_INET, socket.SOCK_STREAM, 0

    def __init__(self, loop: SimLoop, local: Address) -> None:
        self.loop = loop
        self.host = loop.host
        self.local = local
        self.remote: Address = ("", 0)
        self.peer: SimSocket | None = None
        self.out: Pipe | None = None
        self.closed = False
        self.vanished = False
        """Its machine lost power: nobody was told."""
        self.reader: SimHandle | None = None
        self.writer: SimHandle | None = None
        self._fd = loop.next_fd()
        self._inbox: deque[bytes] = deque()
        self._inbox_bytes = 0
        self._eof = False
        self._fin_sent = False
        self._error = 0
        self._broken = False
        self._read_queued = self._write_queued = False
        self._reading: SimHandle
        """Calls ``_read_ready``; waits at most once, as ``_read_queued`` says."""
        self._make_ready = loop.kernel.ready
        loop.sockets[self._fd] = self

    def join(self, peer: SimSocket, out: Pipe) -> None:
        """Connect the two ends."""
        self.peer, self.out = peer, out

    # -- what asyncio's transport calls ----------------------------------------------------------

    def fileno(self) -> int:
        return -1 if self.closed else self._fd

    def getsockname(self) -> Address:
        return self.local

    def getpeername(self) -> Address:
        return self.remote

    def setsockopt(self, *_: Any) -> None:
        return

    def getsockopt(self, level: int, option: int, length: int = 0) -> int | bytes:
        """0, but of TCP_INFO its first byte: in which state the connection is."""
        if not length:
            return 0
        if self._error or self._broken:
            return bytes([_TCP_CLOSE])
        return bytes([_TCP_CLOSE_WAIT if self._eof else _TCP_ESTABLISHED])

    def gettimeout(self) -> float:
        return 0.0

    def recv(self, size: int) -> bytes:
        """Bytes that have arrived, b"" at the end. Raises BlockingIOError, ConnectionResetError."""
        size = self._readable_bytes(size)
        if size == 0:
            return b""
        inbox = self._inbox
        if len(inbox[0]) == size:
            data = inbox.popleft()
        else:
            data = b"".join(inbox)
            inbox.clear()
            if len(data) > size:
                inbox.append(data[size:])
                data = data[:size]
        self._took(size)
        return data

    def recv_into(self, buffer: Any) -> int:
        """The same into a buffer; the number of bytes."""
        view = memoryview(buffer).cast("B")
        data = self.recv(len(view))
        view[: len(data)] = data
        return len(data)

    def send(self, data: Any) -> int:
        """Send what there is room for. Raises BlockingIOError, BrokenPipeError and others."""
        if self._error:
            number, self._error, self._broken = self._error, 0, True
            raise os_error(number)
        if self._broken or self._fin_sent or self.closed or self.out is None:
            raise os_error(errno.EPIPE)
        room = self.out.room()
        if room <= 0:
            raise BlockingIOError(errno.EAGAIN, "EAGAIN")
        if type(data) is bytes and len(data) <= room:
            piece = data
        else:
            piece = bytes(memoryview(data).cast("B")[:room])
        self.out.push(piece)
        return len(piece)

    def sendmsg(self, buffers: Iterable[Any]) -> int:
        """The same of several buffers. Only what there is room for is put together: a transport
        (since Python 3.12) offers all it has each time."""
        room = 0 if self.out is None else self.out.room()
        pieces: list[Any] = []
        for buffer in buffers:
            pieces.append(buffer)
            room -= len(buffer)
            if room <= 0:
                break
        return self.send(b"".join(pieces))

    def shutdown(self, how: int) -> None:
        """Only SHUT_WR: send FIN."""
        if self._broken or self._error or self.closed:
            raise os_error(errno.ENOTCONN)
        self._send_fin()

    def close(self) -> None:
        """Close as the kernel does: FIN after what was sent, RST if something was left unread."""
        if self.closed:
            return
        self.closed = True
        self.loop.sockets.pop(self._fd, None)
        self.reader = self.writer = None
        if self.out is not None and not self._broken and not self._error:
            if self._inbox:
                self.out.push(RST)
            else:
                self._send_fin()
        self._inbox.clear()

    def refuse(self) -> None:
        """Close with RST, whatever was read."""
        if self.out is not None and not self.closed:
            self.closed = True
            self.loop.sockets.pop(self._fd, None)
            self.out.push(RST)

    # -- what the network and the host call ------------------------------------------------------

    def receive(self, data: Any) -> None:
        """Bytes or FIN have arrived."""
        if self._broken or self._error:
            return
        if data is FIN:
            self._eof = True
        else:
            self._inbox.append(data)
            self._inbox_bytes += len(data)
        self.poke_reader()

    def fail(self, number: int) -> None:
        """The connection is gone (ECONNRESET, ETIMEDOUT); what had arrived can still be read."""
        if self.closed or self._broken or self._error:
            return
        self._error = number
        if self.out is not None:
            self.out.cut()
        self.poke_reader()
        self.poke_writer()

    def vanish(self) -> None:
        """Power loss."""
        self.closed = self.vanished = True
        if self.out is not None:
            self.out.cut()
        self._inbox.clear()
        if self.peer is not None:
            self.peer.probe()

    def probe(self) -> None:
        """Who waits for room at a machine that is gone asks for it in vain, until that has taken
        too long."""
        if self.writer is None or self.peer is None or not self.peer.vanished:
            return
        if self.out is not None and self.out.room() <= 0:
            network = self.host.network
            network.kernel.after(network.settings.tcp_timeout_ns, self._give_up)

    def _give_up(self, _: None) -> None:
        if self.out is not None and self.out.room() <= 0:
            self.fail(errno.ETIMEDOUT)

    # -- readiness -------------------------------------------------------------------------------

    def set_reader(self, handle: SimHandle | None) -> bool:
        """Register or forget who wants to read; whether somebody did before."""
        before, self.reader = self.reader, handle
        if handle is not None:
            self._reading = SimHandle(self._read_ready, (), self.loop, handle._context)
        self.poke_reader()
        return before is not None

    def set_writer(self, handle: SimHandle | None) -> bool:
        """Register or forget who wants to write."""
        before, self.writer = self.writer, handle
        self.poke_writer()
        if before is None:
            self.probe()
        return before is not None

    def poke_reader(self) -> None:
        """Call the reader if there is something to read."""
        if self.reader is not None and not self._read_queued and self._readable():
            self._read_queued = True
            if not self.loop.dead:
                self._make_ready(self._reading)  # as call_soon does, but no new one each time

    def poke_writer(self) -> None:
        """Call the writer if there is room."""
        if self.writer is not None and not self._write_queued and self._writable():
            self._write_queued = True
            self.loop.call_soon(self._write_ready, context=self.writer._context)

    def _readable(self) -> bool:
        return bool(self._inbox) or self._eof or self._error != 0 or self._broken

    def _writable(self) -> bool:
        return self._error != 0 or self._broken or (self.out is not None and self.out.room() > 0)

    def _read_ready(self) -> None:
        self._read_queued = False
        if self.reader is not None and self._readable():
            self.reader._callback(*self.reader._args)
            self.poke_reader()

    def _write_ready(self) -> None:
        self._write_queued = False
        if self.writer is not None and self._writable():
            self.writer._callback(*self.writer._args)
            self.poke_writer()

    def _readable_bytes(self, size: int) -> int:
        if self._inbox:
            network = self.host.network
            size = min(size, self._inbox_bytes)
            if size > 1 and network.random() < network.settings.short_read_probability:
                size = network.stream.randrange(1, size)
            return size
        if self._error:
            number, self._error, self._broken = self._error, 0, True
            raise os_error(number)
        if self._eof or self._broken:
            return 0
        raise BlockingIOError(errno.EAGAIN, "EAGAIN")

    def _took(self, size: int) -> None:
        self._inbox_bytes -= size
        if self.peer is not None and self.peer.out is not None:
            self.peer.out.taken(size)

    def _send_fin(self) -> None:
        if not self._fin_sent and self.out is not None:
            self._fin_sent = True
            self.out.push(FIN)


class Listener:
    """A listening socket, as ``asyncio.Server`` uses it."""

    family, type, proto = socket.AF_INET, socket.SOCK_STREAM, 0

    def __init__(self, loop: SimLoop, address: str, port: int) -> None:
        self.loop = loop
        self.address = address
        self.port = port
        self.closed = False
        self._listening = False
        self._accept: Callable[[SimSocket], None] | None = None
        self._waiting: deque[SimSocket] = deque()
        self._fd = loop.next_fd()
        loop.listeners[self._fd] = self

    def fileno(self) -> int:
        return -1 if self.closed else self._fd

    def getsockname(self) -> Address:
        return (self.address, self.port)

    def listen(self, _: int) -> None:
        self._listening = True

    def serve(self, accept: Callable[[SimSocket], None]) -> None:
        """Hand every connection to ``accept``, on the listener's loop."""
        self._accept = accept
        if self._waiting:
            self.loop.call_soon(self._accept_all)

    @property
    def open(self) -> bool:
        """Connections are not refused."""
        return self._listening and not self.closed

    def arrived(self, sock: SimSocket) -> None:
        """A connection is established; the application has not accepted it yet."""
        self._waiting.append(sock)
        if self._accept is not None and len(self._waiting) == 1:
            self.loop.call_soon(self._accept_all)

    def _accept_all(self) -> None:
        while self._waiting and self._accept is not None and not self.closed:
            sock = self._waiting.popleft()
            if not sock.closed:
                self._accept(sock)

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        self.loop.listeners.pop(self._fd, None)
        self.loop.host.listeners.remove(self)
        for sock in self._waiting:
            sock.refuse()
        self._waiting.clear()
