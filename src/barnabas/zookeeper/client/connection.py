"""One connection of a ZooKeeper client: handshake, login, pipelined requests, events, pings.

When the connection is lost, every request that waits for its reply fails with ``ConnectionLoss``,
and ``closed`` resolves to the reason. It never reconnects and never repeats anything; ``client.py``
does.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, cast

from barnabas import addresses
from barnabas.errors import InvalidRequest
from barnabas.security.sasl.mechanism import AuthenticationFailed, ClientLogin
from barnabas.zookeeper import jute
from barnabas.zookeeper.client.operations import (
    AnyOperation,
    ExistsOp,
    Root,
    WatchEvent,
    relative,
)
from barnabas.zookeeper.client.security import OPEN, ZooKeeperSecurity
from barnabas.zookeeper.client.watches import WatchTable
from barnabas.zookeeper.errors import AuthFailed, ConnectionLoss, ZooKeeperError, error_for
from barnabas.zookeeper.messages import (
    EMPTY,
    FAST_EXPIRY_MAGIC,
    PASSWORD_BYTES,
    XID_EVENT,
    XID_PING,
    XID_SET_WATCHES,
    Code,
    ConnectRequest,
    EventType,
    OpCode,
    Record,
    SaslRequest,
)

_PING: Final = jute.encode_request(XID_PING, OpCode.PING)
_XID_MAX: Final = 2**31 - 1


@dataclass(slots=True)
class Session:
    """What stays when a connection is lost. ``id`` is 0 before a server has accepted the
    session."""

    timeout_ms: int
    """As requested; as negotiated once ``id`` is set."""
    password: bytes = bytes(PASSWORD_BYTES)
    id: int = 0
    last_zxid: int = 0
    """The newest change that a reply has shown. A server that does not have it yet refuses this
    client."""
    watches: WatchTable = field(default_factory=WatchTable)


def new_session(timeout_ms: int, fast_expiry_ms: int | None) -> Session:
    """A session that is to be created. Its password asks the embedded coordinator for fast expiry;
    other servers ignore the password of a new session."""
    if fast_expiry_ms is None:
        return Session(timeout_ms)
    password = FAST_EXPIRY_MAGIC + struct.pack(">i4x", fast_expiry_ms)
    return Session(timeout_ms, password)


class SessionRefused(Exception):
    """The server answered the handshake with: this session has expired."""


class _Pending(NamedTuple):
    xid: int
    code: int
    op: AnyOperation | None
    """None for the client's own requests: setWatches, closeSession."""
    future: asyncio.Future[Any]


