"""Between hosts: blocks, time-outs, half-open connections, kills, power loss, addresses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.simulation.network import SLOW, Link, NetworkSettings
from tests.simulation.nodes import Simulation
from tests.simulation.test_transport import Buffered, Recorder

from barnabas.seams import Env

Story = Callable[["Pair"], Awaitable[None]]


class Pair:
    """A server on host ``s`` and a client on host ``c``, connected."""

    def __init__(self, seed: int = 1, settings: NetworkSettings | None = None) -> None:
        self.simulation = Simulation(seed, network=settings)
        self.network = self.simulation.network
        self.server_log: list[Any] = []
        self.client_log: list[Any] = []
        self.server: Any = None
        self.client: Any = None

    def run(self, story: Story) -> None:
        """Connect, then play the story from outside."""

        async def serve(env: Env) -> None:
            def accept() -> Any:
                self.server = Recorder(self.server_log)
                return self.server

            await asyncio.get_running_loop().create_server(accept, "s", 9)
            await asyncio.sleep(10_000)

        async def connect(env: Env) -> None:
            loop = asyncio.get_running_loop()
            _, self.client = await loop.create_connection(lambda: Buffered(self.client_log), "s", 9)
            await asyncio.sleep(10_000)

        async def scenario() -> None:
            self.simulation.start("s", serve)
            await asyncio.sleep(0.1)
            self.simulation.start("c", connect)
            await asyncio.sleep(1)
            await story(self)

        self.simulation.run(scenario, limit_s=5000)

    async def on(self, name: str, action: Callable[[], Any]) -> Any:
        """Do something on a process's loop; its result, or the exception it raised."""
        result: list[Any] = []

        async def act() -> None:
            try:
                answer = action()
                result.append(await answer if asyncio.iscoroutine(answer) else answer)
            except OSError as error:
                result.append(error)

        task = self.simulation.processes[name].loop.create_task(act())
        while not task.done():  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        return result[0]


def test_a_block_delays_and_loses_nothing() -> None:
    async def story(pair: Pair) -> None:
        pair.network.cut("c", "s")
        await pair.on("c", lambda: pair.client.transport.write(b"late"))
        await asyncio.sleep(5)
        assert pair.server_log == ["made"]
        pair.network.mend("c", "s")
        await asyncio.sleep(4)
        assert pair.server_log == ["made", b"late"]

    Pair().run(story)


def test_a_long_block_tells_the_sender_alone() -> None:
    async def story(pair: Pair) -> None:
        pair.network.block("c", "s")
        await pair.on("c", lambda: pair.client.transport.write(b"lost"))
        await asyncio.sleep(40)
        assert pair.client_log[-1].startswith("lost TimeoutError")
        assert pair.server_log == ["made"]
        pair.network.heal()
        await asyncio.sleep(40)
        assert pair.server_log == ["made"]  # half-open: it hears of it only when it writes
        await pair.on("s", lambda: pair.server.transport.write(b"?"))
        await asyncio.sleep(1)
        assert pair.server_log == ["made", "lost by reset"]

    Pair().run(story)


def test_one_way_block_delivers_but_does_not_acknowledge() -> None:
    async def story(pair: Pair) -> None:
        pair.network.block("s", "c")
        await pair.on("c", lambda: pair.client.transport.write(b"heard"))
        await asyncio.sleep(1)
        assert pair.server_log == ["made", b"heard"]
        await asyncio.sleep(40)
        assert pair.client_log[-1].startswith("lost TimeoutError")

    Pair().run(story)


def test_a_killed_peer_sends_what_it_wrote_then_fin() -> None:
    async def story(pair: Pair) -> None:
        def write_and_die() -> None:
            pair.server.transport.write(b"last words")
            pair.simulation.processes["s"].kill()

        pair.simulation.processes["s"].loop.call_soon(write_and_die)
        await asyncio.sleep(1)
        assert pair.client_log == ["made", b"last words", "eof", "lost None"]

    Pair().run(story)


def test_power_loss_tells_nobody() -> None:
    async def story(pair: Pair) -> None:
        host = pair.simulation.hosts["s"]
        host.power_loss()
        await asyncio.sleep(100)
        assert pair.client_log == ["made"]
        refused = await pair.on("c", lambda: connect())
        assert isinstance(refused, TimeoutError)
        host.power_on()
        assert isinstance(await pair.on("c", lambda: connect()), ConnectionRefusedError)
        await pair.on("c", lambda: pair.client.transport.write(b"?"))
        await asyncio.sleep(1)
        assert pair.client_log == ["made", "lost by reset"]

    async def connect() -> None:
        await asyncio.get_running_loop().create_connection(asyncio.Protocol, "s", 9)

    Pair().run(story)


