"""The light server in the simulator: other hosts, virtual time, networks that stall."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tests.http.kit import OPEN
from tests.http.test_servers import app
from tests.simulation.nodes import Simulation

from barnabas.http.light_server import start
from barnabas.http.listener import HEAD_TIMEOUT_S, Listener
from barnabas.seams import Env

HEAD = b" HTTP/1.1\r\nHost: 10.0.0.1\r\n"


class Client(asyncio.Protocol):
    """Keeps what it is told, and how long the connection lasted."""

    def __init__(self) -> None:
        self.told = b""
        self.began_at = asyncio.get_running_loop().time()
        self.lasted_s = 0.0
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.told += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.lasted_s = asyncio.get_running_loop().time() - self.began_at


class World:
    """A server on host ``s``, a client on host ``c``."""

    def __init__(self, seed: int) -> None:
        self.simulation = Simulation(seed)
        self.listener: Listener | None = None
        self.client: Client | None = None
        self.stop = False

    def run(self, story: Callable[[World, Client], Awaitable[None]]) -> World:
        async def serve(env: Env) -> None:
            async with await start(app, OPEN, host="s", port=80, others=True) as self.listener:
                while not self.stop:  # noqa: ASYNC110
                    await asyncio.sleep(1)
            await asyncio.sleep(10_000)

        async def ask(env: Env) -> None:
            loop = asyncio.get_running_loop()
            _, client = await loop.create_connection(Client, "s", 80)
            self.client = client
            await story(self, client)
            await asyncio.sleep(10_000)

        async def scenario() -> None:
            self.simulation.start("s", serve)
            await asyncio.sleep(0.1)
            self.simulation.start("c", ask)
            await asyncio.sleep(100)

        self.simulation.run(scenario, limit_s=5000)
        return self


def told(seed: int, story: Callable[[World, Client], Awaitable[None]]) -> Client:
    client = World(seed).run(story).client
    assert client is not None
    return client


def test_a_network_that_stalls_loses_nothing_of_an_answer() -> None:
    async def story(world: World, client: Client) -> None:
        client.transport.write(b"GET /long" + HEAD + b"\r\n")
        await asyncio.sleep(0.01)
        world.simulation.network.cut("c", "s")
        await asyncio.sleep(5)
        world.simulation.network.mend("c", "s")

    client = told(8_130_001, story)
    assert client.told.endswith(b"x" * 3_000_000)


def test_who_does_not_read_an_answer_is_given_up() -> None:
    async def story(world: World, client: Client) -> None:
        client.transport.pause_reading()
        client.transport.write(b"GET /long" + HEAD + b"\r\n")
        await asyncio.sleep(60)
        assert world.listener is not None
        assert not world.listener._connections

    told(8_130_002, story)


def test_heads_have_their_time_and_no_more() -> None:
    async def story(world: World, client: Client) -> None:
        for piece in (b"GET /query?slow", HEAD):
            client.transport.write(piece)
            await asyncio.sleep(0.4 * HEAD_TIMEOUT_S)
        client.transport.write(b"\r\n")
        await asyncio.sleep(1)
        assert client.told.endswith(b"slow")
        client.transport.write(b"GET /query?too-slow")

    client = told(8_130_003, story)
    assert client.told.endswith(b"slow")
    assert not client.told.endswith(b"too-slow")
    assert client.lasted_s > HEAD_TIMEOUT_S


def test_one_seed_is_one_history() -> None:
    async def story(world: World, client: Client) -> None:
        client.transport.write(b"GET /events" + HEAD + b"\r\n")
        await asyncio.sleep(3)
        world.stop = True

    ends = {told(8_130_004, story).lasted_s for _ in range(3)}
    assert len(ends) == 1
    assert 3 < ends.pop() < 6
