"""Consumer groups: a large group settles, idle groups wait, a coordinator with many groups dies.

    python bench/groups.py [--rounds 5] [--members 100] [--partitions 200]

Starts and stops its own cluster of three brokers (`barnabas up`, defaults) in a temporary
directory; ends in under two minutes. Members are coroutines of this process, each with a
connection and heartbeats of its own (every 3 s, a consumer's default); idle groups have positions
in ten partitions each. Prints one line a measure with the median and the least and greatest.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from barnabas.client.admin import create_topic, wait_for_leaders
from barnabas.client.cluster import ClusterClient
from barnabas.cluster.control import ask
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.connection import KafkaConnection
from barnabas.protocol.message import Message

PORT, ZOOKEEPER_PORT = 27_292, 27_381
BROKERS = 3
TOPIC = "t"
SUBSCRIPTION = b"\x00\x01\x00\x00\x00\x01\x00\x01t\xff\xff\xff\xff"
HEARTBEAT_S = 3.0
IDLE_S = 10.0
POSITIONS = 10
"""Partitions in which each idle group has a position."""
TICKS = os.sysconf("SC_CLK_TCK")


def report(name: str, values: Iterable[float]) -> None:
    ordered = sorted(values)
    median = statistics.median(ordered)
    print(f"{name:<52} {median:10.1f} ({ordered[0]:.1f}-{ordered[-1]:.1f})", flush=True)


# Processes


def brokers() -> dict[int, int]:
    """Broker ids and their processes' ids."""
    processes = ask(PORT, {"verb": "status"})["processes"]
    return {
        int(name.partition(":")[2]): int(p["pid"])
        for name, p in processes.items()
        if name.startswith("broker")
    }


