"""The same client against our own coordinator and against a real ZooKeeper 3.8."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

import pytest
from tests.zookeeper import real_zookeeper
from tests.zookeeper.clients import Client, connected, make_env

from barnabas.broker.registration import BrokerRegistration
from barnabas.errors import ErrorCode, KafkaError
from barnabas.types import Broker, Endpoint
from barnabas.zk import admin as topics
from barnabas.zk import paths
from barnabas.zk import startup as cluster
from barnabas.zookeeper import jute
from barnabas.zookeeper.client.client import (
    CheckOp,
    ChildrenOp,
    CreateOp,
    DeleteOp,
    ExistsOp,
    GetOp,
    SessionState,
    SetOp,
    WatchEvent,
)
from barnabas.zookeeper.errors import (
    BadArguments,
    BadVersion,
    ConnectionLoss,
    NoChildrenForEphemerals,
    NodeExists,
    NoNode,
    NotEmpty,
    SessionExpired,
)
from barnabas.zookeeper.messages import ConnectRequest, EventType, OpCode
from barnabas.zookeeper.path_names import child_name
from barnabas.zookeeper.server.coordinator import CoordinatorConfig
from barnabas.zookeeper.server.serve import serve
from barnabas.zookeeper.server.store import MemoryStore

TICK_MS = 200


class Embedded:
    """Our coordinator as a task in the test's own loop; ``stop`` and ``start`` keep its data."""

    def __init__(self) -> None:
        self._store = MemoryStore()
        self._task: asyncio.Task[None] | None = None
        self._port = 0

    async def start(self) -> None:
        listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(
            serve(
                make_env(),
                CoordinatorConfig(port=self._port, tick_ms=TICK_MS),
                self._store,
                ready=lambda host, port: listening.set_result(port),
            )
        )
        self._port = await listening

    async def stop(self) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait([self._task])

    @property
    def connect_string(self) -> str:
        return f"127.0.0.1:{self._port}"


class Real:
    """A ZooKeeper process that the whole module shares."""

    def __init__(self, process: real_zookeeper.RealZooKeeper) -> None:
        self._process = process
        self.connect_string = process.connect_string

    async def start(self) -> None:
        await asyncio.to_thread(self._process.start)

    async def stop(self) -> None:
        await asyncio.to_thread(self._process.stop)


Server: TypeAlias = Embedded | Real
Run: TypeAlias = Callable[[Callable[[Server, Client], Awaitable[None]]], None]


