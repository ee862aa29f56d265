"""An event loop for one node. With it several nodes can share a thread, and a test can stop one.

A node sees a loop of its own. Its callbacks, timers, tasks, servers and connections go through it
to the real loop (``host``). So the node can be paused and killed like a process. While it is paused
none of its code runs, and what arrives waits. After a kill its code never runs again, and its
sockets are closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from barnabas.testing.links import CLIENTS, LOST, Directory, Links, address_of
from barnabas.testing.wires import Factory, Wire

log = logging.getLogger(__name__)

T = TypeVar("T")

_FINISH_STEPS_MAX = 50_000
_OURS = ("kafka", "barnabas", "state.change")
"""Prefixes of the names of Barnabas's loggers."""
_unfinished_tasks: list[asyncio.Task[Any]] = []
"""Tasks of killed nodes that did not end. They are kept, since Python logs an error for a task that
is freed before its end."""


def unfinished_tasks() -> int:
    """How many tasks of killed nodes this process keeps for ever."""
    return len(_unfinished_tasks)


class _Timer(asyncio.TimerHandle):
    """A timer of the node, and the host's timer for it."""

    behind: asyncio.TimerHandle | None = None

    def cancel(self) -> None:
        if self.behind is not None:
            self.behind.cancel()
            self.behind = None
        super().cancel()


