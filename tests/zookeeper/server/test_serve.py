"""The coordinator over real sockets and virtual time."""

from __future__ import annotations

import asyncio

import pytest
from tests.zookeeper.server.kit import Client, Server, connect, coordinator, run, start, until

from barnabas.errors import FatalError
from barnabas.limits import ZOOKEEPER_SERVER_FRAME_BYTES_MAX
from barnabas.zookeeper import jute
from barnabas.zookeeper.messages import (
    EMPTY,
    OPEN_ACL_UNSAFE,
    Acl,
    AddWatchRequest,
    AuthRequest,
    Code,
    CreateFlag,
    CreateRequest,
    DeleteRequest,
    EventType,
    MultiRequest,
    OpCode,
    PathRequest,
    ReadRequest,
    SetDataRequest,
    SetWatchesRequest,
)
from barnabas.zookeeper.server.store import Batch, MemoryStore


def ephemeral(path: str) -> CreateRequest:
    return CreateRequest(path, b"", OPEN_ACL_UNSAFE, CreateFlag.EPHEMERAL)


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
            asyncio.get_running_loop().virtual.now += 3600  # type: ignore[attr-defined]
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


def test_a_wrong_password_gets_no_session() -> None:
    async def main() -> None:
        async with coordinator() as server:
            owner = await connect(server)
            forged = owner.session._replace(password=bytes(16))
            thief = await connect(server, resume=forged)
            assert thief.session.timeout_ms == 0
            assert await thief.receive() is None
            assert await owner.call(OpCode.PING) == (0, EMPTY)

    run(main())


def test_a_client_from_the_future_is_turned_away() -> None:
    async def main() -> None:
        async with coordinator() as server:
            client = await connect(server, last_zxid=1 << 60)
            assert client.session.session_id == 0
            assert client.transport.is_closing()

    run(main())


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff\xff\xff\xff",
        b"\x7f\xff\xff\xff",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0\0\0\0",
        b"\0\0\0\2ab",
    ],
)
def test_bad_input_closes_only_its_connection(garbage: bytes) -> None:
    async def main() -> None:
        async with coordinator() as server:
            good = await connect(server)
            loop = asyncio.get_running_loop()
            _, bad = await loop.create_connection(Client, "127.0.0.1", server.port)
            bad.transport.write(garbage)
            assert await bad.receive() is None
            garbled = await connect(server)
            garbled.transport.write(b"\0\0\0\x0c\0\0\0\1\0\0\0\1\0\0\xff\xff")
            assert (await garbled.reply(OpCode.CREATE))[0] == Code.MARSHALLING_ERROR
            garbled.transport.write(b"\0\0\0\x0a\0\0\0\1\0\0\0\x64\0\0")
            assert await garbled.receive() is None, "auth without its record"
            assert await good.call(OpCode.PING) == (0, EMPTY)

    run(main())


def test_an_unknown_operation_is_refused_and_ends_the_connection() -> None:
    async def main() -> None:
        async with coordinator() as server:
            client = await connect(server)
            client.transport.write(b"\0\0\0\x08\0\0\0\1\0\0\x03\xe7")
            frame = await client.receive()
            assert frame is not None
            assert jute.decode_reply_header(frame).err == Code.UNIMPLEMENTED
            assert await client.receive() is None

    run(main())


@pytest.mark.parametrize(
    ("word", "start_of_answer"),
    [
        (b"ruok", b"imok"),
        (b"isro", b"rw"),
        (b"srvr", b"Zookeeper version: 3.8"),
        (b"stat", b"Zookeeper version: 3.8"),
        (b"envi", b"Environment:\nzookeeper.version=3.8"),
        (b"mntr", b"zk_version\t3.8"),
        (b"cons", b" /127.0.0.1:"),
        (b"conf", b"clientPort="),
        (b"dump", b"SessionTracker dump:"),
        (b"wchs", b"1 connections watching 2 paths\nTotal watches:3\n"),
        (b"wchp", b"/"),
        (b"wchc", b"0x1"),
    ],
)
def test_four_letter_words(word: bytes, start_of_answer: bytes) -> None:
    async def main() -> bytes:
        async with coordinator() as server:
            client = await connect(server)
            await client.call(OpCode.CREATE, ephemeral("/a"))
            await client.call(OpCode.GET_CHILDREN, ReadRequest("/", True))
            await client.call(OpCode.ADD_WATCH, AddWatchRequest("/a", 0))
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(word)
            answer = await reader.read()
            writer.close()
            return answer

    assert run(main()).startswith(start_of_answer)


async def _flood(server: Server, count: int) -> Client:
    client = await connect(server)
    await client.call(OpCode.CREATE, CreateRequest("/big", bytes(500_000)))
    client.transport.pause_reading()
    for _ in range(count):
        client.send(OpCode.GET_DATA, ReadRequest("/big"))
    return client