@pytest.fixture(scope="module")
def real_process(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[real_zookeeper.RealZooKeeper]:
    if (why := real_zookeeper.missing()) is not None:
        pytest.skip(why)
    directory = tmp_path_factory.mktemp("zookeeper")
    with real_zookeeper.RealZooKeeper(directory, tick_ms=TICK_MS) as process:
        yield process


@asynccontextmanager
async def _embedded() -> AsyncIterator[Server]:
    server = Embedded()
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@asynccontextmanager
async def _real(process: real_zookeeper.RealZooKeeper) -> AsyncIterator[Server]:
    yield Real(process)


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.processes)])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a test with a server and a client, in a chroot of its own."""
    process = request.getfixturevalue("real_process") if request.param == "real" else None
    chroot = "/" + request.node.originalname

    def runner(test: Callable[[Server, Client], Awaitable[None]]) -> None:
        context: AbstractAsyncContextManager[Server]
        context = _embedded() if process is None else _real(process)

        async def main() -> None:
            async with (
                asyncio.timeout(60),
                context as server,
                connected(server.connect_string + chroot, 2000) as client,
            ):
                await test(server, client)

        asyncio.run(main())

    return runner


async def kill_session(server: Server, client: Client) -> None:
    """End a client's session behind its back. The client, cut off, may win the session back before
    the goodbye is read: then once more."""
    while True:
        await _say_goodbye_for(server, client)
        try:
            await client.connected()
            await client.exists("/")
        except SessionExpired:
            return
        except ConnectionLoss:
            continue


async def _say_goodbye_for(server: Server, client: Client) -> None:
    host, port = server.connect_string.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    session = client._session
    greeting = ConnectRequest(0, 0, 2000, session.id, session.password, False)
    writer.write(jute.encode_connect_request(greeting))
    writer.write(jute.encode_request(1, OpCode.CLOSE_SESSION))
    try:
        await reader.read()
    except ConnectionError:
        pass
    writer.close()


# --- the client -----------------------------------------------------------------------------------


def test_operations(run: Run) -> None:
    async def test(server: Server, client: Client) -> None:
        assert client.session_id != 0
        assert client.session_timeout_ms == 2000
        await client.create("/a/b", b"x", make_parents=True)
        assert (await client.get("/a"))[0] == b""
        data, stat = await client.get("/a/b")
        assert (data, stat.version, stat.dataLength) == (b"x", 0, 1)
        stat = await client.set("/a/b", b"xy", 0)
        assert await client.exists("/a/b") == stat
        first = await client.create("/a/n-", sequential=True)
        second = await client.create("/a/n-", sequential=True, ephemeral=True)
        assert paths.sequence_number(second.path) == paths.sequence_number(first.path) + 1
        names, stat = await client.children("/a")
        assert names == ["b", child_name(first.path), child_name(second.path)]
        assert stat.numChildren == 3
        owned = await client.exists(second.path)
        assert owned is not None
        assert owned.ephemeralOwner == client.session_id
        await client.sync("/a")
        await client.delete("/a/b", 1)
        assert await client.exists("/a/b") is None

    run(test)


def test_errors(run: Run) -> None:
    async def test(server: Server, client: Client) -> None:
        await client.create("/a")
        await client.create("/a/e", ephemeral=True)
        cases: list[tuple[Any, type[Exception]]] = [
            (CreateOp("/a"), NodeExists),
            (CreateOp("/x/y"), NoNode),
            (CreateOp("/a/e/f"), NoChildrenForEphemerals),
            (CreateOp("/a\0b"), BadArguments),
            (DeleteOp("/a"), NotEmpty),
            (DeleteOp("/a/e", 3), BadVersion),
            (SetOp("/a", b"", 3), BadVersion),
            (GetOp("/x"), NoNode),
            (ChildrenOp("/x"), NoNode),
        ]
        outcomes = await client.submit_all([op for op, _ in cases])
        assert [type(outcome) for outcome in outcomes] == [kind for _, kind in cases]

    run(test)


def test_multi(run: Run) -> None:
    async def test(server: Server, client: Client) -> None:
        await client.create("/a")
        cases: list[tuple[list[Any], type[Exception], int]] = [
            ([CheckOp("/a", 1), CreateOp("/b")], BadVersion, 0),
            ([CheckOp("/x", 0), CreateOp("/b")], NoNode, 0),
            ([CreateOp("/b"), SetOp("/b", b"1", 0), CreateOp("/a"), CreateOp("/c")], NodeExists, 2),
        ]
        for ops, kind, index in cases:
            with pytest.raises(kind) as failed:
                await client.multi(ops)
            assert failed.value.op_index == index  # type: ignore[attr-defined]
        assert (await client.children("/"))[0] == ["a"]
        ops = [CheckOp("/a", 0), CreateOp("/b", None, ephemeral=True), SetOp("/b", b"1", 0)]
        checked, made, stat = await client.multi(ops)
        assert (checked, made) == (None, ("/b", None))
        assert await client.get("/b") == (b"1", stat)
        assert await client.multi([]) == []

    run(test)


def test_watches(run: Run) -> None:
    async def test(server: Server, client: Client) -> None:
        await client.create("/a")
        await client.get("/a", watch=True)
        await client.children("/", watch=True)
        await client.exists("/b", watch=True)
        await client.set("/a", b"1")
        await client.set("/a", b"2")
        await client.create("/b")
        await client.get("/b", watch=True)
        await client.children("/b", watch=True)
        await client.delete("/b")
        await client.sync()
        assert client.heard[1:] == [
            WatchEvent(EventType.NODE_DATA_CHANGED, "/a"),
            *sorted(client.heard[2:4], key=lambda event: event.type),  # type: ignore[union-attr]
            WatchEvent(EventType.NODE_DELETED, "/b"),
        ]
        assert set(client.heard[2:4]) == {
            WatchEvent(EventType.NODE_CREATED, "/b"),
            WatchEvent(EventType.NODE_CHILDREN_CHANGED, "/"),
        }
        assert client.watches == 0

    run(test)


def test_a_restart_of_the_server_keeps_session_and_watches(run: Run) -> None:
    async def test(server: Server, client: Client) -> None:
        async with connected(client_address(server, client), 20_000) as other:
            # A session that outlives the restart of a Java process.
            await other.create("/me", ephemeral=True)
            await other.exists("/later", watch=True)
            session = other.session_id
            await server.stop()
            await other.hear(SessionState.DISCONNECTED)
            await server.start()
            await other.hear(SessionState.CONNECTED, 2)
            assert other.session_id == session
            stat = await other.exists("/me")
            assert stat is not None
            assert stat.ephemeralOwner == session
            await other.create("/later")
            await other.hear(WatchEvent(EventType.NODE_CREATED, "/later"))

    run(test)


def client_address(server: Server, client: Client) -> str:
    """A second client's connect string, with the chroot of the first."""
    return server.connect_string + client._chroot


def test_expiry_and_a_new_session(run: Run) -> None:
    async def test(server: Server, client: Client) -> None:
        await client.create("/me", ephemeral=True)
        old = client.session_id
        await kill_session(server, client)
        await client.hear(SessionState.EXPIRED)
        with pytest.raises(SessionExpired):
            await client.exists("/me")
        await client.new_session()
        assert client.session_id != old
        assert await client.exists("/me") is None

    run(test)


