"""Stories of replicas: some lag, some do not hear, leaders die at the worst moment."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from tests.simulation.group_life import GROUP
from tests.simulation.nemesis import Fault, Nemesis
from tests.simulation.network import SLOW
from tests.simulation.story_kit import (
    LAG_S,
    LAGGING,
    LATE,
    OUTAGE_S,
    SESSION_S,
    broker_process,
    some_partition,
    until,
)

from barnabas.coordinator.group.placement import OFFSETS_TOPIC
from barnabas.coordinator.placement import partition_for
from barnabas.types import LeaderAndIsr, TopicPartition


async def _double(nemesis: Nemesis) -> None:
    """KIP-279: one follower lags, the other does not hear of the failover to it; the leader dies,
    and its successor right after it has written something. Three epochs, three tails."""
    found, judge = some_partition(nemesis), nemesis.invariants
    if found is None or judge is None:
        return
    tp, state = found
    first = broker_process(nemesis, state.leader)
    heirs = [r for r in judge.assignments.get(tp, ()) if r in state.isr and r != state.leader]
    if len(heirs) < 2 or not first.alive or judge.controller == heirs[1]:
        return
    second, deaf = (broker_process(nemesis, r) for r in heirs)
    network, stream = nemesis.simulation.network, nemesis.stream
    network.set_link(first.host.name, second.host.name, LAGGING)
    await asyncio.sleep(stream.uniform(0.5, 1.5))
    nemesis.simulation.life("double", f"{tp}: {first.name}, {second.name}; {deaf.name} is deaf")
    network.block(second.host.name, deaf.host.name)
    epoch = judge.states[tp].leader_epoch
    first.kill()
    network.set_link(first.host.name, second.host.name, None)
    await until(lambda: judge.states[tp].leader_epoch > epoch, 8)
    await asyncio.sleep(stream.uniform(0.1, 0.8))
    second.kill()
    await asyncio.sleep(stream.uniform(0.0, 0.1))
    network.unblock(second.host.name, deaf.host.name)
    epoch = judge.states[tp].leader_epoch
    await until(lambda: judge.states[tp].leader_epoch > epoch, 8)
    await asyncio.sleep(stream.uniform(0.0, 1.0))
    again = [first, second]
    stream.shuffle(again)
    for process in again:
        nemesis.revive(process)
        await asyncio.sleep(stream.uniform(0.0, 1.0))


async def _early(nemesis: Nemesis) -> None:
    """KAFKA-7128: the leader dies while all copy slowly, so that its successor's watermark lags; a
    replica outside of the ISR is past that watermark, but not past what was committed."""
    found, judge = some_partition(nemesis), nemesis.invariants
    if found is None or judge is None or len(found[1].isr) < 3:
        return
    tp, state = found
    leader = broker_process(nemesis, state.leader)
    others = [broker_process(nemesis, r) for r in judge.assignments[tp] if r != state.leader]
    if len(others) < 2:
        return
    successor, late = others[:2]
    if not (leader.alive and successor.alive and late.alive):
        return
    network, stream = nemesis.simulation.network, nemesis.stream
    nemesis.simulation.life("early", f"{tp}: {leader.name}, {successor.name}; {late.name} is late")
    number = int(late.name[1:])
    registered = judge.registered.get(number, 0)
    late.kill()
    # While it was level within the lag time, the watermark waits for it.
    await asyncio.sleep(LAG_S + 0.5)
    network.set_link(leader.host.name, successor.host.name, LAGGING)
    network.set_link(late.host.name, leader.host.name, LATE)
    nemesis.revive(late)
    await until(lambda: judge.registered.get(number, 0) > registered, 9)
    # It has its first answer, and has not asked again; the last watermark must not reach the
    # successor.
    await asyncio.sleep(stream.uniform(3.8, 4.5))
    network.reset_connections(leader.host.name, successor.host.name)
    leader.kill()
    network.set_link(leader.host.name, successor.host.name, None)
    network.set_link(late.host.name, leader.host.name, None)
    # What it still lacks comes late, too.
    network.set_link(successor.host.name, late.host.name, LAGGING)
    await asyncio.sleep(stream.uniform(2.0, 5.0))
    network.set_link(successor.host.name, late.host.name, None)
    nemesis.revive(leader)


async def _laggard(nemesis: Nemesis) -> None:
    """Followers copy slowly, each at its own pace, then the leader dies with its tail."""
    found = some_partition(nemesis)
    if found is None:
        return
    tp, state = found
    leader = broker_process(nemesis, state.leader)
    network, stream = nemesis.simulation.network, nemesis.stream
    others = [broker_process(nemesis, r) for r in state.isr if r != state.leader]
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


async def _zombie(nemesis: Nemesis) -> None:
    """A leader loses the coordinator, and perhaps one follower, but not its clients."""
    found = some_partition(nemesis)
    if found is None or nemesis.coordinator is None:
        return
    tp, state = found
    leader = broker_process(nemesis, state.leader)
    network, stream = nemesis.simulation.network, nemesis.stream
    ends = [nemesis.simulation.processes[nemesis.coordinator].host.name]
    ends += [
        broker_process(nemesis, r).host.name
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
    found = some_partition(nemesis)
    judge = nemesis.invariants
    if found is None or judge is None:
        return
    tp, state = found
    replicas = judge.assignments.get(tp, state.isr)
    follower = nemesis.stream.choice([n for n in replicas if n != state.leader])
    ends = (
        broker_process(nemesis, state.leader).host.name,
        broker_process(nemesis, follower).host.name,
    )
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


async def _overtaken(nemesis: Nemesis) -> None:
    """KIP-320: one replica hears nothing from the controller while leadership goes to another and
    back; then it hears of both late, one after the other. In between it follows a leader that has
    not heard of its own end either. The controller must hold no replica itself."""
    found, judge = some_partition(nemesis), nemesis.invariants
    if found is None or judge is None:
        return
    tp, state = found
    replicas = judge.assignments.get(tp, ())
    whole = len(replicas) == 3 and sorted(replicas) == sorted(state.isr)
    if not whole or judge.controller in replicas or state.leader != replicas[0]:
        return
    first, second, deaf = (broker_process(nemesis, r) for r in replicas)
    controller = broker_process(nemesis, judge.controller).host.name
    coordinator = nemesis.simulation.processes[nemesis.coordinator or ""].host.name
    network, stream = nemesis.simulation.network, nemesis.stream
    about = f"{tp}: {first.name}, {second.name}, {first.name}; {deaf.name} hears it late"
    nemesis.simulation.life("overtaken", about)
    network.block(controller, deaf.host.name)
    first.kill()
    await until(lambda: judge.states[tp].leader == replicas[1], 8)
    nemesis.revive(first)
    await until(lambda: replicas[0] in judge.isr(tp), 6)
    for end in (controller, coordinator):
        network.cut(second.host.name, end)
    await until(lambda: judge.states[tp].leader == replicas[0], 10)
    await asyncio.sleep(stream.uniform(0.5, 2.0))
    network.set_link(controller, deaf.host.name, LAGGING)
    network.unblock(controller, deaf.host.name)
    await asyncio.sleep(stream.uniform(3.0, 6.0))
    network.set_link(controller, deaf.host.name, None)
    for end in (controller, coordinator):
        network.mend(second.host.name, end)


async def _told(nemesis: Nemesis) -> None:
    """A new coordinator has read a position that no other replica has, and dies after a while: had
    it told anybody, the position would go back."""
    judge = nemesis.invariants
    tp = None if judge is None else _home_of_the_group(judge.states)
    if judge is None or tp is None or judge.states[tp].leader <= 0:
        return
    leader = judge.states[tp].leader
    rest = [r for r in judge.assignments.get(tp, ()) if r in judge.isr(tp) and r != leader]
    if len(rest) < 2 or judge.controller in (leader, rest[1]):
        return
    first, successor, other = (broker_process(nemesis, r) for r in (leader, *rest[:2]))
    network, stream = nemesis.simulation.network, nemesis.stream
    about = f"{tp}: {first.name}, {successor.name}; {other.name} lacks the end"
    nemesis.simulation.life("told", about)
    network.set_link(first.host.name, other.host.name, LAGGING)
    await asyncio.sleep(stream.uniform(0.7, 1.5))
    network.cut(successor.host.name, other.host.name)
    first.kill()
    network.set_link(first.host.name, other.host.name, None)
    await until(lambda: judge.states[tp].leader == rest[0], 8)
    await asyncio.sleep(stream.uniform(1.0, 5.0))
    epoch = judge.states[tp].leader_epoch
    successor.kill()
    network.mend(successor.host.name, other.host.name)
    await until(lambda: judge.states[tp].leader_epoch > epoch, 8)
    await asyncio.sleep(stream.uniform(0.0, 1.0))
    nemesis.revive(first)
    nemesis.revive(successor)


def _home_of_the_group(states: Mapping[TopicPartition, LeaderAndIsr]) -> TopicPartition | None:
    count = sum(1 for tp in states if tp.topic == OFFSETS_TOPIC)
    return TopicPartition(OFFSETS_TOPIC, partition_for(GROUP, count)) if count else None


REPLICATION_STORIES: dict[str, Fault] = {
    "double": _double,
    "laggard": _laggard,
    "early": _early,
    "overtaken": _overtaken,
    "told": _told,
    "zombie": _zombie,
    "swizzle": _swizzle,
    "outage": _outage,
    "silent": _silent,
}
