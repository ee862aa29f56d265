"""An unexpected error in one request: its connection ends, and nothing else."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from tests.zookeeper.server.kit import Server, connect, coordinator, run

from barnabas.zookeeper.messages import (
    EMPTY,
    OPEN_ACL_UNSAFE,
    Acl,
    Code,
    CreateRequest,
    DeleteRequest,
    MultiRequest,
    OpCode,
    PathRequest,
    ReadRequest,
    SetAclRequest,
    SetDataRequest,
)
from barnabas.zookeeper.server import four_letter, handlers
from barnabas.zookeeper.server.node import Node
from barnabas.zookeeper.server.store import MemoryStore
from barnabas.zookeeper.server.tree import ZTree

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


def _break_stats(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Node) -> Any:
        raise ArithmeticError("planted")

    monkeypatch.setattr(Node, "stat", broken)


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
                _break_stats(patch)
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


def test_a_read_that_breaks_ends_its_connection_only(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with coordinator() as server:
            good, bad = await connect(server), await connect(server)
            with monkeypatch.context() as patch:
                _break_stats(patch)
                bad.send(OpCode.SYNC, PathRequest("/"))
                bad.send(OpCode.EXISTS, ReadRequest("/"))
                bad.send(OpCode.SYNC, PathRequest("/"))
                assert (await bad.reply(OpCode.SYNC))[0] == 0
                assert await bad.receive() is None
            assert await good.call(OpCode.PING) == (0, EMPTY)
            # It comes back to its session.
            again = await connect(server, resume=bad.session)
            assert again.session.session_id == bad.session.session_id
            assert (await again.call(OpCode.EXISTS, ReadRequest("/")))[0] == 0

    run(main())


def test_what_was_answered_before_the_fault_is_still_sent_once_it_is_durable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        async with coordinator(MemoryStore(commit_s=1.0)) as server:
            client = await connect(server)
            _break_stats(monkeypatch)
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


def test_faults_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise ArithmeticError("planted")

    async def word(server: Server, text: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(text)
        answer = await reader.read()
        writer.close()
        return answer

    async def main() -> None:
        async with coordinator() as server:
            patched = {**handlers._HANDLERS, OpCode.SYNC: broken}
            monkeypatch.setattr(handlers, "_HANDLERS", patched)
            monkeypatch.setattr(four_letter, "_WORDS", {**four_letter._WORDS, b"wchs": broken})
            client = await connect(server)
            assert await client.call(OpCode.PING) == (0, EMPTY)
            client.send(OpCode.SYNC, PathRequest("/"))
            assert await client.receive() is None
            assert await word(server, b"wchs") == b""
            assert b"barnabas_request_faults\t2\n" in await word(server, b"mntr")
            lines = (await word(server, b"srvr")).decode().splitlines()
            latency = next(line for line in lines if line.startswith("Latency min/avg/max: "))
            assert [float(number) >= 0 for number in latency.split(": ")[1].split("/")] == [
                True
            ] * 3

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