class NodeLoop(asyncio.AbstractEventLoop):
    """The loop of the node ``name`` in the thread of ``host``."""

    def __init__(
        self, host: asyncio.AbstractEventLoop, name: str, members: Directory, links: Links
    ) -> None:
        self.host = host
        self.name = name
        self.members = members
        self.links = links
        self.on_error: Callable[[dict[str, Any]], None] = _log_error
        self.is_dead = False
        self.is_paused = False
        self._is_finishing = False
        self.wires: dict[Wire, None] = {}
        self._ready: deque[asyncio.Handle] = deque()
        self._is_scheduled = False
        self._timers: dict[int, _Timer] = {}
        self._servers: list[asyncio.AbstractServer] = []
        self._foreign: dict[asyncio.Task[Any], None] = {}
        """Tasks of the host for this node: connections that are being opened."""
        self._healed: list[asyncio.Future[None]] = []
        self._executor: Executor | None = None
        self._empty = contextvars.Context()

    # Turns

    def inside(self, callback: Callable[..., T], *args: Any) -> T:
        """Call with this loop as the running one."""
        before = events._get_running_loop()
        events._set_running_loop(self)
        try:
            return callback(*args)
        finally:
            events._set_running_loop(before)

    def deliver(self, callback: Callable[..., Any], *args: Any) -> None:
        """Deliver an event from outside: now, or if the node is paused, when it runs again."""
        if self.is_dead:
            return
        if self.is_paused:
            self._ready.append(asyncio.Handle(callback, args, self))
            return
        try:
            self.inside(callback, *args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            message = f"Exception in {callback!r}"
            self.call_exception_handler({"message": message, "exception": error})

    def _schedule(self) -> None:
        if self._ready and not (self._is_scheduled or self.is_paused or self.is_dead):
            self._is_scheduled = True
            self.host.call_soon(self._turn, context=self._empty)

    def _turn(self) -> None:
        self._is_scheduled = False
        before = events._get_running_loop()
        events._set_running_loop(self)
        try:
            for _ in range(len(self._ready)):
                if self.is_paused or self.is_dead:
                    return
                handle = self._ready.popleft()
                if not handle.cancelled():
                    handle._run()
        finally:
            events._set_running_loop(before)
            self._schedule()

    # asyncio's interface

    def time(self) -> float:
        return self.host.time()

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return self.is_dead

    def call_soon(  # type: ignore[override]
        self, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._enqueue(handle)
        return handle

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self.host.call_soon_threadsafe(self._enqueue, handle)
        return handle

    def _enqueue(self, handle: asyncio.Handle) -> None:
        if self._is_finishing or not self.is_dead:
            self._ready.append(handle)
            self._schedule()

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        timer = _Timer(when, callback, args, self, context)
        if self._is_finishing:
            self._ready.append(timer)
        elif not self.is_dead:
            timer.behind = self.host.call_at(when, self._due, timer, context=self._empty)
            self._timers[id(timer)] = timer
        return timer

    def _due(self, timer: _Timer) -> None:
        timer.behind = None
        self._timers.pop(id(timer), None)
        self._enqueue(timer)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        self._timers.pop(id(handle), None)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Any, *, name: str | None = None, context: Any = None, **options: Any
    ) -> asyncio.Task[Any]:
        if self.is_dead and not self._is_finishing:
            coro.close()
            raise RuntimeError(f"{self.name} is dead")
        return asyncio.Task(coro, loop=self, name=name, context=context, **options)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if not self.is_dead:
            self.on_error(context)

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        if executor is None:
            self._executor = self._executor or ThreadPoolExecutor(4)
            executor = self._executor
        return asyncio.wrap_future(executor.submit(func, *args), loop=self)

    # Network

    async def create_server(  # type: ignore[override]
        self, protocol_factory: Factory, host: Any = None, port: Any = None, **options: Any
    ) -> asyncio.AbstractServer:
        def accept() -> asyncio.BaseProtocol:
            return Wire(self, protocol_factory, None).protocol()

        server = await self._by_host(self.host.create_server(accept, host, port, **options))
        self._servers.append(server)
        return server

    async def create_connection(  # type: ignore[override]
        self, protocol_factory: Factory, host: Any = None, port: Any = None, **options: Any
    ) -> tuple[asyncio.BaseTransport, asyncio.BaseProtocol]:
        peer = self.members.at_port(int(port))
        while self.links.is_cut_off(self.name, peer):
            healed = self.create_future()
            self._healed.append(healed)
            await healed
        if (late := self.delay_to(peer)) > 0:
            await asyncio.sleep(late)
        wire = Wire(self, protocol_factory, peer)
        address = address_of(self.name)
        if address is not None:
            options["local_addr"] = (address, 0)
        await self._by_host(self.host.create_connection(wire.protocol, host, port, **options))
        assert wire.first is not None
        return wire, wire.first

    async def _by_host(self, work: Coroutine[Any, Any, T]) -> T:
        """Let the host run work that only a real loop can do."""
        if self.is_dead:
            work.close()
            raise ConnectionAbortedError(f"{self.name} is dead")
        done: asyncio.Future[T] = self.create_future()
        task = self.host.create_task(work)
        self._foreign[task] = None
        task.add_done_callback(partial(self._host_has_done, done))
        try:
            return await done
        finally:
            if not task.done():
                task.cancel()

    def _host_has_done(self, done: asyncio.Future[Any], task: asyncio.Task[Any]) -> None:
        self._foreign.pop(task, None)
        failed = None if task.cancelled() else task.exception()
        if done.done() or self.is_dead:
            if not task.cancelled() and failed is None:
                _discard(task.result())
        elif task.cancelled():
            done.cancel()
        elif failed is not None:
            done.set_exception(failed)
        else:
            done.set_result(task.result())

    def delay_to(self, peer: str | None) -> float:
        """How late what this node sends arrives at ``peer``, in seconds."""
        return self.links.delay(self.name, peer or CLIENTS)

    def hears(self, peer: str | None) -> bool:
        """Whether data from ``peer`` may be read. Other nodes hold back what they send; only
        clients do not."""
        lost = peer == CLIENTS and self.links.delay(CLIENTS, self.name) == LOST
        return not (lost or self.is_paused or self.is_dead)

    # Called by a test

    def relink(self) -> None:
        """The links have changed."""
        for wire in list(self.wires):
            wire.relink()
        healed, self._healed = self._healed, []
        for future in healed:
            if not future.done():
                future.set_result(None)

    def pause(self) -> None:
        """Stop the node as SIGSTOP does."""
        self.is_paused = True
        for wire in list(self.wires):
            wire.relink()

    def resume(self) -> None:
        """Let the node run again, as SIGCONT does."""
        self.is_paused = False
        for wire in list(self.wires):
            wire.relink()
        self._schedule()

    def kill(self) -> None:
        """End the node as SIGKILL does: its code never runs again, and its sockets are closed."""
        if self.is_dead:
            return
        tasks = asyncio.all_tasks(self)
        self.is_dead = True
        for timer in list(self._timers.values()):
            timer.cancel()
        self._timers.clear()
        for server in self._servers:
            server.close()
        for foreign in list(self._foreign):
            foreign.cancel()
        for wire in list(self.wires):
            wire.die()
        self._finish(tasks)
        if isinstance(self._executor, ThreadPoolExecutor):
            self._executor.shutdown(wait=False)

    def _finish(self, tasks: set[asyncio.Task[Any]]) -> None:
        """Run the coroutines of the killed node to their ends; otherwise Python complains when it
        frees them. This has no effect outside: sockets, files and observer refuse everything, and
        every wait ends at once. Callbacks that were ready run too. Without them a task that was
        about to be woken would not notice that it is cancelled."""
        self._is_finishing = True
        with _without_logs(), _between_tasks():
            for task in tasks:
                self.inside(task.cancel)
            for _ in range(_FINISH_STEPS_MAX):
                if not self._ready:
                    break
                handle = self._ready.popleft()
                if not handle.cancelled():
                    self.inside(handle._run)
        self._is_finishing = False
        self._ready.clear()
        _unfinished_tasks.extend(asyncio.all_tasks(self))


@contextlib.contextmanager
def _between_tasks() -> Iterator[None]:
    """Lets tasks of another loop run here. Since Python 3.14 a task cannot run while another one
    runs in the same thread, even on another loop."""
    loop = asyncio.get_running_loop()
    current = asyncio.current_task()
    if current is None:
        yield
        return
    asyncio._leave_task(loop, current)
    try:
        yield
    finally:
        asyncio._enter_task(loop, current)


@contextlib.contextmanager
def _without_logs() -> Iterator[None]:
    """Turns Barnabas's loggers off: what a killed node would log says nothing about the cluster."""
    silenced = [
        logger
        for name, logger in logging.root.manager.loggerDict.items()
        if isinstance(logger, logging.Logger) and name.startswith(_OURS) and not logger.disabled
    ]
    for logger in silenced:
        logger.disabled = True
    try:
        yield
    finally:
        for logger in silenced:
            logger.disabled = False


def _discard(made: Any) -> None:
    """Close a connection or server that nobody waits for any more."""
    with contextlib.suppress(Exception):
        (made[0].abort if isinstance(made, tuple) else made.close)()


def _log_error(context: dict[str, Any]) -> None:
    log.error("%s", context.get("message"), exc_info=context.get("exception"))
