"""One run of a test cluster, and the properties that ``Cluster`` and ``AsyncCluster`` share."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from barnabas.cluster.plan import ClusterPlan
from barnabas.cluster.ports import Ports
from barnabas.cluster.processes import temporary_directory
from barnabas.cluster.profiles import Profile
from barnabas.config.broker_config import BrokerConfig
from barnabas.testing.core import Core, as_setting
from barnabas.testing.events import EventLog, Record
from barnabas.testing.faults import Faults
from barnabas.testing.in_process import InProcess
from barnabas.testing.members import Members
from barnabas.testing.thread import LoopThread

if TYPE_CHECKING:
    from barnabas.http.listener import Listener
    from barnabas.observe.events import Event
    from barnabas.testing.control import ControlAddress

T = TypeVar("T")

HOST = "127.0.0.1"


class Run:
    """A cluster from start to close: its thread, its ports and its files."""

    def __init__(
        self,
        *,
        brokers: int,
        in_process: bool,
        settings: Mapping[str, object],
        profile: Profile,
        directory: Path | None,
        port: int | None,
        start_timeout_s: float,
        wait_s: float,
        faults_seed: int,
        http: bool,
        racks: tuple[str, ...],
    ) -> None:
        wanted = [0 if port is None else port + i for i in range(brokers)]
        self._ports = Ports(HOST, [*wanted, *([0] * brokers if http else ()), 0])
        self._own_directory = directory is None and not (in_process and profile.in_memory)
        in_memory = directory is None and in_process and profile.in_memory
        path = directory
        if path is None:
            path = Path("/barnabas" if in_memory else temporary_directory(profile))
        self._directory = path
        self.log = EventLog()
        self._thread: LoopThread | None = None
        self._control: Listener | None = None
        try:
            plan = ClusterPlan(
                directory=str(path),
                brokers=brokers,
                host=HOST,
                port=self._ports.numbers[0],
                ports=self._ports.numbers[:brokers],
                http_ports=self._ports.numbers[brokers:-1],
                zookeeper_port=self._ports.numbers[-1],
                racks=racks,
                profile=profile,
                overrides={key: as_setting(value) for key, value in settings.items()},
            )
            for broker in plan.broker_ids:
                BrokerConfig(plan.broker_settings(broker))  # raises ConfigError
            self.plan = plan
            self._thread = LoopThread("barnabas-testing")
            self.core: Core = self.call(self._make(in_process, in_memory, wait_s))
            self.faults = Faults(faults_seed, self._publish, self._note_fault)
            self.core.members.judge = self.faults.judge
            self.call(self.core.start(start_timeout_s))
        except BaseException:
            self.close()
            raise

    async def _make(self, in_process: bool, in_memory: bool, wait_s: float) -> Core:
        members: Members
        if in_process:
            members = InProcess(self.plan, self.log, in_memory=in_memory)
        else:
            from barnabas.testing.processes import Processes

            members = Processes(self.plan, self.log)
        return Core(self.plan, members, self.log, wait_s)

    def _publish(self, apis: Sequence[int]) -> None:
        self.call(self.core.members.watch(apis))

    def _note_fault(self, broker: str, fields: Mapping[str, object]) -> None:
        self.log.add(broker, "fault_done", fields)

    def serve_control(self, port: int) -> ControlAddress:
        """Raises OSError, RuntimeError if it is served already."""
        from barnabas.http.guard import Guard, new_token
        from barnabas.testing.control import Control, ControlAddress

        if self._control is not None:
            raise RuntimeError("the control endpoint is there already")
        token = new_token(os.urandom)
        control = Control(self.core, self.faults)
        self._control = self.call(control.serve(Guard(token=token), port=port))
        return ControlAddress(self._control.url, token)

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        assert self._thread is not None
        return self._thread.call(work)

    async def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """``call`` for callers with an event loop of their own."""
        assert self._thread is not None
        return await asyncio.wrap_future(self._thread.submit(work))

    def close(self) -> None:
        if self._thread is not None:
            if self._control is not None:
                self._thread.call(self._control.stop(grace_s=0))
            if hasattr(self, "core"):
                self._thread.call(self.core.close())
            self._thread.close()
            self._thread = None
        self._ports.close()
        if self._own_directory:
            shutil.rmtree(self._directory, ignore_errors=True)


class Life:
    """A cluster's options and its current run, of which there is at most one."""

    def __init__(self, brokers: int, options: Mapping[str, Any]) -> None:
        self.brokers = range(1, brokers + 1)
        self._options = options
        self._run: Run | None = None

    @property
    def running(self) -> Run:
        """The current run. Raises RuntimeError if the cluster is not started."""
        if self._run is None:
            raise RuntimeError("the cluster is not started")
        return self._run

    def start(self) -> None:
        """Start a run. Raises TimedOut and ConfigError."""
        if self._run is not None:
            raise RuntimeError("the cluster is started already")
        self._run = Run(brokers=len(self.brokers), **self._options)

    def close(self) -> None:
        """End the run. A second call does nothing."""
        run, self._run = self._run, None
        if run is not None:
            run.close()


class View:
    """The properties of a cluster that are known without asking its brokers."""

    def __init__(self, life: Life) -> None:
        self._life = life

    @property
    def brokers(self) -> range:
        """The ids of the brokers."""
        return self._life.brokers

    @property
    def bootstrap(self) -> str:
        """``host:port,host:port,…`` of all brokers, for clients."""
        return self._life.running.plan.bootstrap

    @property
    def zookeeper(self) -> str:
        """``host:port`` of the coordinator, for ZooKeeper clients."""
        return self._life.running.plan.zookeeper_connect

    def http_url(self, broker: int) -> str:
        """Where a broker shows metrics, health and events; LookupError without ``http``."""
        url = self._life.running.plan.http_url(broker)
        if url is None:
            raise LookupError("the cluster was made without http")
        return url

    def address_of(self, broker: int) -> str:
        """``host:port`` of one broker."""
        plan = self._life.running.plan
        return f"{plan.host}:{plan.broker_port(broker)}"

    @property
    def faults(self) -> Faults:
        """The faults of clients' requests: ``faults.on("Produce").error(…).times(2)``."""
        return self._life.running.faults

    def events(self) -> list[Event]:
        """The events so far, as docs/events.md has them; what the test did is among them."""
        from barnabas.testing.observed import observed

        running = self._life.running
        log = running.log
        ids = running.plan.broker_ids
        return observed(log.all(), log.began_ms, ids, is_whole=log.is_whole)

    def write_events(self, path: str | os.PathLike[str]) -> None:
        """Write ``events()`` to a file, a line of JSON each: ``barnabas console --events FILE``
        shows them step by step. Raises OSError."""
        from barnabas.observe.events import to_json

        with open(path, "wb") as file:
            file.writelines(to_json(event) + b"\n" for event in self.events())

    def _records(self) -> list[Record]:
        """The events as nodes and the test told them."""
        return self._life.running.log.all()

    def timeline(self, last: int = 1000) -> str:
        """The last events, one line each."""
        return self._life.running.log.tail(last)

    @property
    def _core(self) -> Core:
        return self._life.running.core
