"""The controller asks every other broker for a sign of life, over a connection of its own.

A request in the controller's queue may take its broker long. A probe is an ApiVersions, which
waits for nothing. If its answer is late, the broker's port is knocked at: a system that is up
accepts a connection, or refuses it, however busy or stopped the broker's process is. So only a
machine that does neither is silent (``silence``). A process that hangs is left to its session, as
in the original.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from barnabas.controller.settings import ControllerSettings
from barnabas.controller.silence import Silences
from barnabas.controller.tcp import Connect, ControlConnection
from barnabas.errors import InvalidRequest
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.api_versions import ApiVersionsRequest
from barnabas.types import Broker

KNOCKS_MAX = 4
"""So many times the port is knocked at before a connection that does not answer is given up."""


class Probes:
    """The probes of one term. Their tasks belong to the controller's task group."""

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        settings: ControllerSettings,
        *,
        own_id: int,
        connect: Connect,
        knock: Connect,
        on_silent: Callable[[Broker], None],
    ) -> None:
        """``knock`` connects too, but to the bare port: without TLS and without a login."""
        self._loop = asyncio.get_running_loop()
        self._tasks = tasks
        self._settings = settings
        self._own_id = own_id
        self._connect = connect
        self._knock = knock
        self._on_silent = on_silent
        self._silences = Silences(limit_ms=settings.silence_ms, now_ms=self._now_ms())
        self._interval_s = self._silences.interval_ms / 1000
        self._probes: dict[int, _Probe] = {}
        self._round = asyncio.Event()
        """Set when all are asked again."""
        self._looking = tasks.create_task(self._look(), name="controller-looks-for-silence")

    def add(self, broker: Broker) -> None:
        """Ask a broker from now on; it replaces its previous incarnation."""
        self.remove(broker.id)
        if broker.id == self._own_id:
            return
        self._silences.add(broker.id, self._now_ms())
        probe = _Probe(self, broker)
        probe.task = self._tasks.create_task(probe.run(), name=f"probe-of-broker-{broker.id}")
        self._probes[broker.id] = probe

    def remove(self, broker_id: int) -> None:
        """Its registration is gone."""
        self._silences.remove(broker_id)
        probe = self._probes.pop(broker_id, None)
        if probe is not None and probe.task is not None:
            probe.task.cancel()

    def update(self, broker: Broker) -> None:
        """The broker has other endpoints; it is asked there next."""
        if probe := self._probes.get(broker.id):
            probe.broker = broker

    def is_silent(self, broker_id: int) -> bool:
        """Whether nothing has come from its machine for the whole time, while most are heard."""
        return self._silences.is_silent(broker_id, self._now_ms())

    def heard(self, broker_id: int) -> None:
        """It gave a sign of life."""
        self._silences.heard(broker_id, self._now_ms())

    def stop(self) -> None:
        """End the term."""
        self._looking.cancel()
        for broker_id in list(self._probes):
            self.remove(broker_id)

    def _now_ms(self) -> float:
        return self._loop.time() * 1000

    async def next_round(self) -> None:
        """Wait until all are asked again, ``interval_ms`` apart at most. One timer for all of them,
        and for the looks: each wakes an idle process."""
        await self._round.wait()

    async def _look(self) -> None:
        while True:
            for is_round in (False, True):
                await asyncio.sleep(self._interval_s / 2)
                for broker_id in self._silences.look(self._now_ms()):
                    self._on_silent(self._probes[broker_id].broker)
                if is_round:
                    self._round.set()
                    self._round = asyncio.Event()


class _Probe:
    """Asks one broker, and knocks at its port."""

    def __init__(self, probes: Probes, broker: Broker) -> None:
        self.broker = broker
        self.task: asyncio.Task[None] | None = None
        self._probes = probes

    async def run(self) -> None:
        """Runs until it is cancelled."""
        while True:
            try:
                connection = await self._open()
                try:
                    await self._keep_asking(connection)
                finally:
                    connection.close()
            except ConnectionRefusedError:
                self._heard()
            except (OSError, TimeoutError, InvalidRequest):
                await self._knock_at()
            await self._probes.next_round()

    async def _open(self) -> ControlConnection:
        """Raises OSError, or TimeoutError if it takes too long."""
        async with asyncio.timeout(self._probes._interval_s):
            connection = await self._connection(self._probes._connect)
        self._heard()
        return connection

    async def _keep_asking(self, connection: ControlConnection) -> None:
        """Until the connection is lost (OSError) or a question is not answered (TimeoutError)."""
        while True:
            question = connection.send(ApiKey.API_VERSIONS, 0, ApiVersionsRequest())
            answer = asyncio.ensure_future(question)
            try:
                for _ in range(KNOCKS_MAX):
                    await asyncio.wait([answer], timeout=self._probes._interval_s)
                    if answer.done():
                        break
                    await self._knock_at()
                else:
                    raise TimeoutError
                await answer
            finally:
                answer.cancel()
            self._heard()
            await self._probes.next_round()

    async def _knock_at(self) -> None:
        """Look whether its system accepts or refuses a connection."""
        try:
            async with asyncio.timeout(self._probes._interval_s):
                connection = await self._connection(self._probes._knock)
        except ConnectionRefusedError:
            self._heard()
        except (OSError, TimeoutError):
            pass
        else:
            connection.close()
            self._heard()

    async def _connection(self, connect: Connect) -> ControlConnection:
        settings = self._probes._settings
        endpoint = self.broker.endpoint(settings.listener)
        if endpoint is None:
            raise OSError("no such listener")
        return await connect(endpoint.host, endpoint.port, "controller-probe")

    def _heard(self) -> None:
        self._probes.heard(self.broker.id)
