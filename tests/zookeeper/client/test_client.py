"""The client against a server that misbehaves on command."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.zookeeper.client.puppet_server import PuppetServer
from tests.zookeeper.clients import Client, connected, make_env

from barnabas.errors import ConfigError
from barnabas.zookeeper import jute
from barnabas.zookeeper.client.client import (
    CheckOp,
    CreateOp,
    DeleteOp,
    ExistsOp,
    GetOp,
    SessionState,
    SetOp,
    WatchEvent,
    ZooKeeperClient,
)
from barnabas.zookeeper.errors import (
    BadVersion,
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
    SetDataRequest,
    WatcherEvent,
)

CONNECTED, DISCONNECTED = SessionState.CONNECTED, SessionState.DISCONNECTED
EXPIRED = SessionState.EXPIRED


def run(test: Callable[[PuppetServer, Client], Awaitable[None]], **options: Any) -> None:
    """Run a test with a server and a client that is connected to it."""

    async def main() -> None:
        async with (
            asyncio.timeout(20),
            PuppetServer() as server,
            connected(server.connect_string, **options) as client,
        ):
            await test(server, client)

    asyncio.run(main())


def once(op: int, what: str) -> Callable[[int, Any], str | None]:
    """A fault at the first request with this operation."""
    left = [what]
    return lambda code, record: left.pop() if code == op and left else None


# --- operations -----------------------------------------------------------------------------------


def test_operations_and_their_errors() -> None:
    async def test(server: PuppetServer, client: Client) -> None:
        assert (await client.create("/a")).path == "/a"
        assert (await client.create("/a/n-", b"x", sequential=True)).path == "/a/n-0000000000"
        with pytest.raises(NodeExists, match="/a"):
            await client.create("/a")
        with pytest.raises(NoNode, match="/b/c"):
            await client.create("/b/c")
        assert await client.exists("/b") is None
        stat = await client.set("/a", b"1", 0)
        assert await client.get("/a") == (b"1", stat._replace(pzxid=stat.pzxid))
        with pytest.raises(BadVersion):
            await client.set("/a", b"2", 0)
        assert (await client.children("/a"))[0] == ["n-0000000000"]
        await client.sync("/a")
        await client.delete("/a/n-0000000000")
        with pytest.raises(NoNode):
            await client.get("/a/n-0000000000", watch=True)
        assert client.watches == 0

    run(test)


def test_null_data_is_null_on_the_wire_and_empty_for_the_reader() -> None:
    async def test(server: PuppetServer, client: Client) -> None:
        await client.create("/a", None)
        await client.create("/b", b"")
        assert server.tree.get("/a").data is None
        assert server.tree.get("/b").data == b""
        assert (await client.get("/a"))[0] == b""

    run(test)


def test_parents_are_made_in_the_order_that_kafka_makes_them() -> None:
    async def test(server: PuppetServer, client: Client) -> None:
        await client.create("/a/b/c", b"x", make_parents=True)
        created = [path for op, path in server.requests if op == "CREATE"]
        assert created == ["/a/b/c", "/a/b", "/a", "/a/b", "/a/b/c"]
        assert server.tree.get("/a").data is None
        await client.ensure_path("/a/b")

    run(test)


def test_a_multi_tells_which_part_refused() -> None:
    async def test(server: PuppetServer, client: Client) -> None:
        await client.create("/a")
        with pytest.raises(BadVersion, match="/a") as fenced:
            await client.multi([CheckOp("/a", 7), CreateOp("/b")])
        assert fenced.value.op_index == 0
        with pytest.raises(NoNode, match="/c") as refused:
            await client.multi([CheckOp("/a", 0), CreateOp("/b"), DeleteOp("/c")])
        assert refused.value.op_index == 2
        done = await client.multi([CreateOp("/b"), SetOp("/b", b"1", 0), DeleteOp("/a")])
        stat = await client.exists("/b")
        assert done[0] == ("/b", None)
        assert done[1:] == [stat, None]

    run(test)


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


def test_a_cancelled_wait_does_not_disturb_the_others() -> None:
    async def test(server: PuppetServer, client: Client) -> None:
        first, second = client.submit(ExistsOp("/")), client.submit(ExistsOp("/none"))
        first.cancel()
        assert await second is None

    run(test)


# --- connection loss ------------------------------------------------------------------------------


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


# --- sessions -------------------------------------------------------------------------------------


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


# --- watches --------------------------------------------------------------------------------------


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


# --- zookeeper.connect ----------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "/kafka", "h:x", "h:99999", "h:1,:2", "[::1", "h/a//b"])
def test_a_bad_connect_string_names_the_setting(text: str) -> None:
    with pytest.raises(ConfigError, match=r"zookeeper\.connect"):
        ZooKeeperClient(make_env(), text, 6000)
