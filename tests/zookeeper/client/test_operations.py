"""Operations of the client."""

from __future__ import annotations

import pytest
from tests.zookeeper.client.kit import run
from tests.zookeeper.client.puppet_server import PuppetServer
from tests.zookeeper.clients import Client

from barnabas.zookeeper.client.client import (
    CheckOp,
    CreateOp,
    DeleteOp,
    SetOp,
)
from barnabas.zookeeper.errors import (
    BadVersion,
    NodeExists,
    NoNode,
)


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
