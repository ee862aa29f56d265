"""The embedded coordinator and its client under faults: our own code, on hosts of its own.

Several clients count on one znode by compare-and-set, hold an ephemeral ``/leader`` in turn, and
watch the counter. Checked: no version is acknowledged twice, none is lost by a restart, nobody's
view goes back, watches end up at the last value, the ephemeral ends with its session, and after
healing somebody leads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.nemesis import Nemesis
from tests.simulation.nodes import Simulation
from tests.simulation.options import Options, draw_options

from barnabas.seams import Env
from barnabas.zookeeper.client.client import SessionState, ZooKeeperClient
from barnabas.zookeeper.client.operations import WatchEvent
from barnabas.zookeeper.errors import (
    BadVersion,
    ConnectionLoss,
    NodeExists,
    NoNode,
    SessionExpired,
)
from barnabas.zookeeper.server.coordinator import CoordinatorConfig
from barnabas.zookeeper.server.serve import serve
from barnabas.zookeeper.server.store import MemoryStore

SESSION_MS = 4000
QUIET_S = 30.0
KINDS = ("kill", "bounce", "pause", "isolate", "one_way", "coordinator", "slow", "reset", "clock")


@dataclass(slots=True)
class Ledger:
    """What clients were told."""

    acknowledged: dict[int, str] = field(default_factory=dict)
    """Version of the counter -> who was told that it made it."""
    leading: dict[str, int] = field(default_factory=dict)
    """Client -> czxid of the ephemeral that it believes it holds."""
    seen: dict[str, int] = field(default_factory=dict)
    """Client -> newest version of the counter that it read."""
    stop: bool = False


def contender(
    simulation: Simulation, ledger: Ledger, name: str
) -> Callable[[Env], Coroutine[Any, Any, None]]:
    """The main of one client."""

    async def main(env: Env) -> None:
        changed, expired = asyncio.Event(), asyncio.Event()
        ledger.leading.pop(name, None)
        ledger.seen.pop(name, None)

        def on_event(event: WatchEvent) -> None:
            env.observer.note("event", path=event.path)
            changed.set()

        def on_session(state: SessionState) -> None:
            env.observer.note("session", state=state.value)
            changed.set()
            if state is SessionState.EXPIRED:
                ledger.leading.pop(name, None)
                expired.set()

        client = ZooKeeperClient(
            env, "zk:2181", SESSION_MS, on_event=on_event, on_session=on_session
        )
        await client.connect()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(client.run())
            tasks.create_task(_renew(client, expired))
            tasks.create_task(_count(simulation, env, client, ledger, name))
            tasks.create_task(_follow(simulation, env, client, ledger, name, changed))

    return main


async def _renew(client: ZooKeeperClient, expired: asyncio.Event) -> None:
    while True:
        await expired.wait()
        expired.clear()
        await client.new_session()


async def _count(
    simulation: Simulation, env: Env, client: ZooKeeperClient, ledger: Ledger, name: str
) -> None:
    """Increment by compare-and-set; lead when nobody does."""
    while True:
        await asyncio.sleep(0.05 + env.random.random() * 0.2)
        try:
            await client.connected()
            await _lead(client, ledger, name)
            if ledger.stop:
                continue
            _, stat = await client.get("/counter")
            made = (await client.set("/counter", name.encode(), stat.version)).version
            if made in ledger.acknowledged:
                simulation.fail(name, f"version {made} was {ledger.acknowledged[made]}'s already")
            ledger.acknowledged[made] = name
            env.observer.note("counted", version=made)
        except NoNode:
            await _ignore(client.create("/counter"))
        except (ConnectionLoss, SessionExpired, BadVersion, NodeExists):
            continue


async def _lead(client: ZooKeeperClient, ledger: Ledger, name: str) -> None:
    try:
        await client.create("/leader", name.encode(), ephemeral=True)
    except NodeExists:
        _, stat = await client.get("/leader")
        if stat.ephemeralOwner != client.session_id:
            ledger.leading.pop(name, None)
            return
    _, stat = await client.get("/leader")
    if stat.ephemeralOwner == client.session_id:
        ledger.leading[name] = stat.czxid


async def _ignore(operation: Coroutine[Any, Any, Any]) -> None:
    try:
        await operation
    except (ConnectionLoss, SessionExpired, NodeExists, NoNode):
        return


async def _follow(
    simulation: Simulation,
    env: Env,
    client: ZooKeeperClient,
    ledger: Ledger,
    name: str,
    changed: asyncio.Event,
) -> None:
    """See every value by watches alone: no polling, so that a lost watch shows."""
    session, newest = 0, -1
    while True:
        changed.clear()
        try:
            await client.connected()
            _, stat = await client.get("/counter", watch=True)
        except (ConnectionLoss, SessionExpired, NoNode):
            await asyncio.sleep(0.2)
            continue
        if client.session_id != session:
            session, newest = client.session_id, -1
        if stat.version < newest:
            simulation.fail(name, f"its view went from version {newest} back to {stat.version}")
        newest = ledger.seen[name] = stat.version
        await changed.wait()


def run(seed: int, *, seconds: float = 20.0, options: Options | None = None) -> Simulation:
    """One run. Raises SimulationFailure."""
    options = options or draw_options(seed, KINDS, seconds)
    simulation = Simulation(seed, cpu_delay=options.cpu_delay)
    ledger = Ledger()
    # Outlives the server's processes, as a disk does; commits take loop time.
    store = MemoryStore(commit_s=0.003)
    names = tuple(f"n{number}" for number in range(1, 5))

    async def coordinator(env: Env) -> None:
        await serve(env, CoordinatorConfig(host="zk", tick_ms=500, allow_strangers=True), store)

    async def scenario() -> None:
        simulation.start("zk", coordinator)
        for name in names:
            simulation.start(name, contender(simulation, ledger, name))
        await asyncio.sleep(2)
        await Nemesis(simulation, options, names, "zk").run()
        await asyncio.sleep(QUIET_S)
        ledger.stop = True
        await asyncio.sleep(2)
        _check(simulation, store, ledger, names)

    simulation.run(scenario, limit_s=seconds + 200)
    return simulation


def _check(
    simulation: Simulation, store: MemoryStore, ledger: Ledger, names: tuple[str, ...]
) -> None:
    nodes = {node.path: node for node in store.load().nodes}
    counter = nodes.get("/counter")
    newest = max(ledger.acknowledged, default=0)
    if counter is None or counter.version < newest:
        simulation.fail("zk", f"version {newest} was acknowledged and is gone: {counter}")
        return
    for name in names:
        if ledger.seen.get(name) != counter.version:
            text = f"watches left it at {ledger.seen.get(name)}, the counter is {counter.version}"
            simulation.fail(name, text)
    if len(ledger.leading) != 1 or "/leader" not in nodes:
        simulation.fail("zk", f"leaders after healing: {ledger.leading}")
    if not newest:
        simulation.fail("zk", "nobody ever counted")
