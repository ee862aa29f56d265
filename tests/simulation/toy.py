"""A toy to try the simulator on: a counter on three nodes, with every asyncio construct we use.

The first node takes increments from a client, appends each to a file, syncs it, sends it to the
others and answers when they have done the same. Nodes are killed, paused, cut off and lose power
meanwhile; the promise is only that a number that was acknowledged is on disk everywhere.

``python -m tests.simulation.toy SEED ...`` prints one digest per seed.
"""

from __future__ import annotations

import asyncio
import struct
import sys
from collections.abc import Callable

from tests.simulation.disk import Inode
from tests.simulation.nodes import Main, Simulation

from barnabas.seams import Env

NAMES = ("a", "b", "c")
PORT = 7000


class Frames(asyncio.BufferedProtocol):
    """Eight-byte messages, read into a buffer of our own."""

    def __init__(self, on_message: Callable[[Frames, int], None]) -> None:
        self.on_message = on_message
        self.transport: asyncio.Transport | None = None
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._buffer = bytearray(32)
        self._filled = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        return memoryview(self._buffer)[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        self._filled += nbytes
        while self._filled >= 8:
            (number,) = struct.unpack_from(">q", self._buffer)
            self._buffer[: self._filled - 8] = self._buffer[8 : self._filled]
            self._filled -= 8
            self.on_message(self, number)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(None)

    def send(self, number: int) -> None:
        """Write one message, unless the connection is gone."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.writelines([struct.pack(">i", 0), struct.pack(">i", number)])


def replica(name: str, others: tuple[str, ...]) -> Main:
    """The main of one node."""

    async def main(env: Env) -> None:
        loop = asyncio.get_running_loop()
        env.files.make_directories("/data")
        file = env.files.open("/data/log", create=True)
        env.files.sync_directory("/")
        env.files.sync_directory("/data")
        torn = file.size() % 8
        if torn:
            file.truncate(file.size() - torn)
        held = [struct.unpack(">q", file.pread(8, at))[0] for at in range(0, file.size(), 8)]
        env.observer.note("recovered", count=len(held), last=max(held, default=0))
        queue: asyncio.Queue[tuple[Frames, int]] = asyncio.Queue()
        await loop.create_server(lambda: Frames(lambda p, n: queue.put_nowait((p, n))), name, PORT)
        async with asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(worker(env, file, queue, others))
            group.create_task(heartbeat(env))

    return main


async def heartbeat(env: Env) -> None:
    """Something that draws and sleeps for ever."""
    while True:
        await asyncio.sleep(0.2 + env.random.random() * 0.1)
        env.observer.note("beat", wall=env.clock.wall_ms())


async def worker(env: Env, file, queue, others) -> None:  # type: ignore[no-untyped-def]
    """Store and answer, one message at a time."""
    while True:
        protocol, number = await queue.get()
        file.append([struct.pack(">q", number)])
        await file.fsync()
        tasks = [asyncio.create_task(ask(other, number)) for other in others]
        if tasks:
            await asyncio.wait(tasks)
        if all(task.result() == number for task in tasks):
            protocol.send(number)


async def ask(name: str, number: int) -> int:
    """Send one number to a node and return its answer, or -1."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[int] = loop.create_future()

    def on_message(_: Frames, value: int) -> None:
        if not answer.done():
            answer.set_result(value)

    try:
        async with asyncio.timeout(1.0):
            transport, protocol = await loop.create_connection(
                lambda: Frames(on_message), name, PORT
            )
            try:
                protocol.send(number)
                waits: list[asyncio.Future[int] | asyncio.Future[None]] = [answer, protocol.lost]
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                return answer.result() if answer.done() else -1
            finally:
                transport.abort()
    except (OSError, TimeoutError):
        return -1


def run(seed: int, *, seconds: float = 10.0, cpu_delay: bool = False) -> tuple[str, Simulation]:
    """One run; its digest. Raises SimulationFailure if an acknowledged number is not held."""
    simulation = Simulation(seed, cpu_delay=cpu_delay)
    acknowledged: list[int] = []

    async def client(env: Env) -> None:
        number = 0
        while True:
            number += 1
            if await ask("a", number) == number:
                acknowledged.append(number)
                env.observer.note("acknowledged", number=number)
            await asyncio.sleep(0.01)

    async def scenario() -> None:
        for name in NAMES:
            simulation.start(name, replica(name, ("b", "c") if name == "a" else ()))
        simulation.start("client", client)
        await faults(simulation, seconds)
        check(simulation, acknowledged)

    return simulation.run(scenario, limit_s=seconds * 10), simulation


async def faults(simulation: Simulation, seconds: float) -> None:
    """Kill, pause, cut and unplug, one at a time."""
    stream = simulation.random("nemesis")
    until = simulation.now_s + seconds
    while simulation.now_s < until:
        await asyncio.sleep(stream.uniform(0.2, 1.0))
        name = stream.choice(NAMES)
        process, host = simulation.processes[name], simulation.hosts[name]
        kind = stream.choice(("kill", "pause", "cut", "power", "clock"))
        if kind == "kill":
            process.kill()
        elif kind == "pause":
            process.pause()
        elif kind == "cut":
            simulation.network.block(name, stream.choice(["client", *NAMES]))
        elif kind == "power":
            host.power_loss()
        else:
            host.set_clock_rate(stream.uniform(0.5, 2.0))
        await asyncio.sleep(stream.uniform(0.1, 1.5))
        simulation.network.heal()
        process.resume()
        if not host.up:
            host.power_on()
        if not process.alive:
            process.start()


def check(simulation: Simulation, acknowledged: list[int]) -> None:
    """After a power loss of everything, every acknowledged number is still there."""
    for name in NAMES:
        host = simulation.hosts[name]
        host.power_loss()
        log = host.disk.find("/data/log")
        content = bytes(log.visible) if isinstance(log, Inode) else b""
        held = {
            struct.unpack_from(">q", content, at)[0]
            for at in range(0, len(content) - len(content) % 8, 8)
        }
        missing = [number for number in acknowledged if number not in held]
        if missing:
            simulation.fail(name, f"acknowledged and lost: {missing}")


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        print(argument, run(int(argument), seconds=3.0)[0])