class Connection(asyncio.Protocol):
    """See the module. All callbacks run inside ``data_received``, in the order of the stream."""

    def __init__(
        self,
        session: Session,
        root: Root,
        login: ClientLogin | None = None,
        *,
        waits: bool = False,
        on_greeted: Callable[[Connection], None],
        on_event: Callable[[WatchEvent], None],
        on_lost: Callable[[Connection], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._session = session
        self._root = root
        self._chroot = root.chroot
        self._login = login
        """The login that must be complete before the first request."""
        self._waits = waits
        """Whether the handshake waits for ``begin``: the server is looked at before it is told the
        session and its password."""
        self.late = "does not answer"
        """What to say of this connection if it takes too long."""
        self._login_xid = 0
        self._on_greeted = on_greeted
        self._on_event = on_event
        self._on_lost = on_lost
        self._transport: asyncio.WriteTransport | None = None
        self._splitter = jute.FrameSplitter()
        self._pending: deque[_Pending] = deque()
        self._outgoing: list[bytes] = []
        self._xid = 0
        self._timer: asyncio.TimerHandle | None = None
        self._last_sent = self._last_received = self._loop.time()
        self._lost = False
        self.greeted: asyncio.Future[None] = self._loop.create_future()
        """Resolves when the server has accepted the session and the login. Fails with
        SessionRefused, AuthFailed or ConnectionLoss."""
        self.closed: asyncio.Future[str] = self._loop.create_future()
        """Resolves to the reason when the connection is gone."""

    # --- what the client calls --------------------------------------------------------------------

    @property
    def pending(self) -> int:
        """Requests that wait for a reply."""
        return len(self._pending)

    def send(self, op: AnyOperation) -> asyncio.Future[Any]:
        """Queue an operation; everything queued in one turn of the loop is one write."""
        code, record = op.request(self._root)
        return self._send(self._next_xid(), code, record, op)

    def send_close(self) -> asyncio.Future[Any]:
        """Queue closeSession."""
        return self._send(self._next_xid(), OpCode.CLOSE_SESSION, EMPTY, None)

    def begin(self, login: ClientLogin | None) -> None:
        """Send the handshake that has waited."""
        self._waits, self._login = False, login
        if not self._lost:
            self._shake_hands()

    def seen(self, what: str) -> Any:
        """What the transport knows of the server: ``peername`` or ``ssl_object``."""
        return None if self._transport is None else self._transport.get_extra_info(what)

    def drop(self, reason: str) -> None:
        """Drop the connection now."""
        if self._transport is not None:
            self._transport.abort()
        self._end(reason)

    # --- asyncio.Protocol -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)
        if self._lost:
            self._transport.abort()
            return
        if not self._waits:
            self._shake_hands()

    def data_received(self, data: bytes) -> None:
        self._last_received = self._loop.time()
        try:
            for frame in self._splitter.feed(data):
                if self._lost:
                    return
                if self._waits:
                    raise InvalidRequest("a frame before the handshake")
                if self.greeted.done():
                    self._receive(frame)
                elif self._login_xid:
                    self._receive_login(frame)
                else:
                    self._receive_greeting(frame)
        except InvalidRequest as problem:
            self.drop(f"the server sent {problem}")

    def connection_lost(self, exc: Exception | None) -> None:
        self._end("closed by the server" if exc is None else str(exc) or type(exc).__name__)

    # --- inside -----------------------------------------------------------------------------------

    def _shake_hands(self) -> None:
        assert self._transport is not None
        session = self._session
        self._last_sent = self._last_received = self._loop.time()
        self._transport.write(
            jute.encode_connect_request(
                ConnectRequest(
                    0, session.last_zxid, session.timeout_ms, session.id, session.password, False
                )
            )
        )

    def _next_xid(self) -> int:
        self._xid = 1 if self._xid == _XID_MAX else self._xid + 1
        return self._xid

    def _send(
        self, xid: int, code: int, record: Record, op: AnyOperation | None
    ) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = self._loop.create_future()
        if self._lost:
            future.set_exception(ConnectionLoss(None if op is None else op.path, sent=False))
            return future
        self._write(jute.encode_request(xid, code, record))
        self._pending.append(_Pending(xid, code, op, future))
        return future

    def _write(self, frame: bytes) -> None:
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(frame)

    def _flush(self) -> None:
        if self._lost or self._transport is None:
            return
        frames, self._outgoing = self._outgoing, []
        self._last_sent = self._loop.time()
        self._transport.write(b"".join(frames))

    def _receive_greeting(self, frame: bytes) -> None:
        answer = jute.decode_connect_response(frame)
        if answer.timeout_ms <= 0:
            self.greeted.set_exception(SessionRefused())
            self.drop("the session has expired")
            return
        session = self._session
        session.id = answer.session_id
        session.password = answer.password or bytes(PASSWORD_BYTES)
        session.timeout_ms = answer.timeout_ms
        if self._login is None:
            self._greeted()
        else:
            self._send_token(self._login.first())

    def _send_token(self, token: bytes) -> None:
        self._login_xid = self._next_xid()
        self._write(jute.encode_request(self._login_xid, OpCode.SASL, SaslRequest(token)))

    def _receive_login(self, frame: bytes) -> None:
        """Handle a token of the server. No request is sent before the login is complete, since
        watch events are sent only to clients that may read."""
        login = self._login
        assert login is not None
        header = jute.decode_reply_header(frame)
        if header.xid != self._login_xid:
            raise InvalidRequest(f"a reply to request {header.xid} during the login")
        try:
            if header.err:
                raise AuthenticationFailed(str(error_for(header.err)))
            token = jute.decode_reply(OpCode.SASL, frame).token
            if token is None:
                _end_login(login)
                answer = None
            else:
                answer = login.step(token)
        except AuthenticationFailed as problem:
            self.greeted.set_exception(AuthFailed(None, f"({problem})"))
            self.drop("the login failed")
            return
        if answer is not None:
            self._send_token(answer)
        if login.is_complete:
            self._greeted()

    def _greeted(self) -> None:
        session = self._session
        for request in session.watches.requests(session.last_zxid):
            waiter = self._send(XID_SET_WATCHES, OpCode.SET_WATCHES, request, None)
            waiter.add_done_callback(_ignore_outcome)
        self.greeted.set_result(None)
        self._on_greeted(self)
        self._tick()

    def _receive(self, frame: bytes) -> None:
        header = jute.decode_reply_header(frame)
        if header.xid == XID_PING:
            return
        if header.xid == XID_EVENT:
            self._receive_event(frame)
            return
        if not self._pending or self._pending[0].xid != header.xid:
            raise InvalidRequest(f"a reply to request {header.xid} out of turn")
        entry = self._pending.popleft()
        if header.zxid > 0:
            self._session.last_zxid = header.zxid
        try:
            self._resolve(entry, header.err, frame)
        except InvalidRequest:
            self._pending.appendleft(entry)
            raise

    def _resolve(self, entry: _Pending, err: int, frame: bytes) -> None:
        """Resolve the future of a reply. The watch that it sets is noted first."""
        op = entry.op
        absent = err == Code.NO_NODE and isinstance(op, ExistsOp)
        record = jute.decode_reply(entry.code, frame) if err == Code.OK else None
        if op is None:
            if err != Code.OK:
                raise InvalidRequest(f"error {err} to a request of the client itself")
            entry.future.set_result(None)
            return
        self._session.watches.replied(op, err, self._chroot)
        if entry.future.done():  # the caller was cancelled
            return
        if err != Code.OK and not absent:
            entry.future.set_exception(error_for(err, op.path))
            return
        try:
            entry.future.set_result(op.result(record, self._chroot))
        except ZooKeeperError as error:
            entry.future.set_exception(error)

    def _receive_event(self, frame: bytes) -> None:
        event = jute.decode_event(frame)
        if event.type == EventType.NONE:
            return  # an event about the session, which the connection's end shows as well
        try:
            kind = EventType(event.type)
        except ValueError as problem:
            raise InvalidRequest(f"a watch event of unknown type {event.type}") from problem
        self._session.watches.fired(kind, event.path)
        self._on_event(WatchEvent(kind, relative(self._chroot, event.path)))

    def _tick(self) -> None:
        """Ping after a third of the timeout without a request. Drop the connection after two thirds
        without an answer: the last third is left to find another server in time."""
        if self._lost or self._transport is None:
            return
        third = self._session.timeout_ms / 3000
        now = self._loop.time()
        if now - self._last_received >= 2 * third:
            self.drop(f"no answer for {round((now - self._last_received) * 1000)} ms")
            return
        if now - self._last_sent >= third:
            self._last_sent = now
            self._transport.write(_PING)
        due = min(self._last_sent + third, self._last_received + 2 * third)
        # Never in the past or at once, or the timer would fire again and again within one tick of
        # the clock.
        due = max(due, now + 0.001)
        self._timer = self._loop.call_at(due, self._wake, due)

    def _wake(self, due: float) -> None:
        """The timer. If it is late, this process was stopped: answers may have come that nobody has
        read yet, so that time is not a silence of the server."""
        now = self._loop.time()
        self._last_received = min(self._last_received + max(now - due, 0.0), now)
        self._tick()

    def _end(self, reason: str) -> None:
        if self._lost:
            return
        self._lost = True
        if self._timer is not None:
            self._timer.cancel()
        self._outgoing = []
        loss = f"({reason})"
        if not self.greeted.done():
            self.greeted.set_exception(ConnectionLoss(None, loss))
        pending, self._pending = self._pending, deque()
        for entry in pending:
            if not entry.future.done():
                path = None if entry.op is None else entry.op.path
                entry.future.set_exception(ConnectionLoss(path, loss))
        self.closed.set_result(reason)
        self._on_lost(self)


def _ignore_outcome(future: asyncio.Future[Any]) -> None:
    """Mark the exception of a future that nobody awaits as seen."""
    if not future.cancelled():
        future.exception()


async def open_connection(
    connection: Connection, host: str, port: int, security: ZooKeeperSecurity = OPEN
) -> None:
    """Connect, begin the session and log in. Raises OSError, ConnectionLoss, SessionRefused or
    AuthFailed. The connection is dropped then, and also if this is cancelled."""
    try:
        await addresses.connect(lambda: connection, host, port, security.tls)
        if security.looks_first:
            await _begin(connection, host, security)
        await asyncio.shield(connection.greeted)
    except BaseException:
        connection.drop("given up")
        _ignore_outcome(connection.greeted)
        raise


async def _begin(connection: Connection, host: str, security: ZooKeeperSecurity) -> None:
    """Look at the server, and then begin. Raises OSError, AuthFailed."""
    if security.approve is not None:
        connection.late = "waits to learn whether its certificates were revoked"
        await security.approve(connection.seen("ssl_object"))
    login = None if security.begin is None else security.begin()
    if security.begin_at is not None:
        connection.late = "waits for a Kerberos ticket"
        where = connection.seen("peername")
        try:
            login = await security.begin_at(host, where[0] if where else host)
        except AuthenticationFailed as problem:
            raise AuthFailed(None, f"({problem})") from None
    connection.late = "does not answer"
    connection.begin(login)


def _end_login(login: ClientLogin) -> None:
    """An answer without a token ends a Kerberos login. A server that does not take logins gives
    the same answer to the first token. Raises AuthenticationFailed."""
    try:
        login.step(b"")
    except AuthenticationFailed:
        pass
    if not login.is_complete:
        raise AuthenticationFailed("the server does not take SASL logins")
