"""Runs one node of a test cluster in a process of its own, under control of the test."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable
from dataclasses import asdict
from typing import Any

from barnabas.broker.main import run_node, tune_process
from barnabas.cluster.plan import ClusterPlan
from barnabas.cluster.processes import log_to, make_data_directory
from barnabas.config.broker_config import BrokerConfig
from barnabas.errors import first_error
from barnabas.logs import configure_logging
from barnabas.storage.files import OperatingSystemFiles
from barnabas.testing.channel import Channel, Message, channel_path, connect_channel
from barnabas.testing.disk import Disk
from barnabas.testing.events import EVERYDAY
from barnabas.testing.faults import Question, Verdict
from barnabas.testing.in_process import coordinator_config, members_by_port
from barnabas.testing.life import BrokerLife, CoordinatorLife
from barnabas.testing.links import Links, broker_of
from barnabas.zookeeper.server.sqlite_store import SqliteStore


def run_node_process(plan: ClusterPlan, name: str) -> int:
    """Run one node until a signal stops it. Returns the exit code."""
    log_to(plan.log_path(name))
    tune_process(die_with_parent=True)
    configure_logging(os.environ.get("KAFKA_LOG4J_ROOT_LOGLEVEL", "INFO"))

    async def run(stop: asyncio.Event) -> None:
        await NodeProcess(plan, name).run(stop)

    return run_node(run)


class NodeProcess:
    """One node under a test's control."""

    def __init__(self, plan: ClusterPlan, name: str) -> None:
        self._plan = plan
        self._name = name
        self._links = Links()
        self._disk = Disk()
        self._told = asyncio.Event()
        loop = asyncio.get_running_loop()
        broker = broker_of(name)
        self.life = (CoordinatorLife if broker is None else BrokerLife)(
            loop,
            name,
            members=members_by_port(plan),
            links=self._links,
            files=OperatingSystemFiles(),
            disk=self._disk,
            observer=self,
        )
        self.watched: frozenset[int] = frozenset()
        self._channel = Channel(self._asked, lambda _: self._stop.set())
        self._stop = asyncio.Event()

    def note(self, event: str, /, **fields: object) -> None:
        """``seams.Observer``."""
        if event not in EVERYDAY:
            self._channel.send({"event": event, "fields": fields, "at": time.monotonic()})

    def judge(self, question: Question) -> Awaitable[Verdict | None]:
        """``faulty.Judge``: ask the test, which has the rules."""
        asked: Awaitable[Verdict | None] = self._channel.ask({"question": asdict(question)})
        return asked

    async def run(self, stop: asyncio.Event) -> None:
        """Run until ``stop`` is set, the node ends, or the test's process is gone."""
        self._stop = stop
        await connect_channel(self._channel, channel_path(self._plan.port))
        self._channel.send({"hello": self._name, "pid": os.getpid()})
        await self._told.wait()
        life = self.life
        broker = broker_of(self._name)
        if isinstance(life, CoordinatorLife):
            directory = self._plan.coordinator_directory
            make_data_directory(directory)
            store = SqliteStore(directory, flush=self._plan.profile.flush)
            life.start(coordinator_config(self._plan), store)
        elif isinstance(life, BrokerLife) and broker is not None:
            life.judge = self
            life.start(BrokerConfig(self._plan.broker_settings(broker)))
        stopped = asyncio.ensure_future(stop.wait())
        either: list[asyncio.Future[Any]] = [stopped, life.ended]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not life.ended.done():
            life.stop()
        stopped.cancel()
        error = await life.ended
        if error is not None:
            self._channel.send({"failed": repr(first_error(error))})
            raise error

    def _asked(self, channel: Channel, message: Message) -> None:
        life = self.life
        result: object = None
        match message["do"]:
            case "begin":
                self._told.set()
            case "links":
                self._links.take_rows(message["rows"])
                life.loop.relink()
            case "watch":
                self.watched = frozenset(message["apis"])
            case "disk":
                self._disk.is_full = message["is_full"]
            case "withhold" if isinstance(life, BrokerLife):
                topic, partition = message["topic"], message["partition"]
                life.withhold(topic, partition, withhold=message["withhold"])
            case "drop_from_isr" if isinstance(life, BrokerLife):
                life.drop_from_isr(message["topic"], message["partition"], message["replicas"])
            case "expire" if isinstance(life, CoordinatorLife):
                result = life.expire(message["broker"])
        channel.answer(message, result)
