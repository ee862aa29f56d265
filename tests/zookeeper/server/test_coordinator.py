"""What the coordinator promises: order, durability, sessions. Real sockets, virtual time."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, cast

import pytest
from tests.virtual_time import VirtualTimeLoop, run
from tests.zookeeper.server.kit import (
    Client,
    break_stats,
    connect,
    coordinator,
    environment,
    ephemeral,
    start,
    until,
)

from barnabas.errors import ConfigError, FatalError
from barnabas.zookeeper.messages import (
    EMPTY,
    OPEN_ACL_UNSAFE,
    Acl,
    Code,
    CreateFlag,
    CreateRequest,
    DeleteRequest,
    EventType,
    MultiRequest,
    OpCode,
    PathRequest,
    ReadRequest,
    SetAclRequest,
    SetDataRequest,
)
from barnabas.zookeeper.server.coordinator import CoordinatorConfig
from barnabas.zookeeper.server.serve import serve
from barnabas.zookeeper.server.store import Batch, MemoryStore
from barnabas.zookeeper.server.tree import ZTree


async def exists(client: Client, path: str) -> bool:
    err, _ = await client.call(OpCode.EXISTS, ReadRequest(path))
    return err == 0


async def gone_after(client: Client, path: str) -> float:
    """Seconds until a znode is gone, as another client sees it."""

    async def gone() -> bool:
        return not await exists(client, path)

    return await until(gone)


def test_an_event_comes_before_the_reply_that_shows_its_change() -> None:
    async def main() -> None:
        async with coordinator() as server:
            writer, watcher = await connect(server), await connect(server)
            await writer.call(OpCode.CREATE, CreateRequest("/a", b"1"))
            for client in (writer, watcher):
                await client.call(OpCode.GET_DATA, ReadRequest("/a", True))
            writer.send(OpCode.SET_DATA, SetDataRequest("/a", b"2"))
            assert (await writer.event())[0] == EventType.NODE_DATA_CHANGED
            assert (await writer.reply(OpCode.SET_DATA))[0] == 0
            watcher.send(OpCode.GET_DATA, ReadRequest("/a"))
            assert (await watcher.event()).path == "/a"
            assert (await watcher.reply(OpCode.GET_DATA))[1].data == b"2"

    run(main())


def test_nobody_sees_a_change_before_it_is_durable() -> None:
    async def main() -> None:
        store = MemoryStore()
        async with coordinator(store) as server:
            writer, reader = await connect(server), await connect(server)
            await writer.call(OpCode.CREATE, CreateRequest("/a", b"1"))
            await reader.call(OpCode.GET_DATA, ReadRequest("/a", True))
            store.commit_s = 1.0
            writer.send(OpCode.SET_DATA, SetDataRequest("/a", b"2"))
            await asyncio.sleep(0.5)
            began = store.commits
            reader.send(OpCode.GET_DATA, ReadRequest("/a"))
            writer.send(OpCode.SET_DATA, SetDataRequest("/a", b"3"))
            await asyncio.sleep(0.25)
            assert writer.frames.empty()
            assert reader.frames.empty()
            assert (await reader.event()).path == "/a"
            assert (await reader.reply(OpCode.GET_DATA))[1].data == b"2"
            assert store.commits == began + 1
            assert (await writer.reply(OpCode.SET_DATA))[1].stat.version == 1
            assert (await writer.reply(OpCode.SET_DATA))[1].stat.version == 2

    run(main())


def test_one_turn_is_one_commit() -> None:
    async def main() -> None:
        store = MemoryStore(commit_s=0.01)
        async with coordinator(store) as server:
            client = await connect(server)
            before = store.commits
            for number in range(100):
                client.send(OpCode.CREATE, CreateRequest(f"/n{number}", b""))
            for _ in range(100):
                assert (await client.reply(OpCode.CREATE))[0] == 0
            assert store.commits - before <= 3

    run(main())


def test_what_was_answered_survives_and_what_was_not_may_not() -> None:
    async def main() -> None:
        store = MemoryStore()
        server = await start(store)
        client = await connect(server)
        await client.call(OpCode.CREATE, CreateRequest("/kept", b"1"))
        await client.call(OpCode.CREATE, ephemeral("/mine"))
        _, stat = await client.call(OpCode.EXISTS, ReadRequest("/kept"))
        store.commit_s = 5.0
        client.send(OpCode.CREATE, CreateRequest("/lost", b"1"))
        await asyncio.sleep(0.1)
        await server.stop()
        store.commit_s = 0.0
        async with coordinator(store) as again:
            back = await connect(again, resume=client.session)
            assert back.session == client.session
            assert (await back.call(OpCode.EXISTS, ReadRequest("/kept")))[1] == stat
            assert await exists(back, "/mine")
            assert not await exists(back, "/lost")
            err, created = await back.call(OpCode.CREATE2, CreateRequest("/new", b""))
            assert err == 0
            assert created.stat.czxid > stat.stat.czxid + 2

    run(main())


def test_session_ids_are_not_used_again_after_a_restart() -> None:
    async def main() -> None:
        store = MemoryStore()
        seen = []
        for _ in range(3):
            async with coordinator(store) as server:
                for _ in range(2):
                    client = await connect(server)
                    seen.append(client.session.session_id)
                    await client.close()
        assert len(dict.fromkeys(seen)) == 6

    run(main())


def test_a_silent_client_expires_after_its_timeout_and_not_before() -> None:
    async def main() -> None:
        async with coordinator() as server:
            silent = await connect(server, timeout_ms=6000, grace_ms=200)
            watcher = await connect(server, timeout_ms=30_000)
            await silent.call(OpCode.CREATE, ephemeral("/silent"))
            # Its connection stays open: asking for fast expiry changes nothing.
            assert 5.9 <= await gone_after(watcher, "/silent") <= 6.2
            assert await silent.receive() is None
            again = await connect(server, resume=silent.session)
            assert again.session.timeout_ms == 0
            assert again.session.session_id == 0

    run(main())


def test_pings_keep_a_session() -> None:
    async def main() -> None:
        async with coordinator() as server:
            client = await connect(server, timeout_ms=4000)
            await client.call(OpCode.CREATE, ephemeral("/mine"))
            for _ in range(10):
                await asyncio.sleep(3)
                assert await client.call(OpCode.PING) == (0, EMPTY)
            assert await exists(client, "/mine")

    run(main())


@pytest.mark.parametrize(("asked", "given"), [(1, 4000), (7000, 7000), (10**6, 40_000)])
def test_timeouts_are_between_two_and_twenty_ticks(asked: int, given: int) -> None:
    async def main() -> int:
        async with coordinator() as server:
            return (await connect(server, timeout_ms=asked)).session.timeout_ms

    assert run(main()) == given


def test_a_killed_client_that_asked_for_it_expires_fast() -> None:
    async def main() -> None:
        async with coordinator() as server:
            killed = await connect(server, timeout_ms=20_000, grace_ms=300)
            plain = await connect(server, timeout_ms=20_000)
            watcher = await connect(server, timeout_ms=40_000)
            await killed.call(OpCode.CREATE, ephemeral("/killed"))
            await plain.call(OpCode.CREATE, ephemeral("/plain"))
            killed.drop()
            plain.drop()
            assert 0.25 <= await gone_after(watcher, "/killed") <= 0.5
            assert await exists(watcher, "/plain")
            assert 18 <= await gone_after(watcher, "/plain") <= 20.5

    run(main())


def test_nobody_is_suspected_after_a_proper_goodbye() -> None:
    async def main() -> None:
        faults: list[dict[str, object]] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: faults.append(context))
        async with coordinator() as server:
            client = await connect(server, timeout_ms=20_000, grace_ms=300)
            await client.call(OpCode.CLOSE_SESSION)
            client.drop()
            await asyncio.sleep(5)
        assert not faults

    run(main())


def test_a_wrongly_suspected_client_lives_on() -> None:
    async def main() -> None:
        async with coordinator() as server:
            client = await connect(server, timeout_ms=20_000, grace_ms=300)
            await client.call(OpCode.CREATE, ephemeral("/mine"))
            for _ in range(3):
                client.drop()
                await asyncio.sleep(0.2)
                client = await connect(server, timeout_ms=20_000, resume=client.session)
                assert client.session.timeout_ms == 20_000
            await asyncio.sleep(5)
            assert await exists(client, "/mine")
            client.drop()
            watcher = await connect(server)
            assert await gone_after(watcher, "/mine") <= 0.5

    run(main())


def test_after_a_restart_nobody_is_suspected_and_everybody_has_full_time() -> None:
    async def main() -> None:
        store = MemoryStore()
        server = await start(store)
        client = await connect(server, timeout_ms=8000, grace_ms=200)
        await client.call(OpCode.CREATE, ephemeral("/mine"))
        await asyncio.sleep(7)
        await server.stop()
        async with coordinator(store) as again:
            watcher = await connect(again, timeout_ms=40_000)
            assert 7.5 <= await gone_after(watcher, "/mine") <= 8.5

    run(main())


def test_a_coordinator_that_was_stopped_blames_nobody() -> None:
    async def main() -> None:
        async with coordinator() as server:
            client = await connect(server, timeout_ms=4000)
            await client.call(OpCode.CREATE, ephemeral("/mine"))
            # As after SIGSTOP and SIGCONT: the clock jumps, nothing was read meanwhile.
            cast("VirtualTimeLoop", asyncio.get_running_loop()).skip(3600)
            await asyncio.sleep(0.1)
            assert await exists(client, "/mine")

    run(main())


def test_a_session_moves_and_its_old_connection_is_closed() -> None:
    async def main() -> None:
        async with coordinator() as server:
            old = await connect(server, grace_ms=100)
            await old.call(OpCode.CREATE, ephemeral("/mine"))
            new = await connect(server, resume=old.session)
            assert await old.receive() is None
            await asyncio.sleep(3)
            assert await exists(new, "/mine")

    run(main())


def test_containers_and_old_znodes_are_reaped() -> None:
    async def main() -> None:
        async with coordinator(container_check_ms=1000) as server:
            client = await connect(server, timeout_ms=40_000)
            box = CreateRequest("/box", b"", OPEN_ACL_UNSAFE, CreateFlag.CONTAINER)
            await client.call(OpCode.CREATE_CONTAINER, box)
            await client.call(OpCode.CREATE, CreateRequest("/box/a", b""))
            await asyncio.sleep(3)
            assert await exists(client, "/box")
            await client.call(OpCode.DELETE, DeleteRequest("/box/a"))
            assert await gone_after(client, "/box") <= 1.1

    run(main())


class BrokenStore(MemoryStore):
    broken = False

    async def commit(self, batch: Batch) -> None:
        if self.broken:
            raise OSError("no space left")
        await super().commit(batch)


def test_a_store_that_fails_ends_the_coordinator_and_nothing_unsafe_is_shown() -> None:
    async def main() -> None:
        store = BrokenStore()
        server = await start(store)
        client = await connect(server)
        store.broken = True
        client.send(OpCode.CREATE, CreateRequest("/a", b""))
        with pytest.raises(FatalError, match="no space left"):
            await server.task
        assert await client.receive() is None

    run(main())


READ_ONLY = (Acl(1, "world", "anyone"),)
LAST = (OpCode.CREATE2, CreateRequest("/last", b""))
"""Asks for a Stat when it has done its work."""


def _multi(op: OpCode, record: Any) -> tuple[OpCode, Any]:
    return OpCode.MULTI, MultiRequest(((op, record), LAST))


WRITES = [
    LAST,
    (OpCode.SET_DATA, SetDataRequest("/old", b"other")),
    (OpCode.SET_ACL, SetAclRequest("/old", READ_ONLY)),
    _multi(OpCode.CREATE, CreateRequest("/new", b"")),
    _multi(OpCode.CREATE, CreateRequest("/new", b"", OPEN_ACL_UNSAFE, 1)),
    _multi(OpCode.CREATE, CreateRequest("/new-", b"", OPEN_ACL_UNSAFE, 2)),
    _multi(OpCode.CREATE_CONTAINER, CreateRequest("/new", b"", OPEN_ACL_UNSAFE, 4)),
    _multi(OpCode.DELETE, DeleteRequest("/old")),
]


@pytest.mark.parametrize("request_", WRITES, ids=str)
def test_a_write_that_breaks_leaves_nothing(
    request_: tuple[OpCode, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        store = MemoryStore()
        async with coordinator(store) as server:
            good = await connect(server)
            assert (await good.call(OpCode.CREATE, CreateRequest("/old", b"old")))[0] == 0
            before = dict(store._nodes)
            bad = await connect(server)
            with monkeypatch.context() as patch:
                break_stats(patch)
                bad.send(*request_)
                assert await bad.receive() is None
            _, reply = await good.call(OpCode.GET_DATA, ReadRequest("/old"))
            assert (reply.data, reply.stat.version, reply.stat.aversion) == (b"old", 0, 0)
            _, reply = await good.call(OpCode.GET_ACL, PathRequest("/old"))
            assert reply.acl == OPEN_ACL_UNSAFE
            _, reply = await good.call(OpCode.GET_CHILDREN, ReadRequest("/"))
            assert reply.children == ("old", "zookeeper")
            assert (await good.call(OpCode.CREATE, CreateRequest("/next", b"")))[0] == 0
            assert {p: n for p, n in store._nodes.items() if p not in ("/", "/next")} == {
                p: n for p, n in before.items() if p != "/"
            }

    with caplog.at_level(logging.ERROR, "barnabas.zookeeper.server.coordinator"):
        run(main())
    assert ["planted" in str(record.exc_info) for record in caplog.records] == [True]


def test_what_was_answered_before_the_fault_is_still_sent_once_it_is_durable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        async with coordinator(MemoryStore(commit_s=1.0)) as server:
            client = await connect(server)
            break_stats(monkeypatch)
            client.send(OpCode.CREATE, CreateRequest("/a", b""))
            client.send(OpCode.EXISTS, ReadRequest("/"))
            client.send(OpCode.CREATE, CreateRequest("/b", b""))
            assert (await client.reply(OpCode.CREATE))[0] == 0
            assert await client.receive() is None
            other = await connect(server)
            assert (await other.call(OpCode.GET_CHILDREN, ReadRequest("/")))[1].children == (
                "a",
                "zookeeper",
            )

    run(main())


def test_a_session_whose_end_breaks_is_ended_later(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with coordinator(tick_ms=500) as server:
            owner = await connect(server, timeout_ms=1000)
            request = CreateRequest("/e", b"", OPEN_ACL_UNSAFE, 1)
            assert (await owner.call(OpCode.CREATE, request))[0] == 0
            watcher = await connect(server, timeout_ms=600_000)
            assert (await watcher.call(OpCode.EXISTS, ReadRequest("/e", True)))[0] == 0
            faults = iter([True])
            remove = ZTree._remove

            def once(self: ZTree, path: str, zxid: int) -> None:
                remove(self, path, zxid)
                if next(faults, False):
                    raise ArithmeticError("planted")

            monkeypatch.setattr(ZTree, "_remove", once)
            owner.drop()
            assert (await watcher.event()).path == "/e"
            err, _ = await watcher.call(OpCode.EXISTS, ReadRequest("/e"))
            assert err == Code.NO_NODE
            assert next(faults, False) is False

    run(main())


def test_who_does_not_log_in_is_closed_where_it_is_required() -> None:
    async def main() -> None:
        async with coordinator(users={"a": "b"}, login_required=True) as server:
            silent, pinging = await connect(server), await connect(server)
            began = asyncio.get_running_loop().time()
            assert await pinging.call(OpCode.PING) == (0, EMPTY)
            assert await silent.receive() is None
            assert await pinging.receive() is None
            assert asyncio.get_running_loop().time() - began <= 10
            reader = await connect(server)
            err, _ = await reader.call(OpCode.GET_DATA, ReadRequest("/"))
            assert err == Code.SESSION_CLOSED_REQUIRE_SASL_AUTH
            assert await reader.receive() is None

    run(main())


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", ""])
def test_strangers_are_not_let_in_by_accident(host: str) -> None:
    async def main() -> None:
        with pytest.raises(ConfigError, match="--allow-strangers"):
            await serve(environment(), CoordinatorConfig(host=host, port=0), MemoryStore())

    run(main())
