"""Stories about moves with a throttle, and about brokers that are drained, as administrators do
both: a sequence of settings and reassignments, among brokers that come and go.

What is judged: while a throttle is in force, a replica that is not in sync gets no more than its
rate allows; a topic that is created while a broker is drained has no replica there; and in the end
nothing is left of throttles and marks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from tests.simulation.disk import Directory, Inode
from tests.simulation.nemesis import Fault, Nemesis
from tests.simulation.nodes import Simulation
from tests.simulation.story_kit import some_partition, until

from barnabas.admin.placement import read_placement
from barnabas.admin.wishes import Wish, plan_wish
from barnabas.client.admin import create_topic
from barnabas.client.cluster import ClusterClient
from barnabas.client.drains import drained_brokers, mark_drained
from barnabas.client.errors import ClientError, Unreachable
from barnabas.client.reassignment import list_moves, moves_of, reassign
from barnabas.client.throttles import find_throttles, remove_throttle, set_throttle
from barnabas.errors import ConfigError
from barnabas.seams import Env
from barnabas.types import TopicPartition

RATES: Final = (1000, 2000, 5000)
"""Bytes a second: a partition has some ten thousand."""
FREE_S: Final = 2.0
"""Of the rate: a second at once, and how roughly it is looked at."""
BATCHES_BYTES: Final = 4000
"""One fetch gets a batch, whatever its size."""
LOOK_S: Final = 0.02
MOVER: Final = "mover"


@dataclass(slots=True)
class Throttle:
    """A throttle that is in force on all brokers of a move."""

    rate: int
    in_force: bool = False


async def _throttled(nemesis: Nemesis) -> None:
    """One replica of a partition moves to a broker that has none, throttled."""
    found, judge = some_partition(nemesis), nemesis.invariants
    if found is None or judge is None or _is_moving(nemesis):
        return
    tp = found[0]
    replicas = judge.assignments[tp]
    spare = [n for n in _numbers(nemesis) if n not in replicas]
    if not spare:
        return
    new, old = nemesis.stream.choice(spare), nemesis.stream.choice(replicas)
    target = tuple(new if r == old else r for r in replicas)
    throttle = Throttle(nemesis.stream.choice(RATES))
    nemesis.simulation.life("throttled", f"{tp} to {target} at {throttle.rate} bytes/s")

    async def ask(client: ClusterClient) -> None:
        moves = moves_of({tp: target}, {tp: replicas})
        if await set_throttle(client, moves, throttle.rate):
            return  # not on all brokers
        throttle.in_force = True
        try:
            await reassign(client, {tp: target})
            await _ended(client)
        finally:
            throttle.in_force = False
        await remove_throttle(client, _numbers(nemesis), [tp.topic])

    _administrator(nemesis, ask)
    await _watch(nemesis, tp, new, throttle)


async def _watch(nemesis: Nemesis, tp: TopicPartition, broker: int, throttle: Throttle) -> None:
    """How much a replica gets while it is throttled: while it is not in sync."""
    judge, simulation = nemesis.invariants, nemesis.simulation
    assert judge is not None
    began_s, grown, last, lives, was_in_sync = 0.0, 0, 0, 0, True
    while _is_moving(nemesis):
        await asyncio.sleep(LOOK_S)
        size, now_s = _size(simulation, tp, broker), simulation.now_s
        in_sync = broker in judge.isr(tp)
        if not throttle.in_force or (in_sync and was_in_sync):
            began_s, grown, last, lives = now_s, 0, size, _lives(nemesis)
            was_in_sync = in_sync or not throttle.in_force
            continue
        was_in_sync = in_sync  # what it got until it joined counts
        grown += max(size - last, 0)
        last = size
        # A rate is not remembered by a broker that starts again.
        long_s = now_s - began_s + FREE_S * (1 + _lives(nemesis) - lives)
        if grown > throttle.rate * long_s + BATCHES_BYTES:
            simulation.fail(
                "moving",
                f"{tp} on broker {broker} got {grown} bytes in {now_s - began_s:.1f} s, with a"
                f" throttle of {throttle.rate} a second",
            )
            return


def _size(simulation: Simulation, tp: TopicPartition, broker: int) -> int:
    found = simulation.processes[f"b{broker}"].host.disk.find(f"/data/{broker}/{tp}")
    if not isinstance(found, Directory):
        return 0
    logs = [node for name, node in found.visible.items() if name.endswith(".log")]
    return sum(len(node.visible) for node in logs if isinstance(node, Inode))


async def _drain(nemesis: Nemesis) -> None:
    """A broker is drained, and undrained when it is empty or that takes too long."""
    judge = nemesis.invariants
    if judge is None or len(nemesis.targets) < 4 or _is_moving(nemesis):
        return
    number = nemesis.stream.choice(_numbers(nemesis))
    later = f"later{nemesis.count}"
    nemesis.simulation.life("drain", f"b{number}")

    async def ask(client: ClusterClient) -> None:
        await mark_drained(client, number, drained=True)
        try:
            await create_topic(client, later, partitions=2, replication_factor=3)
        except ClientError as error:  # too few brokers just now
            nemesis.simulation.life("not_created", later, text=str(error))
        _judge_later(nemesis, later, number)
        wish = Wish(holder=number, only_needed=True)
        moves = plan_wish(wish, await read_placement(client))
        await reassign(client, {m.partition: m.after for m in moves})
        await _ended(client)
        _judge_later(nemesis, later, number)
        await mark_drained(client, number, drained=False)

    _administrator(nemesis, ask)
    await until(lambda: not _is_moving(nemesis), 30)


async def _ended(client: ClusterClient) -> None:
    """Until nothing moves."""
    while True:
        if not await list_moves(client):
            return
        await asyncio.sleep(0.2)


def _judge_later(nemesis: Nemesis, topic: str, broker: int) -> None:
    assert nemesis.invariants is not None
    for tp, replicas in nemesis.invariants.assignments.items():
        if tp.topic == topic and broker in replicas and tp not in nemesis.reassigned:
            text = f"{tp} was created on {replicas}, while broker {broker} was drained"
            nemesis.simulation.fail("moving", text)


def _numbers(nemesis: Nemesis) -> list[int]:
    return [int(name[1:]) for name in nemesis.targets]


def _lives(nemesis: Nemesis) -> int:
    return sum(nemesis.simulation.processes[name].incarnation for name in nemesis.targets)


def _is_moving(nemesis: Nemesis) -> bool:
    """One administrator at a time: two would remove each other's throttles."""
    processes = nemesis.simulation.processes
    return any(p.alive for name, p in processes.items() if name.startswith(MOVER))


