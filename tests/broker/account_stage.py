"""A server with handlers of all kinds, and clients that end in all ways, in virtual time. What any
of them holds is counted while they are there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

from tests.simulation.kernel import MICROSECOND
from tests.simulation.nodes import Simulation

from barnabas.api.request import Answer, Pieces, Promise, Request, Steps
from barnabas.broker.connection_limits import ConnectionLimits
from barnabas.broker.listener_plan import ListenerPlan
from barnabas.broker.network import (
    NetworkServer,
    NetworkSettings,
)
from barnabas.errors import InvalidRequest
from barnabas.memory import Account
from barnabas.protocol.api import ApiKey
from barnabas.protocol.codec import encode_request
from barnabas.protocol.message import Message
from barnabas.seams import Env
from barnabas.zookeeper.errors import ConnectionLoss

PORT = 9092
LATER_S = 3.0
"""Answers that are waited for come so long after the question, at the latest."""
IDLE_S = 20.0
LARGE = 300_000
"""Bytes of an answer: more than a connection's buffers in the simulator take."""
MB = 1024 * 1024


class Counted(Account):
    """Knows the most that it held, and never holds less than nothing."""

    def __init__(self, bytes_max: int) -> None:
        self.most = self._held = 0
        super().__init__(bytes_max)

    @property
    def held(self) -> int:
        return self._held

    @held.setter
    def held(self, held: int) -> None:
        assert held >= 0
        self._held = held
        self.most = max(self.most, held)


class Server:
    """A broker's network, whose handlers all do the same."""

    def __init__(self, env: Env, handle: Callable[[Request], Answer], bytes_max: int) -> None:
        self.env = env
        self.services = SimpleNamespace(env=env, metadata=None)
        self.handle = handle
        self.tasks: list[asyncio.Task[None]] = []
        self.is_stopping = False
        self.answers = Counted(bytes_max)
        self.network = NetworkServer(
            self,  # type: ignore[arg-type]
            self._spawn,
            NetworkSettings(
                request_bytes_max=100 * MB,
                connections=ConnectionLimits(total=1000),
                idle_ms_max=int(IDLE_S * 1000),
                unfinished_ms_max=5_000,
                backlog=50,
                brokers_listeners=("BROKERS",),
                newcomers_max=100,
                authentication_ms_max=5_000,
            ),
            self.answers,
        )
        self.network.requests = self.requests = Counted(bytes_max)

    def check(self, request: Request) -> None:
        """Every API is served."""

    def _spawn(self, work: Coroutine[Any, Any, None], *_: Coroutine[Any, Any, Any]) -> bool:
        if self.is_stopping:
            return False
        self.tasks.append(asyncio.get_running_loop().create_task(work))
        return True

    async def run(self) -> None:
        await self.network.listen(ListenerPlan(name="CLIENTS"), "server", PORT)
        await self.network.watch()

    def leftovers(self) -> dict[str, object]:
        """What a server without connections must not have."""
        network = self.network
        kept = {
            "requests": self.requests.held,
            "answers": self.answers.held,
            "connections": len(network._connections),
            "counted": network.counts._taken,
            "addresses": len(network.counts._by_address),
            "unfinished": len(network._unfinished),
            "waiting": len(network._waiting),
            "debtors": len(network._debtors),
            "closing": len(network._closing),
            "to flush": len(network._to_flush),
            "held back": len(network._held_back),
            "decoded": network._decoded,
            "long work": len(network.turns._long) + len(network.turns._long_waiting),
            "tasks": sum(not task.done() for task in self.tasks),
        }
        return {name: value for name, value in kept.items() if value}


class Client(asyncio.Protocol):
    """Sends, and reads or does not."""

    def __init__(self, *, reads: bool) -> None:
        self.reads = reads
        self.received = 0
        self.transport: Any = None
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        if not self.reads:
            # asyncio of Python 3.11.2 begins to read only after this, whatever was asked for here.
            asyncio.get_running_loop().call_soon(self.transport.pause_reading)

    def data_received(self, data: bytes) -> None:
        self.received += len(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set_result(None)


# What a handler does


def _later(
    request: Request,
    settle: Callable[[asyncio.Future[Any]], object],
    to_pieces: Callable[[Any], Pieces | Steps[Pieces]] = lambda pieces: pieces,
) -> Answer:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Any] = loop.create_future()

    def come() -> None:
        if not answer.done():
            settle(answer)

    loop.call_later(LATER_S, come)
    return Promise(answer, to_pieces, answer.cancel)


def large_answer() -> Pieces:
    """More than a connection's buffers take."""
    return [bytes(LARGE)]


def _raise(error: Exception) -> Answer:
    raise error


async def waited_for(end: Callable[[], Any]) -> Any:
    """What ``end`` returns, after ``LATER_S``."""
    await asyncio.sleep(LATER_S)
    return end()


