"""Which other brokers have most likely just died, long before the controller says so.

A broker keeps one idle connection to every other broker that the controller counts as alive: a
process that is killed closes it, and a new one is refused; a broker that is slow, paused or
overloaded does neither. What is known here decides nothing about roles. It
only keeps Metadata from naming a leader that is dead: clients whose connection broke ask at once,
and one that is told the old leader again may wait for a timer of its own before it asks next
(librdkafka a second, franz-go five).

A dying process closes its sockets one after another, the listening one last, which takes some
milliseconds on a busy machine: a client's may break before ours. So whoever asks about leaders is
answered after a sign of life that they gave later than the question came (``confirm``): an answer
to ApiVersions over the idle connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from enum import Enum
from typing import cast

from barnabas import addresses
from barnabas.metadata_cache import MetadataCache
from barnabas.protocol import codec
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.api_versions import ApiVersionsRequest
from barnabas.security import client
from barnabas.security.client import PLAINTEXT, ClientSecurity, SaslConnection
from barnabas.types import Endpoint

SUCCESSOR_S = 0.5
"""How long after a leader's connection broke its successor is waited for: a leader's takes a tenth
of a second, a controller's a quarter."""
WAITING_MAX = 256
"""Questions that may wait for a successor at a time; more are answered at once."""
LIFE_S = 0.05
"""How long a question waits for signs of life at most: longer than a process takes to die."""
CONFIRMED_MAX = 16
"""Leaders that are asked for one before a question is answered; who asks about more asks about the
cluster."""
CONNECT_TIMEOUT_S = 2.0
PAUSE_FIRST_S = 0.02
PAUSE_LONGEST_S = 1.0
"""Between attempts to connect, doubled from the first to the longest."""
PROVEN_S = 1.0
"""A connection that breaks sooner says nothing: a broker with ``max.connections`` closes it at
once. If the broker has died, the next attempt tells."""

_ANYBODY_THERE = codec.encode_request(ApiKey.API_VERSIONS, 0, 0, "neighbour", ApiVersionsRequest())
_ANSWER_BYTES_MAX = 1 << 16
_SIZE_BYTES = 4


class Standing(Enum):
    """What a client may be told of the leader that the controller announced."""

    NAMED = "its connection is open, or nothing is known against it"
    AWAITED = "it has just gone: its successor will be announced in a moment"
    UNNAMED = "it has gone, and no successor came in time"


def standing(now: float, gone_since: float | None) -> Standing:
    """Pure: from when a broker's connection broke (None: it did not); seconds of the loop."""
    if gone_since is None:
        return Standing.NAMED
    return Standing.AWAITED if now < gone_since + SUCCESSOR_S else Standing.UNNAMED


