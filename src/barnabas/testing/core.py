"""The methods of a test cluster, as they run on the loop of the cluster's thread.

Tests call those of ``cluster.py``, which call these.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from barnabas.client.admin import create_topic
from barnabas.client.cluster import DESCRIBE_CLUSTER_VERSION, ClusterClient
from barnabas.client.consumer import EARLIEST, LATEST, fetch, list_offset
from barnabas.client.errors import ClientError, Unreachable
from barnabas.client.metadata import ClusterView, PartitionView
from barnabas.client.producer import Producer
from barnabas.cluster.plan import COORDINATOR, ClusterPlan
from barnabas.cluster.readiness import wait_until_ready
from barnabas.names import number_in
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.describe_cluster import DescribeClusterRequest
from barnabas.records.batch import Record
from barnabas.testing.events import READY, EventLog, TimedOut
from barnabas.testing.faults import Fault
from barnabas.testing.faulty import OBSERVER_ID
from barnabas.testing.links import CLIENTS, LOST, broker_name, broker_of
from barnabas.testing.members import FAILED, PAUSED, RUNNING, Members
from barnabas.testing.records import Expected, TestRecord, as_pair, difference
from barnabas.types import TopicPartition

Target: TypeAlias = int | str
"""A broker's id, ``"coordinator"``, ``"controller"``, or ``"leader:TOPIC/PARTITION"``."""
Others: TypeAlias = "Target | Iterable[Target] | None"
Direction: TypeAlias = Literal["both", "out", "in"]

POLL_S = 0.005
ASK_MS = 1000
"""How long each broker may take to answer when all are asked."""
CLIENT_ID = "barnabas-testing"
"""The client id of requests that a test makes. Faults apply to it as to any client."""


class NotRunning(ValueError):
    """A node that does not run cannot be killed, stopped, paused or resumed."""


