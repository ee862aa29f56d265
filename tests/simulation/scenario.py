"""The real broker under faults: warm up, faults, heal, converge, check.

Three brokers and a coordinator, each on a host of its own, two partitions with three replicas and
``min.insync.replicas=2``; producers and consumers on a fourth kind of host that is never broken.
Power losses are drawn only together with ``log.flush.before.ack``, because without it Kafka's
promise does not cover them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from tests.simulation.checker import check
from tests.simulation.nemesis import FAULTS, Nemesis, Options, draw_options
from tests.simulation.nodes import Main, Simulation
from tests.simulation.workload import BOOTSTRAP, Workload

from barnabas.broker import node
from barnabas.client.admin import create_topic, wait_for_leaders
from barnabas.client.cluster import ClusterClient
from barnabas.client.errors import ClientError, Unreachable
from barnabas.config.broker_config import BrokerConfig
from barnabas.errors import ConfigError, FatalError
from barnabas.seams import Env
from barnabas.types import TopicPartition
from barnabas.zookeeper.server import CoordinatorConfig, serve
from barnabas.zookeeper.store import MemoryStore

BROKERS = (1, 2, 3)
TOPIC = "t"
PARTITIONS = (TopicPartition(TOPIC, 0), TopicPartition(TOPIC, 1))
KINDS = tuple(FAULTS)
CONVERGE_S = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One sound run."""

    digest: str
    seconds: float
    faults: int
    acknowledged: int
    events: int


def settings(broker: int, *, flush: bool) -> dict[str, str]:
    """server.properties of one broker."""
    return {
        "broker.id": str(broker),
        "listeners": f"PLAINTEXT://b{broker}:9092",
        "log.dirs": "/data",
        "zookeeper.connect": "zk:2181",
        "zookeeper.session.timeout.ms": "6000",
        "replica.lag.time.max.ms": "8000",
        "min.insync.replicas": "2",
        "default.replication.factor": "3",
        "log.flush.before.ack": "true" if flush else "false",
    }


def broker_main(broker: int, *, flush: bool) -> Main:
    """The real broker; what it reports as its reason to stop is not a fault of the run."""

    async def main(env: Env) -> None:
        try:
            config = BrokerConfig(settings(broker, flush=flush))
            await node.main(env, config, asyncio.Event())
        except* (ConfigError, FatalError) as reasons:
            env.observer.note("gave_up", why=str(reasons.exceptions[0]))

    return main


def options_of(seed: int, seconds: float, kinds: tuple[str, ...] = KINDS) -> Options:
    """What a seed draws."""
    return draw_options(seed, kinds, seconds)


class Scenario:
    """One run."""

    def __init__(
        self, options: Options, *, timeline: int | None = 4000, settle_s: float = 20.0
    ) -> None:
        self._settle_s = settle_s
        self.options = options
        self.simulation = Simulation(options.seed, cpu_delay=options.cpu_delay, timeline=timeline)
        self.workload = Workload(self.simulation)
        self.nemesis = Nemesis(self.simulation, options, [f"b{number}" for number in BROKERS], "zk")

    def run(self) -> Result:
        """Raises SimulationFailure."""
        digest = self.simulation.run(self._phases, limit_s=self.options.seconds + 1000)
        return Result(
            digest=digest,
            seconds=self.simulation.now_s,
            faults=self.nemesis.count,
            acknowledged=self.workload.acknowledged,
            events=self.simulation.kernel.events,
        )

    async def _phases(self) -> None:
        simulation, workload = self.simulation, self.workload
        keeper = asyncio.create_task(self._keep_brokers())
        self._start_cluster()
        await simulation.ended(simulation.start("admin", self._create_topic, host="clients"))
        simulation.life("phase", "warm up")
        for position, tp in enumerate(PARTITIONS):
            for number in (1, 2):
                name = f"p{position}{number}"
                main = workload.producer(name, tp, idempotent=True)
                simulation.start(name, main, host="clients")
            name = f"c{position}"
            simulation.start(name, workload.consumer(name, tp), host="clients")
        await asyncio.sleep(3)
        simulation.life("phase", "faults")
        await self.nemesis.run()
        simulation.life("phase", "converge")
        await asyncio.sleep(self._settle_s)
        await self._converge()
        keeper.cancel()
        simulation.life("phase", "check")
        for anomaly in check(workload.history):
            simulation.fail("checker", str(anomaly))

    def _start_cluster(self) -> None:
        store = MemoryStore(commit_s=0.003)

        async def coordinator(env: Env) -> None:
            await serve(env, CoordinatorConfig(host="zk", tick_ms=1000), store)

        self.simulation.start("zk", coordinator)
        flush = "power" in self.options.kinds
        for number in BROKERS:
            self.simulation.start(f"b{number}", broker_main(number, flush=flush))

    async def _keep_brokers(self) -> None:
        """Start a broker again that has given up (no coordinator for too long, a failed disk)."""
        while True:
            await asyncio.sleep(1)
            for number in BROKERS:
                process = self.simulation.processes.get(f"b{number}")
                if process and process.gave_up and process.host.up and not process.alive:
                    process.start()

    async def _create_topic(self, env: Env) -> None:
        async with ClusterClient(BOOTSTRAP, "admin", timeout_ms=20_000) as client:
            while True:
                try:
                    await create_topic(
                        client, TOPIC, partitions=len(PARTITIONS), replication_factor=3
                    )
                    break
                except ClientError as error:
                    env.observer.note("create_topic_again", error=str(error))
                    await asyncio.sleep(0.2)
            await wait_for_leaders(client, TOPIC)

    async def _converge(self) -> None:
        """Everybody in sync, every partition writable, everything acknowledged read."""
        workload, simulation = self.workload, self.simulation
        deadline = simulation.now_s + CONVERGE_S
        before = {tp: workload.end(tp) for tp in PARTITIONS}
        while simulation.now_s < deadline:
            if all(workload.end(tp) > before[tp] for tp in PARTITIONS):
                break
            await asyncio.sleep(0.5)
        else:
            simulation.fail("checker", f"no acknowledgement {CONVERGE_S} s after healing")
        workload.producing = False
        checking = simulation.start("isr", self._wait_for_isr, host="clients")
        await simulation.ended(checking)
        producers = [p for name, p in simulation.processes.items() if name.startswith("p")]
        await simulation.ended(*producers)
        while simulation.now_s < deadline + 60:
            read = workload.positions
            if all(read.get(f"c{i}", 0) >= workload.end(tp) for i, tp in enumerate(PARTITIONS)):
                workload.history.drained = True
                return
            await asyncio.sleep(0.5)
        simulation.fail("checker", f"consumers stay behind: {workload.positions}")

    async def _wait_for_isr(self, env: Env) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + CONVERGE_S
        seen: object = None
        async with ClusterClient(BOOTSTRAP, "isr", timeout_ms=5000) as client:
            while loop.time() < deadline:
                try:
                    topic = (await client.metadata([TOPIC])).topics[TOPIC]
                    seen = [(p.leader, p.isr) for p in topic.partitions]
                    if all(sorted(p.isr) == list(BROKERS) for p in topic.partitions):
                        return
                except (OSError, Unreachable, KeyError) as error:
                    seen = error
                await asyncio.sleep(0.5)
        self.simulation.fail("checker", f"not all replicas in sync after healing: {seen}")