def _administrator(
    nemesis: Nemesis, ask: Callable[[ClusterClient], Coroutine[Any, Any, None]]
) -> None:
    """Somebody who gives up at the first error, or after some time."""
    brokers = [nemesis.simulation.processes[name] for name in nemesis.targets]
    bootstrap = ",".join(f"{p.host.name}:{9091 + int(p.name[1:])}" for p in brokers)

    async def main(env: Env) -> None:
        async with ClusterClient(bootstrap, MOVER, timeout_ms=3000) as client:
            try:
                async with asyncio.timeout(20):
                    await ask(client)
            except (OSError, ClientError, Unreachable, ConfigError) as error:
                env.observer.note("mover_gave_up", error=repr(error))

    number = sum(name.startswith(MOVER) for name in nemesis.simulation.processes)
    nemesis.simulation.start(f"{MOVER}{number}", main, host="clients")


async def tidy_up(simulation: Simulation, bootstrap: str) -> None:
    """Nothing is disturbed any more: an operator removes what is left of throttles and marks, and
    then there is nothing."""
    left: list[str] = []

    async def main(env: Env) -> None:
        async with ClusterClient(bootstrap, "tidy", timeout_ms=5000) as client:
            for _ in range(100):
                try:
                    found = await find_throttles(client)
                    marked = await drained_brokers(client, sorted(client.view.brokers))
                    if not (found.brokers or found.topics or marked):
                        left.clear()
                        return
                    left[:] = [str(found), f"drained: {sorted(marked)}"]
                    await remove_throttle(client, found.brokers, found.topics)
                    for broker in sorted(marked):
                        await mark_drained(client, broker, drained=False)
                except (OSError, ClientError, Unreachable) as error:
                    left[:] = [repr(error)]
                await asyncio.sleep(0.5)

    await simulation.ended(simulation.start("tidy", main, host="clients"))
    if left:
        simulation.fail("moving", f"throttles and marks that nobody can remove: {left}")


MOVING_STORIES: dict[str, Fault] = {"throttled": _throttled, "drain": _drain}
