"""Signs of life of other brokers: answers, connections, refusals, and nothing at all."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.controller.kit import FakeConnection
from tests.defaults import controller_settings
from tests.virtual_time import run

from barnabas.controller.probes import Probes
from barnabas.types import Broker, Endpoint


class Machine:
    """One that is ``up``, ``hung`` (its system accepts, its process does nothing), ``refusing`` or
    ``silent``."""

    def __init__(self) -> None:
        self.mode = "up"
        self.opened = self.knocks = 0
        self.connections: list[Peer] = []

    async def connect(self, host: str, port: int, client_id: str) -> Any:
        self.opened += 1
        await self._reach()
        self.connections.append(Peer(self))
        return self.connections[-1]

    async def knock(self, host: str, port: int, client_id: str) -> Any:
        self.knocks += 1
        await self._reach()
        return Peer(self)

    async def _reach(self) -> None:
        if self.mode == "silent":
            await asyncio.sleep(100)
        if self.mode == "refusing":
            raise ConnectionRefusedError


class Peer(FakeConnection):
    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.closed = asyncio.get_running_loop().create_future()

    async def send(self, api_key: int, version: int, message: Any) -> Any:
        if self.machine.mode in ("hung", "silent"):
            await asyncio.sleep(1000)
        if self.closed.done() or self.machine.mode == "refusing":
            raise ConnectionResetError
        return None


class Scene:
    """A controller, broker 1, that probes brokers 2 and 3."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self.machines = {2: Machine(), 3: Machine()}
        self.silent: list[int] = []
        self.probes = Probes(
            tasks,
            controller_settings(silence_ms=2000, listener="X"),
            own_id=1,
            connect=lambda host, port, name: self.machines[port].connect(host, port, name),
            knock=lambda host, port, name: self.machines[port].knock(host, port, name),
            on_silent=lambda broker: self.silent.append(broker.id),
        )
        for number in (1, 2, 3):
            endpoint = Endpoint("X", "PLAINTEXT", "h", number)
            self.probes.add(Broker(id=number, epoch=0, endpoints=(endpoint,)))


def _play(story: Any) -> None:
    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            scene = Scene(tasks)
            await asyncio.sleep(3)
            await story(scene)
            scene.probes.stop()

    run(main())


def test_one_connection_and_two_questions_a_second() -> None:
    async def story(scene: Scene) -> None:
        await asyncio.sleep(100)
        assert [m.opened for m in scene.machines.values()] == [1, 1]
        assert scene.silent == []

    _play(story)


def test_a_machine_that_gives_no_sign_is_silent_after_its_time() -> None:
    async def story(scene: Scene) -> None:
        scene.machines[2].mode = "silent"
        await asyncio.sleep(1.4)
        assert scene.silent == []
        await asyncio.sleep(1.1)
        assert scene.silent == [2]
        assert scene.probes.is_silent(2)
        scene.machines[2].mode = "up"
        await asyncio.sleep(2)
        assert not scene.probes.is_silent(2)
        scene.machines[3].mode = "silent"
        await asyncio.sleep(3)
        assert scene.silent == [2, 3]

    _play(story)


def test_a_process_that_hangs_is_not_silent_and_is_knocked_at_rarely() -> None:
    async def story(scene: Scene) -> None:
        scene.machines[2].mode = "hung"
        await asyncio.sleep(60)
        assert scene.silent == []
        machine = scene.machines[2]
        assert machine.opened + machine.knocks <= 60 * 3
        machine.mode = "silent"
        await asyncio.sleep(3)
        assert scene.silent == [2]

    _play(story)


def test_a_refusal_is_a_sign_of_life() -> None:
    async def story(scene: Scene) -> None:
        scene.machines[2].mode = "refusing"
        await asyncio.sleep(60)
        assert scene.silent == []

    _play(story)


def test_nobody_is_blamed_if_nobody_is_heard() -> None:
    async def story(scene: Scene) -> None:
        for machine in scene.machines.values():
            machine.mode = "silent"
        await asyncio.sleep(60)
        assert scene.silent == []

    _play(story)


def test_who_has_gone_is_not_asked_any_more() -> None:
    async def story(scene: Scene) -> None:
        scene.probes.remove(2)
        await asyncio.sleep(1)
        assert all(c.closed.done() for c in scene.machines[2].connections)
        scene.machines[2].mode = "silent"
        await asyncio.sleep(5)
        assert scene.silent == []
        assert scene.machines[2].opened == 1

    _play(story)
