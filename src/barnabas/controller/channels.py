"""ControllerChannelManager: from the controller to each broker one queue, one request in flight.

A request is tried until it is answered or its broker goes away; nothing is reordered (reference
2.7). An answer with an error is an answer. A channel keeps its connection open while it is
idle too: a lost connection is tried again at once, which is how a killed broker is noticed long
before its session expires (``reachability``).
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from barnabas.controller.batch import ControlRequest
from barnabas.controller.probes import Probes
from barnabas.controller.reachability import Refusals
from barnabas.controller.settings import ControllerSettings
from barnabas.controller.tcp import Connect, ControlConnection
from barnabas.errors import InvalidRequest
from barnabas.protocol.message import ResponseMessage
from barnabas.types import Broker


class ChannelOwner(Protocol):
    """Is told what happens to a channel. Called from the channel's task; must not block."""

    def on_response(
        self, broker: Broker, request: ControlRequest, response: ResponseMessage
    ) -> None: ...
    def on_unreachable(self, broker: Broker) -> None: ...
    def on_reachable(self, broker: Broker) -> None: ...


class BrokerChannel:
    """See the module. ``run`` is its task; cancel it to stop."""

    def __init__(
        self,
        broker: Broker,
        *,
        client_id: str,
        settings: ControllerSettings,
        connect: Connect,
        owner: ChannelOwner,
        detect_refusals: bool = True,
        starting: bool = False,
    ) -> None:
        """``starting``: it has just registered, so its port may open a little later."""
        self.broker = broker
        self._client_id = client_id
        self._settings = settings
        self._connect = connect
        self._owner = owner
        self._queue: deque[ControlRequest] = deque()
        self._wake = asyncio.Event()
        self._refusals = Refusals(
            count_max=settings.refused_connections_max if detect_refusals else 0,
            duration_ms=settings.refused_for_ms,
            start_ms=settings.refused_at_start_ms if starting else 0,
        )
        self._given_up = False
        self._failures = 0
        self._is_connected = False
        self._told: asyncio.Future[None] | None = None
        """Done when all that is queued has been answered."""

    def enqueue(self, request: ControlRequest) -> None:
        """Send after everything queued before it."""
        self._queue.append(request)
        self._wake.set()

    def clear(self) -> None:
        """Forget what is queued: the broker failed, and begins anew when it is back."""
        self._queue.clear()
        self._end_wait()

    def told(self) -> asyncio.Future[None] | None:
        """Done when all that is queued has been answered, or will not be soon, because the
        connection is lost or nothing is to be sent any more. None if it is so now."""
        if not self._queue or not self._is_connected:
            return None
        if self._told is None:
            self._told = asyncio.get_running_loop().create_future()
        return self._told

    def _end_wait(self) -> None:
        told, self._told = self._told, None
        if told is not None and not told.done():
            told.set_result(None)

    def give_up(self) -> None:
        """The same for a broker that has fallen silent: its return is told too."""
        self.clear()
        self._given_up = True

    @property
    def queued(self) -> int:
        """Requests that are not answered yet."""
        return len(self._queue)

    async def run(self) -> None:
        """Runs until it is cancelled."""
        connection: ControlConnection | None = None
        try:
            while True:
                connection = await self._open()
                self._is_connected = True
                await self._serve(connection)
                self._is_connected = False
                self._end_wait()
                connection.close()
        finally:
            self._is_connected = False
            self._end_wait()
            if connection is not None:
                connection.close()

    async def _open(self) -> ControlConnection:
        """Connect, as often as it takes."""
        loop = asyncio.get_running_loop()
        while True:
            endpoint = self.broker.endpoint(self._settings.listener)
            pause_ms = self._settings.channel_retry_backoff_ms
            try:
                if endpoint is None:
                    raise OSError("no such listener")
                async with asyncio.timeout(self._patience_ms() / 1000):
                    connection = await self._connect(endpoint.host, endpoint.port, self._client_id)
            except ConnectionRefusedError:
                if self._given_up:
                    pause_ms = self._settings.knock_interval_ms
                elif self._refusals.refused(loop.time() * 1000):
                    self._given_up = True
                    self._owner.on_unreachable(self.broker)
                    pause_ms = self._settings.knock_interval_ms
                elif self._refusals.count_max:
                    pause_ms = self._settings.refused_retry_backoff_ms
            except (OSError, TimeoutError):
                self._refusals.other_outcome()
            else:
                self._refusals.connected()
                if self._given_up:
                    self._given_up = False
                    self._owner.on_reachable(self.broker)
                return connection
            await asyncio.sleep(pause_ms / 1000)

    def _patience_ms(self) -> int:
        """Of one attempt. To a machine without power the system itself would try ever more
        rarely."""
        timeout_ms = self._settings.controller_socket_timeout_ms
        if self._given_up:
            return min(timeout_ms, self._settings.knock_timeout_ms)
        return timeout_ms

    async def _serve(self, connection: ControlConnection) -> None:
        """Send what is queued over one connection until it is lost."""
        connection.closed.add_done_callback(self._wake_up)
        while not connection.closed.done():
            if not self._queue:
                self._end_wait()
                self._wake.clear()
                await self._wake.wait()
                continue
            request = self._queue[0]
            try:
                async with asyncio.timeout(self._settings.controller_socket_timeout_ms / 1000):
                    response = await connection.send(
                        request.api_key, request.version, request.message
                    )
            except (OSError, TimeoutError, InvalidRequest):
                await self._failed()
                return
            self._failures = 0
            if self._queue and self._queue[0] is request:
                self._queue.popleft()
                self._owner.on_response(self.broker, request, response)

    async def _failed(self) -> None:
        """Connect at once after the first loss, and after a pause when another one follows."""
        self._failures += 1
        if self._failures > 1:
            await asyncio.sleep(self._settings.channel_retry_backoff_ms / 1000)

    def _wake_up(self, _: asyncio.Future[Any]) -> None:
        self._wake.set()


