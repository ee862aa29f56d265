"""ZooKeeperServer: the state of the embedded coordinator, and its changes.

All state is in the tree, the sessions and the watches. It changes in three places only:
``Coordinator.write``, and the two ends of a session (``_end`` and ``_expire``). The outbox makes a
change durable before any client is told of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from barnabas.errors import InvalidRequest
from barnabas.limits import ZOOKEEPER_SERVER_FRAME_BYTES_MAX
from barnabas.seams import Env
from barnabas.zookeeper import jute
from barnabas.zookeeper.messages import (
    EMPTY,
    INT_MAX,
    PASSWORD_BYTES,
    Code,
    ConnectRequest,
    ConnectResponse,
    KeeperState,
    OpCode,
    PathRequest,
    Record,
    WatcherEvent,
)
from barnabas.zookeeper.server import acl as access
from barnabas.zookeeper.server.connection import Connection
from barnabas.zookeeper.server.figures import Figures
from barnabas.zookeeper.server.node import Node
from barnabas.zookeeper.server.outbox import Outbox
from barnabas.zookeeper.server.sessions import Session, Sessions, fast_expiry_ms
from barnabas.zookeeper.server.store import Batch, Store, Stored, StoredNode
from barnabas.zookeeper.server.tree import CLIENT_WRITES, WRITES, Event, Outcome, Request, ZTree
from barnabas.zookeeper.server.watches import Watches

if TYPE_CHECKING:
    import ssl

log = logging.getLogger(__name__)

_CHECK_S_MIN = 0.02
"""The least time between two searches for expired sessions."""
_LATE_S = 0.5
"""If a timer is later than this, this process was stopped or got no processor time. Then it is
unknown whether clients were silent."""
_SESSIONLESS_S = 10.0
"""A connection without a session after this time is closed. Where a login is required, so is one
without a login."""
_OPEN_TO_ALL = (OpCode.SASL, OpCode.AUTH, OpCode.PING, OpCode.CLOSE_SESSION)


@dataclass(frozen=True, slots=True, kw_only=True)
class CoordinatorConfig:
    """The coordinator's settings; names and defaults are those of ``zoo.cfg`` where it has them."""

    host: str = "127.0.0.1"
    port: int = 2181
    """0 takes any free port, which ``serve`` passes to ``ready``."""
    tick_ms: int = 2000
    session_timeout_min_ms: int | None = None
    """None: two ticks."""
    session_timeout_max_ms: int | None = None
    """None: twenty ticks."""
    container_check_ms: int = 60_000
    """The time between two searches for empty containers and znodes past their time to live."""
    jute_maxbuffer: int = ZOOKEEPER_SERVER_FRAME_BYTES_MAX
    """The longest frame of a client, in bytes."""
    super_digest: str | None = None
    """``user:base64(sha1(user:password))`` of the user who may do everything."""
    tls: ssl.SSLContext | None = None
    """TLS for its port; None for plain TCP."""
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The passwords of users who may log in with SASL. The user ``super`` may do everything."""
    login_required: bool = False
    """Whether clients must log in or show a certificate before they are served."""
    allow_strangers: bool = False
    """Whether it may listen beyond this machine although it requires no login."""

    @property
    def schemes(self) -> frozenset[str]:
        """The schemes of identities that an ACL may name."""
        schemes = set(access.SCHEMES)
        if self.users:
            schemes.add("sasl")
        if self.tls is not None:
            schemes.add("x509")
        return frozenset(schemes)

    @property
    def timeout_min_ms(self) -> int:
        return min(self.session_timeout_min_ms or 2 * self.tick_ms, INT_MAX)

    @property
    def timeout_max_ms(self) -> int:
        longest = max(self.session_timeout_max_ms or 20 * self.tick_ms, self.timeout_min_ms)
        return min(longest, INT_MAX)


HandleRead: TypeAlias = "Callable[[Coordinator, Connection, int, int, Record], None]"
"""Answers an operation that changes no znode (``handlers.handle``)."""
AnswerWord: TypeAlias = "Callable[[Coordinator, bytes], bytes | None]"
"""Answers a four-letter word (``four_letter.answer``); None for an unknown one."""


class Coordinator:
    """The state and its changes. Everything here runs on the event loop, without waiting."""

    def __init__(
        self,
        env: Env,
        config: CoordinatorConfig,
        store: Store,
        stored: Stored,
        *,
        handle_read: HandleRead,
        answer_word: AnswerWord,
    ) -> None:
        self.env = env
        self.config = config
        self.loop = asyncio.get_running_loop()
        highest = max((node.pzxid for node in stored.nodes), default=0)
        highest = max(highest, max((node.mzxid for node in stored.nodes), default=0))
        self.zxid = max(stored.epoch, (highest >> 32) + 1) << 32
        """The last zxid used. Its upper half begins with the epoch of this start, so zxids that
        failed writes took need not be durable. After 2^32 writes it goes on into later epochs."""
        self.tree = ZTree(config.schemes)
        self.tree.restore((node.path, _node(node)) for node in stored.nodes)
        self.watches: Watches[Connection] = Watches()
        self.sessions: Sessions[Connection] = Sessions(
            epoch=stored.epoch,
            timeout_min_ms=config.timeout_min_ms,
            timeout_max_ms=config.timeout_max_ms,
        )
        self.sessions.restore(stored.sessions, self.loop.time())
        self.connections: dict[Connection, asyncio.TimerHandle] = {}
        self._fast_expiries: dict[int, asyncio.TimerHandle] = {}
        """Timers of sessions that expire soon unless their clients connect again."""
        self.outbox = Outbox(store, self._collect)
        self.figures = Figures()
        self.started = self.loop.time()
        self._handle_read = handle_read
        self._answer_word = answer_word
        self.stopping = False

    # --- connections (connection.ConnectionHandler) ------------------------------------------

    def opened(self, connection: Connection) -> None:
        self.connections[connection] = self.loop.call_later(
            _SESSIONLESS_S, self._give_up_sessionless, connection
        )

    def _give_up_sessionless(self, connection: Connection) -> None:
        if connection.session is None:
            connection.close("no session was asked for")
        elif self.config.login_required and not connection.is_known:
            connection.close("nobody logged in")

    def failed(self, connection: Connection, problem: Exception) -> None:
        """An unexpected error while serving a connection ends it. The tree has undone what the
        request did. Answers to earlier requests are still sent."""
        self._fault(f"a request of {connection.host}:{connection.port}", problem)
        connection.stop_serving()
        self.outbox.send(connection, None)

    def _fault(self, what: str, problem: Exception) -> None:
        self.figures.faults += 1
        log.error("%s failed", what, exc_info=problem)
        self.env.observer.note("handler_failed", api=what, error=repr(problem))

    def answered(self, seconds: float) -> None:
        self.figures.answered(seconds)

    def answer_word(self, connection: Connection, word: bytes) -> bytes | None:
        return self._answer_word(self, word)

    def connect(self, connection: Connection, frame: bytes) -> None:
        request = jute.decode_connect_request(frame)
        if request.last_zxid_seen > self.zxid:
            # The client has seen changes that are lost here. What it reads would go back in time.
            raise InvalidRequest(f"the client has seen zxid {request.last_zxid_seen:#x}")
        session = self._session_for(connection, request)
        if session is None:
            self._refuse_session(connection, request)
            return
        connection.session = session
        session.connection = connection
        self._cancel_fast_expiry(session)
        self.outbox.send(
            connection,
            jute.encode_connect_response(
                ConnectResponse(
                    0,
                    session.timeout_ms,
                    session.id,
                    session.password,
                    None if request.read_only is None else False,
                )
            ),
        )

    def _session_for(
        self, connection: Connection, request: ConnectRequest
    ) -> Session[Connection] | None:
        now = self.loop.time()
        if request.session_id == 0:
            self.zxid += 1
            session = self.sessions.begin(
                timeout_ms=request.timeout_ms,
                grace_ms=fast_expiry_ms(request.password) if connection.same_machine else 0,
                password=self.env.random.randbytes(PASSWORD_BYTES),
                now=now,
            )
            self.outbox.changed()
            self.env.observer.note("session_began", session=session.id, timeout=session.timeout_ms)
            return session
        resumed = self.sessions.resume(
            request.session_id, request.password, request.timeout_ms, now
        )
        if resumed is None:
            return None
        if resumed.id in self.sessions.changed:
            self.outbox.changed()
        if resumed.connection is not None:
            # The session has moved: the old connection does not belong to it any more.
            resumed.connection.session = None
            resumed.connection.stop_serving()
            resumed.connection.close("its session moved to another connection")
        return resumed

    def _refuse_session(self, connection: Connection, request: ConnectRequest) -> None:
        refusal = ConnectResponse(
            0, 0, 0, bytes(PASSWORD_BYTES), None if request.read_only is None else False
        )
        connection.stop_serving()
        self.outbox.send(connection, jute.encode_connect_response(refusal))
        self.outbox.send(connection, None)

    def request(self, connection: Connection, frame: bytes) -> None:
        session = connection.session
        assert session is not None
        session.touch(self.loop.time())
        self.figures.received += 1
        xid, op = jute.decode_request_header(frame)
        if self.config.login_required and not connection.is_known and op not in _OPEN_TO_ALL:
            self.refuse_login(connection, xid)
            return
        try:
            record = jute.decode_request_record(op, frame)
        except InvalidRequest:
            if op in (OpCode.AUTH, OpCode.SASL):
                raise
            self.zxid += op in WRITES
            removal = op == OpCode.DELETE_CONTAINER  # refused before it is read
            code = Code.BAD_ARGUMENTS if removal else Code.MARSHALLING_ERROR
            self.reply(connection, xid, op, code)
            return
        if op in CLIENT_WRITES:
            outcome = self.write(op, record, session.id, connection)
            self.reply(connection, xid, op, outcome.err, outcome.record)
        elif op == OpCode.CLOSE_SESSION:
            connection.stop_serving()
            self._end(session)
            self.reply(connection, xid, op, 0)
            self.outbox.send(connection, None)
        else:
            self._handle_read(self, connection, xid, op, record)

    def refuse_login(self, connection: Connection, xid: int) -> None:
        """Close the connection of a client that has not logged in. Its session stays, so the
        client may connect again and log in."""
        required = self.config.login_required
        code = Code.SESSION_CLOSED_REQUIRE_SASL_AUTH if required else Code.AUTH_FAILED
        connection.stop_serving()
        self.outbox.send(connection, jute.encode_error_reply(xid, 0, code))
        self.outbox.send(connection, None)

    def closed(self, connection: Connection, reason: str) -> None:
        self.connections.pop(connection).cancel()
        self.watches.forget(connection)
        session = connection.session
        if session is None or session.connection is not connection:
            return
        session.connection = None
        if self.stopping:
            return
        self.env.observer.note("connection_lost", session=session.id, reason=reason)
        if session.grace_ms and connection.same_machine:
            self._expire_soon(session)

    # --- replies and events ------------------------------------------------------------------

    def reply(
        self, connection: Connection, xid: int, op: int, err: int, record: Record = EMPTY
    ) -> None:
        self.figures.sent += 1
        if err:
            frame = jute.encode_error_reply(xid, self.zxid, err)
        else:
            frame = jute.encode_reply(xid, self.zxid, op, record)
        self.outbox.send(connection, frame)

    def tell(self, connection: Connection, events: Iterable[Event]) -> None:
        """Send watch events to one connection."""
        for kind, path, _ in events:
            event = WatcherEvent(kind, KeeperState.SYNC_CONNECTED, path)
            self.outbox.send(connection, jute.encode_event(event))

    def _fire(self, events: tuple[Event, ...]) -> None:
        for connection, event in self.watches.fire(events):
            if access.permits(event[2], access.READ, connection.identities):
                self.tell(connection, (event,))

    # --- changes -----------------------------------------------------------------------------

    def write(
        self, op: int, record: Record, session_id: int = 0, connection: Connection | None = None
    ) -> Outcome:
        """Apply a write and send its watch events. The outbox holds both back until the write is
        durable."""
        self.zxid += 1
        who = Request(
            self.zxid,
            self.env.clock.wall_ms(),
            session_id,
            () if connection is None else connection.identities,
        )
        outcome = self.tree.apply(op, record, who)
        if self.tree.touched:
            self.outbox.changed()
        self._fire(outcome.events)
        return outcome

    def _end(self, session: Session[Connection]) -> None:
        """End a session: the client closed it, or it has expired."""
        self.zxid += 1
        events = self.tree.close_session(session.id, self.zxid)
        self.sessions.end(session)
        session.connection = None  # its connection's end has no more effects
        self._cancel_fast_expiry(session)
        self.outbox.changed()
        self._fire(events)

    def _expire(self, session: Session[Connection], why: str) -> None:
        self.env.observer.note("session_expired", session=session.id, why=why)
        connection = session.connection
        self._end(session)
        if connection is not None:
            connection.stop_serving()
            self.outbox.send(connection, None)

    def expire_owner(self, path: str) -> bool:
        """Expire the session that owns an ephemeral znode, as if its client had been silent for
        too long; False if there is none."""
        node = self.tree.nodes.get(path)
        session = None if node is None else self.sessions.live.get(node.owner)
        if session is None:
            return False
        self._expire(session, "by request")
        return True

    def _collect(self) -> Batch:
        """All znodes and sessions that changed since the last batch, as they are now."""
        nodes, deleted = [], []
        for path in self.tree.touched:
            node = self.tree.nodes.get(path)
            if node is None:
                deleted.append(path)
            else:
                nodes.append(_stored(path, node))
        begun, ended = [], []
        for id_ in self.sessions.changed:
            session = self.sessions.live.get(id_)
            if session is None:
                ended.append(id_)
            else:
                begun.append(session.stored())
        self.tree.touched.clear()
        self.sessions.changed.clear()
        return Batch(nodes, deleted, begun, ended)

    # --- time --------------------------------------------------------------------------------

    def _expire_soon(self, session: Session[Connection]) -> None:
        """A connection closed without closeSession: expire its session soon, unless the client
        connects again."""
        due = self.loop.time() + session.grace_ms / 1000
        self._fast_expiries[session.id] = self.loop.call_at(
            due, self._expire_if_still_gone, session, due
        )

    def _cancel_fast_expiry(self, session: Session[Connection]) -> None:
        timer = self._fast_expiries.pop(session.id, None)
        if timer is not None:
            timer.cancel()

    def _expire_if_still_gone(self, session: Session[Connection], due: float) -> None:
        self._cancel_fast_expiry(session)
        if self.loop.time() - due > _LATE_S:
            # This process was stopped: a new connection of the client may wait to be accepted.
            self._expire_soon(session)
            return
        self._expire(session, "connection closed")

    async def expire_sessions(self) -> None:
        """Expire sessions whose clients are silent, until cancelled."""
        while True:
            now = self.loop.time()
            deadline = self.sessions.next_deadline()
            # A new session lasts at least for the shortest timeout, so none is missed until then.
            latest = now + self.config.timeout_min_ms / 1000
            wake = max(now + _CHECK_S_MIN, latest if deadline is None else min(deadline, latest))
            await asyncio.sleep(wake - now)
            now = self.loop.time()
            if now - wake > _LATE_S:
                self.env.observer.note("coordinator_was_stopped", ms=int((now - wake) * 1000))
                self.sessions.start_over(now)
            for session in self.sessions.due(now):
                try:
                    self._expire(session, "timed out")
                except Exception as problem:
                    self._fault(f"expiring session {session.id:#x}", problem)
                    session.touch(now)  # tried again after another timeout

    async def reap(self) -> None:
        """Delete empty containers and znodes past their time, until cancelled."""
        while True:
            await asyncio.sleep(self.config.container_check_ms / 1000)
            for path in self.tree.due_for_removal(self.env.clock.wall_ms()):
                try:
                    self.write(OpCode.DELETE_CONTAINER, PathRequest(path))
                except Exception as problem:
                    self._fault(f"removing {path}", problem)


def _node(stored: StoredNode) -> Node:
    return Node(
        stored.data,
        stored.acl,
        czxid=stored.czxid,
        mzxid=stored.mzxid,
        pzxid=stored.pzxid,
        ctime=stored.ctime,
        mtime=stored.mtime,
        version=stored.version,
        cversion=stored.cversion,
        aversion=stored.aversion,
        owner=stored.owner,
    )


def _stored(path: str, node: Node) -> StoredNode:
    return StoredNode(
        path,
        node.data,
        node.acl,
        node.czxid,
        node.mzxid,
        node.pzxid,
        node.ctime,
        node.mtime,
        node.version,
        node.cversion,
        node.aversion,
        node.owner,
    )
