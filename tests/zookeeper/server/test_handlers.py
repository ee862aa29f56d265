"""Operations, one by one."""

from __future__ import annotations

from tests.virtual_time import run
from tests.zookeeper.server.kit import connect, coordinator

from barnabas.zookeeper.messages import (
    EMPTY,
    Acl,
    AuthRequest,
    Code,
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