def test_a_paused_peer_accepts_and_buffers() -> None:
    async def story(pair: Pair) -> None:
        process = pair.simulation.processes["s"]
        process.pause()
        log: list[Any] = []

        async def another() -> Any:
            loop = asyncio.get_running_loop()
            transport, _ = await loop.create_connection(lambda: Recorder(log), "s", 9)
            transport.write(b"anybody?")
            return transport

        await pair.on("c", lambda: another())
        await pair.on("c", lambda: pair.client.transport.write(b"x" * 1000))
        await asyncio.sleep(30)
        assert log == ["made"]
        assert pair.server_log == ["made"]
        process.resume()
        await asyncio.sleep(0.1)
        assert sorted(map(str, pair.server_log)) == sorted(
            map(str, ["made", bytearray(b"x" * 1000), "made", bytearray(b"anybody?")])
        )

    Pair().run(story)


def test_connecting_through_a_block_succeeds_late_or_times_out() -> None:
    async def story(pair: Pair) -> None:
        async def connect() -> float:
            loop = asyncio.get_running_loop()
            before = loop.time()
            await loop.create_connection(asyncio.Protocol, "s", 9)
            return loop.time() - before

        pair.network.block("s", "c")
        mended = pair.simulation.kernel.now_ns + 2_000_000_000
        pair.simulation.kernel.at(mended, lambda _: pair.network.heal())
        assert 2 < await pair.on("c", lambda: connect()) < 8
        pair.network.block("c", "s")
        assert isinstance(await pair.on("c", lambda: connect()), TimeoutError)

    Pair().run(story)


def test_slow_links_are_slow_and_every_byte_arrives_in_order() -> None:
    data = bytes(range(256)) * 400

    async def story(pair: Pair) -> None:
        pair.network.set_link("c", "s", SLOW)
        await pair.on("c", lambda: pair.client.transport.write(data))
        await asyncio.sleep(1)
        assert pair.server.received < len(data)
        await asyncio.sleep(30)
        assert pair.server_log == ["made", data]

    chopped = Link(split_probability=1.0, stall_probability=0.2)
    for seed in range(5):
        Pair(seed, NetworkSettings(link=chopped, short_read_probability=0.9)).run(story)


def test_reset_by_a_middle_box() -> None:
    async def story(pair: Pair) -> None:
        assert pair.network.reset_connections("c", "s") == 1
        await asyncio.sleep(1)
        assert pair.client_log == pair.server_log == ["made", "lost by reset"]

    Pair().run(story)


def test_a_cancelled_connect_leaves_nothing_open() -> None:
    async def story(pair: Pair) -> None:
        async def hasty() -> None:
            try:
                async with asyncio.timeout(0.0004):
                    await asyncio.get_running_loop().create_connection(asyncio.Protocol, "s", 9)
            except TimeoutError:
                return

        before = len(pair.simulation.processes["c"].loop.sockets)
        for _ in range(20):
            await pair.on("c", lambda: hasty())
        await asyncio.sleep(1)
        assert len(pair.simulation.processes["c"].loop.sockets) == before

    Pair().run(story)


def test_addresses_of_peers() -> None:
    simulation = Simulation(1)
    seen: dict[str, str] = {}

    async def serve(env: Env) -> None:
        class Server(asyncio.Protocol):
            def connection_made(self, transport: Any) -> None:
                seen[names[len(seen)]] = transport.get_extra_info("peername")[0]

        loop = asyncio.get_running_loop()
        await loop.create_server(Server, None, 9)
        for host in ("localhost", "127.0.0.1", "s", simulation.host("s").address):
            await loop.create_connection(asyncio.Protocol, host, 9)
            await asyncio.sleep(0.01)
        await asyncio.sleep(100)

    async def connect(env: Env) -> None:
        await asyncio.get_running_loop().create_connection(asyncio.Protocol, "s", 9)
        await asyncio.sleep(1)

    names = ["by name", "by loopback", "by host", "by address", "from outside", "from beside"]

    async def scenario() -> None:
        simulation.start("s", serve)
        await asyncio.sleep(1)
        await simulation.ended(simulation.start("c", connect))
        await simulation.ended(simulation.start("beside", connect, host="s"))

    simulation.run(scenario)
    own, other = simulation.host("s").address, simulation.host("c").address
    assert list(seen.values()) == ["127.0.0.1", "127.0.0.1", own, own, other, own]


def test_a_listener_on_the_loopback_is_not_reached_from_outside() -> None:
    simulation = Simulation(1)

    async def serve(env: Env) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_server(asyncio.Protocol, "127.0.0.1", 9)
        await asyncio.sleep(100)

    async def connect(env: Env) -> None:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.get_running_loop().create_connection(asyncio.Protocol, "s", 9)

    async def scenario() -> None:
        simulation.start("s", serve)
        await asyncio.sleep(1)
        await simulation.ended(simulation.start("c", connect))

    simulation.run(scenario)
