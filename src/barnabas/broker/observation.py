"""What a broker shows of itself, as far as its settings ask for it.

This is the place where it is imported: a plain broker starts without.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from barnabas.api.dispatch import Dispatcher
from barnabas.api.services import Services
from barnabas.config.broker_config import BrokerConfig
from barnabas.config.http_listener import HttpListener, http_listener
from barnabas.seams import Env

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from barnabas.broker.network import NetworkServer
    from barnabas.http.listener import Listener
    from barnabas.monitor.dispatcher import CountingDispatcher
    from barnabas.observe.json_lines import JsonLines
    from barnabas.observe.timeline import Timeline
    from barnabas.zookeeper.client.client import ZooKeeperClient

log = logging.getLogger("kafka.server")


def observed(env: Env, config: BrokerConfig) -> tuple[Env, Observation | None]:
    """The world with a timeline as its observer, and who shows it, if anybody may look.
    ConfigError for an HTTP listener that must not be."""
    events_file = config.text("barnabas.events.file")
    wanted = http_listener(config)
    if not events_file and wanted is None:
        return env, None
    from barnabas.observe.timeline import Timeline

    timeline = Timeline(
        *(env.clock, f"broker:{config.broker_id}", env.observer), sequence=env.clock.wall_ms()
    )
    lines: JsonLines | None = None
    if events_file:
        from barnabas.observe.json_lines import JsonLines

        lines = JsonLines(env.files, events_file)
        timeline.follow(lines)
    return replace(env, observer=timeline), Observation(config, timeline, wanted, lines)


def disk_bytes(kind: str) -> int | None:
    """``read`` or ``write``: what Linux has read from disks for this process, or is to write."""
    try:
        with open("/proc/self/io") as file:
            said = dict(line.split(": ") for line in file)
        return int(said[f"{kind}_bytes"])
    except (OSError, ValueError, KeyError):
        return None


class Observation:
    """The timeline of a broker, its figures, and the listener where they are read."""

    def __init__(
        self,
        config: BrokerConfig,
        timeline: Timeline,
        wanted: HttpListener | None,
        lines: JsonLines | None,
    ) -> None:
        self.timeline = timeline
        self.listener: Listener | None = None
        self._config = config
        self._wanted = wanted
        self._lines = lines
        self._dispatcher: CountingDispatcher | None = None

    def named(self, broker_id: int) -> None:
        """The broker knows who it is."""
        self.timeline.source = f"broker:{broker_id}"

    def dispatcher(self, services: Services) -> Dispatcher:
        """One that counts, if the figures can be read; and the same of copies between brokers."""
        if self._wanted is None:
            return Dispatcher(services)
        from barnabas.monitor.dispatcher import CountingDispatcher
        from barnabas.observe.figures import ReplicationFigures
        from barnabas.observe.requests import RequestFigures

        services.replicas.context.figures = ReplicationFigures()
        self._dispatcher = CountingDispatcher(services, RequestFigures())
        return self._dispatcher

    async def listen(
        self,
        services: Services,
        network: NetworkServer,
        zookeeper: ZooKeeperClient,
        is_registered: Callable[[], bool],
    ) -> None:
        """Open the HTTP listener. One that cannot be opened is said in the log: no broker stays
        down for that."""
        wanted = self._wanted
        if wanted is None or self._dispatcher is None:
            return
        from barnabas.http.guard import Guard
        from barnabas.http.light_server import start
        from barnabas.monitor.app import OPEN_PATHS, MonitorApp
        from barnabas.monitor.subject import Subject, condition_of
        from barnabas.observe.histogram import Histogram

        latency = Histogram()
        zookeeper.answered = latency.add
        figures = services.replicas.context.figures
        assert figures is not None
        subject = Subject(
            services=services,
            network=network,
            timeline=self.timeline,
            requests=self._dispatcher.figures,
            replication=figures,
            zookeeper_latency=latency,
            is_registered=is_registered,
            cpu_s=time.process_time,
            disk_bytes=disk_bytes,
        )
        services.controller.processed = subject.controller.processed

        def pages() -> AsyncIterator[str]:
            from barnabas.monitor.pages import pages  # with the first reader

            return pages(subject)

        app = MonitorApp(self.timeline, lambda: condition_of(subject).document(), pages)
        guard = Guard(token=wanted.token, names=wanted.names, open_paths=OPEN_PATHS)
        try:
            self.listener = await start(
                *(app, guard), host=wanted.host, port=wanted.port, others=wanted.token is not None
            )
        except OSError as error:
            log.error("barnabas.http.listener: %s:%d: %s", wanted.host, wanted.port, error)
            return
        log.info("metrics, health and events at %s", self.listener.url)

    async def close(self) -> None:
        """End the listener and its streams."""
        if self.listener is not None:
            await self.listener.stop()
        if self._lines is not None:
            self._lines.close()
