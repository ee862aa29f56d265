"""Real clusters for tests: brokers and a coordinator, and failures that you can call.

``Cluster`` is for tests without asyncio. ``async with Cluster() as cluster`` gives an
``AsyncCluster``: the same methods, to be awaited.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from barnabas.cluster.plan import ClusterPlan
from barnabas.cluster.profiles import TEST, Profile, profile_named
from barnabas.config.broker_config import BrokerConfig
from barnabas.testing.core import Core, Direction, Others, Target, as_setting
from barnabas.testing.events import Event, EventLog
from barnabas.testing.faults import Fault, Faults
from barnabas.testing.in_process import InProcess
from barnabas.testing.members import Members
from barnabas.testing.ports import Ports
from barnabas.testing.records import Expected, TestRecord
from barnabas.testing.thread import LoopThread

T = TypeVar("T")

HOST = "127.0.0.1"
START_TIMEOUT_S = 30.0
WAIT_S = 10.0
_SHARED_MEMORY = Path("/dev/shm")


class _Run:
    """A cluster between start and close: its thread, its ports, its files."""

    def __init__(
        self,
        *,
        brokers: int,
        in_process: bool,
        settings: Mapping[str, object],
        profile: Profile,
        directory: Path | None,
        start_timeout_s: float,
        wait_s: float,
        faults_seed: int,
    ) -> None:
        self._own_directory = directory is None and not (in_process and profile.in_memory)
        in_memory = directory is None and in_process and profile.in_memory
        path = directory
        if path is None:
            path = Path("/barnabas") if in_memory else _temporary_directory(profile)
        self._directory = path
        self.log = EventLog()
        self._ports = Ports(HOST, brokers + 1)
        self._thread: LoopThread | None = None
        try:
            plan = ClusterPlan(
                directory=str(path),
                brokers=brokers,
                host=HOST,
                port=self._ports.numbers[0],
                ports=self._ports.numbers[:-1],
                zookeeper_port=self._ports.numbers[-1],
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

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        assert self._thread is not None
        return self._thread.call(work)

    async def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """For callers with a loop of their own."""
        assert self._thread is not None
        return await asyncio.wrap_future(self._thread.submit(work))

    def close(self) -> None:
        if self._thread is not None:
            if hasattr(self, "core"):
                self._thread.call(self.core.close())
            self._thread.close()
            self._thread = None
        self._ports.close()
        if self._own_directory:
            shutil.rmtree(self._directory, ignore_errors=True)


def _temporary_directory(profile: Profile) -> Path:
    """In memory if the profile wants that and the system offers it."""
    parent = None
    if profile.in_memory and _SHARED_MEMORY.is_dir():
        parent = _SHARED_MEMORY
    return Path(tempfile.mkdtemp(prefix="barnabas-", dir=parent))


class _Options:
    """What is asked of a cluster before it is started."""

    def __init__(
        self,
        brokers: int = 3,
        *,
        in_process: bool = False,
        settings: Mapping[str, object] | None = None,
        profile: Profile | str = TEST,
        directory: str | Path | None = None,
        start_timeout_s: float = START_TIMEOUT_S,
        wait_s: float = WAIT_S,
        faults_seed: int = 0,
    ) -> None:
        """Nothing is started before ``start``, or a ``with``.

        ``brokers`` have the ids 1, 2, 3 … on ports of the system's choice. Each is a process of its
        own, or with ``in_process`` all of them and the coordinator share one loop in a thread of
        this process: the same code, started faster, with one core for all.
        ``settings`` are Kafka's, of every broker, on top of those of ``profile``.
        ``directory`` is where their files go and stay; without it, they are in memory if the
        profile says so, and gone at the end.
        ``wait_s`` is how long waits take at most whose caller does not say; ``faults_seed`` is what
        ``faults`` with a probability draw from.
        """
        self.brokers = range(1, brokers + 1)
        """Their ids."""
        self._arguments: dict[str, Any] = {
            "brokers": brokers,
            "in_process": in_process,
            "settings": dict(settings or {}),
            "profile": profile_named(profile) if isinstance(profile, str) else profile,
            "directory": None if directory is None else Path(directory).resolve(),
            "start_timeout_s": start_timeout_s,
            "wait_s": wait_s,
            "faults_seed": faults_seed,
        }
        self._run: _Run | None = None

    @property
    def _running(self) -> _Run:
        if self._run is None:
            raise RuntimeError("the cluster is not started")
        return self._run

    @property
    def bootstrap(self) -> str:
        """``host:port,host:port,…`` of all brokers, for clients."""
        return self._running.plan.bootstrap

    @property
    def zookeeper(self) -> str:
        """``host:port`` of the coordinator, for ZooKeeper clients."""
        return self._running.plan.zookeeper_connect

    def address_of(self, broker: int) -> str:
        """``host:port`` of one broker."""
        plan = self._running.plan
        return f"{plan.host}:{plan.broker_port(broker)}"

    @property
    def faults(self) -> Faults:
        """What goes wrong with requests of clients: ``faults.on("Produce").error(…).times(2)``."""
        return self._running.faults

    def events(self) -> list[Event]:
        """What has happened so far: elections, changes of ISRs, sessions, and what the test did."""
        return self._running.log.all()

    def timeline(self, last: int = 1000) -> str:
        """``events``, a line each."""
        return self._running.log.tail(last)


class Cluster(_Options):
    """A cluster, and what can be done to it. A context manager.

    Brokers are named by their ids; ``Target`` also takes ``"controller"``, ``"coordinator"`` and
    ``"leader:TOPIC/PARTITION"``. Waits that take too long raise ``TimedOut``, an AssertionError
    that shows the last events.
    """

    def start(self) -> Self:
        """Start it; returns when every broker serves and there is a controller. Raises TimedOut,
        ConfigError."""
        if self._run is not None:
            raise RuntimeError("the cluster is started already")
        self._run = _Run(**self._arguments)
        return self

    def close(self) -> None:
        """End everything at once; a second call does nothing."""
        run, self._run = self._run, None
        if run is not None:
            run.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def aio(self) -> AsyncCluster:
        """The same cluster for code with a loop: its methods are coroutines."""
        return AsyncCluster(self)

    async def __aenter__(self) -> AsyncCluster:
        return await self.aio.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aio.close()

    # What can be seen

    def leader_of(self, topic: str, partition: int = 0) -> int | None:
        """The leader of a partition, None if it has none."""
        return self._do(self._core.leader_of(topic, partition))

    def isr_of(self, topic: str, partition: int = 0) -> set[int]:
        """The replicas of a partition that are in sync."""
        return self._do(self._core.isr_of(topic, partition))

    def controller(self) -> int | None:
        """The broker that is controller, None if there is none."""
        return self._do(self._core.controller())

    # Topics and records

    def create_topic(
        self,
        name: str,
        partitions: int = 1,
        replicas: int | None = None,
        *,
        min_isr: int | None = None,
        assignments: Mapping[int, Sequence[int]] | None = None,
        timeout_s: float | None = None,
        **configs: object,
    ) -> str:
        """Create a topic; its name, once every broker knows its leaders. ``replicas`` is three, or
        the number of brokers if that is less. ``assignments`` names the replicas of each partition
        instead. ``configs`` are the topic's settings, with ``_`` for ``.``. Raises ClientError."""
        return self._do(
            self._core.create_topic(
                name, partitions, replicas, min_isr, configs, assignments, timeout_s
            )
        )

    def produce(
        self,
        topic: str,
        values: Iterable[Expected],
        partition: int = 0,
        *,
        acks: int = -1,
        timeout_s: float | None = None,
    ) -> int:
        """Write values, or pairs of key and value, as one batch, without a client library; the
        offset of the first. Sent again until acknowledged or time is up (Unreachable). Raises
        ClientError for what is refused for good."""
        return self._do(
            self._core.produce(topic, values, partition, acks=acks, timeout_s=timeout_s)
        )

    def records(
        self, topic: str, partition: int | None = None, *, read_committed: bool = False
    ) -> list[TestRecord]:
        """All records of a topic or of one partition, by partition and offset, without a client
        library. With ``read_committed`` those of open and aborted transactions are left out."""
        return self._do(self._core.records(topic, partition, read_committed=read_committed))

    def assert_records(
        self,
        topic: str,
        expected: Iterable[Expected],
        partition: int | None = None,
        *,
        in_order: bool = True,
        read_committed: bool = False,
        timeout_s: float | None = None,
    ) -> None:
        """Wait until these are the records of a topic, no fewer and no more: values, or pairs of
        key and value; text is UTF-8. Raises TimedOut, which says what is missing or too much."""
        self._do(
            self._core.assert_records(
                topic,
                expected,
                partition,
                in_order=in_order,
                read_committed=read_committed,
                timeout_s=timeout_s,
            )
        )

    # Waits

    def wait_for_leader(
        self,
        topic: str,
        partition: int = 0,
        *,
        not_on: int | None = None,
        timeout_s: float | None = None,
    ) -> int:
        """Wait until every broker knows a leader of the partition other than ``not_on``; its id.
        Brokers that are paused, isolated or down are not asked."""
        return self._do(self._core.wait_for_leader(topic, partition, not_on, timeout_s))

    def wait_for_isr(
        self,
        topic: str,
        partition: int = 0,
        isr: Iterable[int] | int = 3,
        *,
        timeout_s: float | None = None,
    ) -> set[int]:
        """Wait until every broker knows that these brokers, or so many, are in sync; the ISR."""
        return self._do(self._core.wait_for_isr(topic, partition, isr, timeout_s))

    def wait_for_controller(
        self, *, not_on: int | None = None, timeout_s: float | None = None
    ) -> int:
        """Wait until every broker knows a controller other than ``not_on``; its id."""
        return self._do(self._core.wait_for_controller(not_on, timeout_s))

    def wait_for_brokers(
        self, brokers: Iterable[int] | None = None, *, timeout_s: float | None = None
    ) -> None:
        """Wait until exactly these brokers count as alive; by default those that run."""
        self._do(self._core.wait_for_brokers(brokers, timeout_s))

    def wait_for_hits(
        self, fault: Fault, count: int = 1, *, timeout_s: float | None = None
    ) -> None:
        """Wait until a fault was done to so many requests."""
        self._do(self._core.wait_for_hits(fault, count, timeout_s))

    # Failures

    def kill(self, target: Target) -> int | None:
        """End a node as a crash does: no goodbye, what is on its disk stays. The broker's id."""
        return self._do(self._core.kill(target))

    def kill_controller(self) -> int:
        """Kill the broker that is controller; its id. Raises LookupError if there is none."""
        broker = self.kill("controller")
        assert broker is not None
        return broker

    def stop(self, target: Target) -> int | None:
        """End a node cleanly: a broker hands its leaderships over first. The broker's id."""
        return self._do(self._core.stop(target))

    def pause(self, target: Target) -> int | None:
        """Let nothing of a node run, with its connections open: alive, but silent."""
        return self._do(self._core.pause(target))

    def resume(self, target: Target) -> int | None:
        """Let a paused node go on."""
        return self._do(self._core.resume(target))

    def restart(self, target: Target, *, timeout_s: float | None = None) -> int | None:
        """Start a node that has ended, or stop it cleanly and start it. A broker serves again when
        this returns, unless the coordinator is down; it may not be in sync yet."""
        return self._do(self._core.restart(target, timeout_s))

    def stop_coordinator(self) -> None:
        """Kill the coordinator: the cluster serves, but elects nobody. ``restart_coordinator``
        brings it back with all that it knew."""
        self.kill("coordinator")

    def restart_coordinator(self) -> None:
        """Start the coordinator again."""
        self.restart("coordinator")

    def expire_session(self, broker: int) -> None:
        """End a broker's ZooKeeper session, as if it had been silent for too long. It loses all
        roles at once, and comes back in a new session."""
        self._do(self._core.expire_session(broker))

    def isolate(
        self,
        broker: Target,
        from_: Others = None,
        *,
        direction: Direction = "both",
        delay_ms: float | None = None,
    ) -> int | None:
        """Cut a node off from others: brokers, ``"coordinator"``, ``"clients"``, or several of
        them; from everybody by default. What is sent meanwhile arrives when it is healed, and new
        connections wait for that, as on a network that loses packets.

        ``direction`` ``"out"`` loses only what the node sends, ``"in"`` only what is sent to it.
        With ``delay_ms`` nothing is lost, but all of it is late.
        """
        return self._do(self._core.isolate(broker, from_, direction, delay_ms))

    def heal(self, *targets: Target) -> None:
        """End the isolation of these nodes, or of all."""
        self._do(self._core.heal(targets))

    def fill_disk(self, target: Target) -> int | None:
        """From now on writes of a broker fail with "No space left on device". It then gives up the
        log directory, and as it has no other, ends."""
        return self._do(self._core.set_disk_full(target, is_full=True))

    def free_disk(self, target: Target) -> int | None:
        """Let a broker write again; one that has ended needs a ``restart`` as well."""
        return self._do(self._core.set_disk_full(target, is_full=False))

    def shrink_isr(
        self, topic: str, partition: int = 0, to: int = 1, *, timeout_s: float | None = None
    ) -> set[int]:
        """Let followers copy no more until only ``to`` replicas are in sync; the ISR. Fewer than
        ``min.insync.replicas`` make the leader refuse acks=all (NOT_ENOUGH_REPLICAS)."""
        return self._do(self._core.shrink_isr(topic, partition, to, timeout_s))

    def restore_isr(
        self, topic: str, partition: int = 0, *, timeout_s: float | None = None
    ) -> set[int]:
        """Let the followers copy again; the ISR, once every replica that runs is in sync."""
        return self._do(self._core.restore_isr(topic, partition, timeout_s))

    # Inside

    @property
    def _core(self) -> Core:
        return self._running.core

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return self._running.call(work)


