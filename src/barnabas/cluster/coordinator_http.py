"""What the embedded coordinator shows of itself over HTTP: the same paths as a broker.

Its metrics are what ``mntr`` tells, under the names of ZooKeeper's own exporter: those without
``zk_`` in front.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace

from barnabas.config.http_listener import HttpListener
from barnabas.http.guard import Guard
from barnabas.http.light_server import start
from barnabas.monitor.app import OPEN_PATHS, MonitorApp
from barnabas.monitor.names import header, lines
from barnabas.observe.events import COORDINATOR
from barnabas.observe.timeline import Timeline
from barnabas.seams import Env
from barnabas.zookeeper.server.coordinator import Coordinator
from barnabas.zookeeper.server.four_letter import monitored

log = logging.getLogger("kafka.zookeeper")


class CoordinatorHttp:
    """``env`` is what the coordinator is to be given; ``made`` is to be called with it."""

    def __init__(self, env: Env, wanted: HttpListener) -> None:
        self.timeline = Timeline(
            *(env.clock, COORDINATOR, env.observer), sequence=env.clock.wall_ms()
        )
        self.env = replace(env, observer=self.timeline)
        self._wanted = wanted
        self._coordinator: Coordinator | None = None

    def made(self, coordinator: Coordinator) -> None:
        """It is there."""
        self._coordinator = coordinator

    async def serve(self) -> None:
        """Until cancelled. A listener that cannot be opened is said in the log."""
        wanted = self._wanted
        app = MonitorApp(self.timeline, self._condition, self._pages)
        guard = Guard(token=wanted.token, names=wanted.names, open_paths=OPEN_PATHS)
        try:
            listener = await start(
                *(app, guard), host=wanted.host, port=wanted.port, others=wanted.token is not None
            )
        except OSError as error:
            log.error("--http %s:%d: %s", wanted.host, wanted.port, error)
            return
        async with listener:
            log.info("metrics, health and events at %s", listener.url)
            await asyncio.get_running_loop().create_future()

    def _condition(self) -> dict[str, object]:
        serves = self._coordinator is not None and not self._coordinator.stopping
        return {"ready": serves, "reasons": [] if serves else ["it does not serve"]}

    async def _pages(self) -> AsyncIterator[str]:
        if self._coordinator is not None:
            for name, value in monitored(self._coordinator).items():
                if isinstance(value, int | float):
                    short = name.removeprefix("zk_")
                    yield header(short, f"{name} of mntr.", "gauge") + lines(short, [("", value)])
        name = "barnabas_events"
        yield header(name, "Events so far, by kind.", "untyped") + lines(
            name, ((f'{{kind="{kind}"}}', n) for kind, n in self.timeline.counts.items())
        )