def cpu_ms(pids: Iterable[int]) -> float:
    """Processor time of these processes so far."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks * 1000 / TICKS


def rss_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


async def idle(name: str, pids: Sequence[int]) -> None:
    """Processor time of each broker in a minute, from IDLE_S of it: the clock ticks every 10 ms."""
    before = [cpu_ms([pid]) for pid in pids]
    await asyncio.sleep(IDLE_S)
    after = [cpu_ms([pid]) for pid in pids]
    values = [(b - a) * 60 / IDLE_S for a, b in zip(before, after, strict=True)]
    report(f"{name}: broker CPU ms/min", values)


# A large group


@dataclass
class Crowd:
    """Members of one group, and what they were told last."""

    host: str
    port: int
    group: str
    partitions: int
    owned: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    """Member to (generation, its partitions)."""
    wanted: int = 0
    settled: asyncio.Event = field(default_factory=asyncio.Event)

    def told(self, member_id: str, generation: int, assignment: bytes) -> None:
        self.owned[member_id] = (generation, assignment)
        newest = max(g for g, _ in self.owned.values())
        shares = [a for g, a in self.owned.values() if g == newest]
        if len(shares) == self.wanted and sum(map(len, shares)) == self.partitions:
            self.settled.set()

    async def settle(self, wanted: int) -> None:
        self.wanted = wanted
        self.settled.clear()
        await self.settled.wait()


class Member:
    """Joins, syncs and calls, again and again, until cancelled."""

    def __init__(self, crowd: Crowd, name: str) -> None:
        self.crowd = crowd
        self.name = name
        self.member_id = ""
        self.generation = -1
        self.connection: KafkaConnection | None = None

    async def run(self) -> None:
        crowd = self.crowd
        self.connection = await KafkaConnection.connect(
            crowd.host, crowd.port, client_id=self.name, timeout_ms=10_000
        )
        while True:
            if await self._join() and await self._sync():
                while await self._beat() == ErrorCode.NONE:
                    pass

    async def _ask(self, api: ApiKey, version: int, message: Message) -> Any:
        assert self.connection is not None
        return await self.connection.send(api, version, message)

    async def _join(self) -> bool:
        message = Message(
            group_id=self.crowd.group,
            session_timeout=45_000,
            rebalance_timeout=60_000,
            member_id=self.member_id,
            group_instance_id=None,
            protocol_type="consumer",
            protocols=[Message(name="range", metadata=SUBSCRIPTION)],
            reason=None,
        )
        joined = await self._ask(ApiKey.JOIN_GROUP, 9, message)
        if joined.error_code == ErrorCode.MEMBER_ID_REQUIRED:
            self.member_id = message.member_id = joined.member_id
            joined = await self._ask(ApiKey.JOIN_GROUP, 9, message)
        self.generation = joined.generation_id
        self.members = [m.member_id for m in joined.members]
        return bool(joined.error_code == ErrorCode.NONE)

    async def _sync(self) -> bool:
        shares = [
            Message(
                member_id=m,
                assignment=bytes(
                    n % 256 for n in range(i, self.crowd.partitions, len(self.members))
                ),
            )
            for i, m in enumerate(self.members)
        ]
        message = Message(
            group_id=self.crowd.group,
            generation_id=self.generation,
            member_id=self.member_id,
            group_instance_id=None,
            protocol_type="consumer",
            protocol_name="range",
            assignments=shares,
        )
        synced = await self._ask(ApiKey.SYNC_GROUP, 5, message)
        if synced.error_code != ErrorCode.NONE:
            return False
        self.crowd.told(self.member_id, self.generation, synced.assignment)
        return True

    async def _beat(self) -> int:
        await asyncio.sleep(HEARTBEAT_S)
        message = Message(
            group_id=self.crowd.group,
            generation_id=self.generation,
            member_id=self.member_id,
            group_instance_id=None,
        )
        return int((await self._ask(ApiKey.HEARTBEAT, 4, message)).error_code)

    async def leave(self) -> None:
        identity = Message(member_id=self.member_id, group_instance_id=None, reason=None)
        await self._ask(
            ApiKey.LEAVE_GROUP, 5, Message(group_id=self.crowd.group, members=[identity])
        )


async def coordinators(client: ClusterClient, groups: Sequence[str]) -> dict[str, int]:
    """The coordinator of each group, once they all have one."""
    while True:
        request = Message(key_type=0, coordinator_keys=list(groups))
        answer = await client.any_broker(ApiKey.FIND_COORDINATOR, 4, request)
        if not any(c.error_code for c in answer.coordinators):
            return {c.key: c.node_id for c in answer.coordinators}
        await asyncio.sleep(0.02)


async def large_groups(client: ClusterClient, rounds: int, members: int, partitions: int) -> None:
    names = [f"large-{n}" for n in range(rounds)]
    found = await coordinators(client, names)
    first: list[float] = []
    first_cpu: list[float] = []
    again: list[float] = []
    steady: list[float] = []
    for name in names:
        pids = list(brokers().values())
        broker = client.view.brokers[found[name]]
        crowd = Crowd(broker.host, broker.port, name, partitions)
        everybody = [Member(crowd, f"m{n}") for n in range(members)]
        started, cpu = time.monotonic(), cpu_ms(pids)
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(m.run()) for m in everybody]
            await crowd.settle(members)
            first.append(time.monotonic() - started)
            first_cpu.append(cpu_ms(pids) - cpu)
            running[-1].cancel()
            crowd.owned.pop(everybody[-1].member_id)
            started = time.monotonic()
            await everybody[-1].leave()
            await crowd.settle(members - 1)
            again.append(time.monotonic() - started)
            cpu, started = cpu_ms(pids), time.monotonic()
            await asyncio.sleep(HEARTBEAT_S)
            steady.append((cpu_ms(pids) - cpu) * 60 / (time.monotonic() - started))
            for task in running:
                task.cancel()
        for member in everybody:
            assert member.connection is not None
            member.connection.close()
        await client.broker(
            found[name],
            ApiKey.LEAVE_GROUP,
            5,
            Message(
                group_id=name,
                members=[
                    Message(member_id=m.member_id, group_instance_id=None, reason=None)
                    for m in everybody
                ],
            ),
        )
    what = f"{members} members, {partitions} partitions"
    report(f"{what}: settle, ms", [s * 1000 for s in first])
    report(f"{what}: settle, CPU ms of all brokers", first_cpu)
    report(f"{what}: settle after one has left, ms", [s * 1000 for s in again])
    report(f"{what}: heartbeats, CPU ms/min of all brokers", steady)


# Idle groups


async def commit(client: ClusterClient, groups: Sequence[str], at_once: int = 200) -> float:
    """A position in each of POSITIONS partitions for every group; the seconds it took."""
    found = await coordinators(client, groups)
    started = time.monotonic()
    for at in range(0, len(groups), at_once):
        await asyncio.gather(*(_commit(client, found[g], g) for g in groups[at : at + at_once]))
    return time.monotonic() - started


async def _commit(client: ClusterClient, broker: int, group: str) -> None:
    partitions = [
        Message(
            partition_index=n,
            committed_offset=1000 + n,
            committed_leader_epoch=0,
            committed_metadata="",
        )
        for n in range(POSITIONS)
    ]
    message = Message(
        group_id=group,
        generation_id_or_member_epoch=-1,
        member_id="",
        group_instance_id=None,
        topics=[Message(name=TOPIC, partitions=partitions)],
    )
    answer = await client.broker(broker, ApiKey.OFFSET_COMMIT, 8, message)
    codes = {p.error_code for p in answer.topics[0].partitions}
    assert codes == {ErrorCode.NONE}, codes


async def idle_groups(client: ClusterClient, sizes: Sequence[int]) -> list[str]:
    pids = list(brokers().values())
    await idle("0 idle groups", pids)
    groups: list[str] = []
    for size in sizes:
        before = sum(map(rss_kib, pids))
        more = [f"idle-{n}" for n in range(len(groups), size)]
        took = await commit(client, more)
        groups += more
        await asyncio.sleep(1)
        grown = sum(map(rss_kib, pids)) - before
        report(f"{size} idle groups: commits/s while they were made", [len(more) / took])
        report(f"{size} idle groups: KiB of all brokers per new group", [grown / len(more)])
        await idle(f"{size} idle groups", pids)
    return groups


# The death of a coordinator


async def failovers(client: ClusterClient, groups: Sequence[str]) -> None:
    took: list[float] = []
    moved: list[float] = []
    for victim in sorted(brokers()):
        found = await coordinators(client, groups)
        orphans = [g for g in groups if found[g] == victim]
        moved.append(len(orphans))
        started = time.monotonic()
        ask(PORT, {"verb": "kill", "process": f"broker:{victim}"})
        await loaded(client, len(groups))
        took.append((time.monotonic() - started) * 1000)
        await check(client, orphans[:1000])
        ask(PORT, {"verb": "restart", "process": f"broker:{victim}"})
        await whole(client)
    report("groups of the dead coordinator", moved)
    report("from its death until all of them are loaded, ms", took)


async def loaded(client: ClusterClient, groups: int) -> None:
    """Until the brokers that live list so many groups between them, with nothing left to load."""
    request = Message(states_filter=[], types_filter=[])
    while True:
        known = 0
        for broker in sorted(client.view.brokers):
            try:
                answer = await client.broker(broker, ApiKey.LIST_GROUPS, 5, request)
            except OSError:
                continue
            known += len(answer.groups) if answer.error_code == ErrorCode.NONE else 0
        if known >= groups:
            return
        await asyncio.sleep(0.01)


async def check(client: ClusterClient, groups: Sequence[str]) -> None:
    """Every group has its positions."""
    found = await coordinators(client, groups)
    for broker in sorted(set(found.values())):
        wanted = [Message(group_id=g, topics=None) for g in groups if found[g] == broker]
        message = Message(groups=wanted, require_stable=True)
        answer = await client.broker(broker, ApiKey.OFFSET_FETCH, 8, message)
        assert all(len(g.topics[0].partitions) == POSITIONS for g in answer.groups)


async def whole(client: ClusterClient) -> None:
    while True:
        view = await client.metadata()
        if all(len(p.isr) == BROKERS for t in view.topics.values() for p in t.partitions):
            return
        await asyncio.sleep(0.1)


async def measure(options: argparse.Namespace) -> None:
    bootstrap = ",".join(f"127.0.0.1:{PORT + n}" for n in range(BROKERS))
    async with ClusterClient(bootstrap, "bench", timeout_ms=30_000) as client:
        await create_topic(client, TOPIC, partitions=options.partitions, replication_factor=3)
        await wait_for_leaders(client, TOPIC)
        await large_groups(client, options.rounds, options.members, options.partitions)
        groups = await idle_groups(client, options.idle)
        await failovers(client, groups)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--members", type=int, default=100)
    parser.add_argument("--partitions", type=int, default=200)
    parser.add_argument("--idle", type=int, nargs="+", default=[1_000, 10_000])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="barnabas-groups-") as data:
        command = [sys.executable, "-m", "barnabas.cli.main", "up", "--data", data]
        command += ["--port", str(PORT), "--zookeeper-port", str(ZOOKEEPER_PORT)]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as cluster:
            try:
                assert cluster.stdout is not None
                cluster.stdout.readline()
                asyncio.run(measure(options))
            finally:
                cluster.terminate()


if __name__ == "__main__":
    main()
