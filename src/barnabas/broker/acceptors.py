"""Acceptor: accepts the connections of each listener one after the other, as the limits allow.

A connection that has to wait is held: it is open, but not read. (Kafka leaves it in the kernel,
which is the same for its client.) If too many connections come from an address, further ones are
held for a moment and then closed.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar

from barnabas.broker.connection_limits import ConnectionCounts

log = logging.getLogger("kafka.network")

HELD_MAX: Final = 1024
"""The most held connections at one listener; further ones are closed."""


class Arrival(Protocol):
    """A connection that has come."""

    @property
    def listener(self) -> str: ...

    @property
    def peer(self) -> str:
        """Its address."""
        ...

    def hold(self) -> None:
        """Do not read from it until ``let_go``."""
        ...

    def let_go(self) -> None:
        """Accept it: read from it now."""
        ...

    def close(self) -> None: ...


A = TypeVar("A", bound=Arrival)


class _Queue(Generic[A]):
    """The connections that wait at one listener."""

    def __init__(self) -> None:
        self.held: deque[A] = deque()
        self.is_recorded = False
        """Whether the first of them has been counted in the rates."""
        self.not_before = 0.0
        """When it may be accepted."""
        self.timer: asyncio.TimerHandle | None = None


class Acceptors(Generic[A]):
    """Accepts at all listeners. ``accepted`` is called with each connection, before ``let_go``."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        counts: ConnectionCounts,
        accepted: Callable[[A], None],
    ) -> None:
        self._loop = loop
        self._counts = counts
        self._accepted = accepted
        self._queues: dict[str, _Queue[A]] = {}
        self._rejected: dict[A, asyncio.TimerHandle] = {}
        """Connections that are held for a moment and will be closed."""

    @property
    def held(self) -> list[A]:
        """All that are held."""
        return [*self._rejected, *(each for q in self._queues.values() for each in q.held)]

    def arrived(self, arrival: A) -> None:
        """A connection has come."""
        queue = self._queues.setdefault(arrival.listener, _Queue())
        if len(queue.held) >= HELD_MAX:
            log.warning("%d connections wait at %s: one more is closed", HELD_MAX, arrival.listener)
            arrival.close()
            return
        queue.held.append(arrival)
        self._advance(arrival.listener, queue)
        if queue.held and queue.held[-1] is arrival:
            arrival.hold()

    def gone(self, arrival: A) -> bool:
        """A connection has been closed. Returns whether it was still held."""
        timer = self._rejected.pop(arrival, None)
        if timer is not None:
            timer.cancel()
            return True
        queue = self._queues.get(arrival.listener)
        if queue is None or arrival not in queue.held:
            return False
        if queue.held[0] is arrival:
            queue.is_recorded = False
        queue.held.remove(arrival)
        self._advance(arrival.listener, queue)
        return True

    def look_again(self) -> None:
        """Look again whether held ones may be accepted: others have gone, or limits have
        changed."""
        for listener, queue in self._queues.items():
            if queue.held:
                self._advance(listener, queue)

    def _advance(self, listener: str, queue: _Queue[A]) -> None:
        """Accept all that may be accepted now."""
        counts = self._counts
        while queue.held:
            now = self._loop.time()
            if not queue.is_recorded:
                queue.is_recorded = True
                queue.not_before = now + counts.came(listener, int(now * 1000)) / 1000
            if now < queue.not_before:
                if queue.timer is None:
                    delay = queue.not_before - now
                    queue.timer = self._loop.call_later(delay, self._waited, listener, queue)
                return
            if not counts.has_room(listener):
                return
            queue.is_recorded = False
            self._accept(queue.held.popleft(), int(now * 1000))

    def _waited(self, listener: str, queue: _Queue[A]) -> None:
        queue.timer = None
        self._advance(listener, queue)

    def _accept(self, arrival: A, now_ms: int) -> None:
        wait_ms = self._counts.came_from(arrival.listener, arrival.peer, now_ms)
        if wait_ms:
            if len(self._rejected) >= HELD_MAX:
                arrival.close()
                return
            arrival.hold()
            self._rejected[arrival] = self._loop.call_later(wait_ms / 1000, self._reject, arrival)
            return
        refusal = self._counts.take(arrival.listener, arrival.peer)
        if refusal is not None:
            log.info("%s", refusal)
            arrival.close()
            return
        self._accepted(arrival)
        arrival.let_go()

    def _reject(self, arrival: A) -> None:
        self._rejected.pop(arrival, None)
        arrival.close()
