"""Faults that are stories: several steps, timed by what the cluster does, to reach what chance
alone reaches rarely. Each is the history of a bug of Kafka's, told to a cluster that must not have
it; and faults of disks, which need to know the files of a broker."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any

from tests.simulation.disk import Directory, Disk, DiskFault
from tests.simulation.kernel import MILLISECOND
from tests.simulation.nemesis import FAULTS, Fault, Nemesis
from tests.simulation.network import SLOW, Link
from tests.simulation.nodes import Process

from barnabas.client.cluster import ClusterClient
from barnabas.client.errors import ClientError, Unreachable
from barnabas.client.reassignment import Outcomes, elect_leaders, reassign
from barnabas.seams import Env
from barnabas.types import LeaderAndIsr, TopicPartition
from barnabas.zookeeper import paths
from barnabas.zookeeper.client import ZooKeeperClient
from barnabas.zookeeper.errors import NoNode

DERIVED = (".index", ".timeindex", ".snapshot")
"""Files that can be made again from a partition's records. Not the epochs: they have no checksum,
as in the original, and a flipped digit is believed."""
LAGGING = Link(latency_ns=600 * MILLISECOND, jitter_ns=300 * MILLISECOND, bytes_per_second=200_000)
SESSION_S = 6.0
LAG_S = 8.0
"""replica.lag.time.max.ms"""
OUTAGE_S = 18.0
"""Longer than session timeout, or lag time and a half, and what an ISR change takes."""


def _partition(nemesis: Nemesis) -> tuple[TopicPartition, LeaderAndIsr] | None:
    """Some partition that has a leader."""
    if nemesis.invariants is None:
        return None
    states = nemesis.invariants.states
    led = [tp for tp in sorted(states) if states[tp].leader > 0]
    if not led:
        return None
    chosen = nemesis.stream.choice(led)
    return chosen, states[chosen]


def _broker(nemesis: Nemesis, number: int) -> Process:
    return nemesis.simulation.processes[f"b{number}"]


async def _until(condition: Callable[[], bool], limit_s: float) -> bool:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limit_s
    while loop.time() < deadline:
        if condition():
            return True
        await asyncio.sleep(0.01)
    return False


async def _double(nemesis: Nemesis) -> None:
    """KIP-279: one follower lags, the other does not hear of the failover to it; the leader dies,
    and its successor right after it has written something. Three epochs, three tails."""
    found, judge = _partition(nemesis), nemesis.invariants
    if found is None or judge is None:
        return
    tp, state = found
    first = _broker(nemesis, state.leader)
    heirs = [r for r in judge.assignments.get(tp, ()) if r in state.isr and r != state.leader]
    if len(heirs) < 2 or not first.alive or judge.controller == heirs[1]:
        return
    second, deaf = (_broker(nemesis, r) for r in heirs)
    network, stream = nemesis.simulation.network, nemesis.stream
    network.set_link(first.host.name, second.host.name, LAGGING)
    await asyncio.sleep(stream.uniform(0.5, 1.5))
    nemesis.simulation.life("double", f"{tp}: {first.name}, {second.name}; {deaf.name} is deaf")
    network.block(second.host.name, deaf.host.name)
    epoch = judge.states[tp].leader_epoch
    first.kill()
    network.set_link(first.host.name, second.host.name, None)
    await _until(lambda: judge.states[tp].leader_epoch > epoch, 8)
    await asyncio.sleep(stream.uniform(0.1, 0.8))
    second.kill()
    await asyncio.sleep(stream.uniform(0.0, 0.1))
    network.unblock(second.host.name, deaf.host.name)
    epoch = judge.states[tp].leader_epoch
    await _until(lambda: judge.states[tp].leader_epoch > epoch, 8)
    await asyncio.sleep(stream.uniform(0.0, 1.0))
    again = [first, second]
    stream.shuffle(again)
    for process in again:
        nemesis.revive(process)
        await asyncio.sleep(stream.uniform(0.0, 1.0))


async def _early(nemesis: Nemesis) -> None:
    """KAFKA-7128: the leader dies while all copy slowly, so that its successor's watermark lags; a
    replica outside of the ISR is past that watermark, but not past what was committed."""
    found, judge = _partition(nemesis), nemesis.invariants
    if found is None or judge is None or len(found[1].isr) < 3:
        return
    tp, state = found
    leader = _broker(nemesis, state.leader)
    others = [_broker(nemesis, r) for r in judge.assignments[tp] if r != state.leader]
    if len(others) < 2:
        return
    heir, late = others[:2]
    if not (leader.alive and heir.alive and late.alive):
        return
    network, stream = nemesis.simulation.network, nemesis.stream
    nemesis.simulation.life("early", f"{tp}: {leader.name}, {heir.name}; {late.name} is late")
    number = int(late.name[1:])
    registered = judge.registered.get(number, 0)
    ways = [(leader, heir), (leader, late), (heir, late)]
    late.kill()
    # While it was level within the lag time, the watermark waits for it.
    await asyncio.sleep(LAG_S + 0.5)
    for one, other in ways:
        network.set_link(one.host.name, other.host.name, LAGGING)
    nemesis.revive(late)
    await _until(lambda: judge.registered.get(number, 0) > registered, 9)
    await asyncio.sleep(stream.uniform(0.6, 3.0))
    leader.kill()
    await asyncio.sleep(stream.uniform(2.0, 5.0))
    for one, other in ways:
        network.set_link(one.host.name, other.host.name, None)
    nemesis.revive(leader)


async def _laggard(nemesis: Nemesis) -> None:
    """Followers copy slowly, each at its own pace, then the leader dies with its tail."""
    found = _partition(nemesis)
    if found is None:
        return
    tp, state = found
    leader = _broker(nemesis, state.leader)
    network, stream = nemesis.simulation.network, nemesis.stream
    others = [_broker(nemesis, r) for r in state.isr if r != state.leader]
    slowed = [p for p in others if stream.random() < 0.7]
    nemesis.simulation.life("laggard", f"{tp} of {leader.name}: {[p.name for p in slowed]}")
    for process in slowed:
        network.set_link(leader.host.name, process.host.name, stream.choice((LAGGING, SLOW)))
    await asyncio.sleep(stream.choice((0.3, 1.0, 3.0, 10.0)))
    leader.kill()
    for process in slowed:
        network.set_link(leader.host.name, process.host.name, None)
    await nemesis.last()
    nemesis.revive(leader)


async def _deposed(nemesis: Nemesis) -> None:
    """The controller stops or is cut off until another is elected, then goes on with what it was
    doing, among brokers that come and go."""
    judge = nemesis.invariants
    if judge is None or f"b{judge.controller}" not in nemesis.simulation.processes:
        return
    old = nemesis.simulation.processes[f"b{judge.controller}"]
    others = [n for n in nemesis.targets if n != old.name]
    network, stream = nemesis.simulation.network, nemesis.stream
    coordinator = nemesis.simulation.processes[nemesis.coordinator or ""].host.name
    cut = stream.random() < 0.5
    nemesis.simulation.life("deposed", old.name)
    victim = nemesis.simulation.processes[stream.choice(others)]
    if cut:
        network.cut(old.host.name, coordinator)
        await asyncio.sleep(stream.uniform(0.0, 1.0))
        victim.kill()
    else:
        victim.kill()
        await asyncio.sleep(stream.uniform(0.0, SESSION_S))
        old.pause()
    await asyncio.sleep(SESSION_S + stream.uniform(0.5, 4.0))
    if cut:
        network.mend(old.host.name, coordinator)
    else:
        old.resume()
    await asyncio.sleep(stream.uniform(0.0, 2.0))
    nemesis.revive(victim)


async def _late_orders(nemesis: Nemesis) -> None:
    """Orders of a controller are stuck on their way to one broker, and arrive when another has been
    elected and heard."""
    judge = nemesis.invariants
    if judge is None or f"b{judge.controller}" not in nemesis.simulation.processes:
        return
    old = nemesis.simulation.processes[f"b{judge.controller}"]
    others = [nemesis.simulation.processes[n] for n in nemesis.targets if n != old.name]
    network, stream = nemesis.simulation.network, nemesis.stream
    stream.shuffle(others)
    victim, hearer = others[:2]
    coordinator = nemesis.simulation.processes[nemesis.coordinator or ""].host.name
    nemesis.simulation.life("late_orders", f"of {old.name} to {hearer.name} about {victim.name}")
    network.block(old.host.name, hearer.host.name)
    victim.kill()
    await asyncio.sleep(stream.uniform(0.3, 2.0))
    network.cut(old.host.name, coordinator)
    nemesis.revive(victim)
    epoch = judge.controller_epoch
    await _until(lambda: judge.controller_epoch > epoch, 9)
    await asyncio.sleep(stream.uniform(0.0, 0.5))
    network.unblock(old.host.name, hearer.host.name)
    await asyncio.sleep(stream.uniform(0.5, 4.0))
    network.mend(old.host.name, coordinator)


async def _usurped(nemesis: Nemesis) -> None:
    """Somebody deletes /controller (operators do). The old controller does not hear of it, nor does
    a leader, who asks it for a larger ISR: only the fence of its writes is left."""
    found, judge = _partition(nemesis), nemesis.invariants
    if found is None or judge is None:
        return
    tp, state = found
    old, leader = f"b{judge.controller}", f"b{state.leader}"
    rest = [n for n in nemesis.targets if n not in (old, leader)]
    if old not in nemesis.simulation.processes or not rest:
        return
    late = nemesis.simulation.processes[nemesis.stream.choice(rest)]
    network, stream = nemesis.simulation.network, nemesis.stream
    hosts = {n: nemesis.simulation.processes[n].host.name for n in nemesis.targets}
    coordinator = nemesis.simulation.processes[nemesis.coordinator or ""].host.name
    nemesis.simulation.life("usurped", f"{old}; {late.name} joins {tp} of {leader} meanwhile")
    number = int(late.name[1:])
    late.kill()
    await _until(lambda: number not in judge.isr(tp), 9)
    network.cut(late.host.name, hosts[leader])
    nemesis.revive(late)
    registered = judge.registered.get(number, 0)
    await _until(lambda: judge.registered.get(number, 0) > registered, 9)
    await asyncio.sleep(0.2)
    ways = [(coordinator, hosts[old])]
    ways += [(hosts[n], hosts[leader]) for n in rest if n not in (late.name, leader)]
    for way in ways:
        network.block(*way)
    epoch = judge.controller_epoch
    _operator(nemesis, paths.CONTROLLER)
    await _until(lambda: judge.controller_epoch > epoch, 3)
    network.mend(late.host.name, hosts[leader])
    await asyncio.sleep(stream.uniform(1.0, 4.0))
    for way in ways:
        network.unblock(*way)


def _operator(nemesis: Nemesis, path: str) -> None:
    """Somebody with a ZooKeeper shell deletes a node."""

    async def main(env: Env) -> None:
        client = ZooKeeperClient(env, "zk:2181", 6000)
        await client.connect()
        try:
            await client.delete(path)
        except NoNode:
            env.observer.note("nothing_to_delete", path=path)
        await client.close()

    nemesis.simulation.start(f"operator{nemesis.count}", main, host="clients")


async def _reassign(nemesis: Nemesis) -> None:
    """A partition moves to other replicas, or another order of them; sometimes that is cancelled or
    replaced before long. Never to one replica, which could not acknowledge anything."""
    found = _partition(nemesis)
    if found is None:
        return
    tp, stream = found[0], nemesis.stream
    numbers = [int(name[1:]) for name in nemesis.targets]
    for step in range(stream.choice((1, 1, 2, 3))):
        target = stream.sample(numbers, stream.choice((2, 3)))
        asked = None if step > 0 and stream.random() < 0.5 else target
        nemesis.simulation.life("reassign", f"{tp} to {asked}")
        _administrator(nemesis, partial(reassign, targets={tp: asked}))
        await asyncio.sleep(stream.choice((0.01, 0.1, 0.5, 2.0)))


async def _elect(nemesis: Nemesis) -> None:
    """Preferred leaders are asked for."""
    nemesis.simulation.life("elect", "all")
    _administrator(nemesis, partial(elect_leaders, partitions=None))
    await asyncio.sleep(0)


def _administrator(
    nemesis: Nemesis, ask: Callable[[ClusterClient], Coroutine[Any, Any, Outcomes]]
) -> None:
    """Somebody asks the controller once, and bears whatever is answered."""
    brokers = [nemesis.simulation.processes[name] for name in nemesis.targets]
    bootstrap = ",".join(f"{p.host.name}:{9091 + int(p.name[1:])}" for p in brokers)

    async def main(env: Env) -> None:
        async with ClusterClient(bootstrap, "admin", timeout_ms=3000) as client:
            try:
                async with asyncio.timeout(3):
                    outcomes = await ask(client)
                said = ", ".join(f"{tp}: {error or 'done'}" for tp, error in outcomes.items())
            except (OSError, ClientError, Unreachable) as error:
                said = repr(error)
        env.observer.note("administrator_heard", answer=said)

    number = sum(name.startswith("administrator") for name in nemesis.simulation.processes)
    nemesis.simulation.start(f"administrator{number}", main, host="clients")


async def _unseen_bounce(nemesis: Nemesis) -> None:
    """A broker goes and comes back before a slow controller has looked."""
    judge = nemesis.invariants
    if judge is None or f"b{judge.controller}" not in nemesis.simulation.processes:
        return
    controller = nemesis.simulation.processes[f"b{judge.controller}"]
    others = [n for n in nemesis.targets if n != controller.name]
    victim = nemesis.simulation.processes[nemesis.stream.choice(others)]
    coordinator = nemesis.simulation.processes[nemesis.coordinator or ""].host.name
    nemesis.simulation.life("unseen_bounce", f"{victim.name}, by {controller.name}")
    network = nemesis.simulation.network
    network.set_link(coordinator, controller.host.name, LAGGING)
    number = int(victim.name[1:])
    registered = judge.registered.get(number, 0)
    victim.kill()
    nemesis.revive(victim)
    await _until(lambda: judge.registered.get(number, 0) > registered, 9)
    await asyncio.sleep(nemesis.stream.uniform(0.5, 3.0))
    network.set_link(coordinator, controller.host.name, None)


async def _zombie(nemesis: Nemesis) -> None:
    """A leader loses the coordinator, and perhaps one follower, but not its clients."""
    found = _partition(nemesis)
    if found is None or nemesis.coordinator is None:
        return
    tp, state = found
    leader = _broker(nemesis, state.leader)
    network, stream = nemesis.simulation.network, nemesis.stream
    ends = [nemesis.simulation.processes[nemesis.coordinator].host.name]
    ends += [
        _broker(nemesis, r).host.name
        for r in state.isr
        if r != state.leader and stream.random() < 0.5
    ]
    nemesis.simulation.life("zombie", f"{tp} of {leader.name} cut from {ends}")
    for end in ends:
        network.cut(leader.host.name, end)
    await asyncio.sleep(SESSION_S * stream.uniform(0.5, 2.0))
    stream.shuffle(ends)
    for end in ends:
        network.mend(leader.host.name, end)
        await asyncio.sleep(stream.choice((0.0, 0.5)))


async def _swizzle(nemesis: Nemesis) -> None:
    """Links stop one by one and come back in another order."""
    process = nemesis.target()
    network, stream = nemesis.simulation.network, nemesis.stream
    ends = nemesis.others(process)
    nemesis.simulation.life("swizzle", process.name)
    stopped = []
    for end in stream.sample(ends, stream.randint(1, len(ends))):
        pair = (process.host.name, end) if stream.random() < 0.5 else (end, process.host.name)
        network.block(*pair)
        stopped.append(pair)
        await asyncio.sleep(stream.expovariate(2 / nemesis.options.length_s))
    stream.shuffle(stopped)
    for pair in stopped:
        network.unblock(*pair)
        await asyncio.sleep(stream.expovariate(2 / nemesis.options.length_s))


async def _outage(nemesis: Nemesis) -> None:
    """One broker is away for long. Alone, it must be out of all ISRs, which go on without it."""
    process = nemesis.target()
    judge = nemesis.invariants
    process.kill()
    await asyncio.sleep(OUTAGE_S)
    broker = int(process.name[1:])
    if judge is not None and nemesis.options.kinds == ("outage",):
        isrs = {str(tp): judge.isr(tp) for tp in sorted(judge.states)}
        stale = [tp for tp, isr in isrs.items() if broker in isr and len(isr) > 1]
        if stale:
            text = f"DeadMember: broker {broker} is gone for {OUTAGE_S} s and in the ISR of {stale}"
            nemesis.simulation.fail("invariants", text)
    nemesis.revive(process)


async def _silent(nemesis: Nemesis) -> None:
    """A follower can reach everybody but the leader. Alone, it must leave the ISR by its lag."""
    found = _partition(nemesis)
    judge = nemesis.invariants
    if found is None or judge is None:
        return
    tp, state = found
    replicas = judge.assignments.get(tp, state.isr)
    follower = nemesis.stream.choice([n for n in replicas if n != state.leader])
    ends = (_broker(nemesis, state.leader).host.name, _broker(nemesis, follower).host.name)
    nemesis.simulation.life("silent", f"{tp}: {ends}")
    nemesis.simulation.network.cut(*ends)
    await asyncio.sleep(OUTAGE_S)
    # A leader that cannot reach the controller either cannot change its ISR. And who has all that
    # there is stays in it, however silent: only the clients' own topics are never idle.
    alone = nemesis.options.kinds == ("silent",) and follower != judge.controller
    alone = alone and not tp.topic.startswith("__")
    if alone and judge.states[tp].leader == state.leader and follower in judge.isr(tp):
        text = (
            f"DeadMember: broker {follower} cannot fetch {tp} for {OUTAGE_S} s, but is in its ISR"
        )
        nemesis.simulation.fail("invariants", text)
    nemesis.simulation.network.mend(*ends)


# -- disks -----------------------------------------------------------------------------------------


async def _disk_error(nemesis: Nemesis) -> None:
    """EIO. Not of fsync where power fails too: a broker started again cannot know that pages which
    it reads will never be written, and neither can any program."""
    process, stream = nemesis.target(), nemesis.stream
    operations = ["write", "open", "read"]
    if not any(kind.startswith("power") for kind in nemesis.options.kinds):
        operations.append("fsync")
    fault = DiskFault(
        stream.choice(operations),
        _data(process),
        errno.EIO,
        stream.choice((1, 1, 3, -1)),
    )
    nemesis.simulation.life("disk_error", f"{process.name} {fault.operation} x{fault.times}")
    process.host.disk.faults.append(fault)
    await nemesis.last()
    if fault in process.host.disk.faults:
        process.host.disk.faults.remove(fault)


async def _disk_full(nemesis: Nemesis) -> None:
    """ENOSPC after a little more."""
    disk: Disk = nemesis.target().host.disk
    nemesis.simulation.life("disk_full", disk.name)
    disk.capacity_bytes = disk.used_bytes + nemesis.stream.randrange(3000)
    await nemesis.last()
    disk.capacity_bytes = disk.settings.capacity_bytes


async def _slow_disk(nemesis: Nemesis) -> None:
    """Every fsync takes long."""
    disk = nemesis.target().host.disk
    usual = disk.settings
    nemesis.simulation.life("slow_disk", disk.name)
    slow_ns = nemesis.stream.choice((50, 200, 600)) * MILLISECOND
    disk.settings = replace(usual, fsync_ns=slow_ns)
    await nemesis.last()
    disk.settings = replace(usual)


async def _bit_flip(nemesis: Nemesis) -> None:
    """Bits rot while a broker is down, in files that its records can rebuild."""
    process, stream = nemesis.target(), nemesis.stream
    disk = process.host.disk
    process.kill()
    await nemesis.last()
    base = _data(process)
    candidates = []
    for name, node in _entries(disk, base):
        for file, _ in _entries(disk, f"{base}/{name}") if isinstance(node, Directory) else []:
            if file.endswith(DERIVED):
                candidates.append(f"{base}/{name}/{file}")
    for path in stream.sample(candidates, min(len(candidates), stream.randint(1, 3))):
        nemesis.simulation.life("bit_flip", f"{path} at {disk.flip_bit(path)}")
    if process.host.up:
        nemesis.revive(process)


def _entries(disk: Disk, path: str) -> list[tuple[str, object]]:
    directory = disk.find(path)
    if not isinstance(directory, Directory):
        return []
    return [(name, directory.visible[name]) for name in sorted(directory.visible)]


def _data(process: Process) -> str:
    return f"/data/{process.name[1:]}"


STORIES: dict[str, Fault] = {
    "double": _double,
    "laggard": _laggard,
    "early": _early,
    "late_orders": _late_orders,
    "usurped": _usurped,
    "reassign": _reassign,
    "elect": _elect,
    "unseen_bounce": _unseen_bounce,
    "slow_disk": _slow_disk,
    "deposed": _deposed,
    "zombie": _zombie,
    "swizzle": _swizzle,
    "outage": _outage,
    "silent": _silent,
    "disk_error": _disk_error,
    "disk_full": _disk_full,
    "bit_flip": _bit_flip,
}
ALL_FAULTS: dict[str, Fault] = {**FAULTS, **STORIES}
TOGETHER = (
    "kill", "bounce", "kill_all", "power", "pause", "coordinator", "clock", "outage",
    "disk_error", "disk_full", "slow_disk", "bit_flip", "reassign", "elect",
)  # fmt: skip
"""What can happen when all processes are on one machine."""