class AsyncCluster:
    """``Cluster`` for tests with asyncio, on any loop. ``async with Cluster() as cluster`` gives
    one."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def start(self) -> Self:
        """As ``Cluster.start``."""
        await asyncio.get_running_loop().run_in_executor(None, self._cluster.start)
        return self

    async def close(self) -> None:
        """As ``Cluster.close``."""
        await asyncio.get_running_loop().run_in_executor(None, self._cluster.close)

    @property
    def brokers(self) -> range:
        """Ids of the brokers."""
        return self._cluster.brokers

    @property
    def bootstrap(self) -> str:
        """As ``Cluster.bootstrap``."""
        return self._cluster.bootstrap

    @property
    def zookeeper(self) -> str:
        """As ``Cluster.zookeeper``."""
        return self._cluster.zookeeper

    def address_of(self, broker: int) -> str:
        """As ``Cluster.address_of``."""
        return self._cluster.address_of(broker)

    @property
    def faults(self) -> Faults:
        """As ``Cluster.faults``. Its methods are no coroutines."""
        return self._cluster.faults

    def events(self) -> list[Event]:
        """As ``Cluster.events``."""
        return self._cluster.events()

    def timeline(self, last: int = 1000) -> str:
        """As ``Cluster.timeline``."""
        return self._cluster.timeline(last)

    # What can be seen

    async def leader_of(self, topic: str, partition: int = 0) -> int | None:
        """As ``Cluster.leader_of``."""
        return await self._do(self._core.leader_of(topic, partition))

    async def isr_of(self, topic: str, partition: int = 0) -> set[int]:
        """As ``Cluster.isr_of``."""
        return await self._do(self._core.isr_of(topic, partition))

    async def controller(self) -> int | None:
        """As ``Cluster.controller``."""
        return await self._do(self._core.controller())

    # Topics and records

    async def create_topic(
        self,
        name: str,
        partitions: int = 1,
        replicas: int | None = None,
        *,
        min_isr: int | None = None,
        assignments: Mapping[int, Sequence[int]] | None = None,
        timeout_s: float | None = None,
        **configs: object,
    ) -> str:
        """As ``Cluster.create_topic``."""
        return await self._do(
            self._core.create_topic(
                name, partitions, replicas, min_isr, configs, assignments, timeout_s
            )
        )

    async def produce(
        self,
        topic: str,
        values: Iterable[Expected],
        partition: int = 0,
        *,
        acks: int = -1,
        timeout_s: float | None = None,
    ) -> int:
        """As ``Cluster.produce``."""
        return await self._do(
            self._core.produce(topic, values, partition, acks=acks, timeout_s=timeout_s)
        )

    async def records(
        self, topic: str, partition: int | None = None, *, read_committed: bool = False
    ) -> list[TestRecord]:
        """As ``Cluster.records``."""
        return await self._do(self._core.records(topic, partition, read_committed=read_committed))

    async def assert_records(
        self,
        topic: str,
        expected: Iterable[Expected],
        partition: int | None = None,
        *,
        in_order: bool = True,
        read_committed: bool = False,
        timeout_s: float | None = None,
    ) -> None:
        """As ``Cluster.assert_records``."""
        await self._do(
            self._core.assert_records(
                topic,
                expected,
                partition,
                in_order=in_order,
                read_committed=read_committed,
                timeout_s=timeout_s,
            )
        )

    # Waits

    async def wait_for_leader(
        self,
        topic: str,
        partition: int = 0,
        *,
        not_on: int | None = None,
        timeout_s: float | None = None,
    ) -> int:
        """As ``Cluster.wait_for_leader``."""
        return await self._do(self._core.wait_for_leader(topic, partition, not_on, timeout_s))

    async def wait_for_isr(
        self,
        topic: str,
        partition: int = 0,
        isr: Iterable[int] | int = 3,
        *,
        timeout_s: float | None = None,
    ) -> set[int]:
        """As ``Cluster.wait_for_isr``."""
        return await self._do(self._core.wait_for_isr(topic, partition, isr, timeout_s))

    async def wait_for_controller(
        self, *, not_on: int | None = None, timeout_s: float | None = None
    ) -> int:
        """As ``Cluster.wait_for_controller``."""
        return await self._do(self._core.wait_for_controller(not_on, timeout_s))

    async def wait_for_brokers(
        self, brokers: Iterable[int] | None = None, *, timeout_s: float | None = None
    ) -> None:
        """As ``Cluster.wait_for_brokers``."""
        await self._do(self._core.wait_for_brokers(brokers, timeout_s))

    async def wait_for_hits(
        self, fault: Fault, count: int = 1, *, timeout_s: float | None = None
    ) -> None:
        """As ``Cluster.wait_for_hits``."""
        await self._do(self._core.wait_for_hits(fault, count, timeout_s))

    # Failures

    async def kill(self, target: Target) -> int | None:
        """As ``Cluster.kill``."""
        return await self._do(self._core.kill(target))

    async def kill_controller(self) -> int:
        """As ``Cluster.kill_controller``."""
        broker = await self.kill("controller")
        assert broker is not None
        return broker

    async def stop(self, target: Target) -> int | None:
        """As ``Cluster.stop``."""
        return await self._do(self._core.stop(target))

    async def pause(self, target: Target) -> int | None:
        """As ``Cluster.pause``."""
        return await self._do(self._core.pause(target))

    async def resume(self, target: Target) -> int | None:
        """As ``Cluster.resume``."""
        return await self._do(self._core.resume(target))

    async def restart(self, target: Target, *, timeout_s: float | None = None) -> int | None:
        """As ``Cluster.restart``."""
        return await self._do(self._core.restart(target, timeout_s))

    async def stop_coordinator(self) -> None:
        """As ``Cluster.stop_coordinator``."""
        await self.kill("coordinator")

    async def restart_coordinator(self) -> None:
        """As ``Cluster.restart_coordinator``."""
        await self.restart("coordinator")

    async def expire_session(self, broker: int) -> None:
        """As ``Cluster.expire_session``."""
        await self._do(self._core.expire_session(broker))

    async def isolate(
        self,
        broker: Target,
        from_: Others = None,
        *,
        direction: Direction = "both",
        delay_ms: float | None = None,
    ) -> int | None:
        """As ``Cluster.isolate``."""
        return await self._do(self._core.isolate(broker, from_, direction, delay_ms))

    async def heal(self, *targets: Target) -> None:
        """As ``Cluster.heal``."""
        await self._do(self._core.heal(targets))

    async def fill_disk(self, target: Target) -> int | None:
        """As ``Cluster.fill_disk``."""
        return await self._do(self._core.set_disk_full(target, is_full=True))

    async def free_disk(self, target: Target) -> int | None:
        """As ``Cluster.free_disk``."""
        return await self._do(self._core.set_disk_full(target, is_full=False))

    async def shrink_isr(
        self, topic: str, partition: int = 0, to: int = 1, *, timeout_s: float | None = None
    ) -> set[int]:
        """As ``Cluster.shrink_isr``."""
        return await self._do(self._core.shrink_isr(topic, partition, to, timeout_s))

    async def restore_isr(
        self, topic: str, partition: int = 0, *, timeout_s: float | None = None
    ) -> set[int]:
        """As ``Cluster.restore_isr``."""
        return await self._do(self._core.restore_isr(topic, partition, timeout_s))

    # Inside

    @property
    def _core(self) -> Core:
        return self._cluster._running.core

    async def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return await self._cluster._running.wait(work)
