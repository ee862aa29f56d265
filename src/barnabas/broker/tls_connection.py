"""SslTransportLayer: TLS between the network and the connection of a client.

Handshakes are the costly part, and anybody may begin one: they are carried out in turns of their
own, some milliseconds of each turn of the loop, and whoever takes too long or sends too much is
closed like every newcomer. A long answer is encrypted piece by piece, as the client takes it.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from barnabas import limits
from barnabas.broker.connection import ClientConnection
from barnabas.logs import visible
from barnabas.security.principal import ANONYMOUS, USER, KafkaPrincipal
from barnabas.security.principal_mapping import NoMatchingRule, PrincipalMapping
from barnabas.security.tls import peer_name
from barnabas.types import Buffer

if TYPE_CHECKING:
    from barnabas.broker.newcomers import Newcomers

log = logging.getLogger("kafka.network")

HANDSHAKES_S: Final = 0.004
"""Of each turn of the loop."""
HANDSHAKES_PER_TURN: Final = 16
HANDSHAKE_BYTES_MAX: Final = 64 * 1024
"""Of a client in a handshake: its certificates are the longest part."""
STAGING_BYTES: Final = 256 * 1024
"""Of ciphertext that is received at once: each read costs as much as decrypting 32 KiB."""
DECRYPTED_AT_ONCE: Final = 64 * 1024
"""OpenSSL's buffers of a connection stay as large as they once were."""
ENCRYPTED_AT_ONCE: Final = 64 * 1024
ENCRYPTED_PER_TURN: Final = 1024 * 1024
_HANDSHAKE_RECORD: Final = 0x16
_LOW: Final = 4
"""A client is written to again when a quarter of its bound is left."""


@dataclass(slots=True, kw_only=True)
class TlsPlan:
    """What a listener with TLS needs to know."""

    context: ssl.SSLContext
    """Another one when keys or certificates are renewed; connections keep the one they have."""
    mapping: PrincipalMapping


class Handshakes:
    """Those of one broker, in the order in which their bytes came."""

    def __init__(self, call_soon: Callable[..., object], stopwatch: Callable[[], float]) -> None:
        self._call_soon = call_soon
        self._clock = stopwatch
        self._waiting: deque[TlsLayer] = deque()
        self.staging = memoryview(bytearray(STAGING_BYTES))
        """Where ciphertext is received."""

    def wants(self, layer: TlsLayer) -> None:
        """There is something for its handshake."""
        if not self._waiting:
            self._call_soon(self._run)
        self._waiting.append(layer)

    def _run(self) -> None:
        ends = self._clock() + HANDSHAKES_S
        for _ in range(min(len(self._waiting), HANDSHAKES_PER_TURN)):
            self._waiting.popleft().shake_hands()
            if self._clock() >= ends:
                break
        if self._waiting:
            self._call_soon(self._run)