def in_steps(end: Callable[[], Any], count: int = 3000) -> Steps[Any]:
    """Some tenths of a second of work, unless told otherwise."""
    for _ in range(count):
        yield 1
    return end()


def _then_a_promise(request: Request) -> Answer:
    return in_steps(lambda: _later(request, lambda answer: answer.set_result(large_answer())))


async def _in_turns(request: Request) -> Pieces:
    await request.in_turns(in_steps(lambda: None))
    return large_answer()


HANDLERS: dict[str, Callable[[Request], Answer]] = {
    "an answer": lambda _: [bytes(50)],
    "a large answer": lambda _: large_answer(),
    "an answer in pieces": lambda _: [bytes(10), bytes(LARGE), bytes(10)],
    "no answer": lambda _: None,
    "a failure": lambda _: _raise(ValueError("ours")),
    "a refusal": lambda _: _raise(InvalidRequest("theirs")),
    "a promise kept": lambda r: _later(r, lambda answer: answer.set_result(large_answer())),
    "a promise kept in steps": lambda r: _later(
        r, lambda answer: answer.set_result(None), lambda _: in_steps(large_answer)
    ),
    "a promise failed": lambda r: _later(r, lambda answer: answer.set_exception(ValueError("x"))),
    "a promise cancelled": lambda r: _later(r, lambda answer: answer.cancel()),
    "no ZooKeeper": lambda r: _later(r, lambda answer: answer.set_exception(ConnectionLoss("/"))),
    "a coroutine": lambda _: waited_for(large_answer),
    "a coroutine without answer": lambda _: waited_for(lambda: None),
    "a coroutine failed": lambda _: waited_for(lambda: _raise(ValueError("x"))),
    "a coroutine refused": lambda _: waited_for(lambda: _raise(InvalidRequest("x"))),
    "long work": lambda _: in_steps(large_answer),
    "endless work": lambda _: in_steps(large_answer, 10**9),
    "long work failed": lambda _: in_steps(lambda: _raise(ValueError("x"))),
    "long work refused": lambda _: in_steps(lambda: _raise(InvalidRequest("x"))),
    "long work, then a promise": _then_a_promise,
    "a coroutine with long work": _in_turns,
}

ENDS = ("closes", "resets", "vanishes", "is idle", "server stops", "server aborts")
"""How a client ends, or is ended."""


def question(api: ApiKey, version: int, message: Message, size: int = 0) -> bytes:
    """A frame whose client id makes it so long."""
    return encode_request(api, version, 7, "c" * size, message)


def questions(count: int, size: int = 20_000) -> bytes:
    """So many heartbeats, each of so many bytes."""
    message = Message(group_id="g", generation_id=1, member_id="m", group_instance_id=None)
    return question(ApiKey.HEARTBEAT, 4, message, size) * count


class Run:
    """One server and some clients."""

    def __init__(self, handle: Callable[[Request], Answer], bytes_max: int = 100 * MB) -> None:
        self.simulation = Simulation("accounts", look_ns=100 * MICROSECOND)
        self.server: Server = None  # type: ignore[assignment]
        self.clients: list[Client] = []

        async def main(env: Env) -> None:
            self.server = Server(env, handle, bytes_max)
            await self.server.run()

        self._main = main

    def play(self, steps: Callable[[Run], Coroutine[Any, Any, None]]) -> None:
        """Run until the steps are done; every account must be empty then."""

        async def scenario() -> None:
            self.simulation.start("server", self._main)
            await asyncio.sleep(0.1)
            await steps(self)
            await asyncio.sleep(2 * IDLE_S)
            assert self.server.leftovers() == {}

        # A handler's failure is what some of these are about.
        self.simulation.noted = lambda *_: None  # type: ignore[method-assign]
        self.simulation.run(scenario, limit_s=1000)

    def connect(self, data: bytes, *, reads: bool, host: str = "client") -> None:
        """A client that sends this."""

        async def main(env: Env) -> None:
            loop = asyncio.get_running_loop()
            client = Client(reads=reads)
            self.clients.append(client)
            await loop.create_connection(lambda: client, "server", PORT)
            client.transport.write(data)
            await client.closed

        self.simulation.start(f"{host}/{len(self.simulation.processes)}", main, host=host)

    async def end(self, how: str) -> None:
        """End the clients."""
        host, network = self.simulation.hosts["client"], self.server.network
        if how == "vanishes":
            host.power_loss()
        elif how == "resets":
            for process in host.processes.values():
                process.kill()
        elif how == "closes":
            for client in self.clients:
                client.transport.close()
        elif how == "server stops":
            self.server.is_stopping = True
            network.close()
        elif how == "server aborts":
            for connection in list(network._connections):
                connection.abort()
        else:
            assert how == "is idle"
