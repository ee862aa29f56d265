"""Stories of controllers: replaced, usurped, late, slow, and asked for much by administrators."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from tests.simulation.nemesis import Fault, Nemesis
from tests.simulation.story_kit import LAGGING, SESSION_S, some_partition, until

from barnabas.client.admin import create_topic
from barnabas.client.cluster import ClusterClient
from barnabas.client.errors import ClientError, Unreachable
from barnabas.client.reassignment import Outcomes, elect_leaders, reassign
from barnabas.seams import Env
from barnabas.zk import paths
from barnabas.zookeeper.client.client import ZooKeeperClient
from barnabas.zookeeper.errors import NoNode


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
    await until(lambda: judge.controller_epoch > epoch, 9)
    await asyncio.sleep(stream.uniform(0.0, 0.5))
    network.unblock(old.host.name, hearer.host.name)
    await asyncio.sleep(stream.uniform(0.5, 4.0))
    network.mend(old.host.name, coordinator)


async def _usurped(nemesis: Nemesis) -> None:
    """Somebody deletes /controller (operators do). The old controller does not hear of it, nor does
    a leader, who asks it for a larger ISR: only the fence of its writes is left."""
    found, judge = some_partition(nemesis), nemesis.invariants
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
    await until(lambda: number not in judge.isr(tp), 9)
    network.cut(late.host.name, hosts[leader])
    nemesis.revive(late)
    registered = judge.registered.get(number, 0)
    await until(lambda: judge.registered.get(number, 0) > registered, 9)
    await asyncio.sleep(0.2)
    ways = [(coordinator, hosts[old])]
    ways += [(hosts[n], hosts[leader]) for n in rest if n not in (late.name, leader)]
    for way in ways:
        network.block(*way)
    epoch = judge.controller_epoch
    _operator(nemesis, paths.CONTROLLER)
    await until(lambda: judge.controller_epoch > epoch, 3)
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
    found = some_partition(nemesis)
    if found is None:
        return
    tp, stream = found[0], nemesis.stream
    numbers = [int(name[1:]) for name in nemesis.targets]
    nemesis.reassigned[tp] = None
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


async def _create_topic(nemesis: Nemesis) -> None:
    """A topic is created, which may be cut short by whatever else happens."""
    name, partitions = f"new{nemesis.count}", nemesis.stream.choice((1, 3, 12))
    nemesis.simulation.life("create_topic", f"{name}, {partitions} partitions")

    async def ask(client: ClusterClient) -> Outcomes:
        await create_topic(client, name, partitions=partitions, replication_factor=3)
        return {}

    _administrator(nemesis, ask)
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
    await until(lambda: judge.registered.get(number, 0) > registered, 9)
    await asyncio.sleep(nemesis.stream.uniform(0.5, 3.0))
    network.set_link(coordinator, controller.host.name, None)


CONTROLLER_STORIES: dict[str, Fault] = {
    "deposed": _deposed,
    "late_orders": _late_orders,
    "usurped": _usurped,
    "reassign": _reassign,
    "elect": _elect,
    "create_topic": _create_topic,
    "unseen_bounce": _unseen_bounce,
}
