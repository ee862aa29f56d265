"""The client's connection: what is in flight when it ends, and when it ends."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from tests.zookeeper.client.kit import CONNECTED, DISCONNECTED, once, run
from tests.zookeeper.client.puppet_server import PuppetServer
from tests.zookeeper.clients import Client

from barnabas.zookeeper import jute
from barnabas.zookeeper.client.client import (
    ExistsOp,
    GetOp,
)
from barnabas.zookeeper.errors import (
    ConnectionLoss,
)
from barnabas.zookeeper.messages import (
    OpCode,
    WatcherEvent,
)


def test_what_is_submitted_in_one_turn_is_written_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def test(server: PuppetServer, client: Client) -> None:
        assert client._connection is not None
        transport: Any = client._connection._transport
        sizes: list[int] = []
        write = transport.write

        def count(data: bytes) -> None:
            sizes.append(len(data))
            write(data)

        monkeypatch.setattr(transport, "write", count)
        await asyncio.gather(*[client.submit(ExistsOp("/a")) for _ in range(9)])
        assert len(sizes) == 1

    run(test)


@pytest.mark.parametrize(("fault", "applied"), [("drop", False), ("apply and drop", True)])
def test_a_lost_reply_is_never_hidden(fault: str, applied: bool) -> None:
    async def test(server: PuppetServer, client: Client) -> None:
        server.fault = once(OpCode.CREATE, fault)
        with pytest.raises(ConnectionLoss, match="/a") as loss:
            await client.create("/a")
        assert loss.value.sent
        await client.connected()
        assert (await client.exists("/a") is not None) == applied
        await client.hear(CONNECTED, 2)
        assert client.heard == [CONNECTED, DISCONNECTED, CONNECTED]
        assert [greeting.session_id for greeting in server.greetings] == [0, client.session_id]
        assert server.greetings[1].password == b"p" * 16

    run(test)


def test_everything_in_flight_fails_and_later_operations_fail_at_once() -> None:
    async def test(server: PuppetServer, client: Client) -> None:
        server.fault = lambda op, record: "hold"
        waiting = [client.submit(ExistsOp("/")) for _ in range(5)]
        await asyncio.sleep(0)
        server.stop_listening()
        server.cut()
        for outcome in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(outcome, ConnectionLoss)
            assert outcome.sent
        with pytest.raises(ConnectionLoss) as loss:
            await client.exists("/")
        assert not loss.value.sent
        with pytest.raises(ConnectionLoss, match=r"refused|111"):
            await client.connected(timeout_ms=100)
        server.fault = lambda op, record: None
        await server.listen()
        await client.connected()
        assert await client.exists("/")

    run(test)


def test_a_server_that_stops_answering_is_left_within_two_thirds_of_the_timeout() -> None:
    async def test(server: PuppetServer, client: Client) -> None:
        assert client.session_timeout_ms == 300
        begin = asyncio.get_running_loop().time()
        server.silent = True
        lost = client.submit(ExistsOp("/"))
        with pytest.raises(ConnectionLoss, match="no answer"):
            await lost
        assert asyncio.get_running_loop().time() - begin < 0.29
        server.silent = False
        await client.connected()
        assert await client.exists("/")

    run(test, timeout_ms=300)


def test_the_time_in_which_this_process_was_stopped_is_no_silence_of_the_server() -> None:
    async def test(server: PuppetServer, client: Client) -> None:
        for _ in range(3):
            time.sleep(0.7)  # noqa: ASYNC251 - as a busy machine does to a process
            await asyncio.sleep(0.1)
        assert client.heard == [CONNECTED]
        assert await client.exists("/")

    run(test, timeout_ms=300)


def test_pings_keep_an_idle_session() -> None:
    async def test(server: PuppetServer, client: Client) -> None:
        await asyncio.sleep(0.5)  # three times as long as an unanswered connection would live
        assert client.heard == [CONNECTED]

    run(test, timeout_ms=240)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x7f\xff\xff\xff",
        b"\x00\x00\x00\x03abc",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        jute.encode_reply(77, 1, OpCode.PING),
        jute.encode_event(WatcherEvent(99, 3, "/a")),
    ],
)
def test_garbage_costs_the_connection_not_the_session(garbage: bytes) -> None:
    async def test(server: PuppetServer, client: Client) -> None:
        server.fault = once(OpCode.EXISTS, "hold")
        waiting = client.submit(ExistsOp("/"))
        await asyncio.sleep(0)
        server.connections[0].transport.write(garbage)
        with pytest.raises(ConnectionLoss, match="the server sent"):
            await waiting
        await client.connected()
        assert await client.exists("/")
        assert len(server.sessions) == 1

    run(test)


def test_replies_in_pieces_and_in_heaps() -> None:
    async def test(server: PuppetServer, client: Client) -> None:
        server.reply_chunk = 1
        await client.create("/a", b"x" * 50)
        assert (await client.get("/a"))[0] == b"x" * 50
        outcomes = await client.submit_all([GetOp("/a")] * 30)
        assert len(outcomes) == 30

    run(test)
