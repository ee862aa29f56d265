"""Counters at their ends: those of Java wrap, the one of sequential names stays where it is."""

from __future__ import annotations

import pytest
from tests.zookeeper.server.kit import connect, coordinator, run

from barnabas.zookeeper.messages import (
    INT_MAX,
    OPEN_ACL_UNSAFE,
    Code,
    CreateRequest,
    DeleteRequest,
    MultiRequest,
    OpCode,
    ReadRequest,
    SetAclRequest,
    SetDataRequest,
    Stat,
)
from barnabas.zookeeper.server.sessions import Sessions
from barnabas.zookeeper.server.store import MemoryStore, StoredNode

LEAST = -INT_MAX - 1
OWNER = 1 << 56 | 5


def _store(*, version: int = 0, cversion: int = 0, aversion: int = 0, zxid: int = 1) -> MemoryStore:
    numbers = zxid, zxid, zxid, 4, 5, version, cversion, aversion, 0
    store = MemoryStore()
    store._nodes["/s"] = StoredNode("/s", b"", OPEN_ACL_UNSAFE, *numbers)
    return store


@pytest.mark.parametrize(
    ("cversion", "shown"),
    [(1 << 30, LEAST), ((1 << 30) - 1, INT_MAX - 1), (INT_MAX, -2), (1 << 40, -2)],
)
def test_the_stats_cversion_wraps(cversion: int, shown: int) -> None:
    async def main() -> None:
        async with coordinator(_store(cversion=cversion)) as server:
            client = await connect(server)
            for op in (OpCode.EXISTS, OpCode.GET_DATA, OpCode.GET_CHILDREN2):
                err, reply = await client.call(op, ReadRequest("/s"))
                assert (err, reply.stat.cversion) == (0, shown)

    run(main())


def test_the_last_sequential_name_is_given_once() -> None:
    async def main() -> None:
        store = _store(cversion=INT_MAX - 1)
        async with coordinator(store) as server:
            client = await connect(server)
            request = CreateRequest("/s/n-", b"", OPEN_ACL_UNSAFE, 2)
            for number in (INT_MAX - 1, INT_MAX):
                err, reply = await client.call(OpCode.CREATE, request)
                assert (err, reply.path) == (0, f"/s/n-{number}")
        async with coordinator(store) as server:
            client = await connect(server)
            for _ in range(2):
                assert (await client.call(OpCode.CREATE, request))[0] == Code.NODE_EXISTS
            # Anything else still works, and a name that is free again is given again.
            assert (await client.call(OpCode.CREATE, CreateRequest("/s/x", b"")))[0] == 0
            assert (await client.call(OpCode.DELETE, DeleteRequest(f"/s/n-{INT_MAX}")))[0] == 0
            assert (await client.call(OpCode.CREATE, request))[0] == 0
            _, reply = await client.call(OpCode.EXISTS, ReadRequest("/s"))
            assert reply.stat.cversion == -2 - reply.stat.numChildren

    run(main())


def test_versions_wrap() -> None:
    async def main() -> None:
        async with coordinator(_store(version=INT_MAX, aversion=INT_MAX)) as server:
            client = await connect(server)
            _, reply = await client.call(OpCode.SET_DATA, SetDataRequest("/s", b"", INT_MAX))
            assert reply.stat.version == LEAST
            parts = ((OpCode.SET_DATA, SetDataRequest("/s", b"", LEAST)),)
            _, reply = await client.call(OpCode.MULTI, MultiRequest(parts))
            assert reply.results[0].record.stat.version == LEAST + 1
            request = SetAclRequest("/s", OPEN_ACL_UNSAFE, INT_MAX)
            _, reply = await client.call(OpCode.SET_ACL, request)
            assert reply.stat.aversion == LEAST

    run(main())


def test_no_zxid_is_used_twice_after_a_life_of_more_than_2_to_the_32_writes() -> None:
    async def main() -> None:
        before = 5 << 32 | 7  # epoch 1 has gone on into later ones
        async with coordinator(_store(zxid=before)) as server:
            client = await connect(server)
            _, reply = await client.call(OpCode.SET_DATA, SetDataRequest("/s", b""))
            stat: Stat = reply.stat
            assert stat.mzxid > before

    run(main())


def test_session_ids_wrap_within_their_server_and_pass_over_those_in_use() -> None:
    sessions: Sessions[None] = Sessions(epoch=0, timeout_min_ms=1, timeout_max_ms=10)

    def begin() -> int:
        return sessions.begin(timeout_ms=5, grace_ms=0, password=bytes(16), now=0.0).id

    first = begin()
    sessions._last_number = (1 << 56) - 2
    assert begin() == (1 << 57) - 1
    assert begin() == 1 << 56
    assert begin() == first + 1


def test_a_session_timeout_fits_its_field() -> None:
    async def main() -> None:
        async with coordinator(tick_ms=INT_MAX) as server:
            client = await connect(server, timeout_ms=INT_MAX)
            assert client.session.timeout_ms == INT_MAX

    run(main())
