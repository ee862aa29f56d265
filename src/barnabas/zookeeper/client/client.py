"""ZooKeeperClient in asyncio: one session over several connections, operations, watch events.

It never hides the loss of a connection. Operations in flight then fail with ``ConnectionLoss``: it
is unknown whether they were applied. Operations submitted without a connection fail at once. The
caller waits (``await client.connected()``) and decides what to repeat, since a fenced writer must
know what happened. The session, its ephemeral nodes and its watches stay meanwhile, until a server
says that the session has expired. Then everything fails with ``SessionExpired`` and
``on_session(EXPIRED)`` is called. ``await client.new_session()`` begins another session on the same
object. The owner must end its roles before that (traps 31 and 34).

Callbacks are called, and waiting coroutines resumed, in the order in which the server sent events
and replies.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from enum import Enum
from typing import Any, Final, TypeVar

from barnabas.seams import Env
from barnabas.zookeeper.client.addresses import parse_connect_string
from barnabas.zookeeper.client.connection import (
    Connection,
    SessionRefused,
    new_session,
    open_connection,
)
from barnabas.zookeeper.client.operations import (
    CheckOp,
    ChildrenOp,
    CreateChrootOp,
    Created,
    CreateOp,
    DeleteOp,
    ExistsOp,
    GetOp,
    MultiOp,
    MultiPart,
    MultiResult,
    Operation,
    Root,
    SetOp,
    SyncOp,
    WatchEvent,
)
from barnabas.zookeeper.client.security import OPEN, ZooKeeperSecurity
from barnabas.zookeeper.errors import (
    AuthFailed,
    ConnectionLoss,
    NodeExists,
    NoNode,
    SessionExpired,
    ZooKeeperError,
)
from barnabas.zookeeper.messages import Stat
from barnabas.zookeeper.path_names import parent_of

__all__ = [
    "CheckOp",
    "ChildrenOp",
    "CreateOp",
    "Created",
    "DeleteOp",
    "ExistsOp",
    "GetOp",
    "MultiOp",
    "SessionState",
    "SetOp",
    "SyncOp",
    "WatchEvent",
    "ZooKeeperClient",
]

log = logging.getLogger("kafka.zookeeper")

T = TypeVar("T")

RETRY_FIRST_MS: Final = 20
RETRY_MAX_MS: Final = 500
"""The pauses between rounds over all servers. The first round after a loss begins at once."""
IN_FLIGHT_MAX: Final = 500
"""The limit of ``submit_all``: a real ZooKeeper stops reading at 1,000 outstanding requests."""
CLOSE_TIMEOUT_MS: Final = 2000


class SessionState(Enum):
    """The states of a session, for ``on_session`` and ``client.state``."""

    CONNECTING = "connecting"
    """No connection yet in this session; not reported."""
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    """No connection at the moment; the session may still be alive."""
    EXPIRED = "expired"
    CLOSED = "closed"
    """Closed by ``close``, or failed; not reported."""


class ZooKeeperClient:
    """See the module. ``connect_string`` may end in a chroot; timeouts are in milliseconds.

    ``fast_expiry_ms`` asks our own server to expire the session that long after its connection has
    closed without a goodbye; other servers do not notice."""

    def __init__(
        self,
        env: Env,
        connect_string: str,
        session_timeout_ms: int,
        fast_expiry_ms: int | None = None,
        *,
        on_event: Callable[[WatchEvent], None] | None = None,
        on_session: Callable[[SessionState], None] | None = None,
        security: ZooKeeperSecurity = OPEN,
        in_flight_max: int = IN_FLIGHT_MAX,
    ) -> None:
        """``in_flight_max``: how many requests of one ``submit_all`` wait for answers at most."""
        self._env = env
        self._in_flight_max = in_flight_max
        self._security = security
        hosts, self._chroot = parse_connect_string(connect_string)
        self._root = Root(self._chroot, security.acls)
        self._hosts = list(hosts)
        env.random.shuffle(self._hosts)
        self._next_host = 0
        self._asked_timeout_ms = session_timeout_ms
        self._fast_expiry_ms = fast_expiry_ms
        self.answered: Callable[[float], None] | None = None
        """If set, it is called with the seconds that each request took."""
        self.on_event = on_event
        """Called with every watch event; must not block."""
        self.on_session = on_session
        """Called with CONNECTED, DISCONNECTED and EXPIRED; must not block."""
        self._session = new_session(session_timeout_ms, fast_expiry_ms)
        self._state = SessionState.CONNECTING
        self._connection: Connection | None = None
        self._session_task: asyncio.Task[None] | None = None
        self._wait_is_over = asyncio.Event()
        """Set when there is a connection, or when this session will not have one any more."""
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}
        """Coroutines that wait for an event, by path."""
        self._failure: BaseException | None = None
        self._finished = asyncio.Event()
        self._last_problem = "not tried yet"
        self._has_been_connected = False
        self._refusal: AuthFailed | None = None
        """Why the last server that was tried refused the login."""

    # --- state ------------------------------------------------------------------------------------

    @property
    def state(self) -> SessionState:
        """The present state of the session."""
        return self._state

    @property
    def session_id(self) -> int:
        """The session's id; 0 before its first connection. It is the owner of ephemeral nodes that
        this client creates."""
        return self._session.id

    @property
    def session_timeout_ms(self) -> int:
        """The timeout as negotiated with the server; before that, as requested."""
        return self._session.timeout_ms

    @property
    def watches(self) -> int:
        """How many watches are set."""
        return len(self._session.watches)

    async def connect(self, timeout_ms: int | None = None, *, create_chroot: bool = True) -> None:
        """Begin the first session and create the chroot if it is missing; with ``create_chroot``
        false raise NoNode instead. It tries until it succeeds, or until a server refuses the login
        (AuthFailed). After the timeout it raises ConnectionLoss, whose text has the last
        problem."""
        if self._session_task is not None or self._state is not SessionState.CONNECTING:
            raise RuntimeError("connect is for a new client")
        self._start_session_task()
        first = self._connect_and_create_chroot if create_chroot else self._connect_to_chroot
        await self._within(timeout_ms, first)

    async def connected(self, timeout_ms: int | None = None) -> None:
        """Return as soon as there is a connection. Raises SessionExpired if the session has ended,
        and ConnectionLoss after ``timeout_ms``."""
        await self._within(timeout_ms, self._wait_connected)

    async def new_session(self, timeout_ms: int | None = None) -> None:
        """Begin another session after EXPIRED: new id, no watches, no ephemeral nodes. Returns when
        it is connected. Raises as ``connect`` does; then ``connected`` may be awaited."""
        if self._state is not SessionState.EXPIRED:
            raise RuntimeError(f"a new session while the old one is {self._state.value}")
        self._session = new_session(self._asked_timeout_ms, self._fast_expiry_ms)
        self._state = SessionState.CONNECTING
        self._wait_is_over.clear()
        self._start_session_task()
        await self._within(timeout_ms, self._wait_connected)

    async def run(self) -> None:
        """Run this in the owner's task group. It returns when the client is closed, and raises the
        exception of a callback, which ends the client."""
        await self._finished.wait()
        if self._failure is not None:
            raise self._failure

    async def close(self) -> None:
        """End the session, so that its ephemeral nodes are deleted at once, and stop. Without a
        connection the session ends with its timeout."""
        connection = self._connection
        if connection is not None and self._state is SessionState.CONNECTED:
            goodbye = connection.send_close()
            self._state = SessionState.CLOSED
            try:
                async with asyncio.timeout(CLOSE_TIMEOUT_MS / 1000):
                    await goodbye
            except (TimeoutError, ConnectionLoss):
                pass  # the server expires the session later
        await self._stop()

    # --- operations -------------------------------------------------------------------------------

    def submit(self, op: Operation[T]) -> asyncio.Future[T]:
        """Send without waiting; replies come in the order of submission. The future may fail with a
        ZooKeeperError, so the caller must look at it."""
        if self._connection is not None and self._state is SessionState.CONNECTED:
            sent = self._connection.send(op)
            if self.answered is not None:
                self._measure(sent, self.answered)
            return sent
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if self._state in (SessionState.EXPIRED, SessionState.CLOSED):
            future.set_exception(SessionExpired(op.path))
        else:
            future.set_exception(ConnectionLoss(op.path, "(not connected)", sent=False))
        return future

    def _measure(self, sent: asyncio.Future[T], answered: Callable[[float], None]) -> None:
        clock = self._env.stopwatch
        began = clock()
        sent.add_done_callback(lambda _: answered(clock() - began))

    async def submit_all(
        self, ops: Iterable[Operation[T]], in_flight: int = IN_FLIGHT_MAX
    ) -> list[T | ZooKeeperError]:
        """Send many, at most ``in_flight`` and the client's own limit at a time. Returns the
        results in order, with errors as values."""
        at_once = min(in_flight, self._in_flight_max)
        outcomes: list[T | ZooKeeperError] = []
        window: deque[asyncio.Future[T]] = deque()
        try:
            for op in ops:
                if len(window) >= at_once:
                    outcomes.append(await _outcome(window.popleft()))
                window.append(self.submit(op))
            while window:
                outcomes.append(await _outcome(window.popleft()))
        finally:
            for future in window:
                future.cancel()
        return outcomes

    async def create(
        self,
        path: str,
        data: bytes | None = b"",
        *,
        ephemeral: bool = False,
        sequential: bool = False,
        make_parents: bool = False,
    ) -> Created:
        """Create a node. ``make_parents``: also create missing parents, with null data. Raises
        NodeExists, and NoNode if the parent is missing."""
        op = CreateOp(path, data, ephemeral, sequential)
        while True:
            try:
                return await self.submit(op)
            except NoNode:
                if not make_parents or parent_of(path) == "/":
                    raise
            await self.ensure_path(parent_of(path))

    async def ensure_path(self, path: str) -> None:
        """Create a persistent node with null data, and its parents, unless it is there."""
        try:
            await self.create(path, None, make_parents=True)
        except NodeExists:
            pass

    async def get(self, path: str, *, watch: bool = False) -> tuple[bytes, Stat]:
        """Data and Stat of a node. Raises NoNode; then no watch is set."""
        return await self.submit(GetOp(path, watch))

    async def set(self, path: str, data: bytes | None, version: int = -1) -> Stat:
        """Replace a node's data. Raises NoNode, BadVersion."""
        return await self.submit(SetOp(path, data, version))

    async def delete(self, path: str, version: int = -1) -> None:
        """Delete a node. Raises NoNode, BadVersion, NotEmpty."""
        return await self.submit(DeleteOp(path, version))

    async def exists(self, path: str, *, watch: bool = False) -> Stat | None:
        """The Stat of a node; None if it does not exist. The watch is set in both cases."""
        return await self.submit(ExistsOp(path, watch))

    async def children(self, path: str, *, watch: bool = False) -> tuple[list[str], Stat]:
        """The sorted names of a node's children, and its Stat. Raises NoNode."""
        return await self.submit(ChildrenOp(path, watch))

    async def multi(self, ops: Sequence[MultiPart]) -> list[MultiResult]:
        """Carry out all operations or none. Raises the error of the one that failed; its
        ``op_index`` says which one."""
        return await self.submit(MultiOp(ops))

    async def sync(self, path: str = "/") -> None:
        """Make later reads see everything that was committed before this call."""
        return await self.submit(SyncOp(path))

    async def wait_deleted(self, path: str) -> None:
        """Return when the node does not exist. It uses a watch, and goes on after the loss of a
        connection. SessionExpired ends the wait."""
        while True:
            change: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            waiting = self._waiting.setdefault(path, [])
            waiting.append(change)
            try:
                if await self.exists(path, watch=True) is None:
                    return
                await change
            except ConnectionLoss:
                await self.connected()
            finally:
                waiting.remove(change)
                if not waiting and self._waiting.get(path) is waiting:
                    del self._waiting[path]

    # --- keeping the session ----------------------------------------------------------------------

    def _start_session_task(self) -> None:
        keeper = asyncio.get_running_loop().create_task(self._keep(), name="zookeeper-session")
        keeper.add_done_callback(self._session_task_done)
        self._session_task = keeper

    def _session_task_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (failure := task.exception()) is not None:
            self._break(failure)

    async def _keep(self) -> None:
        """Keep one session: connect, wait until the connection is lost, connect again, until the
        session has expired."""
        pause_ms = 0.0
        round_left = len(self._hosts)
        while True:
            try:
                connection = await self._open_next()
            except SessionRefused:
                self._change(SessionState.EXPIRED)
                return
            except (OSError, ConnectionLoss, AuthFailed, TimeoutError) as problem:
                self._last_problem = str(problem) or type(problem).__name__
                if isinstance(problem, AuthFailed):
                    self._refused(problem)
                round_left -= 1
                if round_left == 0:
                    round_left = len(self._hosts)
                    pause_ms = min(max(pause_ms * 2, RETRY_FIRST_MS), RETRY_MAX_MS)
                    await asyncio.sleep(pause_ms * self._env.random.uniform(0.5, 1.5) / 1000)
                continue
            pause_ms = 0.0
            round_left = len(self._hosts)
            self._last_problem = await asyncio.shield(connection.closed)

    async def _open_next(self) -> Connection:
        """Connect to the next server in turn. Returns when it has accepted the session."""
        host, port = self._hosts[self._next_host]
        self._next_host = (self._next_host + 1) % len(self._hosts)
        security = self._security
        waits, begin = security.looks_first, security.begin
        connection = Connection(
            self._session,
            self._root,
            None if waits or begin is None else begin(),
            waits=waits,
            on_greeted=self._connection_made,
            on_event=self._deliver_event,
            on_lost=self._connection_lost,
        )
        try:
            async with asyncio.timeout(self._open_timeout_ms() / 1000):
                await open_connection(connection, host, port, security)
        except TimeoutError as problem:
            raise ConnectionLoss(None, f"({host}:{port} {connection.late})") from problem
        return connection

    def _refused(self, problem: AuthFailed) -> None:
        """The login was refused. This ends a start; later it is tried again, as after a lost
        connection."""
        if self._has_been_connected:
            log.error("the login to ZooKeeper failed: %s", problem)
        self._refusal = problem
        self._wait_is_over.set()

    def _open_timeout_ms(self) -> float:
        """How long one server may take, so that all can be tried within the session timeout."""
        return max(self._session.timeout_ms / (len(self._hosts) + 1), 200)

    def _connection_made(self, connection: Connection) -> None:
        if self._state in (SessionState.CONNECTING, SessionState.DISCONNECTED):
            self._connection = connection
            self._has_been_connected = True
            self._change(SessionState.CONNECTED)

    def _connection_lost(self, connection: Connection) -> None:
        if connection is not self._connection:
            return  # the connection was never used
        self._connection = None
        if self._state is SessionState.CONNECTED:
            self._change(SessionState.DISCONNECTED, connection.closed.result())

    def _change(self, state: SessionState, why: str = "") -> None:
        self._state = state
        if state is SessionState.DISCONNECTED:
            self._wait_is_over.clear()
        else:
            self._wait_is_over.set()
        if state is SessionState.EXPIRED:
            self._end_waits()
        session = f"{self._session.id:#x}"
        log.info("ZooKeeper session %s is %s%s", session, state.value, f": {why}" if why else "")
        self._env.observer.note(f"zookeeper_session_{state.value}", session=session)
        # call_soon: after the futures that this moment completed, and in the order of events.
        asyncio.get_running_loop().call_soon(self._call, self.on_session, state)

    def _deliver_event(self, event: WatchEvent) -> None:
        self._wake(event.path)
        asyncio.get_running_loop().call_soon(self._call, self.on_event, event)

    def _wake(self, path: str) -> None:
        for change in self._waiting.get(path, ()):
            if not change.done():
                change.set_result(None)

    def _end_waits(self) -> None:
        """Wake all that wait: they look again and find that the session has ended."""
        for path in list(self._waiting):
            self._wake(path)

    def _call(self, callback: Callable[[Any], None] | None, value: object) -> None:
        if callback is None or self._finished.is_set():
            return
        try:
            callback(value)
        except Exception as failure:
            self._break(failure)

    async def _wait_connected(self, *, is_first: bool = False) -> None:
        while self._state is not SessionState.CONNECTED:
            if self._state in (SessionState.EXPIRED, SessionState.CLOSED):
                raise SessionExpired
            if self._refusal is not None:
                if is_first:
                    raise self._refusal
                self._refusal = None
                self._wait_is_over.clear()
            await self._wait_is_over.wait()

    async def _connect_and_create_chroot(self) -> None:
        parts = self._chroot.split("/")
        missing = deque("/".join(parts[:count]) for count in range(2, len(parts) + 1))
        await self._wait_connected(is_first=True)
        while missing:
            try:
                await self.submit(CreateChrootOp(missing[0]))
            except NodeExists:
                pass
            except ConnectionLoss:
                await self._wait_connected()
                continue
            missing.popleft()

    async def _connect_to_chroot(self) -> None:
        await self._wait_connected(is_first=True)
        while True:
            try:
                found = await self.submit(ExistsOp("/"))
            except ConnectionLoss:
                await self._wait_connected()
                continue
            if found is None:
                raise NoNode(self._chroot)
            return

    async def _within(self, timeout_ms: int | None, wait: Callable[[], Awaitable[None]]) -> None:
        try:
            async with asyncio.timeout(None if timeout_ms is None else timeout_ms / 1000):
                await wait()
        except TimeoutError:
            raise ConnectionLoss(None, f"({self._last_problem})", sent=False) from None

    # --- the end ----------------------------------------------------------------------------------

    def _break(self, failure: BaseException) -> None:
        """An exception of this program: no more operations are possible, and ``run`` raises it."""
        if self._failure is None:
            self._failure = failure
        self._state = SessionState.CLOSED
        self._end_waits()
        self._wait_is_over.set()
        if self._session_task is not None:
            self._session_task.cancel()
        if self._connection is not None:
            self._connection.drop("the client failed")
        self._finished.set()

    async def _stop(self) -> None:
        self._state = SessionState.CLOSED
        self._end_waits()
        self._wait_is_over.set()
        keeper, self._session_task = self._session_task, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.wait([keeper])
        if self._connection is not None:
            self._connection.drop("closed here")
        self._finished.set()


async def _outcome(future: asyncio.Future[Any]) -> Any:
    try:
        return await future
    except ZooKeeperError as error:
        return error