class Channels:
    """All channels of one term. Their tasks belong to the controller's task group."""

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        make: Callable[[Broker, bool], BrokerChannel],
        probes: Probes | None = None,
        patience_s: Callable[[], float] = lambda: math.inf,
    ) -> None:
        """``probes``: None where silence is not looked for. ``patience_s``: how long ``told`` may
        wait for all that the controller is to do next; ``hurry`` says that it became less."""
        self._tasks = tasks
        self._make = make
        self._probes = probes
        self._patience_s = patience_s
        self._channels: dict[int, tuple[BrokerChannel, asyncio.Task[None]]] = {}
        self._limit: asyncio.Timeout | None = None
        """Of ``told``, while it waits."""

    def add(self, broker: Broker, *, starting: bool) -> None:
        """Open a channel to a broker; it replaces that of its previous incarnation."""
        self.remove(broker.id)
        self._run(self._make(broker, starting))
        if self._probes is not None:
            self._probes.add(broker)

    def _run(self, channel: BrokerChannel) -> None:
        number = channel.broker.id
        task = self._tasks.create_task(channel.run(), name=f"controller-to-broker-{number}")
        self._channels[number] = channel, task

    def remove(self, broker_id: int) -> None:
        """Drop a broker's channel and all that was queued for it."""
        if entry := self._channels.pop(broker_id, None):
            entry[1].cancel()
        if self._probes is not None:
            self._probes.remove(broker_id)

    def update(self, broker: Broker) -> None:
        """The broker has other endpoints; its next connection goes there."""
        if entry := self._channels.get(broker.id):
            entry[0].broker = broker
        if self._probes is not None:
            self._probes.update(broker)

    def is_silent(self, broker_id: int) -> bool:
        """Whether its machine has given no sign of life for too long, and most others have."""
        return self._probes is not None and self._probes.is_silent(broker_id)

    def give_up(self, broker_id: int) -> None:
        """A broker has fallen silent: drop what is queued for it and its connection, on which
        nothing would come for long when it is back. Its channel goes on connecting."""
        if entry := self._channels.get(broker_id):
            channel, task = entry
            task.cancel()
            channel.give_up()
            self._run(channel)

    def heard(self, broker_id: int) -> None:
        """A broker that was given up is reachable again."""
        if self._probes is not None:
            self._probes.heard(broker_id)

    def clear(self, broker_id: int) -> None:
        """Drop what is queued for a broker that was treated as failed; its channel goes on
        connecting."""
        if entry := self._channels.get(broker_id):
            entry[0].clear()

    def send(self, requests: Iterable[ControlRequest]) -> None:
        """Queue requests; those for brokers without a channel are dropped (they are gone)."""
        for request in requests:
            if entry := self._channels.get(request.broker_id):
                entry[0].enqueue(request)

    async def told(self, longest_s: float) -> None:
        """Return when all brokers that can be reached have answered what is queued for them, or
        after so many seconds, or when something else can wait no longer. Only one may wait."""
        waits = [wait for channel, _ in self._channels.values() if (wait := channel.told())]
        longest_s = min(longest_s, self._patience_s())
        if not waits or longest_s <= 0:
            return
        try:
            async with asyncio.timeout(longest_s) as self._limit:
                await asyncio.wait(waits)
        except TimeoutError:
            pass
        finally:
            self._limit = None

    def hurry(self, longest_s: float) -> None:
        """If ``told`` waits, it shall return in so many seconds from now."""
        limit = self._limit
        if limit is None or limit.expired():
            return
        until, now = limit.when(), asyncio.get_running_loop().time()
        if until is None or now + longest_s < until:
            limit.reschedule(now + longest_s)

    def stop(self) -> None:
        """End the term."""
        for broker_id in list(self._channels):
            self.remove(broker_id)
        if self._probes is not None:
            self._probes.stop()
