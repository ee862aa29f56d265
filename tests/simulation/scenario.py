"""The real broker under faults: warm up, faults, heal, converge, check.

Three brokers and a coordinator, each on a host of its own, two partitions with three replicas and
``min.insync.replicas=2``; producers and consumers on a fourth kind of host that is never broken.
Some seeds have a fourth broker, segments that roll, retention, a compacted topic of keys
(``keyed``), a consumer group (``group_life``), a ``witness`` of what brokers say of leaders, an
authorizer and a topic whose ACLs change (``guarded``), a quota that changes (``metered``),
delegation tokens that come and go (``bearers``), or clients that speak message formats 0 and 1
(``old_clients``).
Power losses are drawn only together with ``log.flush.before.ack``, because without it Kafka's
promise does not cover them; ``power_one`` cuts power without it, where the promise still holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from tests.simulation import plugged
from tests.simulation.agreement import AGREE_S, disagreement
from tests.simulation.bearers import Bearers
from tests.simulation.checker import check
from tests.simulation.group_life import GroupLife
from tests.simulation.guarded import GUARDED, Guarded, principals
from tests.simulation.hostile_clients import HOST_PREFIX
from tests.simulation.invariants import Invariants, WatchedStore
from tests.simulation.kept import batches_kept
from tests.simulation.kernel import MICROSECOND
from tests.simulation.keyed import Keyed
from tests.simulation.late import late_answers
from tests.simulation.layout import (
    KEYED_SETTINGS,
    Layout,
    add_broker_user,
    broker_main,
    data_directory,
    rack_of,
    topic_settings,
)
from tests.simulation.ledger import CALM_LOOK_S, LOOK_S, Ledger
from tests.simulation.lost import lost_multis
from tests.simulation.metered import Metered
from tests.simulation.moving_stories import tidy_up
from tests.simulation.nemesis import Nemesis
from tests.simulation.nodes import Main, Process, Simulation
from tests.simulation.old_clients import OldClients
from tests.simulation.options import HOSTILE, MOVING, Options, draw_options
from tests.simulation.recorder import Recorder
from tests.simulation.salted import salted_once
from tests.simulation.shadow import Shadows
from tests.simulation.stories import ALL_FAULTS, NAMED_ONLY, TOGETHER
from tests.simulation.witness import Witness
from tests.simulation.workload import Workload

from barnabas.client.admin import create_topic, wait_for_leaders
from barnabas.client.cluster import ClusterClient
from barnabas.client.errors import ClientError, Unreachable
from barnabas.client.reassignment import list_moves
from barnabas.coordinator.group.placement import OFFSETS_TOPIC
from barnabas.errors import ErrorCode
from barnabas.seams import Env
from barnabas.types import TopicPartition
from barnabas.zookeeper.server.coordinator import CoordinatorConfig
from barnabas.zookeeper.server.serve import serve
from barnabas.zookeeper.server.store import Batch as StoreBatch

TOPIC, KEYED_TOPIC = "t", "k"
PARTITIONS = (TopicPartition(TOPIC, 0), TopicPartition(TOPIC, 1))
KEYED = TopicPartition(KEYED_TOPIC, 0)
THREE = {0: (1, 2, 3), 1: (2, 3, 1)}
"""Replicas of each partition where the fourth broker is a bystander."""
KINDS = tuple(kind for kind in ALL_FAULTS if kind not in NAMED_ONLY)
CONVERGE_S = 90.0
FORGOTTEN_S = 40.0
"""After it nothing is held for a client that has gone: a connection that is dead is known to be."""
PATIENCE_S = 3.0
LOOK_NS = 200 * MICROSECOND
"""What a request costs a broker where clients are hostile: enough for many of them to be felt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One sound run."""

    digest: str
    seconds: float
    faults: int
    acknowledged: int
    events: int


def options_of(seed: int, seconds: float, kinds: tuple[str, ...] = KINDS) -> Options:
    """What a seed draws."""
    return draw_options(seed, kinds, seconds, TOGETHER)


class Scenario:
    """One run."""

    def __init__(
        self, options: Options, *, timeline: int | None = 4000, settle_s: float = 4.0
    ) -> None:
        self._settle_s = settle_s
        self.options = options
        hostile = any(kind in HOSTILE for kind in options.kinds)
        self.simulation = Simulation(
            options.seed,
            cpu_delay=options.cpu_delay,
            look_ns=LOOK_NS if hostile else 0,
            long_work=options.long_work,
            timeline=timeline,
            classes=plugged.CLASSES,
        )
        self._only_hostile = all(kind in HOSTILE for kind in options.kinds)
        """Nobody is to lose anything: neither sessions nor leaderships."""
        self.ledger = Ledger(self._violated)
        self.layout = Layout(together=options.together, brokers=options.brokers)
        bootstrap = self.layout.bootstrap
        self.workload = Workload(
            self.simulation,
            bootstrap,
            pause_s=options.pause_s,
            deleting=options.retention,
            patience_s=PATIENCE_S if {*options.kinds} <= {*MOVING} else None,
        )
        self.old_clients = OldClients(self.workload)
        self.keyed = Keyed(self.workload, KEYED, tails=options.tails)
        names = [f"m{number}" for number in range(options.members)]
        self.group = GroupLife(
            self.simulation, self.workload, TOPIC, len(PARTITIONS), names, self._is_deposed
        )
        shadows = Shadows()
        for number in self.layout.ids:
            host = self.simulation.host(self.layout.host(number))
            shadows.add_broker(number, host.disk, data_directory(number))
        compacted = (KEYED_TOPIC, OFFSETS_TOPIC)
        self.invariants = Invariants(
            shadows, self._violated, compacted=compacted, flush=options.flush
        )
        self.simulation.listening.append(self._heard)
        listeners = {number: self.layout.listener(number) for number in self.layout.ids}
        self.witness = Witness(self.simulation, TOPIC, listeners)
        self.guarded = Guarded(self.simulation, listeners)
        self.metered = Metered(self.simulation, listeners)
        inside = {number: self.layout.inside(number) for number in self.layout.ids}
        self.bearers = Bearers(self.simulation, inside)
        targets = [f"b{number}" for number in self.layout.ids]
        self.nemesis = Nemesis(self.simulation, options, targets, "zk", self.invariants, ALL_FAULTS)
        self.recorder: Recorder | None = None

    def record(self) -> Recorder:
        """Keep what happens as a history; before ``run``."""
        options = self.options
        about = f"simulation of seed {options.seed}: {', '.join(options.kinds)}"
        self.recorder = Recorder(self.simulation, about, self.layout.ids)
        return self.recorder

    def _is_deposed(self, broker: int) -> bool:
        return self.invariants.is_deposed(broker, OFFSETS_TOPIC)

    def _violated(self, invariant: str, text: str) -> None:
        self.simulation.life("violation", invariant, text=text)
        self.simulation.fail("invariants", f"{invariant}: {text}")

    def _heard(self, process: Process, event: str, fields: dict[str, object]) -> None:
        self.witness.on_note(process, event, fields)
        self.guarded.on_note(process, event, fields)
        self.bearers.on_note(process, event, fields)
        self.invariants.on_note(process.name, process.incarnation, event, fields)
        if self.options.lost_multis and event == "controller_event_failed":
            self._violated("NoGivingUp", f"{process.name}: {fields}")
        if self._only_hostile and event == "zookeeper_session" and fields["state"] == "expired":
            self._violated("SessionKept", f"the session of {process.name} has expired")

    def run(self) -> Result:
        """Raises SimulationFailure."""
        with (
            late_answers(self.options.late_answers, self.simulation.kernel),
            lost_multis(self.options.lost_multis, self.simulation.kernel),
            principals(self.options.acls),
            batches_kept(self.options.keeps),
            self.ledger.watched(),
            salted_once(),
        ):
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
        await simulation.ended(simulation.start("admin", self._create_topics, host="clients"))
        simulation.life("phase", "warm up")
        self._start_clients()
        await asyncio.sleep(3)
        simulation.life("phase", "faults")
        hostile = any(kind in HOSTILE for kind in self.options.kinds)
        watching = asyncio.create_task(self.ledger.watch(LOOK_S if hostile else CALM_LOOK_S))
        led = self._led()
        disturbing = asyncio.create_task(self._disturb_group())
        await self.nemesis.run()
        disturbing.cancel()
        self.group.heal()
        simulation.life("phase", "converge")
        await asyncio.sleep(self._settle_s)
        if self._only_hostile:
            self._check_kept(led)
        await self._converge()
        await self._wait_until_forgotten()
        watching.cancel()
        keeper.cancel()
        simulation.life("phase", "check")
        if self.options.witness:
            self.witness.check()
        for anomaly in check(workload.history):
            simulation.fail("checker", str(anomaly))

    def _led(self) -> dict[TopicPartition, tuple[int, int]]:
        """Leaders and their epochs."""
        states = self.invariants.states
        return {tp: (states[tp].leader, states[tp].leader_epoch) for tp in sorted(states)}

    def _check_kept(self, led: Mapping[TopicPartition, tuple[int, int]]) -> None:
        after = self._led()
        moved = {tp: (before, after.get(tp)) for tp, before in led.items() if after[tp] != before}
        if moved:
            self._violated("LeadershipKept", f"leaders and epochs have changed: {moved}")
        for name in ("zk", *self.nemesis.targets):
            process = self.simulation.processes[name]
            if process.incarnation != 1 or not process.alive:
                self._violated("ProcessKept", f"{name} has ended")

    async def _wait_until_forgotten(self) -> None:
        """The hostile clients have gone, and all that was held for them."""
        simulation = self.simulation
        hosts = [h for h in simulation.hosts.values() if h.name.startswith(HOST_PREFIX)]
        addresses = {host.address for host in hosts}
        deadline = simulation.now_s + FORGOTTEN_S
        while remains := self.ledger.remains(lambda peer: peer in addresses):
            if simulation.now_s >= deadline:
                self._violated("MemoryGivenBack", remains)
                return
            await asyncio.sleep(0.1)

    def _start_clients(self) -> None:
        simulation, workload = self.simulation, self.workload
        clients = {}
        for position, tp in enumerate(PARTITIONS):
            for name in (f"p{position}1", f"p{position}2"):
                clients[name] = workload.producer(name, tp, idempotent=True)
            clients[f"c{position}"] = workload.consumer(f"c{position}", tp)
            if self.options.racks:
                for number in self.layout.ids:
                    name = f"r{position}{number}"
                    clients[name] = workload.consumer(name, tp, rack=rack_of(number))
            if self.options.tails:
                clients[f"q{position}"] = workload.careless_producer(f"q{position}", tp)
            if self.options.old_clients:
                clients[f"po{position}"] = self.old_clients.producer(f"po{position}", tp)
                clients[f"co{position}"] = self.old_clients.consumer(f"co{position}", tp)
        if self.options.compacted:
            for name in ("pk1", "pk2"):
                clients[name] = self.keyed.writer(name)
            clients["ck"] = self.keyed.reader("ck")
        for name, main in (clients | self._visitors()).items():
            simulation.start(name, main, host="clients")
        self.group.start()

    def _visitors(self) -> dict[str, Main]:
        """Clients of whom something is judged beside their records."""
        clients: dict[str, Main] = {}
        if self.options.witness:
            clients |= {f"w{b}": self.witness.main(b) for b in self.layout.ids}
        if self.options.acls:
            clients["operator"] = self.guarded.operator()
            clients |= {f"x{b}": self.guarded.intruder(b) for b in self.layout.ids}
        if self.options.quotas:
            clients["treasurer"] = self.metered.operator()
            clients |= {f"g{b}": self.metered.glutton(b) for b in self.layout.ids}
        if self.options.tokens:
            clients["issuer"] = self.bearers.operator()
            clients |= {f"t{b}": self.bearers.bearer(b) for b in self.layout.ids}
        return clients

    async def _disturb_group(self) -> None:
        if self.options.members:
            await self.group.disturb()

    def _start_cluster(self) -> None:
        store = WatchedStore(commit_s=0.003)
        store.heard = self._committed
        layout = self.layout
        address = "127.0.0.1" if layout.together else "zk"

        async def coordinator(env: Env) -> None:
            await serve(
                env, CoordinatorConfig(host=address, tick_ms=1000, allow_strangers=True), store
            )

        self.simulation.start("zk", coordinator, host="m" if layout.together else None)
        if self.options.secure or self.options.tokens:
            servers = layout.coordinator
            host = "m" if layout.together else "clients"
            self.simulation.start("user", lambda env: add_broker_user(env, servers), host=host)
        bystander = self.options.bystander
        for number in sorted(layout.ids, reverse=bystander):
            main = broker_main(number, layout, self.options)
            self.simulation.start(f"b{number}", main, host=layout.host(number))

    def _committed(self, batch: StoreBatch) -> None:
        self.invariants.on_commit(batch)
        self.guarded.on_commit(batch)
        self.bearers.on_commit(batch)
        if self.recorder is not None:
            self.recorder.on_commit(batch)

    async def _keep_brokers(self) -> None:
        """Start a broker again that has given up (no coordinator for too long, a failed disk)."""
        while True:
            await asyncio.sleep(1)
            for number in self.layout.ids:
                process = self.simulation.processes.get(f"b{number}")
                if process and process.gave_up and process.host.up and not process.alive:
                    process.start()

    async def _create_topics(self, env: Env) -> None:
        await self._create(env, TOPIC, len(PARTITIONS), topic_settings(self.options))
        if self.options.compacted:
            await self._create(env, KEYED_TOPIC, 1, KEYED_SETTINGS)
        if self.options.acls:
            await self._create(env, GUARDED, 1, {})

    async def _create(
        self, env: Env, topic: str, partitions: int, configs: Mapping[str, str]
    ) -> None:
        three = {number: THREE[number] for number in range(partitions)}
        async with ClusterClient(self.layout.bootstrap, "admin", timeout_ms=20_000) as client:
            while True:
                try:
                    await create_topic(
                        client,
                        topic,
                        partitions=partitions,
                        replication_factor=3,
                        assignments=three if self.options.bystander else None,
                        configs=configs,
                    )
                    break
                except ClientError as error:
                    if error.code == ErrorCode.TOPIC_ALREADY_EXISTS:
                        break
                    env.observer.note("create_topic_again", error=str(error))
                    await asyncio.sleep(0.2)
            await wait_for_leaders(client, topic)

    async def _converge(self) -> None:
        """Everybody in sync, every partition writable, everything acknowledged read."""
        workload, simulation = self.workload, self.simulation
        start = simulation.now_s
        deadline = start + CONVERGE_S
        before = {tp: workload.end(tp) for tp in PARTITIONS}
        while simulation.now_s < deadline:
            if all(workload.end(tp) > before[tp] for tp in PARTITIONS):
                break
            if self._held():
                return
            await asyncio.sleep(0.5)
        else:
            simulation.fail("checker", f"no acknowledgement {CONVERGE_S} s after healing")
        if self._held():
            return
        workload.producing = False
        if set(MOVING) & {*self.options.kinds}:
            await tidy_up(simulation, self.layout.bootstrap)
        if self.options.acls:
            await self.guarded.finish()
        if self.options.quotas:
            await self.metered.finish()
        if self.options.tokens:
            await self.bearers.finish()
        checking = simulation.start("isr", self._wait_for_isr, host="clients")
        await simulation.ended(checking)
        producers = [p for name, p in simulation.processes.items() if name[0] in "pq"]
        await simulation.ended(*producers)
        if self.options.members:
            await self.group.finish(deadline + 60)
        await self._wait_until_level()
        await self._wait_for_readers(deadline + 60)

    async def _wait_for_readers(self, deadline_s: float) -> None:
        workload, simulation = self.workload, self.simulation
        if self.options.compacted:
            last = simulation.start("cl", self.keyed.last_reader("cl"), host="clients")
            await simulation.ended(last)
        while simulation.now_s < deadline_s:
            read = workload.positions
            if all(read.get(name, 0) >= workload.end(tp) for name, tp in self._readers()):
                workload.history.drained = True
                return
            await asyncio.sleep(0.5)
        simulation.fail("checker", f"consumers stay behind: {workload.positions}")

    def _readers(self) -> list[tuple[str, TopicPartition]]:
        readers = [(f"c{position}", tp) for position, tp in enumerate(PARTITIONS)]
        if self.options.old_clients:
            readers += [(f"co{position}", tp) for position, tp in enumerate(PARTITIONS)]
        if self.options.racks:
            for position, tp in enumerate(PARTITIONS):
                readers += [(f"r{position}{number}", tp) for number in self.layout.ids]
        return readers

    def _held(self) -> bool:
        """Rather held than wrong: an operator has to decide, and nothing more is to be seen."""
        return "power_one" in self.options.kinds and self.invariants.held()

    async def _wait_until_level(self) -> None:
        """Nobody writes any more: all copies are the same, and all of it is committed."""
        why = ""
        for _ in range(40):
            levels = [self.invariants.level(tp) for tp in sorted(self.invariants.assignments)]
            why = "; ".join(level for level in levels if level)
            if not why:
                return
            await asyncio.sleep(0.5)
        self.simulation.fail("checker", f"replicas are not level: {why}")

    async def _wait_until_agreed(self) -> None:
        listeners = {broker: self.layout.listener(broker) for broker in self.layout.ids}
        if found := await disagreement(listeners, self.invariants.states):
            self.simulation.fail("agreement", f"{AGREE_S} s after all are in sync, {found}")

    async def _wait_for_isr(self, env: Env) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + CONVERGE_S
        seen: object = None
        async with ClusterClient(self.layout.bootstrap, "isr", timeout_ms=5000) as client:
            while loop.time() < deadline:
                try:
                    topics = (await client.metadata()).topics.values()
                    seen = [
                        (t.name, p.leader, p.replicas, p.isr) for t in topics for p in t.partitions
                    ]
                    in_sync = all(sorted(isr) == sorted(replicas) for _, _, replicas, isr in seen)
                    if in_sync and not await list_moves(client):
                        await self._wait_until_agreed()
                        return
                except (OSError, ClientError, Unreachable) as error:
                    seen = error
                await asyncio.sleep(0.5)
        self.simulation.fail("checker", f"not all in sync, or moving, after healing: {seen}")