class TlsLayer(asyncio.Transport, asyncio.BufferedProtocol):
    """One connection: a protocol to the network, a transport to the client's connection."""

    def __init__(
        self,
        plan: TlsPlan,
        listener: str,
        handshakes: Handshakes,
        newcomers: Newcomers,
        connect: Callable[[KafkaPrincipal], ClientConnection],
        note: Callable[..., None],
    ) -> None:
        super().__init__()
        self._note = note
        self._plan = plan
        self._listener = listener
        self._handshakes = handshakes
        self._newcomers = newcomers
        self._connect = connect
        self._loop = asyncio.get_running_loop()
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = plan.context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._tcp: asyncio.Transport | None = None
        self._connection: ClientConnection | None = None
        """Once the handshake is done."""
        self._handshake_bytes = 0
        self._waits_for_turn = False
        self._reading_paused = False
        self._tcp_paused = False
        self._is_told_to_pause = False
        self._high = limits.WRITE_BUFFER_BYTES_FREE
        self._backlog: deque[memoryview] = deque()
        """Answers that are not encrypted yet."""
        self._backlog_bytes = 0
        self._pumps = False
        """Whether more is encrypted in the next turn of the loop."""
        self._closing = False
        self.peer = ""
        """For logs."""

    # The network

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._tcp = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self.peer = str(peer[0]) if peer else ""
        self._newcomers.add(self, self._loop.time())

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._handshakes.staging

    def buffer_updated(self, nbytes: int) -> None:
        data = self._handshakes.staging[:nbytes]
        if self._connection is None:
            if not self._handshake_bytes and data[0] != _HANDSHAKE_RECORD:
                self._refuse(f"no TLS on listener {self._listener}, which asks for it")
                return
            self._handshake_bytes += nbytes
            if self._handshake_bytes > HANDSHAKE_BYTES_MAX:
                self._refuse("a TLS handshake that does not end")
                return
            self._newcomers.count(self, self._handshake_bytes)
        for start in range(0, nbytes, DECRYPTED_AT_ONCE):
            self._incoming.write(data[start : start + DECRYPTED_AT_ONCE])
            if self._connection is not None:
                self._decrypt()
        if self._connection is None and not self._waits_for_turn:
            self._waits_for_turn = True
            self._handshakes.wants(self)

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        self._tcp_paused = True

    def resume_writing(self) -> None:
        self._tcp_paused = False
        self._pump()

    def connection_lost(self, exc: Exception | None) -> None:
        self._tcp = None
        self._newcomers.remove(self)
        self._backlog.clear()
        if self._connection is not None:
            self._connection.connection_lost(exc)

    # The handshake

    def shake_hands(self) -> None:
        """Go on with the handshake. Must not raise."""
        self._waits_for_turn = False
        if self._tcp is None or self._connection is not None:
            return
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._send()
            return
        except (ssl.SSLError, OSError) as error:
            self._send()
            reason = getattr(error, "reason", None) or type(error).__name__
            self._fail(f"SSL handshake failed: {reason}")
            return
        self._send()
        try:
            principal = self._principal()
        except (NoMatchingRule, ValueError) as error:
            self._fail(str(error))
            return
        self._newcomers.remove(self)
        self._connection = self._connect(principal)
        self._connection.connection_made(self)
        self._decrypt()

    def _principal(self) -> KafkaPrincipal:
        """Who it is. Raises NoMatchingRule; ValueError for a certificate that cannot be read."""
        certificate = self._tls.getpeercert(binary_form=True)
        if certificate is None:
            return ANONYMOUS
        return KafkaPrincipal(USER, self._plan.mapping.name_of(peer_name(certificate)))

    def _fail(self, why: str) -> None:
        log.info("Failed authentication with /%s (%s)", self.peer, visible(why))
        self._tell(why)
        if self._tcp is not None:
            self._tcp.close()

    def _refuse(self, why: str) -> None:
        log.warning("closing connection from %s: %s", self.peer, why)
        self._tell(why)
        self.abort()

    def _tell(self, why: str) -> None:
        self._note("authentication_failed", listener=self._listener, peer=self.peer, why=why)

    # Reading

    def _decrypt(self) -> None:
        connection = self._connection
        assert connection is not None
        while self._tcp is not None and not (self._reading_paused or self._closing):
            buffer = connection.get_buffer(-1)
            count, is_over = self._read_into(buffer)
            if count:
                connection.buffer_updated(count)
            if is_over:
                self.close()
            if count < len(buffer):
                break
        self._send()

    def _read_into(self, buffer: memoryview) -> tuple[int, bool]:
        """How much was decrypted, and whether the peer has ended the connection."""
        count, room, tls, incoming = 0, len(buffer), self._tls, self._incoming
        read: Any = tls.read
        try:
            while count < room:
                got = read(room - count, buffer[count:])
                if not got:
                    return count, True
                count += got
                if not incoming.pending and not tls.pending():
                    break  # to ask again for nothing would cost an exception
        except ssl.SSLWantReadError:
            return count, False
        except ssl.SSLError:
            return count, True
        return count, False

    def pause_reading(self) -> None:
        self._reading_paused = True
        if self._tcp is not None and not self._closing:
            self._tcp.pause_reading()

    def resume_reading(self) -> None:
        self._reading_paused = False
        if self._tcp is not None and not self._closing:
            self._tcp.resume_reading()
            self._loop.call_soon(self._decrypt)

    # Writing

    def write(self, data: Buffer) -> None:
        if self._tcp is None or self._closing:
            return
        self._backlog.append(memoryview(data))
        self._backlog_bytes += len(data)
        self._pump()

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        if self._tcp is None or self._closing:
            return
        for data in list_of_data:
            self._backlog.append(memoryview(data))
            self._backlog_bytes += len(data)
        self._pump()

    def _pump(self) -> None:
        """Encrypt what the network takes now; a long answer gives way to other connections."""
        left = ENCRYPTED_PER_TURN
        while self._backlog and not self._tcp_paused and left > 0 and not self._pumps:
            piece = self._backlog[0][:ENCRYPTED_AT_ONCE]
            try:
                count = self._tls.write(piece) if piece else 0
            except (ssl.SSLError, OSError):
                self.abort()
                return
            left -= count
            self._backlog_bytes -= count
            rest = self._backlog[0][count:]
            if rest:
                self._backlog[0] = rest
            else:
                self._backlog.popleft()
            if self._outgoing.pending >= ENCRYPTED_AT_ONCE:
                self._send()
        self._send()
        if self._backlog and not self._tcp_paused and not self._pumps:
            self._pumps = True
            self._loop.call_soon(self._pump_on)
        self._tell_pressure()
        if self._closing and not self._backlog:
            self._goodbye()

    def _pump_on(self) -> None:
        self._pumps = False
        if self._tcp is not None:
            self._pump()

    def _send(self) -> None:
        if self._outgoing.pending and self._tcp is not None:
            self._tcp.write(self._outgoing.read())

    def _tell_pressure(self) -> None:
        connection, size = self._connection, self.get_write_buffer_size()
        if connection is None:
            return
        if size > self._high and not self._is_told_to_pause:
            self._is_told_to_pause = True
            connection.pause_writing()
        elif self._is_told_to_pause and size <= self._high // _LOW:
            self._is_told_to_pause = False
            connection.resume_writing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = limits.WRITE_BUFFER_BYTES_FREE if high is None else high
        if self._tcp is not None:
            self._tcp.set_write_buffer_limits(high=high, low=low)

    def get_write_buffer_size(self) -> int:
        sent = 0 if self._tcp is None else self._tcp.get_write_buffer_size()
        return sent + self._backlog_bytes

    # The rest of a transport

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default if self._tcp is None else self._tcp.get_extra_info(name, default)

    def is_closing(self) -> bool:
        return self._closing or self._tcp is None

    def close(self) -> None:
        """Send what is written, then close."""
        if not self._closing:
            self._closing = True
            self._pump()

    def _goodbye(self) -> None:
        try:
            self._tls.unwrap()
        except (ssl.SSLError, OSError, ValueError):
            pass  # the peer need not say goodbye as well
        self._send()
        if self._tcp is not None:
            self._tcp.close()

    def abort(self) -> None:
        self._closing = True
        self._backlog.clear()
        self._backlog_bytes = 0
        if self._tcp is not None:
            self._tcp.abort()