@dataclass(slots=True)
class Core:
    """One cluster. Everything runs on the loop on which it was made."""

    plan: ClusterPlan
    members: Members
    log: EventLog
    wait_s: float
    """The longest wait, unless its caller gives another."""
    _isolated: set[int] = field(default_factory=set)
    _clients: dict[int, ClusterClient] = field(default_factory=dict)

    # Life

    async def start(self, timeout_s: float) -> None:
        """Start all nodes. Raises TimedOut, also if a node fails."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        brokers = [broker_name(i) for i in self.plan.broker_ids]
        await self.members.start()

        async def given_up() -> bool:
            failed = any(self.members.state(name) == FAILED for name in self.members.names)
            return failed or loop.time() > deadline

        async def all_ready() -> bool:
            while not self.log.sources(READY).issuperset(brokers):
                if await given_up():
                    return False
                await asyncio.sleep(POLL_S)
            return True

        if not (await wait_until_ready(self.plan, given_up) and await all_ready()):
            why = self.members.why() or f"not within {timeout_s:g} s"
            await self.close()
            raise self._late(f"the cluster is not ready: {why}")
        self.log.add("test", "cluster_ready", {"bootstrap": self.plan.bootstrap})

    async def close(self) -> None:
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        await self.members.close()

    # State

    async def views(self) -> list[ClusterView]:
        """The metadata of each broker that runs, answers and is not isolated."""
        found = await asyncio.gather(*map(self._view, self._informed()))
        return [view for view in found if view is not None]

    async def _view(self, broker: int) -> ClusterView | None:
        client = self._clients.get(broker)
        if client is None:
            address = f"{self.plan.host}:{self.plan.broker_port(broker)}"
            client = self._clients[broker] = ClusterClient(address, OBSERVER_ID, timeout_ms=ASK_MS)
        try:
            async with asyncio.timeout(ASK_MS / 1000):
                client.view = ClusterView(cluster_id=None, controller_id=-1, brokers={}, topics={})
                return await client.metadata()
        except (OSError, TimeoutError, Unreachable):
            return None

    async def partition(self, topic: str, partition: int) -> PartitionView | None:
        """The state of a partition with the highest epoch that any broker knows."""
        known = [_partition(view, topic, partition) for view in await self.views()]
        return max((p for p in known if p is not None), key=lambda p: p.leader_epoch, default=None)

    async def leader_of(self, topic: str, partition: int) -> int | None:
        found = await self.partition(topic, partition)
        return None if found is None or found.leader < 0 else found.leader

    async def isr_of(self, topic: str, partition: int) -> set[int]:
        found = await self.partition(topic, partition)
        return set() if found is None else set(found.isr)

    async def controller(self) -> int | None:
        ids = [view.controller_id for view in await self.views() if view.controller_id >= 0]
        return max(set(ids), key=ids.count, default=None)

    async def resolve(self, target: Target) -> str:
        """The name of the target's node. Raises LookupError and ValueError."""
        if isinstance(target, int):
            if target not in self.plan.broker_ids:
                raise ValueError(f"no broker {target}; there are {list(self.plan.broker_ids)}")
            return broker_name(target)
        if target == "controller":
            controller = await self.controller()
            if controller is None:
                raise LookupError("no broker is controller just now")
            return broker_name(controller)
        if target.startswith("leader:"):
            topic, _, text = target.removeprefix("leader:").rpartition("/")
            number = number_in(text)
            if not topic or number is None:
                raise ValueError(f"{target!r} is not leader:TOPIC/PARTITION")
            leader = await self.leader_of(topic, number)
            if leader is None:
                raise LookupError(f"{topic}/{number} has no leader just now")
            return broker_name(leader)
        if target not in self.members.names:
            raise ValueError(f"no node {target!r}; there are {list(self.members.names)}")
        return target

    # Topics and records

    async def create_topic(
        self,
        name: str,
        partitions: int,
        replicas: int | None,
        min_isr: int | None,
        configs: Mapping[str, object],
        assignments: Mapping[int, Sequence[int]] | None,
        timeout_s: float | None,
    ) -> str:
        settings = {key.replace("_", "."): as_setting(value) for key, value in configs.items()}
        if min_isr is not None:
            settings["min.insync.replicas"] = str(min_isr)
        async with self._client(OBSERVER_ID) as client:
            await create_topic(
                client,
                name,
                partitions=partitions,
                replication_factor=replicas or min(3, self.plan.brokers),
                configs=settings,
                assignments=assignments,
            )
        count = len(assignments) if assignments else partitions

        def known(view: ClusterView) -> bool:
            topic = view.topics.get(name)
            if topic is None or not topic.partitions:
                return False
            whole = count < 0 or len(topic.partitions) == count
            return whole and all(p.leader >= 0 for p in topic.partitions)

        await self._wait(known, f"topic {name} is not known to every broker", timeout_s)
        return name

    def _client(self, client_id: str = CLIENT_ID) -> ClusterClient:
        """A client that asks running brokers first that are not isolated."""
        known = self._informed() or self.plan.broker_ids
        bootstrap = ",".join(f"{self.plan.host}:{self.plan.broker_port(b)}" for b in known)
        return ClusterClient(bootstrap, client_id)

    def _informed(self) -> list[int]:
        """Brokers that run and are not isolated."""
        return [
            broker
            for broker in self.plan.broker_ids
            if self.members.state(broker_name(broker)) == RUNNING and broker not in self._isolated
        ]

    async def produce(
        self,
        topic: str,
        values: Iterable[Expected],
        partition: int,
        *,
        acks: int,
        timeout_s: float | None,
    ) -> int:
        records = [Record(key=k, value=v) for k, v in map(as_pair, values)]
        limit_ms = round(1000 * (self.wait_s if timeout_s is None else timeout_s))
        async with self._client() as client:
            client.timeout_ms = limit_ms
            await client.metadata([topic])
            producer = Producer(client, acks=acks, delivery_timeout_ms=limit_ms)
            await producer.start()
            return await producer.send(TopicPartition(topic, partition), records)

    async def records(
        self, topic: str, partition: int | None, *, read_committed: bool
    ) -> list[TestRecord]:
        found: list[TestRecord] = []
        async with self._client() as client:
            view = await client.metadata([topic])
            known = view.topics.get(topic)
            if known is None or not known.partitions:
                raise LookupError(f"no topic {topic}")
            numbers = [p.partition for p in known.partitions]
            for number in numbers if partition is None else [partition]:
                tp = TopicPartition(topic, number)
                found += await _read(client, tp, read_committed=read_committed)
        return found

    async def assert_records(
        self,
        topic: str,
        expected: Iterable[Expected],
        partition: int | None,
        *,
        in_order: bool,
        read_committed: bool,
        timeout_s: float | None,
    ) -> None:
        wanted = list(expected)
        wrong: str | None = "nothing was read"

        async def as_expected() -> bool:
            nonlocal wrong
            try:
                found = await self.records(topic, partition, read_committed=read_committed)
            except (LookupError, ClientError, Unreachable) as error:
                wrong = str(error)
                return False
            wrong = difference(found, wanted, in_order=in_order)
            return wrong is None

        if not await self._until(as_expected, timeout_s):
            raise self._late(f"{topic}: {wrong}")

    # Waits

    async def wait_for_leader(
        self, topic: str, partition: int, not_on: int | None, timeout_s: float | None
    ) -> int:
        """The leader, once every broker knows it."""

        def led(view: ClusterView) -> bool:
            found = view.leader(topic, partition)
            return found is not None and found != not_on

        elsewhere = "" if not_on is None else f" other than {not_on}"
        views = await self._wait(
            led,
            f"{topic}/{partition} has no leader{elsewhere}",
            timeout_s,
            same=led_by(topic, partition),
        )
        leader = views[0].leader(topic, partition)
        assert leader is not None
        return leader

    async def wait_for_isr(
        self, topic: str, partition: int, isr: Iterable[int] | int, timeout_s: float | None
    ) -> set[int]:
        """The ISR, once every broker knows that it is these brokers, or this number."""
        wanted = isr if isinstance(isr, int) else set(isr)

        def in_sync(view: ClusterView) -> bool:
            found = _partition(view, topic, partition)
            if found is None:
                return False
            return len(found.isr) == wanted if isinstance(wanted, int) else set(found.isr) == wanted

        views = await self._wait(
            in_sync, f"the ISR of {topic}/{partition} is not {wanted}", timeout_s
        )
        found = _partition(views[0], topic, partition)
        assert found is not None
        return set(found.isr)

    async def wait_for_controller(self, not_on: int | None, timeout_s: float | None) -> int:
        """The controller, once every broker knows it."""

        def elected(view: ClusterView) -> bool:
            return view.controller_id in view.brokers and view.controller_id != not_on

        elsewhere = "" if not_on is None else f" other than {not_on}"
        views = await self._wait(
            elected,
            f"there is no controller{elsewhere}",
            timeout_s,
            same=lambda view: view.controller_id,
        )
        return views[0].controller_id

    async def wait_for_hits(self, fault: Fault, count: int, timeout_s: float | None) -> None:
        async def hit() -> bool:
            return len(fault.hits) >= count

        if not await self._until(hit, timeout_s):
            raise self._late(
                f"{len(fault.hits)} requests were hit by the fault on {fault.api.name}, not {count}"
            )

    async def wait_for_brokers(
        self, brokers: Iterable[int] | None, timeout_s: float | None
    ) -> None:
        """Wait until each running broker knows exactly these as registered; by default those that
        run."""
        wanted = None if brokers is None else set(brokers)

        async def alive() -> bool:
            running = {
                i for i in self.plan.broker_ids if self.members.state(broker_name(i)) == RUNNING
            }
            seen = [await self._alive(broker) for broker in running - self._isolated]
            return bool(seen) and all(
                ids == (running if wanted is None else wanted) for ids in seen
            )

        if not await self._until(alive, timeout_s):
            raise self._late(f"the brokers alive are not {wanted or 'those that run'}")

    async def _alive(self, broker: int) -> set[int]:
        await self._view(broker)
        address = (self.plan.host, self.plan.broker_port(broker))
        question = DescribeClusterRequest(include_cluster_authorized_operations=False)
        try:
            async with asyncio.timeout(ASK_MS / 1000):
                answer = await self._clients[broker].send(
                    address, ApiKey.DESCRIBE_CLUSTER, DESCRIBE_CLUSTER_VERSION, question
                )
                return {int(b.broker_id) for b in answer.brokers}
        except (OSError, TimeoutError, Unreachable):
            return set()

    async def _wait(
        self,
        condition: Callable[[ClusterView], bool],
        otherwise: str,
        timeout_s: float | None,
        *,
        same: Callable[[ClusterView], object] = lambda _: None,
    ) -> list[ClusterView]:
        """The views, once all satisfy ``condition`` and ``same`` is equal for all. Raises
        TimedOut."""
        views: list[ClusterView] = []

        async def satisfied() -> bool:
            nonlocal views
            views = await self.views()
            return bool(views) and all(map(condition, views)) and len(set(map(same, views))) == 1

        if not await self._until(satisfied, timeout_s):
            raise self._late(otherwise)
        return views

    async def _until(
        self, condition: Callable[[], Awaitable[bool]], timeout_s: float | None
    ) -> bool:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (self.wait_s if timeout_s is None else timeout_s)
        while True:
            if await condition():
                return True
            if loop.time() > deadline:
                return False
            await asyncio.sleep(POLL_S)

    def _late(self, what: str) -> TimedOut:
        return TimedOut(f"{what}\nThe last events:\n{self.log.tail()}")

    # Failures

    async def kill(self, target: Target) -> int | None:
        return await self._done("killed", target, self.members.kill)

    async def stop(self, target: Target) -> int | None:
        return await self._done("stopped", target, self.members.stop)

    async def pause(self, target: Target) -> int | None:
        return await self._done("paused", target, self.members.pause)

    async def resume(self, target: Target) -> int | None:
        return await self._done("resumed", target, self.members.resume)

    async def restart(self, target: Target, timeout_s: float | None) -> int | None:
        name = await self.resolve(target)
        if self.members.state(name) in (RUNNING, PAUSED):
            await self.members.stop(name)
        await self._forget(name)
        self.log.add("test", "restarted", {"node": name})
        await self.members.begin(name)
        broker = broker_of(name)
        if broker is None:
            return None
        if self.members.state(COORDINATOR) == RUNNING:

            async def serves() -> bool:
                if self.members.state(name) == FAILED:
                    raise RuntimeError(f"{name} does not start: {self.members.why()}")
                return broker in await self._alive(broker)

            if not await self._until(serves, timeout_s):
                raise self._late(f"{name} does not serve")
        return broker

    async def _done(
        self, what: str, target: Target, action: Callable[[str], Awaitable[None]]
    ) -> int | None:
        """Do something to a node, and log it as an event. Returns the broker's id."""
        name = await self.resolve(target)
        state = self.members.state(name)
        if state not in (RUNNING, PAUSED):
            raise NotRunning(f"{name} is {state}")
        self.log.add("test", what, {"node": name})
        await self._forget(name)
        await action(name)
        return broker_of(name)

    async def _forget(self, name: str) -> None:
        """Close the test's own connection to the node."""
        client = self._clients.pop(broker_of(name) or 0, None)
        if client is not None:
            client.close()

    async def expire_session(self, broker: int) -> None:
        await self.resolve(broker)
        self.log.add("test", "session_expiry_asked", {"broker": broker})
        if not await self.members.expire(broker):
            raise LookupError(f"broker {broker} has no session just now")

    async def isolate(
        self, broker: Target, from_: Others, direction: Direction, delay_ms: float | None
    ) -> int | None:
        name = await self.resolve(broker)
        others = await self._others(name, from_)
        delay_s = LOST if delay_ms is None else delay_ms / 1000
        for other in others:
            if direction in ("both", "out"):
                self.members.links.set(name, other, delay_s)
            if direction in ("both", "in"):
                self.members.links.set(other, name, delay_s)
        told: dict[str, object] = {"node": name, "from_": ",".join(others), "direction": direction}
        if delay_ms is not None:
            told["delay_ms"] = delay_ms
        self.log.add("test", "isolated", told)
        number = broker_of(name)
        if number is not None and delay_ms is None:
            self._isolated.add(number)
        await self.members.relink()
        return number

    async def _others(self, name: str, from_: Others) -> list[str]:
        if from_ is None:
            return [other for other in (*self.members.names, CLIENTS) if other != name]
        some = [from_] if isinstance(from_, int | str) else list(from_)
        return [CLIENTS if s == CLIENTS else await self.resolve(s) for s in some]

    async def heal(self, targets: Sequence[Target]) -> None:
        names = [await self.resolve(target) for target in targets]
        self.members.links.heal(names)
        self.log.add("test", "healed", {"nodes": ",".join(names) or "all"})
        self._isolated -= {n for n in map(broker_of, names) if n is not None}
        if not names:
            self._isolated.clear()
        await self.members.relink()

    async def set_disk_full(self, target: Target, *, is_full: bool) -> int | None:
        name = await self.resolve(target)
        self.log.add("test", "disk_filled" if is_full else "disk_freed", {"node": name})
        await self.members.set_disk_full(name, is_full)
        return broker_of(name)

    async def shrink_isr(
        self, topic: str, partition: int, to: int, timeout_s: float | None
    ) -> set[int]:
        """Stop the last followers from copying, until only ``to`` replicas are in sync."""
        found = await self.partition(topic, partition)
        if found is None or found.leader < 0:
            raise LookupError(f"{topic}/{partition} has no leader just now")
        if not 1 <= to <= len(found.isr):
            raise ValueError(f"to={to}: the ISR of {topic}/{partition} is {sorted(found.isr)}")
        followers = [b for b in found.replicas if b in found.isr and b != found.leader]
        left_out = followers[to - 1 :]
        fields = {"topic": topic, "partition": partition, "without": left_out}
        self.log.add("test", "isr_shrink_asked", fields)
        for broker in left_out:
            await self.members.withhold(broker_name(broker), topic, partition, True)
        wanted = set(found.isr).difference(left_out)
        leader = broker_name(found.leader)

        def in_sync(view: ClusterView) -> bool:
            known = _partition(view, topic, partition)
            return known is not None and set(known.isr) == wanted

        async def shrunk() -> bool:
            await self.members.drop_from_isr(leader, topic, partition, left_out)
            return all(map(in_sync, await self.views()))

        if not await self._until(shrunk, timeout_s):
            raise self._late(f"the ISR of {topic}/{partition} is not {wanted}")
        return wanted

    async def restore_isr(self, topic: str, partition: int, timeout_s: float | None) -> set[int]:
        """Let every follower copy again, and wait until all running ones are in sync."""
        running = [b for b in self.plan.broker_ids if self.members.state(broker_name(b)) == RUNNING]
        for broker in running:
            await self.members.withhold(broker_name(broker), topic, partition, False)
        found = await self.partition(topic, partition)
        if found is None:
            raise LookupError(f"no partition {topic}/{partition}")
        wanted = set(found.replicas).intersection(running)
        return await self.wait_for_isr(topic, partition, wanted, timeout_s)


def led_by(topic: str, partition: int) -> Callable[[ClusterView], int | None]:
    return lambda view: view.leader(topic, partition)


def _partition(view: ClusterView, topic: str, partition: int) -> PartitionView | None:
    known = view.topics.get(topic)
    if known is None or not 0 <= partition < len(known.partitions):
        return None
    return known.partitions[partition]


def as_setting(value: object) -> str:
    """The text of a setting's value, as Kafka writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


async def _read(
    client: ClusterClient, tp: TopicPartition, *, read_committed: bool
) -> list[TestRecord]:
    """All records of one partition, up to its current end."""
    offset = await list_offset(client, tp, EARLIEST)
    end = await list_offset(client, tp, LATEST)
    found: list[TestRecord] = []
    while offset < end:
        fetched = await fetch(client, tp, offset, max_wait_ms=100, read_committed=read_committed)
        if fetched.next_offset == offset:
            break  # the rest belongs to an open transaction
        offset = fetched.next_offset
        found += [
            TestRecord(
                topic=tp.topic,
                partition=tp.partition,
                offset=r.offset,
                key=r.key,
                value=r.value,
                headers=tuple((name, value) for name, value in r.headers),
                timestamp=r.timestamp,
            )
            for r in fetched.records
        ]
    return found
