"""SocketServer, RequestChannel: all connections of a broker, whose turn it is, what they hold.

One staging buffer, one account of requests and one of answers for all connections of a broker. An
account that is full costs those who fill it: frames that do not come on and answers that nobody
takes end with their connections, and nobody else waits for them.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from barnabas import limits
from barnabas.api.dispatch import Dispatcher
from barnabas.api.request import Request, api_name
from barnabas.broker.acceptors import Acceptors
from barnabas.broker.connection import ClientConnection
from barnabas.broker.connection_limits import ConnectionCounts, ConnectionLimits
from barnabas.broker.connection_server import Spawn
from barnabas.broker.listener_plan import ListenerPlan
from barnabas.broker.newcomers import Newcomers
from barnabas.broker.turns import Turns
from barnabas.memory import Account
from barnabas.pace import PacedCalls
from barnabas.protocol.framing import STAGING_BYTES
from barnabas.security.principal import ANONYMOUS, KafkaPrincipal

if TYPE_CHECKING:
    from barnabas.broker.tls_connection import Handshakes

log = logging.getLogger("kafka.network")

LOOK_S = 1.0
LOOK_SOON_S = 0.1
"""While requests fill their account, or somebody has not authenticated yet."""
STALLED_CHECKS_MAX = 3
"""So many seconds an answer may lie while memory is short."""
PUT_OFF_CHECKS_MAX = 10
PUT_OFF_FULL_CHECKS_MAX = 3
"""So many seconds a long request (but Produce) may wait to be begun; while requests fill their
account."""
UNFINISHED_S_MIN = 0.5
UNFINISHED_BYTES_PER_S = 64 * 1024
"""While requests fill their account, frames older and slower than this make room."""
AT_REST_BYTES = 8 * 1024 * 1024
"""Held for clients: to look for garbage among so much takes some milliseconds."""
READ_ON = 8
"""Unfinished frames that are read whatever memory they take."""
CLOSING_S_MAX = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSettings:
    """Sizes in bytes, times in ms."""

    request_bytes_max: int
    connections: ConnectionLimits
    idle_ms_max: int
    unfinished_ms_max: int
    backlog: int
    brokers_listeners: tuple[str, ...]
    """Where other brokers come."""
    newcomers_max: int
    authentication_ms_max: int
    queued_bytes_max: int = limits.QUEUED_REQUEST_BYTES_MAX


@dataclass(slots=True)
class _Progress:
    """Of an unfinished frame: how much had come when."""

    since: float
    filled: int


class NetworkServer:
    """Accepts connections on every listener of a broker."""

    def __init__(
        self, dispatcher: Dispatcher, spawn: Spawn, settings: NetworkSettings, answers: Account
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.dispatcher = dispatcher
        self.spawn = spawn
        self.request_bytes_max = settings.request_bytes_max
        self.counts = ConnectionCounts(settings.connections)
        self.acceptors: Acceptors[ClientConnection] = Acceptors(
            self.loop, self.counts, self._accepted
        )
        self._settings = settings
        self._env = dispatcher.services.env
        self.turns = Turns(self.loop.call_soon, self._env.stopwatch)
        self.endings = PacedCalls(self.loop.call_soon, self._env.stopwatch)
        """Of requests whose connection is gone, and that waited: herds of them may be."""
        self.staging = bytearray(STAGING_BYTES)
        self.requests = Account(settings.queued_bytes_max)
        self.answers = answers
        self.newcomers = Newcomers(settings.newcomers_max, settings.authentication_ms_max / 1000)
        self.handshakes: Handshakes | None = None
        """Of all listeners with TLS."""
        self.wall_ms = self._env.clock.wall_ms
        self.note = self._env.observer.note
        self._servers: dict[str, asyncio.AbstractServer] = {}
        self._removed: set[str] = set()
        """Listeners that are gone: who was still in the midst of a handshake is let down."""
        self._connections: dict[ClientConnection, None] = {}
        self._to_flush: dict[ClientConnection, None] = {}
        self._gathered: dict[ClientConnection, None] = {}
        """Of other brokers, with something that came in this turn of the loop."""
        self._gathered_in = 0
        """The turn before."""
        self._debtors: dict[ClientConnection, None] = {}
        self._unfinished: dict[ClientConnection, _Progress] = {}
        """Connections in the midst of a frame, in the order in which those began."""
        self._waiting: dict[ClientConnection, None] = {}
        """Not read until requests hold less memory."""
        self._held_back: dict[ClientConnection, None] = {}
        """With a long request that is not decoded until then."""
        self._decoded = 0
        """Bytes of requests that are for what they were decoded to."""
        self._closing: dict[ClientConnection, float] = {}
        self._failures_seen: set[tuple[object, ...]] = set()
        self._relieving = False
        self._hurry = asyncio.Event()
        """Requests fill their account."""

    async def listen(self, plan: ListenerPlan, host: str, port: int) -> int:
        """Start to accept; the port in use (chosen by the system if ``port`` is 0)."""
        server = await self.loop.create_server(
            self._acceptor(plan),
            host or None,
            port,
            backlog=self._settings.backlog,
        )
        self._servers[plan.name] = server
        self._removed.discard(plan.name)
        sockets = server.sockets
        return int(sockets[0].getsockname()[1]) if sockets else port

    def remove(self, listener: str) -> None:
        """Stop to accept on a listener, and close all its connections."""
        self._servers.pop(listener).close()
        self._removed.add(listener)
        for connection in (*self.acceptors.held, *self._connections):
            if connection.listener == listener:
                self._let_down(connection)

    def _acceptor(self, plan: ListenerPlan) -> Callable[[], asyncio.BaseProtocol]:
        """Makes what a connection of the listener is given to."""
        if plan.tls is None and not plan.mechanisms:
            return lambda: ClientConnection(self, plan.name)
        from barnabas.broker.sasl_connection import SaslConnection, SslConnection
        from barnabas.broker.tls_connection import Handshakes, TlsLayer

        def connect(principal: KafkaPrincipal = ANONYMOUS) -> ClientConnection:
            if plan.mechanisms:
                return SaslConnection(self, plan)
            return SslConnection(self, plan, principal)

        tls = plan.tls
        if tls is None:
            return connect
        handshakes = self.handshakes or Handshakes(self.loop.call_soon, self._env.stopwatch)
        self.handshakes = handshakes
        return lambda: TlsLayer(
            tls, plan.name, handshakes, self.newcomers, connect, self._env.observer.note
        )

    def is_for_brokers(self, listener: str) -> bool:
        """Whether requests of other brokers come through this listener."""
        return listener in self._settings.brokers_listeners

    # For those who look at it

    @property
    def connections(self) -> Mapping[str, int]:
        """How many there are, by listener."""
        return self.counts.by_listener

    @property
    def created(self) -> Mapping[str, int]:
        """How many have come so far, by listener."""
        return self.counts.created

    def software(self) -> Mapping[tuple[str, str], int]:
        """Connections by name and version of the client, as it has told."""
        return Counter(each.software for each in self._connections)

    @property
    def waiting_requests(self) -> int:
        """Requests that wait for their answer."""
        return sum(each.waiting for each in self._connections)

    @property
    def request_bytes(self) -> int:
        """The memory of requests."""
        return self.requests.held

    @property
    def answer_bytes(self) -> int:
        """The memory of answers that are not taken yet."""
        return self.answers.held

    # Connections

    def opened(self, connection: ClientConnection) -> None:
        if connection.listener in self._removed:
            connection.abort()
            return
        self.acceptors.arrived(connection)

    def _accepted(self, connection: ClientConnection) -> None:
        self._connections[connection] = None
        if self.counts.is_exceeded:
            protected = self.counts.limits.protected
            others = [c for c in self._connections if c.listener != protected]
            if others:
                min(others, key=lambda c: c.last_active).close()

    def ends(self, connection: ClientConnection) -> None:
        """It has been closed, but may still have something to send."""
        self._closing.setdefault(connection, self.loop.time())

    def closed(self, connection: ClientConnection) -> None:
        self.count_debt(connection, 0)
        self.count_request_bytes(connection, 0, begun=False)
        if connection in self._connections:
            del self._connections[connection]
            self.counts.give_back(connection.listener, connection.peer)
            self.acceptors.look_again()
        else:
            self.acceptors.gone(connection)
        self._to_flush.pop(connection, None)
        self._gathered.pop(connection, None)
        self._waiting.pop(connection, None)
        self._held_back.pop(connection, None)
        self._closing.pop(connection, None)

    def gather(self, connection: ClientConnection) -> None:
        """Serve another broker's connection once all that came with it is served: a follower is
        then sent at once what clients have sent meanwhile, instead of asking for it again."""
        if not self._gathered:
            self.loop.call_soon(self._serve_gathered)
            self._gathered_in = self.turns.count
        self._gathered[connection] = None

    def _serve_gathered(self) -> None:
        gathered, self._gathered = self._gathered, {}
        turns = self.turns
        was_served = turns.count != self._gathered_in
        serve = turns.arrived if was_served else turns.arrived_behind
        for connection in gathered:
            serve(connection)

    def flush_soon(self, connection: ClientConnection) -> None:
        """Write the connection's ready answers once, at the end of this turn of the loop."""
        if not self._to_flush:
            self.loop.call_soon(self._flush_all)
        self._to_flush[connection] = None

    def _flush_all(self) -> None:
        pending = list(self._to_flush)
        self._to_flush.clear()
        for connection in pending:
            connection.flush_and_go_on()

    # Memory of requests

    def count_request_bytes(self, connection: ClientConnection, held: int, *, begun: bool) -> None:
        """The memory that a connection's requests take; ``begun``: its last one is not whole."""
        self.requests.held += held - connection.held
        connection.held = held
        self._decoded += connection.decoded_bytes - connection.decoded_held
        connection.decoded_held = connection.decoded_bytes
        if not begun:
            self._unfinished.pop(connection, None)
        elif connection not in self._unfinished:
            self._unfinished[connection] = _Progress(self.loop.time(), connection.frame_bytes)
        if self._waiting and not self.requests.is_full:
            waiting, self._waiting = self._waiting, {}
            for each in waiting:
                self.loop.call_soon(self._read_again, each)
        if self._held_back and self._may_begin():
            held_back, self._held_back = self._held_back, {}
            for each in held_back:
                self.loop.call_soon(each.go_on)

    def _read_again(self, connection: ClientConnection) -> None:
        progress = self._unfinished.get(connection)
        if progress is not None:
            progress.since, progress.filled = self.loop.time(), connection.frame_bytes
        connection.go_on()

    def must_wait(self, connection: ClientConnection) -> bool:
        """Whether the connection may not be read because requests hold too much memory. The oldest
        unfinished frames are always read on, so that there is an end to them; also to those whose
        client has gone, which only a read tells. Other brokers have a reserve beyond the bound."""
        requests = self.requests
        if not requests.is_full or not connection.held:
            return False
        if connection.is_first and requests.held < requests.bytes_max + requests.reserve:
            return False
        if connection in islice(self._unfinished, READ_ON):
            return False
        self._waiting[connection] = None
        self._hurry.set()
        return True

    def must_not_begin(self, connection: ClientConnection) -> bool:
        """Whether the connection may not begin to decode a long request yet, which takes far more
        memory than its bytes."""
        if connection.is_first or self._may_begin():
            return False
        self._held_back[connection] = None
        return True

    def _may_begin(self) -> bool:
        """While requests fill their account, what they are decoded to has the reserve."""
        return not self.requests.is_full or self._decoded < self.requests.reserve

    def _end_slow_frames(self, now: float) -> None:
        """Requests fill their account: frames that come slowly make room, the slowest first."""

        def speed(connection: ClientConnection) -> float:
            progress = self._unfinished[connection]
            return (connection.frame_bytes - progress.filled) / (now - progress.since)

        slow = [
            connection
            for connection, progress in self._unfinished.items()
            if connection.is_reading
            and now - progress.since >= UNFINISHED_S_MIN
            and speed(connection) < UNFINISHED_BYTES_PER_S
        ]
        for connection in list(islice(self._unfinished, READ_ON)):
            if not connection.is_reading:
                self._read_again(connection)
        for connection in sorted(slow, key=speed):
            if not self.requests.is_full:
                break
            self._cut_off(
                connection, "requests fill the memory for them, and this one comes slowly"
            )

    def _end_put_off(self) -> None:
        """Long requests that nobody has begun: what they hold is not held for ever, and whether
        there still is a client behind them is not to be known."""
        most = PUT_OFF_FULL_CHECKS_MAX if self.requests.is_full else PUT_OFF_CHECKS_MAX
        for connection in list(self._connections):
            connection.put_off = connection.put_off + 1 if connection.is_put_off else 0
            if connection.put_off > most:
                why = f"a long request has waited for memory and its turn for {most} s"
                self._cut_off(connection, why)

    def _end_stuck_frames(self, now: float) -> None:
        """A frame that does not come on for ``barnabas.unfinished.request.timeout.ms``."""
        allowed = self._settings.unfinished_ms_max / 1000
        for connection, progress in list(self._unfinished.items()):
            age = now - progress.since
            if age < allowed:
                continue
            came = connection.frame_bytes - progress.filled
            if came < limits.UNFINISHED_BYTES_PER_S_MIN * age and connection.is_reading:
                self._cut_off(connection, f"a request came no further for {age:.0f} s")
            else:
                progress.since, progress.filled = now, connection.frame_bytes

    # Memory of answers

    def count_debt(self, connection: ClientConnection, debt: int) -> None:
        """The bytes of answers that a connection has not taken yet, if they are many."""
        self.answers.held += debt - connection.debt
        connection.debt = debt
        if debt:
            self._debtors[connection] = None
        else:
            self._debtors.pop(connection, None)
        if self.answers.is_full and not self._relieving:
            self._relieving = True
            self.loop.call_soon(self._relieve)

    def _relieve(self) -> None:
        """Answers fill their account: connections that owe most end, first those that stand."""
        self._relieving = False
        for connection in sorted(
            self._debtors, key=lambda c: (c.stalled > 0, c.debt), reverse=True
        ):
            if not self.answers.is_full:
                break
            self._cut_off(connection, f"{connection.debt} bytes of answers are not taken")

    def _check_debtors(self) -> None:
        for connection in list(self._debtors):
            connection.check_debt()
            if connection.stalled >= STALLED_CHECKS_MAX and self.answers.is_short:
                self._cut_off(connection, f"{connection.debt} bytes of answers are not taken")

    def _cut_off(self, connection: ClientConnection, why: str) -> None:
        log.warning("closing connection from %s: %s", connection.peer, why)
        self._env.observer.note("connection_cut_off", why=why)
        self.count_debt(connection, 0)
        self.count_request_bytes(connection, 0, begun=False)
        connection.abort()

    # Failures

    def handler_failed(self, request: Request, text: str, error: BaseException) -> None:
        """A fault of ours in answering a request: counted, and told with its traceback once."""
        api = api_name(request.api_key)
        self._env.observer.note("handler_failed", api=api, error=repr(error))
        kind = (request.api_key, request.api_version, type(error), error.__traceback__ is None)
        if kind in self._failures_seen:
            log.error("%s: %r", text, error)
        else:
            self._failures_seen.add(kind)
            log.error("%s", text, exc_info=error)

    # Watching

    async def watch(self) -> None:
        """Close what does not come on, is not taken or not used; for ever."""
        looks, due = 0, self.loop.time() + LOOK_S
        while True:
            await self._until(due)
            now = self.loop.time()
            if self.requests.is_full:
                self._end_slow_frames(now)
            self.newcomers.check(now)
            if now < due:
                continue
            looks, due = looks + 1, now + LOOK_S
            for connection in (*self._connections, *self.acceptors.held):
                connection.end_if_gone()
            self._check_debtors()
            self._end_put_off()
            self._end_stuck_frames(now)
            self._end_closing(now)
            self._env.give_memory_back(self._is_at_rest)
            if looks % 5 == 0:
                self._close_idle(now)

    async def _until(self, due: float) -> None:
        """Wait for the next look, at that time at the latest."""
        if self.requests.is_full or len(self.newcomers) > 0:
            await asyncio.sleep(min(LOOK_SOON_S, due - self.loop.time()))
            return
        self._hurry.clear()
        try:
            async with asyncio.timeout_at(due):
                await self._hurry.wait()
        except TimeoutError:
            pass

    @property
    def _is_at_rest(self) -> bool:
        """Whether no flood of requests and answers is in memory."""
        return self.requests.held + self.answers.held < AT_REST_BYTES

    def _end_closing(self, now: float) -> None:
        for connection, since in list(self._closing.items()):
            if now - since >= CLOSING_S_MAX:
                self._closing.pop(connection)
                connection.abort()

    def _close_idle(self, now: float) -> None:
        """Connections on which nothing came for ``connections.max.idle.ms``; negative: never."""
        if self._settings.idle_ms_max < 0:
            return
        oldest = now - self._settings.idle_ms_max / 1000
        for connection in list(self._connections):
            if connection.last_active < oldest and not connection.waiting:
                connection.close()

    def stop_accepting(self) -> None:
        for server in self._servers.values():
            server.close()

    def close(self) -> None:
        """Stop accepting and close every connection; who owes is not waited for."""
        self.stop_accepting()
        for connection in (*self.acceptors.held, *self._connections):
            self._let_down(connection)

    def _let_down(self, connection: ClientConnection) -> None:
        if connection.debt:
            connection.abort()
        else:
            connection.close()
