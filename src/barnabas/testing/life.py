"""One life of a node on a ``NodeLoop``: from a start to the stop or kill that ends it."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from barnabas.api.dispatch import Dispatcher
from barnabas.api.services import Services
from barnabas.broker import node
from barnabas.broker.main import SystemClock, imported
from barnabas.config.broker_config import BrokerConfig
from barnabas.seams import Env, Files, Observer
from barnabas.testing.disk import Disk, NodeFiles
from barnabas.testing.events import READY
from barnabas.testing.faulty import FaultyDispatcher, Judge
from barnabas.testing.links import Directory, Links
from barnabas.testing.loop import NodeLoop
from barnabas.types import TopicPartition
from barnabas.zk.paths import broker_id_path
from barnabas.zookeeper.server.coordinator import Coordinator, CoordinatorConfig
from barnabas.zookeeper.server.serve import serve
from barnabas.zookeeper.server.store import Store

log = logging.getLogger(__name__)

BOOT_ID = "test"
"""Always the same, since the machine does not restart in these tests."""


class Life:
    """Create it on the host's loop. ``ended`` is done when the node has ended; its result is the
    error that ended it, or None."""

    def __init__(
        self,
        host: asyncio.AbstractEventLoop,
        name: str,
        *,
        members: Directory,
        links: Links,
        files: Files,
        disk: Disk,
        observer: Observer,
    ) -> None:
        self.name = name
        self.loop = NodeLoop(host, name, members, links)  # type: ignore[abstract]
        self.loop.on_error = self._fault
        self.files = NodeFiles(files, disk)
        self.ended: asyncio.Future[BaseException | None] = host.create_future()
        self._host = host
        self._observer = _ObserverUntilDeath(observer)
        self._task: asyncio.Task[None] | None = None
        self._stop: asyncio.Event | None = None

    def env(self) -> Env:
        return Env(
            clock=SystemClock(),
            random=random.Random(random.SystemRandom().getrandbits(256)),
            files=self.files,
            boot_id=BOOT_ID,
            observer=self._observer,
            stopwatch=time.perf_counter,
            entropy=os.urandom,
            find_class=imported,
        )

    def begin(self, main: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
        """Run ``main(stop)`` as the node's main task."""
        self._task = self.loop.inside(self._make_task, main)
        self._task.add_done_callback(self._finished)

    def _make_task(
        self, main: Callable[[asyncio.Event], Coroutine[Any, Any, None]]
    ) -> asyncio.Task[None]:
        self._stop = asyncio.Event()
        return self.loop.create_task(main(self._stop), name=self.name)

    def _finished(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        self._host.call_soon(self._end, error)

    def _end(self, error: BaseException | None) -> None:
        if not self.ended.done():
            self._die()
            self.ended.set_result(error)

    def _die(self) -> None:
        self.loop.kill()
        self._observer.is_dead = True
        self.files.die()

    def _fault(self, context: dict[str, Any]) -> None:
        self._observer.note("fault", error=repr(context.get("exception")))
        log.error("%s: %s", self.name, context.get("message"), exc_info=context.get("exception"))

    # Called by a test

    def kill(self) -> None:
        """End at once and close nothing; the files stay as they are."""
        self._observer.is_dead = True
        self.files.is_dead = True
        self._end(None)

    def stop(self) -> None:
        """Begin a clean stop; ``ended`` is done after it."""
        self.loop.resume()
        if self._stop is not None:
            self.loop.deliver(self._stop.set)


class _ObserverUntilDeath:
    """Passes events on until its node is killed."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self.is_dead = False

    def note(self, event: str, /, **fields: object) -> None:
        if not self.is_dead:
            self._observer.note(event, **fields)


class BrokerLife(Life):
    """A broker."""

    services: Services | None = None
    judge: Judge | None = None
    """Decides about protocol faults; set before the start."""

    def start(self, config: BrokerConfig) -> None:
        async def main(stop: asyncio.Event) -> None:
            await node.main(self.env(), config, stop, on_ready=self._ready, make=self._make)

        self.begin(main)

    def _ready(self) -> None:
        self._observer.note(READY)

    def _make(self, env: Env, config: BrokerConfig, tasks: asyncio.TaskGroup) -> node.Node:
        return _Node(env, config, tasks, self)

    def withhold(self, topic: str, partition: int, *, withhold: bool) -> None:
        """Stop copying a partition, or copy it again."""
        if self.services is None:
            return
        fetchers = self.services.replicas.fetchers
        change = fetchers.withhold if withhold else fetchers.release
        self.loop.deliver(change, TopicPartition(topic, partition))

    def drop_from_isr(self, topic: str, partition: int, replicas: Sequence[int]) -> None:
        """If this broker is the leader, let it propose an ISR without these replicas."""
        if self.services is not None:
            found = self.services.replicas.get(TopicPartition(topic, partition))
            if found is not None:
                self.loop.deliver(found.drop_from_isr, replicas)


class _Node(node.Node):
    """A broker whose parts a test can reach."""

    def __init__(
        self, env: Env, config: BrokerConfig, tasks: asyncio.TaskGroup, life: BrokerLife
    ) -> None:
        super().__init__(env, config, tasks)
        self._life = life

    def make_dispatcher(self, services: Services) -> Dispatcher:
        judge, inner = self._life.judge, super().make_dispatcher(services)
        if judge is None:
            return inner
        return FaultyDispatcher(services, judge, self._life.loop.members, inner)

    def _assemble(self, broker_id: int, cluster_id: str) -> Services:
        self._life.services = super()._assemble(broker_id, cluster_id)
        return self._life.services


class CoordinatorLife(Life):
    """The embedded coordinator."""

    _coordinator: Coordinator | None = None

    def start(self, config: CoordinatorConfig, store: Store) -> None:
        async def main(stop: asyncio.Event) -> None:
            serving = asyncio.ensure_future(serve(self.env(), config, store, made=self._made))
            stopped = asyncio.ensure_future(stop.wait())
            await asyncio.wait([serving, stopped], return_when=asyncio.FIRST_COMPLETED)
            for task in (serving, stopped):
                task.cancel()
            await asyncio.gather(stopped, return_exceptions=True)
            try:
                await serving
            except asyncio.CancelledError:
                pass

        self.begin(main)

    def _made(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator

    def expire(self, broker: int) -> bool:
        """Expire a broker's session, as if the broker had been silent for too long. False if it
        has none."""
        coordinator = self._coordinator
        assert coordinator is not None
        path = broker_id_path(broker)
        return self.loop.inside(coordinator.expire_owner, path)
