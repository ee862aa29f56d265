"""The client against a server that misbehaves on command."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.zookeeper.client.kit import CONNECTED, DISCONNECTED, once, run
from tests.zookeeper.client.puppet_server import PuppetServer
from tests.zookeeper.clients import Client, connected, make_env

from barnabas.zookeeper.client.client import (
    CheckOp,
    CreateOp,
    ExistsOp,
    GetOp,
    SessionState,
    SetOp,
    WatchEvent,
    ZooKeeperClient,
)
from barnabas.zookeeper.errors import (
    ConnectionLoss,
    NodeExists,
    NoNode,
    SessionExpired,
    ZooKeeperError,
)
from barnabas.zookeeper.messages import (
    CreateRequest,
    DeleteRequest,
    EventType,
    OpCode,
)

EXPIRED = SessionState.EXPIRED


def test_parents_are_made_in_the_order_that_kafka_makes_them() -> None:
    async def test(server: PuppetServer, client: Client) -> None:
        await client.create("/a/b/c", b"x", make_parents=True)
        created = [path for op, path in server.requests if op == "CREATE"]
        assert created == ["/a/b/c", "/a/b", "/a", "/a/b", "/a/b/c"]
        assert server.tree.get("/a").data is None
        await client.ensure_path("/a/b")

    run(test)


def test_a_client_s_own_limit_of_requests_in_flight() -> None:
    async def main() -> None:
        async with PuppetServer() as server:
            client = ZooKeeperClient(make_env(), server.connect_string, 6000, in_flight_max=2)
            await client.connect(timeout_ms=5000)
            sent: list[asyncio.Future[Any]] = []
            most = 0
            submit = client.submit

            def counted(op: Any) -> Any:
                nonlocal most
                sent.append(submit(op))
                most = max(most, sum(not future.done() for future in sent))
                return sent[-1]

            client.submit = counted  # type: ignore[method-assign]
            made = await client.submit_all([CreateOp(f"/n{i}") for i in range(10)])
            assert len(made) == 10
            assert most == 2
            await client.close()

    asyncio.run(main())


def test_many_in_flight_in_order() -> None:
    async def test(server: PuppetServer, client: Client) -> None:
        made = await client.submit_all([CreateOp(f"/n{i}") for i in range(50)], in_flight=7)
        assert [one.path for one in made if not isinstance(one, ZooKeeperError)] == [
            f"/n{i}" for i in range(50)
        ]
        mixed = await client.submit_all([CreateOp("/n1"), CreateOp("/x")])
        assert isinstance(mixed[0], NodeExists)
        assert not isinstance(mixed[1], ZooKeeperError)

    run(test)


def test_a_cancelled_wait_does_not_disturb_the_others() -> None:
    async def test(server: PuppetServer, client: Client) -> None:
        first, second = client.submit(ExistsOp("/")), client.submit(ExistsOp("/none"))
        first.cancel()
        assert await second is None

    run(test)


def test_the_next_server_is_tried() -> None:
    async def main() -> None:
        async with asyncio.timeout(20), PuppetServer() as one, PuppetServer() as two:
            two.tree, two.sessions = one.tree, one.sessions
            hosts = f"{one.connect_string},127.0.0.1:1,{two.connect_string}/x/y"
            async with connected(hosts) as client:
                first = one if one.connections else two
                await client.create("/a", b"1")
                assert first.tree.get("/x/y/a").data == b"1"
                session = client.session_id
                first.stop_listening()
                first.cut()
                await client.hear(CONNECTED, 2)
                assert client.session_id == session
                assert (await client.get("/a"))[0] == b"1"

    asyncio.run(main())


def test_connecting_gives_up_in_time_and_says_why() -> None:
    async def main() -> None:
        client = ZooKeeperClient(make_env(), "127.0.0.1:1", 6000)
        with pytest.raises(ConnectionLoss, match=r"refused|111"):
            await client.connect(timeout_ms=100)
        await client.close()

    asyncio.run(main())


def test_an_expired_session_is_the_end_until_a_new_one_is_asked_for() -> None:
    async def test(server: PuppetServer, client: Client) -> None:
        await client.create("/me", ephemeral=True)
        await client.exists("/other", watch=True)
        old = client.session_id
        server.fault = once(OpCode.GET_DATA, "hold")
        waiting = client.submit(GetOp("/me"))
        await asyncio.sleep(0.01)
        server.expire(old)
        with pytest.raises(ConnectionLoss):
            await waiting
        await client.hear(EXPIRED)
        assert client.heard == [CONNECTED, DISCONNECTED, EXPIRED]
        for attempt in (client.exists("/"), client.connected()):
            with pytest.raises(SessionExpired):
                await attempt
        await client.new_session()
        assert client.session_id not in (0, old)
        assert client.watches == 0
        assert await client.exists("/me") is None
        assert server.greetings[-1].session_id == 0
        assert server.greetings[-1].last_zxid_seen == 0
        with pytest.raises(RuntimeError):
            await client.new_session()

    run(test)


def test_closing_ends_the_session_at_once() -> None:
    async def main() -> None:
        async with asyncio.timeout(20), PuppetServer() as server:
            client = Client(server.connect_string)
            await client.connect()
            await client.create("/me", ephemeral=True)
            await client.close()
            assert server.sessions == {}
            assert "/me" not in server.tree.nodes
            with pytest.raises(SessionExpired):
                await client.exists("/")
            await client.run()
            await client.close()

    asyncio.run(main())


def test_fast_expiry_is_asked_for_with_the_new_session_only() -> None:
    async def test(server: PuppetServer, client: Client) -> None:
        assert server.greetings[0].password == b"barnabas\x00\x00\x00\xfa\x00\x00\x00\x00"
        server.cut()
        await client.hear(CONNECTED, 2)
        assert server.greetings[1].password == b"p" * 16

    run(test, fast_expiry_ms=250)


def test_the_greeting_is_kafkas() -> None:
    async def test(server: PuppetServer, client: Client) -> None:
        assert server.greetings[0] == (0, 0, 18000, 0, bytes(16), False)

    run(test, timeout_ms=18000)


def test_an_exception_in_a_callback_breaks_the_client_loudly() -> None:
    async def main() -> None:
        async with asyncio.timeout(20), PuppetServer() as server:
            client = ZooKeeperClient(make_env(), server.connect_string, 6000)

            def fail(event: WatchEvent) -> None:
                raise ZeroDivisionError

            client.on_event = fail
            await client.connect()
            await client.exists("/a", watch=True)
            server.write(OpCode.CREATE, CreateRequest("/a", b""))
            with pytest.raises(ZeroDivisionError):
                await client.run()
            with pytest.raises(SessionExpired):
                await client.exists("/")

    asyncio.run(main())


def test_a_chroot_is_invisible() -> None:
    async def main() -> None:
        async with (
            asyncio.timeout(20),
            PuppetServer() as server,
            connected(server.connect_string + "/k/r") as client,
        ):
            assert (await client.children("/", watch=True))[0] == []
            await client.create("/a", b"1")
            assert server.tree.get("/k/r/a").data == b"1"
            event = WatchEvent(EventType.NODE_CHILDREN_CHANGED, "/")
            await client.hear(event)
            await client.get("/a", watch=True)
            server.cut()
            await client.hear(CONNECTED, 2)
            await client.multi([CheckOp("/a", 0), SetOp("/a", b"2"), CreateOp("/b")])
            await client.hear(WatchEvent(EventType.NODE_DATA_CHANGED, "/a"))
            assert (await client.children("/"))[0] == ["a", "b"]

    asyncio.run(main())


def test_a_chroot_is_not_created_by_who_only_reads() -> None:
    async def main() -> None:
        async with asyncio.timeout(20), PuppetServer() as server:
            client = Client(server.connect_string + "/k/wrong", 6000)
            try:
                with pytest.raises(NoNode, match="/k/wrong"):
                    await client.connect(create_chroot=False)
            finally:
                await client.close()
            assert [op for op, _ in server.requests if op == "CREATE"] == []
            async with connected(server.connect_string + "/k/right"):
                client = Client(server.connect_string + "/k/right", 6000)
                await client.connect(create_chroot=False)
                assert await client.exists("/") is not None
                await client.close()

    asyncio.run(main())


def test_waiting_for_a_node_to_go() -> None:
    async def test(server: PuppetServer, client: Client) -> None:
        await client.wait_deleted("/never")
        await client.create("/a")
        waiting = asyncio.create_task(client.wait_deleted("/a"))
        await client.sync()
        await client.set("/a", b"still there")
        server.cut()
        await client.hear(CONNECTED, 2)
        await client.connected()
        assert not waiting.done()
        server.write(OpCode.DELETE, DeleteRequest("/a"))
        await waiting
        await client.create("/a")
        waiting = asyncio.create_task(client.wait_deleted("/a"))
        await client.sync()
        server.expire(client.session_id)
        with pytest.raises(SessionExpired):
            await waiting

    run(test)