class Neighbours:
    """See the module. ``run()`` until cancelled."""

    def __init__(
        self,
        broker_id: int,
        metadata: MetadataCache,
        listener: str,
        security: ClientSecurity = PLAINTEXT,
    ) -> None:
        """``listener``: the name of the one between brokers, and how it is reached."""
        self._security = security
        self._broker_id = broker_id
        self._metadata = metadata
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._gone_since: dict[int, float] = {}
        """By broker: the loop's time of the break."""
        self._watches: dict[int, tuple[Endpoint, asyncio.Task[None]]] = {}
        self._open: dict[int, _Idle] = {}
        self._listeners: dict[Callable[[], None], None] = {}
        self._announced = asyncio.Event()
        self._waiting = 0

    def standing(self, broker_id: int) -> Standing:
        """Of a broker that the controller counts as alive."""
        return standing(self._loop.time(), self._gone_since.get(broker_id))

    def awaited(self, leaders: Iterable[int]) -> set[int]:
        """Those of ``leaders`` whose successors will be announced in a moment."""
        if not self._gone_since or self._waiting >= WAITING_MAX:
            return set()
        # There may be ten thousand partitions, and a few brokers that lead them.
        return {b for b in dict.fromkeys(leaders) if self.standing(b) is Standing.AWAITED}

    def unconfirmed(self, leaders: Iterable[int]) -> list[int]:
        """Those of ``leaders`` that a question has to be confirmed of before it is answered."""
        found = [b for b in dict.fromkeys(leaders) if b in self._open]
        return found if len(found) <= CONFIRMED_MAX and self._waiting < WAITING_MAX else []

    async def confirm(self, leaders: Iterable[int]) -> None:
        """Wait for a sign of life of each, or the end of its connection. One that gives none in
        time is no worse than before: it may be paused, or overloaded."""
        signs = [self._open[b].ask() for b in self.unconfirmed(leaders)]
        if not signs:
            return
        self._waiting += 1
        try:
            await asyncio.wait(signs, timeout=LIFE_S)
        finally:
            self._waiting -= 1

    async def successors(self, leaders: Callable[[], Iterable[int]]) -> None:
        """Wait until none of ``leaders()``, asked anew after every change, is awaited: its
        successor was announced, it is back, or it has gone for too long. A successor that goes too
        is not waited for anew: half a second is the bound of all of it."""
        changed = asyncio.Event()
        bound = self._loop.time() + SUCCESSOR_S
        unsubscribe = self._metadata.subscribe(changed.set)
        self._listeners[changed.set] = None
        try:
            while awaited := self.awaited(leaders()):
                changed.clear()
                self._waiting += 1
                try:
                    latest = max(self._gone_since[b] for b in awaited)
                    async with asyncio.timeout_at(min(bound, latest + SUCCESSOR_S)):
                        await changed.wait()
                except TimeoutError:
                    return
                finally:
                    self._waiting -= 1
        finally:
            unsubscribe()
            del self._listeners[changed.set]

    async def run(self) -> None:
        """Keep a connection to every other live broker."""
        unsubscribe = self._metadata.subscribe(self._announced.set)
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    self._announced.clear()
                    self._follow(tasks)
                    await self._announced.wait()
        finally:
            unsubscribe()

    def _follow(self, tasks: asyncio.TaskGroup) -> None:
        """One watch for each live broker, at the address that it has now."""
        live: dict[int, Endpoint] = {}
        for broker_id in self._metadata.brokers:
            endpoint = self._metadata.endpoint(broker_id, self._listener)
            if endpoint is not None and broker_id != self._broker_id:
                live[broker_id] = endpoint
        for broker_id, (endpoint, task) in list(self._watches.items()):
            if live.get(broker_id) != endpoint:
                task.cancel()
                del self._watches[broker_id]
                if broker_id not in live:
                    # A new controller says who is there before it says who leads.
                    self._gone_since.setdefault(broker_id, self._loop.time())
        for broker_id, endpoint in live.items():
            if broker_id not in self._watches:
                self._gone_since.pop(broker_id, None)
                watch = tasks.create_task(self._watch(broker_id, endpoint))
                self._watches[broker_id] = (endpoint, watch)

    async def _watch(self, broker_id: int, endpoint: Endpoint) -> None:
        """Connect, wait until the connection breaks, connect again."""
        pause_s = PAUSE_FIRST_S
        while True:
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    idle, lasts_s = await self._connect(broker_id, endpoint)
            except ConnectionRefusedError:
                self._gone(broker_id)
            except (OSError, TimeoutError):
                self._back(broker_id)  # it cannot be reached from here; others may reach it
            else:
                self._back(broker_id)
                self._open[broker_id] = idle
                try:
                    async with asyncio.timeout(lasts_s):
                        await idle.ended.wait()
                except TimeoutError:
                    continue  # the login is about to run out: another connection, another login
                finally:
                    del self._open[broker_id]
                    idle.close()
                if idle.proven:
                    pause_s = PAUSE_FIRST_S
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, PAUSE_LONGEST_S)

    async def _connect(self, broker_id: int, endpoint: Endpoint) -> tuple[_Idle, float | None]:
        """The idle connection, and for how long it may be used. Raises OSError."""
        idle = _Idle(lambda: self._gone(broker_id))
        if self._security is PLAINTEXT:
            await addresses.connect(lambda: idle, endpoint.host, endpoint.port)
            return idle, None
        connection = await client.connect(
            endpoint.host,
            endpoint.port,
            client_id="neighbour",
            timeout_ms=int(1000 * CONNECT_TIMEOUT_S),
            security=self._security,
        )
        connection.hand_over(idle)
        return idle, connection.lasts_s if isinstance(connection, SaslConnection) else None

    def _gone(self, broker_id: int) -> None:
        if broker_id not in self._gone_since:
            self._gone_since[broker_id] = self._loop.time()
            self._tell()

    def _back(self, broker_id: int) -> None:
        if self._gone_since.pop(broker_id, None) is not None:
            self._tell()

    def _tell(self) -> None:
        for listener in list(self._listeners):
            listener()


class _Idle(asyncio.Protocol):
    """A connection that tells when the peer closes it: in the very call in which the loop reads
    that, so that a client's question that arrived after it is answered with it in mind. Asked for
    a sign of life, it sends a request; there is never more than one that is not answered."""

    def __init__(self, on_break: Callable[[], None]) -> None:
        self._on_break = on_break
        self._loop = asyncio.get_running_loop()
        self._made_at = self._loop.time()
        self._transport: asyncio.WriteTransport | None = None
        self._received = bytearray()
        self._sign: asyncio.Future[None] | None = None
        """Done when the request that was sent is answered."""
        self._next_sign: asyncio.Future[None] | None = None
        """Of the request that follows it, for those who ask meanwhile."""
        self.ended = asyncio.Event()
        self.proven = False
        """It broke after it had lasted."""

    def ask(self) -> asyncio.Future[None]:
        """Done when the peer has answered a request that was sent now or later, or has gone."""
        if self.ended.is_set() or self._transport is None:
            gone = self._loop.create_future()
            gone.set_result(None)
            return gone
        if self._sign is None:
            self._sign = self._loop.create_future()
            self._transport.write(_ANYBODY_THERE)
            return self._sign
        if self._next_sign is None:
            self._next_sign = self._loop.create_future()
        return self._next_sign

    def close(self) -> None:
        """Give it up, without a word to the peer."""
        self.ended.set()
        for sign in (self._sign, self._next_sign):
            if sign is not None and not sign.done():
                sign.set_result(None)
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if len(self._received) < _SIZE_BYTES:
            return
        end = _SIZE_BYTES + int.from_bytes(self._received[:_SIZE_BYTES], "big")
        if end > _ANSWER_BYTES_MAX or self._sign is None:
            self.close()  # whoever that is, it is no broker
        elif len(self._received) >= end:
            del self._received[:end]
            sign, self._sign = self._sign, None
            sign.set_result(None)
            if self._next_sign is not None and self._transport is not None:
                self._sign, self._next_sign = self._next_sign, None
                self._transport.write(_ANYBODY_THERE)

    def eof_received(self) -> None:
        self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()

    def _end(self) -> None:
        if self.ended.is_set():
            return
        self.proven = self._loop.time() - self._made_at >= PROVEN_S
        if self.proven:
            self._on_break()
        self.close()
