"""Runs all nodes of a test cluster on one event loop. This starts fastest; the code is the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from barnabas.cluster.plan import COORDINATOR, ClusterPlan
from barnabas.config.broker_config import BrokerConfig
from barnabas.errors import ConfigError, first_error
from barnabas.seams import Files
from barnabas.storage.files import OperatingSystemFiles
from barnabas.storage.memory_files import MemoryFiles
from barnabas.testing.disk import Disk
from barnabas.testing.events import EventLog, Reporter
from barnabas.testing.faults import Question, Verdict
from barnabas.testing.life import BrokerLife, CoordinatorLife, Life
from barnabas.testing.links import Directory, Links, broker_name, broker_of
from barnabas.testing.members import FAILED, KILLED, PAUSED, RUNNING, STOPPED
from barnabas.zookeeper.server.coordinator import CoordinatorConfig
from barnabas.zookeeper.server.store import MemoryStore, Store

STOP_TIMEOUT_S = 30.0


def members_by_port(plan: ClusterPlan) -> Directory:
    """The nodes by the ports on which they listen."""
    ports = {plan.broker_port(i): broker_name(i) for i in plan.broker_ids}
    return Directory({plan.zookeeper_port: COORDINATOR, **ports})


def coordinator_config(plan: ClusterPlan) -> CoordinatorConfig:
    return CoordinatorConfig(host=plan.host, port=plan.zookeeper_port, tick_ms=plan.profile.tick_ms)


class InProcess:
    """``Members`` in this thread. Files are in memory, unless the plan names a directory."""

    def __init__(self, plan: ClusterPlan, log: EventLog, *, in_memory: bool) -> None:
        self.links = Links()
        self.judge: Callable[[Question], Verdict | None] = lambda _: None
        self.watched: frozenset[int] = frozenset()
        self._plan = plan
        self._log = log
        self._host = asyncio.get_running_loop()
        self._directory = members_by_port(plan)
        self._files: Files = MemoryFiles() if in_memory else OperatingSystemFiles()
        self._store: Store = MemoryStore()
        self._disks = {name: Disk() for name in plan.process_names()}
        self._lives: dict[str, Life] = {}
        self._states: dict[str, str] = {}
        self._failure: BaseException | None = None

    @property
    def names(self) -> Sequence[str]:
        return self._plan.process_names()

    def state(self, name: str) -> str:
        return self._states.get(name, STOPPED)

    async def start(self) -> None:
        for name in self.names:
            await self.begin(name)

    async def begin(self, name: str) -> None:
        broker = broker_of(name)
        life = (CoordinatorLife if broker is None else BrokerLife)(
            self._host,
            name,
            members=self._directory,
            links=self.links,
            files=self._files,
            disk=self._disks[name],
            observer=Reporter(self._log, name),
        )
        self._lives[name] = life
        self._states[name] = RUNNING
        life.ended.add_done_callback(lambda ended: self._ended(name, life, ended.result()))
        if isinstance(life, CoordinatorLife):
            life.start(coordinator_config(self._plan), self._store)
        elif isinstance(life, BrokerLife) and broker is not None:
            life.judge = self
            life.start(BrokerConfig(self._plan.broker_settings(broker)))

    def _ended(self, name: str, life: Life, error: BaseException | None) -> None:
        if self._lives.get(name) is not life or self._states[name] == KILLED:
            return
        self._states[name] = STOPPED if error is None else FAILED
        if error is not None:
            self._failure = self._failure or error
            self._log.add(name, "failed", {"error": repr(first_error(error))})

    async def kill(self, name: str) -> None:
        self._states[name] = KILLED
        self._lives[name].kill()

    async def stop(self, name: str) -> None:
        life = self._lives[name]
        life.stop()
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await asyncio.shield(life.ended)
        self._states[name] = STOPPED

    async def pause(self, name: str) -> None:
        self._lives[name].loop.pause()
        self._states[name] = PAUSED

    async def resume(self, name: str) -> None:
        self._lives[name].loop.resume()
        self._states[name] = RUNNING

    async def relink(self) -> None:
        for life in self._lives.values():
            life.loop.relink()

    async def set_disk_full(self, name: str, is_full: bool) -> None:
        self._disks[name].is_full = is_full

    async def withhold(self, name: str, topic: str, partition: int, withhold: bool) -> None:
        life = self._lives[name]
        assert isinstance(life, BrokerLife)
        life.withhold(topic, partition, withhold=withhold)

    async def drop_from_isr(
        self, name: str, topic: str, partition: int, replicas: Sequence[int]
    ) -> None:
        life = self._lives[name]
        assert isinstance(life, BrokerLife)
        life.drop_from_isr(topic, partition, replicas)

    async def watch(self, apis: Sequence[int]) -> None:
        self.watched = frozenset(apis)

    async def expire(self, broker: int) -> bool:
        life = self._lives[COORDINATOR]
        assert isinstance(life, CoordinatorLife)
        return life.expire(broker)

    def why(self) -> str | None:
        if self._failure is None:
            return None
        error = first_error(self._failure)
        return str(error) if isinstance(error, ConfigError) else repr(error)

    async def close(self) -> None:
        for name, life in self._lives.items():
            self._states[name] = KILLED
            life.kill()
        if isinstance(self._files, OperatingSystemFiles):
            self._files.close()