def test_closing_removes_ephemeral_nodes_at_once(run: Run) -> None:
    async def test(server: Server, client: Client) -> None:
        async with connected(client_address(server, client), 20_000) as other:
            await other.create("/e", ephemeral=True)
            assert await client.exists("/e", watch=True)
        await client.hear(WatchEvent(EventType.NODE_DELETED, "/e"))

    run(test)


def test_thousands_in_flight(run: Run) -> None:
    async def test(server: Server, client: Client) -> None:
        count = 2000
        outcomes = await client.submit_all([CreateOp(f"/n{i}", b"x" * 80) for i in range(count)])
        assert [getattr(one, "path", one) for one in outcomes] == [f"/n{i}" for i in range(count)]
        read = await client.submit_all([GetOp(f"/n{i}") for i in range(count)])
        assert all(one[0] == b"x" * 80 for one in read if isinstance(one, tuple))
        assert await client.submit_all([ExistsOp("/none")] * 3) == [None] * 3

    run(test)


def test_fast_expiry_of_a_killed_client_but_not_of_one_that_comes_back() -> None:
    async def main() -> None:
        async with (
            asyncio.timeout(20),
            _embedded() as server,
            connected(server.connect_string, 4000) as client,
        ):
            quick = Client(server.connect_string, 4000, fast_expiry_ms=100)
            await quick.connect()
            await quick.create("/quick", ephemeral=True)
            session = quick.session_id
            assert quick._connection is not None
            quick._connection.drop("cut")
            await quick.hear(SessionState.CONNECTED, 2)
            await asyncio.sleep(0.3)  # three times what a client has to come back
            assert await client.exists("/quick", watch=True)
            assert quick.session_id == session
            begin = asyncio.get_running_loop().time()
            await quick._stop()
            await client.hear(WatchEvent(EventType.NODE_DELETED, "/quick"))
            assert asyncio.get_running_loop().time() - begin < 1.0

    asyncio.run(main())


# --- Kafka's flows over it ------------------------------------------------------------------------


def test_a_brokers_start_and_a_topics_life(run: Run) -> None:
    async def test(server: Server, client: Client) -> None:
        env = make_env()
        await cluster.ensure_top_level_paths(client)
        cluster_id = await cluster.read_or_create_cluster_id(client, env.random)
        assert await cluster.read_or_create_cluster_id(client, env.random) == cluster_id
        assert await cluster.generate_broker_id(client) == 1001
        me = Broker(id=1, epoch=-1, endpoints=(Endpoint("A", "PLAINTEXT", "h", 9092),))
        me = await BrokerRegistration(env, client).register(me)
        assert await cluster.read_brokers(client) == {1: me}
        stat = await client.exists(paths.broker_id_path(1))
        assert stat is not None
        assert stat.czxid == me.epoch
        topic_id = cluster.generate_id(env.random)
        with pytest.raises(KafkaError) as refused:
            await topics.create_topic(client, "t", {0: (1,)}, topic_id, {})
        assert refused.value.code == ErrorCode.NOT_CONTROLLER
        await client.create(paths.CONTROLLER, b"{}", ephemeral=True)
        await topics.create_topic(client, "t", {0: (1,)}, topic_id, {"a": "b"})
        assert await topics.read_config(client, "topics/t") == {"a": "b"}
        await topics.add_partitions(client, "t", {1: (1,)})
        topic = await topics.read_topic(client, "t")
        assert topic is not None
        assert topic.partitions == {0: (1,), 1: (1,)}
        await topics.write_config(client, "topics/t", {"a": "c"})
        assert (await client.children(paths.CONFIG_CHANGES))[0] == ["config_change_0000000000"]
        await topics.mark_for_deletion(client, "t")
        assert await client.exists(paths.delete_topic_path("t"))

    run(test)


def test_registering_again_after_expiry_takes_a_new_epoch(run: Run) -> None:
    async def test(server: Server, client: Client) -> None:
        env = make_env()
        await cluster.ensure_top_level_paths(client)
        me = Broker(id=1, epoch=-1, endpoints=(Endpoint("A", "PLAINTEXT", "h", 9092),))
        registration = BrokerRegistration(env, client)
        first = await registration.register(me)
        await kill_session(server, client)
        await client.hear(SessionState.EXPIRED)
        await client.new_session()
        second = await registration.register(me)
        assert second.epoch > first.epoch

    run(test)


def test_a_killed_predecessors_registration_is_waited_for(run: Run) -> None:
    async def test(server: Server, client: Client) -> None:
        await cluster.ensure_top_level_paths(client)
        me = Broker(id=1, epoch=-1, endpoints=(Endpoint("A", "PLAINTEXT", "h", 9092),))
        dead = Client(client_address(server, client), 1000)
        await dead.connect()
        old = await BrokerRegistration(make_env(), dead).register(me)
        await dead._stop()  # the connection goes, without a goodbye
        new = await BrokerRegistration(make_env(), client).register(me)
        assert new.epoch > old.epoch

    run(test)
