"""Watches of the client: each fires once, in the order of the stream, and outlives a connection."""

from __future__ import annotations

import asyncio

from tests.zookeeper.client.kit import CONNECTED, DISCONNECTED, run
from tests.zookeeper.client.puppet_server import PuppetServer
from tests.zookeeper.clients import Client

from barnabas.zookeeper.client.client import (
    ExistsOp,
    GetOp,
    WatchEvent,
)
from barnabas.zookeeper.messages import (
    CreateRequest,
    DeleteRequest,
    EventType,
    OpCode,
    SetDataRequest,
)


def test_events_come_in_the_order_of_the_stream() -> None:
    """Never before the reply that preceded them, never after the one that followed them."""

    async def test(server: PuppetServer, client: Client) -> None:
        log: list[object] = []
        client.on_event = log.append
        await client.create("/a")

        async def reader(name: str, watch: bool) -> None:
            _, stat = await client.get("/a", watch=watch)
            log.append((name, stat.version))

        async def writer() -> None:
            await client.set("/a", b"1")
            log.append("written")

        # All three requests leave in one write, and their replies and the event arrive together.
        await asyncio.gather(reader("before", True), writer(), reader("after", False))
        event = WatchEvent(EventType.NODE_DATA_CHANGED, "/a")
        assert log == [("before", 0), event, "written", ("after", 1)]

    run(test)


def test_each_kind_of_watch_fires_once() -> None:
    async def test(server: PuppetServer, client: Client) -> None:
        await client.create("/a")
        await client.get("/a", watch=True)
        await client.children("/a", watch=True)
        await client.exists("/b", watch=True)
        assert client.watches == 3
        server.write(OpCode.CREATE, CreateRequest("/a/c", b""))
        server.write(OpCode.CREATE, CreateRequest("/b", b""))
        server.write(OpCode.SET_DATA, SetDataRequest("/a", b"1"))
        server.write(OpCode.SET_DATA, SetDataRequest("/a", b"2"))
        await client.sync()
        assert client.heard[1:] == [
            WatchEvent(EventType.NODE_CHILDREN_CHANGED, "/a"),
            WatchEvent(EventType.NODE_CREATED, "/b"),
            WatchEvent(EventType.NODE_DATA_CHANGED, "/a"),
        ]
        assert client.watches == 0

    run(test)


def test_watches_survive_a_reconnect_unless_they_have_fired() -> None:
    async def test(server: PuppetServer, client: Client) -> None:
        for path in ("/a", "/b", "/fired", "/gone"):
            await client.create(path)
        await client.submit_all([GetOp(path, watch=True) for path in ("/a", "/fired", "/gone")])
        await client.children("/b", watch=True)
        await client.exists("/later", watch=True)
        await client.set("/fired", b"1")
        server.stop_listening()
        server.cut()
        await client.hear(DISCONNECTED)
        server.write(OpCode.DELETE, DeleteRequest("/gone"))
        server.write(OpCode.SET_DATA, SetDataRequest("/fired", b"2"))
        await server.listen()
        await client.hear(CONNECTED, 2)
        gone = WatchEvent(EventType.NODE_DELETED, "/gone")
        await client.hear(gone)
        assert client.heard.index(gone) > client.heard.index(DISCONNECTED) + 1
        server.write(OpCode.SET_DATA, SetDataRequest("/a", b"1"))
        server.write(OpCode.CREATE, CreateRequest("/b/x", b""))
        server.write(OpCode.CREATE, CreateRequest("/later", b""))
        await client.sync()
        assert client.heard[-3:] == [
            WatchEvent(EventType.NODE_DATA_CHANGED, "/a"),
            WatchEvent(EventType.NODE_CHILDREN_CHANGED, "/b"),
            WatchEvent(EventType.NODE_CREATED, "/later"),
        ]
        fired = [event for event in client.heard if getattr(event, "path", None) == "/fired"]
        assert len(fired) == 1

    run(test)


def test_many_watches_are_set_again_in_several_requests() -> None:
    async def test(server: PuppetServer, client: Client) -> None:
        names = [f"/{'x' * 200}{i}" for i in range(1500)]
        await client.submit_all([ExistsOp(name, watch=True) for name in names])
        server.cut()
        await client.hear(CONNECTED, 2)
        assert await client.exists("/") is not None
        assert [op for op, _ in server.requests].count("SET_WATCHES") == 3
        server.write(OpCode.CREATE, CreateRequest(names[-1], b""))
        await client.hear(WatchEvent(EventType.NODE_CREATED, names[-1]))

    run(test)
