"""The event loop of one process incarnation, on a kernel shared with all the others.

It is a real asyncio loop without a selector: timers and ready handles go to the kernel, sockets are
simulated (``network.py``) and driven by asyncio's own transports, unmodified, and whatever would
reach the world raises. Its time is the clock of its host.

A killed loop is dead: its handles are dropped and its tasks are kept, never cancelled, because a
process that is killed runs no ``finally``.
"""

from __future__ import annotations

import asyncio
import contextvars
import errno
import math
import sys
import weakref
from asyncio import base_events, events, selector_events, sslproto
from collections import deque
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, NoReturn

from tests.simulation.kernel import MICROSECOND, SECOND, Kernel

if TYPE_CHECKING:
    import random

    from tests.simulation.nodes import Host
    from tests.simulation.sockets import Listener, SimSocket

_COPY = contextvars.copy_context


class NotSimulated(RuntimeError):
    """Code reached for something that the simulator does not have."""


class SimHandle(events.Handle):
    """A callback that is ready, without asyncio's debugging."""

    __slots__ = ()

    def __init__(self, callback: Any, args: Any, loop: Any, context: Any = None) -> None:
        self._context = context if context is not None else _COPY()
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = False

    def __repr__(self) -> str:
        return f"<SimHandle {self._callback}>"

    def cancel(self) -> None:
        if not self._cancelled:
            self._cancelled = True
            self._callback = None  # type: ignore[assignment]
            self._args = None  # type: ignore[assignment]


class SimTimer(events.TimerHandle):
    """A callback for later."""

    __slots__ = ()

    def __init__(self, when: float, callback: Any, args: Any, loop: Any, context: Any) -> None:
        self._context = context if context is not None else _COPY()
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = False
        self._when = when
        self._scheduled = True

    def __repr__(self) -> str:
        return f"<SimTimer {self._when} {self._callback}>"

    def cancel(self) -> None:
        if not self._cancelled:
            if self._scheduled:
                self._loop.kernel.timer_cancelled()
            self._cancelled = True
            self._callback = None  # type: ignore[assignment]
            self._args = None  # type: ignore[assignment]


class SimFuture(asyncio.Future[Any]):
    """A future whose place in a set follows the order in which they were first put into one, not
    its address. Most never are."""

    identity = 0

    def __hash__(self) -> int:
        if not self.identity:
            self.identity = self.get_loop().kernel.next_identity()  # type: ignore[attr-defined]
        return self.identity


class SimTask(asyncio.Task[Any]):
    """A task whose hash follows creation order, with a name that does not count other processes."""

    def __init__(self, coro: Any, *, loop: SimLoop, name: str | None, context: Any) -> None:
        self.identity = loop.kernel.next_identity()
        super().__init__(coro, loop=loop, name=name or loop.next_task_name(), context=context)
        self._log_destroy_pending = False

    def __hash__(self) -> int:
        return self.identity


class SimTlsTransport(sslproto._SSLProtocolTransport):  # type: ignore[misc, name-defined]
    """Of a process that may be killed: nobody closes it then, and nobody has to."""

    def __del__(self) -> None:
        pass


class SimTransport(selector_events._SelectorSocketTransport):  # type: ignore[misc]
    """asyncio's own, which does not complain when a killed process never closed it."""

    def __del__(self, _warn: Any = None) -> None:
        return

    def __repr__(self) -> str:
        return f"<SimTransport {self._extra.get('sockname')} {self._extra.get('peername')}>"


class CpuDelay:
    """What a handle costs: most are cheap, a few are slow, one in many stops its process a while
    (a long computation, a collection of garbage, a page fault)."""

    def __init__(
        self, stream: random.Random, *, mean_us: int = 20, slow_one_in: int = 5000
    ) -> None:
        self._random = stream.random
        self._mean_ns = mean_us * MICROSECOND
        self._slow = 1 / slow_one_in

    def draw_ns(self) -> int:
        """The cost of one handle."""
        drawn = self._random()
        if drawn < self._slow:
            return int(self._random() * SECOND / 4)
        return int(drawn * drawn * 3 * self._mean_ns)


