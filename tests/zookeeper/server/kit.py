"""For tests of the coordinator: a loop with virtual time and a client that speaks in records."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import pytest
from tests.virtual_time import run as run

from barnabas.seams import Env
from barnabas.storage.memory_files import MemoryFiles
from barnabas.zookeeper import jute
from barnabas.zookeeper.messages import (
    EMPTY,
    FAST_EXPIRY_MAGIC,
    OPEN_ACL_UNSAFE,
    ConnectRequest,
    ConnectResponse,
    CreateFlag,
    CreateRequest,
    OpCode,
    WatcherEvent,
)
from barnabas.zookeeper.server.coordinator import CoordinatorConfig
from barnabas.zookeeper.server.node import Node
from barnabas.zookeeper.server.serve import serve
from barnabas.zookeeper.server.store import MemoryStore, Store

T = TypeVar("T")


class FixedClock:
    def wall_ms(self) -> int:
        return 1_700_000_000_000 + int(asyncio.get_running_loop().time() * 1000)


def environment(seed: int = 1) -> Env:
    return Env(clock=FixedClock(), random=random.Random(seed), files=MemoryFiles(), boot_id="b")


class Server:
    """A coordinator running as a task of this loop."""

    def __init__(self, task: asyncio.Task[None], port: int) -> None:
        self.task = task
        self.port = port

    async def stop(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


async def start(store: Store | None = None, **config: Any) -> Server:
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    settings = CoordinatorConfig(port=0, **config)
    task = asyncio.get_running_loop().create_task(
        serve(
            environment(),
            settings,
            MemoryStore() if store is None else store,
            ready=lambda host, port: ready.set_result(port),
        )
    )
    either: list[asyncio.Future[Any]] = [task, ready]
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if not ready.done():
        await task
    return Server(task, ready.result())


class Client(asyncio.Protocol):
    """Every frame received goes to a queue, in order."""

    def __init__(self) -> None:
        self.frames: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.transport: Any = None
        self.session = ConnectResponse(0, 0, 0, None, None)
        self._splitter = jute.FrameSplitter(64 << 20)
        self._xid = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        for frame in self._splitter.feed(data):
            self.frames.put_nowait(frame)

    def connection_lost(self, problem: Exception | None) -> None:
        self.frames.put_nowait(None)

    def send(self, op: int, record: Any = EMPTY) -> int:
        self._xid += 1
        self.transport.write(jute.encode_request(self._xid, op, record))
        return self._xid

    async def receive(self) -> bytes | None:
        async with asyncio.timeout(600):
            return await self.frames.get()

    async def reply(self, op: int) -> tuple[int, Any]:
        """(error, record) of the next frame, which has to be a reply."""
        frame = await self.receive()
        assert frame is not None, "closed"
        header = jute.decode_reply_header(frame)
        assert header.xid != -1, jute.decode_event(frame)
        return header.err, (None if header.err else jute.decode_reply(op, frame))

    async def call(self, op: int, record: Any = EMPTY) -> tuple[int, Any]:
        self.send(op, record)
        return await self.reply(op)

    async def event(self) -> WatcherEvent:
        frame = await self.receive()
        assert frame is not None, "closed"
        assert jute.decode_reply_header(frame).xid == -1
        return jute.decode_event(frame)

    def drop(self) -> None:
        """As when its process is killed."""
        self.transport.abort()

    async def close(self) -> None:
        assert await self.call(OpCode.CLOSE_SESSION) == (0, EMPTY)
        assert await self.receive() is None


async def connect(
    server: Server,
    *,
    timeout_ms: int = 10_000,
    grace_ms: int = 0,
    resume: ConnectResponse | None = None,
    last_zxid: int = 0,
) -> Client:
    _, client = await asyncio.get_running_loop().create_connection(Client, "127.0.0.1", server.port)
    password = bytes(16)
    if grace_ms:
        password = FAST_EXPIRY_MAGIC + grace_ms.to_bytes(4, "big") + bytes(4)
    session_id = 0
    if resume is not None:
        session_id, password = resume.session_id, resume.password or b""
    request = ConnectRequest(0, last_zxid, timeout_ms, session_id, password, False)
    client.transport.write(jute.encode_connect_request(request))
    frame = await client.receive()
    if frame is not None:
        client.session = jute.decode_connect_response(frame)
    return client


@contextlib.asynccontextmanager
async def coordinator(store: Store | None = None, **config: Any) -> AsyncIterator[Server]:
    server = await start(store, **config)
    try:
        yield server
    finally:
        await server.stop()


async def until(condition: Callable[[], Awaitable[bool]], *, step_s: float = 0.05) -> float:
    """Wait (in virtual time) for a condition; how long it took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while not await condition():
        await asyncio.sleep(step_s)
        assert loop.time() - began < 600
    return loop.time() - began


def ephemeral(path: str) -> CreateRequest:
    """Create a node that ends with its session."""
    return CreateRequest(path, b"", OPEN_ACL_UNSAFE, CreateFlag.EPHEMERAL)


def break_stats(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for a Stat meets an error that nobody expects."""

    def broken(self: Node) -> Any:
        raise ArithmeticError("planted")

    monkeypatch.setattr(Node, "stat", broken)