def test_a_client_that_does_not_read_is_not_served_further() -> None:
    async def main() -> None:
        async with coordinator() as server:
            greedy = await _flood(server, 300)
            other = await connect(server)
            await asyncio.sleep(1)
            for _ in range(3):
                assert (await other.call(OpCode.PING))[0] == 0
            greedy.transport.resume_reading()
            for _ in range(300):
                assert len((await greedy.reply(OpCode.GET_DATA))[1].data) == 500_000

    run(main())


def test_big_frames_pass_up_to_the_limit() -> None:
    async def main() -> None:
        async with coordinator() as server:
            client = await connect(server)
            data = bytes(ZOOKEEPER_SERVER_FRAME_BYTES_MAX - 200)
            assert (await client.call(OpCode.CREATE, CreateRequest("/big", data)))[0] == 0
            assert (await client.call(OpCode.GET_DATA, ReadRequest("/big")))[1].data == data
            client.send(OpCode.CREATE, CreateRequest("/bigger", data + bytes(400)))
            assert await client.receive() is None

    run(main())


def test_digest_auth_and_the_super_user() -> None:
    async def main() -> None:
        digest = "super:D/InIHSb7yEEbrWz8b9l71RjZJU="
        async with coordinator(super_digest=digest) as server:
            alice, mallory, root = [await connect(server) for _ in range(3)]
            auth = AuthRequest(0, "digest", b"alice:secret")
            assert await alice.call(OpCode.AUTH, auth) == (0, EMPTY)
            await root.call(OpCode.AUTH, AuthRequest(0, "digest", b"super:test"))
            private = CreateRequest("/private", b"x", (Acl(31, "auth", ""),))
            assert (await alice.call(OpCode.CREATE, private))[0] == 0
            read = ReadRequest("/private")
            assert (await alice.call(OpCode.GET_DATA, read))[0] == 0
            assert (await mallory.call(OpCode.GET_DATA, read))[0] == Code.NO_AUTH
            assert (await root.call(OpCode.GET_DATA, read))[0] == 0
            _, acl = await alice.call(OpCode.GET_ACL, PathRequest("/private"))
            assert acl.acl[0].id.startswith("alice:")
            assert (await mallory.call(OpCode.CREATE, private))[0] == Code.INVALID_ACL
            err, _ = await mallory.call(OpCode.AUTH, AuthRequest(0, "kerberos", b"x"))
            assert err == Code.AUTH_FAILED
            assert await mallory.receive() is None

    run(main())


def test_watches_set_again_tell_what_was_missed() -> None:
    async def main() -> None:
        async with coordinator() as server:
            client = await connect(server)
            for path in ("/changed", "/same", "/gone"):
                await client.call(OpCode.CREATE, CreateRequest(path, b""))
            _, stat = await client.call(OpCode.EXISTS, ReadRequest("/gone"))
            zxid = stat.stat.czxid
            await client.call(OpCode.SET_DATA, SetDataRequest("/changed", b"2"))
            await client.call(OpCode.DELETE, DeleteRequest("/gone"))
            await client.call(OpCode.CREATE, CreateRequest("/came", b""))
            client.send(
                OpCode.SET_WATCHES,
                SetWatchesRequest(zxid, ("/changed", "/same", "/gone"), ("/came", "/not"), ("/",)),
            )
            told = [await client.event() for _ in range(4)]
            assert [(event.type, event.path) for event in told] == [
                (EventType.NODE_DATA_CHANGED, "/changed"),
                (EventType.NODE_DELETED, "/gone"),
                (EventType.NODE_CREATED, "/came"),
                (EventType.NODE_CHILDREN_CHANGED, "/"),
            ]
            assert (await client.reply(OpCode.SET_WATCHES))[0] == 0
            client.send(OpCode.CREATE, CreateRequest("/not", b""))
            assert (await client.event()).path == "/not"
            assert (await client.reply(OpCode.CREATE))[0] == 0

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


def test_multi_read_answers_part_by_part() -> None:
    async def main() -> None:
        async with coordinator() as server:
            client = await connect(server)
            parts = (
                (OpCode.GET_CHILDREN, ReadRequest("/")),
                (OpCode.GET_DATA, ReadRequest("/none")),
                (OpCode.GET_DATA, ReadRequest("/zookeeper")),
            )
            err, reply = await client.call(OpCode.MULTI_READ, MultiRequest(parts))
            assert err == 0
            assert reply.results[0].record.children == ("zookeeper",)
            assert reply.results[1].record.err == Code.NO_NODE
            assert reply.results[2].record.data == b""

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