class SimLoop(asyncio.BaseEventLoop):
    """One process incarnation."""

    dead = True  # until it is built: asyncio's constructor asks

    def __init__(self, kernel: Kernel, host: Host, name: str) -> None:
        super().__init__()
        self.kernel = kernel
        self.host = host
        self.name = name
        self.dead = False
        self.paused = False
        self.gated = False
        """Handles may not run now: dead, paused, busy, or others wait before them."""
        self.cpu: CpuDelay | None = None
        self.on_error: Callable[[dict[str, Any]], None] | None = None
        self.sockets: dict[int, SimSocket] = {}
        self.listeners: dict[int, Listener] = {}
        self._make_ready = kernel.ready
        self._backlog: deque[SimHandle] = deque()
        self._busy_until_ns = 0
        self._debt_ns = 0
        self._wake_pending = False
        self._task_count = 0
        self._fd_count = 2
        # asyncio's transports register themselves here.
        self._transports: Any = weakref.WeakValueDictionary()
        self._selector = None

    def __del__(self, _warn: Any = None) -> None:
        return

    def __repr__(self) -> str:
        return f"<SimLoop {self.name}>"

    # -- time and queues -------------------------------------------------------------------------

    def time(self) -> float:
        """Seconds on this host's monotonic clock."""
        host = self.host
        if host.is_on_time:
            return (self.kernel.now_ns + host.ahead_ns) / SECOND
        return host.monotonic_ns() / SECOND

    def instant_of(self, when: float) -> int:
        """The kernel's nanosecond at which ``time()`` first reaches ``when``."""
        if when > 1e9:
            return self.kernel.now_ns + int(1e9) * SECOND
        local_ns = math.ceil(when * SECOND)
        while local_ns / SECOND < when:
            local_ns += 1
        return self.host.instant_of(local_ns)

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> SimHandle:  # type: ignore[override]
        handle = SimHandle(callback, args, self, context)
        if not self.dead:
            self._make_ready(handle)
        return handle

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> SimTimer:  # type: ignore[override]
        timer = SimTimer(when, callback, args, self, context)
        if not self.dead:
            self.kernel.add_timer(self.instant_of(when), timer)
        return timer

    def call_later(self, delay: float, callback: Any, *args: Any, context: Any = None) -> SimTimer:  # type: ignore[override]
        when = self.time() + delay
        timer = SimTimer(when, callback, args, self, context)
        if not self.dead:
            self.kernel.add_timer(self.instant_of(when), timer)
        return timer

    def raised(self, error: BaseException) -> None:
        """What a handle raises is a failure of this node."""
        left = isinstance(error, (SystemExit, KeyboardInterrupt))
        message = "left the loop" if left else "exception in a callback"
        self.call_exception_handler({"message": message, "exception": error})

    def create_future(self) -> SimFuture:
        return SimFuture(loop=self)

    def create_task(self, coro: Any, *, name: Any = None, context: Any = None, **_: Any) -> Any:
        task = SimTask(coro, loop=self, name=name, context=context)
        if self.dead:  # what unwinds its coroutines after the end: this one never begins
            self.kernel.unfinished.append(task)
        return task

    def next_task_name(self) -> str:
        """``node/1``, ``node/2`` ... in order of creation in this process."""
        self._task_count += 1
        return f"{self.name}/{self._task_count}"

    def is_running(self) -> bool:
        return not self.dead

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if self.dead or self.kernel.finished:
            return
        if self.on_error is not None:
            self.on_error(context)
        else:
            self.kernel.fail(self.name, str(context.get("message")), context.get("exception"))

    # -- pause, cost, death ----------------------------------------------------------------------

    def gate(self, handle: SimHandle) -> None:
        """Keep a handle that may not run now."""
        if self.dead:
            self.kernel.graveyard.append(handle)
        else:
            self._backlog.append(handle)

    def pause(self) -> None:
        """SIGSTOP: nothing runs; timers and packets pile up."""
        self.paused = self.gated = True

    def resume(self) -> None:
        """SIGCONT."""
        self.paused = False
        self._wake(None)

    def occupy(self, cost_ns: int) -> None:
        """The current handle blocks its loop this long (a blocking fsync)."""
        if cost_ns > 0 and not self.dead:
            self._debt_ns += cost_ns
            self.charge(0)

    def worked_until_ns(self) -> int:
        """The kernel's nanosecond at which all that was charged is done."""
        return max(self._busy_until_ns, self.kernel.now_ns) + self._debt_ns

    def charge(self, cost_ns: int) -> None:
        """The current handle has taken this long."""
        self._debt_ns += cost_ns
        if self._debt_ns < 50 * MICROSECOND:
            return  # too little to be worth an event; it adds up
        self._busy_until_ns = max(self._busy_until_ns, self.kernel.now_ns) + self._debt_ns
        self._debt_ns = 0
        self.gated = True
        if not self._wake_pending:
            self._wake_pending = True
            self.kernel.at(self._busy_until_ns, self._busy_over)

    def _busy_over(self, _: None) -> None:
        self._wake_pending = False
        self._wake(None)

    def _wake(self, _: None) -> None:
        """Run what waited, in order, as far as cost and pauses allow."""
        if self.dead or self.paused:
            return
        if self.kernel.now_ns < self._busy_until_ns:
            if not self._wake_pending:
                self._wake_pending = True
                self.kernel.at(self._busy_until_ns, self._busy_over)
            return
        # They come before whatever is in the common queue for this loop already: FIFO per process.
        waiting, self._backlog = self._backlog, deque()
        self.gated = False
        queue = self.kernel._ready
        mine = [h for h in queue if h._loop is self]
        if mine:
            others = [h for h in queue if h._loop is not self]
            queue.clear()
            queue.extend(others)
        queue.extend(waiting)
        queue.extend(mine)

    def kill(self) -> None:
        """SIGKILL, without the sockets: the caller closes or forgets those."""
        if self.dead:
            return
        grave = self.kernel.graveyard
        alive = asyncio.all_tasks(self)
        self.kernel.unfinished.extend(sorted(alive, key=lambda t: getattr(t, "identity", 0)))
        grave.append(list(self._backlog))
        grave.append([(s, s.reader, s.writer) for s in self.sockets.values()])
        grave.append(list(self._transports.values()))
        grave.append(self)
        self.dead = self.gated = True

    # -- network ---------------------------------------------------------------------------------

    def next_fd(self) -> int:
        """A number for a socket."""
        self._fd_count += 1
        return self._fd_count

    async def getaddrinfo(self, host: Any, port: Any, **_: Any) -> Any:
        address = self.host.network.resolve(self.host, host)
        return [(2, 1, 6, "", (address, int(port or 0)))]

    async def create_server(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: Any = None,
        port: int | None = None,
        *,
        backlog: int = 100,
        start_serving: bool = True,
        ssl: None = None,
        **_: Any,
    ) -> asyncio.Server:
        if ssl is not None:
            raise NotSimulated("TLS")
        names = [host] if host is None or isinstance(host, str) else list(host)
        listeners: list[Any] = []
        try:
            for name in names:
                number = port or (listeners[0].port if listeners else 0)
                listeners.append(self.host.network.bind(self, name, number))
        except OSError:
            for listener in listeners:
                listener.close()
            raise
        server = base_events.Server(self, listeners, protocol_factory, None, backlog, None, None)
        if start_serving:
            server._start_serving()
            await asyncio.sleep(0)
        return server

    def _start_serving(self, protocol_factory: Any, sock: Any, *args: Any, **_: Any) -> None:
        server = args[1] if len(args) > 1 else None
        sock.serve(lambda peer: self._accept(protocol_factory, peer, server))

    def _stop_serving(self, sock: Any) -> None:
        sock.close()

    def _accept(self, protocol_factory: Any, sock: SimSocket, server: Any) -> None:
        protocol = protocol_factory()
        extra = {"peername": sock.getpeername()}
        SimTransport(self, sock, protocol, None, extra, server)

    async def create_connection(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: Any = None,
        port: int | None = None,
        *,
        ssl: Any = None,
        sock: None = None,
        **_: Any,
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """With ``ssl`` the bytes are OpenSSL's, and two runs of a seed differ in them."""
        if sock is not None:
            raise NotSimulated("a ready socket")
        if host is None or port is None:
            raise ValueError("host and port were not specified")
        established = self.create_future()
        self.host.network.connect(self, host, int(port), established)
        try:
            connected = await established
        except asyncio.CancelledError:
            if established.done() and not established.cancelled() and not established.exception():
                established.result().close()
            raise
        protocol = protocol_factory()
        waiter = self.create_future()
        transport: asyncio.Transport
        if ssl is None:
            transport = SimTransport(self, connected, protocol, waiter)
        else:
            tls = sslproto.SSLProtocol(
                self, protocol, ssl, waiter, server_side=False, server_hostname=host
            )
            tls._app_transport._closed = True
            transport = tls._app_transport = SimTlsTransport(self, tls)
            SimTransport(self, connected, tls)
        try:
            await waiter
        except BaseException:
            transport.close()
            raise
        return transport, protocol

    def _add_reader(self, fd: int, callback: Any, *args: Any) -> None:
        self.sockets[fd].set_reader(SimHandle(callback, args, self))

    def _remove_reader(self, fd: int) -> bool:
        sock = self.sockets.get(fd)
        return sock is not None and sock.set_reader(None)

    def _add_writer(self, fd: int, callback: Any, *args: Any) -> None:
        self.sockets[fd].set_writer(SimHandle(callback, args, self))

    def _remove_writer(self, fd: int) -> bool:
        sock = self.sockets.get(fd)
        return sock is not None and sock.set_writer(None)

    # -- what a node must not do -----------------------------------------------------------------

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise NotSimulated("threads, signals, file descriptors and nested loops are not simulated")

    run_forever = run_until_complete = stop = _refuse
    run_in_executor = set_default_executor = call_soon_threadsafe = _refuse
    add_reader = remove_reader = add_writer = remove_writer = _refuse
    add_signal_handler = remove_signal_handler = _refuse
    sock_recv = sock_recv_into = sock_sendall = sock_connect = sock_accept = _refuse
    create_datagram_endpoint = create_unix_server = create_unix_connection = _refuse
    connect_read_pipe = connect_write_pipe = connect_accepted_socket = _refuse
    subprocess_shell = subprocess_exec = start_tls = sendfile = getnameinfo = _refuse


def describe(error: BaseException | None) -> str:
    """One line for an exception: its type and text."""
    return "" if error is None else f"{type(error).__name__}: {error}"


def os_error(number: int) -> OSError:
    """The OSError of an errno, in its proper subclass."""
    return OSError(number, errno.errorcode[number])


assert sys.implementation.name == "cpython"
_Coroutine = Coroutine[Any, Any, Any]
