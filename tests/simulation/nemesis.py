"""The one who breaks things: kinds of fault, drawn from a seed, undone after a while.

Swarm testing: each seed enables a few kinds only and an intensity, because faults of every kind at
once hide each other. ``Options`` is everything that was drawn, and is printed when a run fails.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.invariants import Invariants
from tests.simulation.network import SLOW
from tests.simulation.nodes import Process, Simulation
from tests.simulation.options import LONE, Options

from barnabas.types import TopicPartition

Fault = Callable[["Nemesis"], Coroutine[Any, Any, None]]


@dataclass(slots=True)
class Nemesis:
    """Breaks the processes it is given, and their hosts and wires."""

    simulation: Simulation
    options: Options
    targets: Sequence[str]
    """Names of processes that may be killed."""
    coordinator: str | None = None
    """Name of the coordinator's process, if there is one to restart or to be cut off from."""
    invariants: Invariants | None = None
    """Knows who leads, and what may be broken without breaking a promise."""
    faults: Mapping[str, Fault] = field(default_factory=lambda: FAULTS)
    count: int = 0
    reassigned: dict[TopicPartition, None] = field(default_factory=dict)
    """Partitions that were moved to brokers of somebody's choice, drained or not."""
    stream: random.Random = field(init=False)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stream = self.simulation.random("nemesis")

    async def run(self) -> None:
        """Inflict faults for as long as the options say, then heal everything."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self.options.seconds
        while True:
            await asyncio.sleep(self.stream.expovariate(1 / self.options.gap_s))
            if loop.time() >= until:
                break
            kind = self.stream.choice(self.options.kinds)
            self.count += 1
            task = asyncio.create_task(self.faults[kind](self))
            self._tasks.append(task)
            if self.options.kinds in LONE:
                await task
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.heal()

    def heal(self) -> None:
        """Everything up, connected and on time."""
        self.simulation.life("heal", "nemesis")
        self.simulation.network.heal()
        names = [*self.targets, *([self.coordinator] if self.coordinator else [])]
        for name in names:
            process = self.simulation.processes[name]
            process.host.set_clock_rate(1.0)
            process.host.disk.faults.clear()
            process.host.disk.settings = self.simulation.disk_settings
            process.host.disk.capacity_bytes = process.host.disk.settings.capacity_bytes
            self.revive(process)

    def revive(self, process: Process) -> None:
        """Undo a kill, a pause or a power loss; of the whole machine, if it had no power."""
        process.resume()
        waiting = [process]
        if not process.host.up:
            process.host.power_on()
            waiting = list(process.host.processes.values())
        for each in waiting:
            if not each.alive:
                each.start()

    def target(self) -> Process:
        """Somebody: often a leader, sometimes the controller."""
        drawn = self.stream.random()
        chosen = self.stream.choice(list(self.targets))
        if self.invariants is not None:
            states = self.invariants.states
            if drawn < 0.4 and states:
                chosen = f"b{states[self.stream.choice(sorted(states))].leader}"
            elif drawn < 0.55:
                chosen = f"b{self.invariants.controller}"
        if chosen not in self.targets:
            chosen = self.stream.choice(list(self.targets))
        return self.simulation.processes[chosen]

    def others(self, process: Process) -> list[str]:
        """The other hosts that matter."""
        names = [*self.targets, *([self.coordinator] if self.coordinator else [])]
        hosts = dict.fromkeys(self.simulation.processes[name].host.name for name in names)
        return [name for name in hosts if name != process.host.name]

    async def last(self) -> None:
        """The duration of a fault."""
        await asyncio.sleep(self.stream.expovariate(1 / self.options.length_s))


async def _kill(nemesis: Nemesis) -> None:
    process = nemesis.target()
    process.kill()
    await nemesis.last()
    nemesis.revive(process)


async def _bounce(nemesis: Nemesis) -> None:
    """Back before its session has expired."""
    process = nemesis.target()
    process.kill()
    await asyncio.sleep(nemesis.stream.random() * 0.05)
    nemesis.revive(process)


async def _kill_all(nemesis: Nemesis) -> None:
    processes = [nemesis.simulation.processes[name] for name in nemesis.targets]
    for process in processes:
        process.kill()
    for process in processes:
        await asyncio.sleep(nemesis.stream.random())
        nemesis.revive(process)


async def _power(nemesis: Nemesis) -> None:
    process = nemesis.target()
    if process.host.up:
        process.host.power_loss()
    await nemesis.last()
    nemesis.revive(process)


async def _power_all(nemesis: Nemesis) -> None:
    processes = [nemesis.simulation.processes[name] for name in nemesis.targets]
    for process in processes:
        if process.host.up:
            process.host.power_loss()
        await asyncio.sleep(nemesis.stream.choice((0.0, 0.01)))
    await nemesis.last()
    for process in processes:
        nemesis.revive(process)


async def _power_one(nemesis: Nemesis) -> None:
    """Without flush before ack: only where another member of every ISR holds everything."""
    process, judge = nemesis.target(), nemesis.invariants
    broker = int(process.name[1:])
    if judge is None or not process.host.up or not judge.can_lose(broker):
        return
    judge.lost_power(broker)
    process.host.power_loss()
    await nemesis.last()
    nemesis.revive(process)


async def _pause(nemesis: Nemesis) -> None:
    process = nemesis.target()
    process.pause()
    await nemesis.last()
    process.resume()


async def _isolate(nemesis: Nemesis) -> None:
    process = nemesis.target()
    others = nemesis.others(process)
    nemesis.simulation.life("isolate", process.name)
    for other in others:
        nemesis.simulation.network.cut(process.host.name, other)
    await nemesis.last()
    for other in others:
        nemesis.simulation.network.mend(process.host.name, other)


async def _one_way(nemesis: Nemesis) -> None:
    process = nemesis.target()
    ends = [process.host.name, nemesis.stream.choice(nemesis.others(process))]
    nemesis.stream.shuffle(ends)
    nemesis.simulation.life("one_way", f"{ends[0]} to {ends[1]}")
    nemesis.simulation.network.block(ends[0], ends[1])
    await nemesis.last()
    nemesis.simulation.network.unblock(ends[0], ends[1])


async def _cut_coordinator(nemesis: Nemesis) -> None:
    process = nemesis.target()
    if nemesis.coordinator is None:
        return
    host = nemesis.simulation.processes[nemesis.coordinator].host.name
    nemesis.simulation.life("cut_coordinator", process.name)
    nemesis.simulation.network.cut(process.host.name, host)
    await nemesis.last()
    nemesis.simulation.network.mend(process.host.name, host)


async def _coordinator(nemesis: Nemesis) -> None:
    if nemesis.coordinator is None:
        return
    process = nemesis.simulation.processes[nemesis.coordinator]
    process.kill()
    await nemesis.last()
    nemesis.revive(process)


async def _slow(nemesis: Nemesis) -> None:
    process = nemesis.target()
    other = nemesis.stream.choice(nemesis.others(process))
    nemesis.simulation.life("slow", f"{process.host.name} to {other}")
    nemesis.simulation.network.set_link(process.host.name, other, SLOW)
    await nemesis.last()
    nemesis.simulation.network.set_link(process.host.name, other, None)


async def _reset(nemesis: Nemesis) -> None:
    process = nemesis.target()
    other = nemesis.stream.choice(nemesis.others(process))
    nemesis.simulation.life("reset", f"{process.host.name} and {other}")
    nemesis.simulation.network.reset_connections(process.host.name, other)
    await asyncio.sleep(0)


async def _clock(nemesis: Nemesis) -> None:
    process = nemesis.target()
    nemesis.simulation.life("clock", process.name)
    process.host.set_clock_rate(nemesis.stream.choice((0.5, 0.8, 1.25, 2.0)))
    process.host.jump_wall_clock(nemesis.stream.randrange(-100_000, 100_000))
    await nemesis.last()
    process.host.set_clock_rate(1.0)


FAULTS: dict[str, Fault] = {
    "kill": _kill,
    "bounce": _bounce,
    "kill_all": _kill_all,
    "power": _power,
    "power_all": _power_all,
    "power_one": _power_one,
    "pause": _pause,
    "isolate": _isolate,
    "one_way": _one_way,
    "cut_coordinator": _cut_coordinator,
    "coordinator": _coordinator,
    "slow": _slow,
    "reset": _reset,
    "clock": _clock,
}
