"""Transports in the simulator behave as on a real asyncio loop: the same scripts run on both, and
what each end saw must be equal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.simulation.network import NetworkSettings
from tests.simulation.nodes import Simulation

from barnabas.seams import Env

Log = list[Any]


class Recorder(asyncio.Protocol):
    """Writes down what it is told; neighbouring pieces of data become one."""

    def __init__(self, log: Log, *, keep_open: bool = False, echo: bool = False) -> None:
        self.log = log
        self.keep_open = keep_open
        self.echo = echo
        self.transport: Any = None
        self.lost = asyncio.get_running_loop().create_future()
        self.received = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.log.append("made")

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        if self.log and isinstance(self.log[-1], bytearray):
            self.log[-1] += data
        else:
            self.log.append(bytearray(data))
        if self.echo:
            self.transport.write(data)

    def eof_received(self) -> bool:
        self.log.append("eof")
        return self.keep_open

    def pause_writing(self) -> None:
        self.log.append("pause")

    def resume_writing(self) -> None:
        self.log.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        reset = isinstance(exc, ConnectionResetError | BrokenPipeError)
        self.log.append("lost by reset" if reset else f"lost {exc!r}")
        self.lost.set_result(None)


class Buffered(asyncio.BufferedProtocol):
    """The same, into a buffer of its own."""

    def __init__(self, log: Log, **options: Any) -> None:
        self._inner = Recorder(log, **options)
        self._buffer = bytearray(10_000)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._inner.connection_made(transport)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._inner.data_received(bytes(self._buffer[:nbytes]))

    def eof_received(self) -> bool:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._inner.connection_lost(exc)


class Ends:
    """A connected pair on one loop, and what each end saw."""

    def __init__(self, kind: type[Any]) -> None:
        self.kind = kind
        self.client_log: Log = []
        self.server_log: Log = []
        self.notes: Log = []
        self.servers: list[Any] = []
        self.server: Any = None
        self.client: Any = None
        self.listener: Any = None

    async def connect(self, client: Any = None, server: Any = None) -> None:
        """Listen and connect; ``self.client`` and ``self.server`` are the protocols."""
        loop = asyncio.get_running_loop()
        made = loop.create_future()

        def accept() -> Any:
            protocol = self.kind(self.server_log, **(server or {}))
            made.set_result(protocol)
            return protocol

        self.listener = await loop.create_server(accept, "127.0.0.1", 0)
        port = self.listener.sockets[0].getsockname()[1]
        _, self.client = await loop.create_connection(
            lambda: self.kind(self.client_log, **(client or {})), "127.0.0.1", port
        )
        self.server = await made
        await pause()

    async def finish(self) -> None:
        """Close what is open and wait for it."""
        for protocol in (self.client, self.server):
            if protocol is not None:
                protocol.transport.abort()
                await protocol.lost
        if self.listener is not None:
            self.listener.close()


async def pause() -> None:
    """Long enough for anything on its way to arrive."""
    await asyncio.sleep(0.02)


async def client_closes(ends: Ends) -> None:
    await ends.connect(server={"echo": True})
    ends.client.transport.write(b"hello")
    await pause()
    ends.client.transport.close()
    ends.client.transport.close()
    ends.client.transport.write(b"ignored")
    ends.notes.append(ends.client.transport.is_closing())
    await ends.client.lost
    await ends.server.lost


async def server_closes_after_writing(ends: Ends) -> None:
    await ends.connect()
    ends.server.transport.writelines([b"a" * 1000, b"b" * 30_000, b"c"])
    ends.server.transport.close()
    await ends.client.lost
    await ends.server.lost


async def half_close(ends: Ends) -> None:
    await ends.connect(client={"keep_open": True}, server={"keep_open": True})
    ends.notes.append(ends.client.transport.can_write_eof())
    ends.client.transport.write(b"question")
    ends.client.transport.write_eof()
    await pause()
    ends.server.transport.write(b"answer")
    await pause()
    ends.server.transport.write_eof()
    await pause()
    ends.notes.append((ends.client.transport.is_closing(), ends.server.transport.is_closing()))
    await ends.finish()


async def abort_with_all_read(ends: Ends) -> None:
    await ends.connect()
    ends.client.transport.write(b"x")
    await pause()
    ends.client.transport.abort()
    await ends.client.lost
    await ends.server.lost


async def abort_with_unread_data(ends: Ends) -> None:
    await ends.connect()
    ends.client.transport.pause_reading()
    ends.server.transport.write(b"never read")
    await pause()
    ends.client.transport.abort()
    await ends.client.lost
    await ends.server.lost


async def write_to_the_dead(ends: Ends) -> None:
    await ends.connect()
    ends.client.transport.pause_reading()
    ends.server.transport.abort()
    await ends.server.lost
    await pause()
    for _ in range(3):
        ends.client.transport.write(b"anybody?")
        await pause()
    await ends.client.lost


async def read_before_reset(ends: Ends) -> None:
    await ends.connect()
    ends.client.transport.pause_reading()
    ends.server.transport.pause_reading()
    ends.client.transport.write(b"unread")
    ends.server.transport.write(b"last words")
    await pause()
    ends.server.transport.abort()
    await pause()
    ends.client.transport.resume_reading()
    await ends.client.lost
    await ends.server.lost


async def zero_window(ends: Ends) -> None:
    await ends.connect()
    ends.server.transport.pause_reading()
    ends.client.transport.set_write_buffer_limits(high=50_000, low=10_000)
    for _ in range(200):
        ends.client.transport.write(b"z" * 100_000)
    await pause()
    ends.notes.append(ends.client.transport.get_write_buffer_size() > 50_000)
    ends.notes.append(list(ends.client_log))
    ends.server.transport.resume_reading()
    while ends.server.received < 20_000_000:
        await pause()
    await pause()
    ends.notes.append(ends.client.transport.get_write_buffer_size())
    ends.notes.append(ends.server.received)
    await ends.finish()


async def close_flushes(ends: Ends) -> None:
    await ends.connect()
    ends.server.transport.pause_reading()
    for _ in range(200):
        ends.client.transport.write(b"z" * 100_000)
    ends.client.transport.close()
    await pause()
    ends.notes.append(ends.client.lost.done())
    ends.server.transport.resume_reading()
    await ends.client.lost
    await ends.server.lost
    ends.notes.append(ends.server.received)


async def eof_while_paused(ends: Ends) -> None:
    await ends.connect()
    ends.server.transport.pause_reading()
    ends.client.transport.write(b"before")
    ends.client.transport.close()
    await pause()
    ends.notes.append(list(ends.server_log))
    ends.server.transport.resume_reading()
    await ends.server.lost
    await ends.client.lost


async def refused_and_in_use(ends: Ends) -> None:
    loop = asyncio.get_running_loop()
    await ends.connect()
    port = ends.listener.sockets[0].getsockname()[1]
    for attempt in (
        loop.create_server(asyncio.Protocol, "127.0.0.1", port),
        loop.create_connection(asyncio.Protocol, "127.0.0.1", 1),
        loop.create_connection(asyncio.Protocol, "no.such.host.invalid", 1),
    ):
        try:
            await attempt
        except OSError as error:
            ends.notes.append((type(error).__name__, error.errno))
    ends.listener.close()
    try:
        await loop.create_connection(asyncio.Protocol, "127.0.0.1", port)
    except OSError as error:
        ends.notes.append(type(error).__name__)
    ends.client.transport.write(b"still open")
    await pause()
    again = await loop.create_server(asyncio.Protocol, "127.0.0.1", port)
    again.close()
    await again.wait_closed()
    await ends.finish()


async def names_and_protocols(ends: Ends) -> None:
    await ends.connect()
    client, server = ends.client.transport, ends.server.transport
    ends.notes.append(client.get_extra_info("peername") == server.get_extra_info("sockname"))
    ends.notes.append(server.get_extra_info("peername") == client.get_extra_info("sockname"))
    ends.notes.append(server.get_extra_info("peername")[0])
    ends.notes.append(client.get_extra_info("sslcontext"))
    other: Log = []
    replacement = Recorder(other)
    client.set_protocol(replacement)
    ends.notes.append(client.get_protocol() is replacement)
    server.write(b"to the new one")
    await pause()
    server.close()
    await replacement.lost
    await ends.server.lost
    ends.notes.append(other)


SCRIPTS: list[Callable[[Ends], Awaitable[None]]] = [
    client_closes,
    server_closes_after_writing,
    half_close,
    abort_with_all_read,
    abort_with_unread_data,
    write_to_the_dead,
    read_before_reset,
    zero_window,
    close_flushes,
    eof_while_paused,
    refused_and_in_use,
    names_and_protocols,
]


def on_a_real_loop(script: Callable[[Ends], Awaitable[None]], kind: type[Any]) -> Ends:
    ends = Ends(kind)

    async def main() -> None:
        try:
            await script(ends)
        finally:
            if ends.listener is not None:
                ends.listener.close()

    asyncio.run(main())
    return ends


def simulated(script: Callable[[Ends], Awaitable[None]], kind: type[Any], seed: int) -> Ends:
    ends = Ends(kind)
    simulation = Simulation(seed, network=NetworkSettings(short_read_probability=0.3))

    async def main(env: Env) -> None:
        await script(ends)

    async def scenario() -> None:
        await simulation.ended(simulation.start("n", main))

    simulation.run(scenario)
    return ends


@pytest.mark.parametrize("kind", [Recorder, Buffered])
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
def test_as_on_a_real_loop(script: Callable[[Ends], Awaitable[None]], kind: type[Any]) -> None:
    real = on_a_real_loop(script, kind)
    for seed in range(3):
        ours = simulated(script, kind, seed)
        assert ours.client_log == real.client_log
        assert ours.server_log == real.server_log
        assert ours.notes == real.notes
