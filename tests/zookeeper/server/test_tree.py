"""The znode tree's rules, one by one; test_differential.py holds them against the original."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.virtual_time import run
from tests.zookeeper.server.kit import connect, coordinator

from barnabas.zookeeper.messages import (
    INT_MAX,
    OPEN_ACL_UNSAFE,
    Acl,
    CheckVersionRequest,
    Code,
    CreateFlag,
    CreateRequest,
    CreateTTLRequest,
    DeleteRequest,
    EventType,
    MultiRequest,
    OpCode,
    PathRequest,
    ReadRequest,
    SetAclRequest,
    SetDataRequest,
    Stat,
)
from barnabas.zookeeper.server.store import MemoryStore, StoredNode
from barnabas.zookeeper.server.tree import Outcome, Request, ZTree

SESSION = 0x100000100000001


class Book:
    """A tree and the next zxid."""

    def __init__(self) -> None:
        self.tree = ZTree()
        self.zxid = 0

    def apply(
        self, op: int, record: Any, *, identities: tuple[tuple[str, str], ...] = ()
    ) -> Outcome:
        self.zxid += 1
        who = Request(self.zxid, 1000 + self.zxid, SESSION, identities)
        return self.tree.apply(op, record, who)

    def create(self, path: str, data: bytes | None = b"", flags: int = 0) -> Outcome:
        return self.apply(OpCode.CREATE, CreateRequest(path, data, OPEN_ACL_UNSAFE, flags))

    def picture(self) -> Any:
        tree = self.tree
        return (
            {p: (n.stat(), n.data, n.acl, dict(n.children)) for p, n in tree.nodes.items()},
            {owner: dict(paths) for owner, paths in tree.ephemerals.items()},
            dict(tree.reapable),
        )


def test_an_empty_tree_is_that_of_a_fresh_zookeeper() -> None:
    tree = ZTree()
    assert list(tree.nodes) == ["/", "/zookeeper", "/zookeeper/config", "/zookeeper/quota"]
    assert tree.nodes["/"].stat()[5] == -1
    assert tree.nodes["/zookeeper"].stat()[5] == -2
    assert tree.nodes["/zookeeper/config"].stat()[6] == -1
    assert tree.descendants("/") == 3
    assert tree.descendants("/zookeeper") == 2


def test_a_create_marks_its_parent() -> None:
    book = Book()
    outcome = book.create("/a", b"xy")
    assert [event[:2] for event in outcome.events] == [
        (EventType.NODE_CREATED, "/a"),
        (EventType.NODE_CHILDREN_CHANGED, "/"),
    ]
    stat = book.tree.nodes["/a"].stat()
    assert stat == (1, 1, 1001, 1001, 0, 0, 0, 0, 2, 0, 1)
    assert book.tree.nodes["/"].stat().pzxid == 1
    assert list(book.tree.touched) == ["/a", "/"]


def test_sequence_numbers_never_come_back() -> None:
    book = Book()
    book.create("/q")
    first = book.create("/q/n-", flags=CreateFlag.PERSISTENT_SEQUENTIAL)
    assert first.record.path == "/q/n-0000000000"
    book.apply(OpCode.DELETE, DeleteRequest("/q/n-0000000000"))
    book.create("/q/other")
    assert book.create("/q/n-", flags=2).record.path == "/q/n-0000000002"
    stat = book.tree.nodes["/q"].stat()
    assert (stat.cversion, stat.numChildren) == (4, 2)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/", Code.NODE_EXISTS),
        ("a", Code.BAD_ARGUMENTS),
        ("/a//b", Code.NO_NODE),
        ("//b", Code.BAD_ARGUMENTS),
        ("/b/", Code.NO_NODE),
        ("/..", Code.BAD_ARGUMENTS),
        ("/.", Code.BAD_ARGUMENTS),
        ("/b\x00", Code.BAD_ARGUMENTS),
        ("/b\x1f", Code.BAD_ARGUMENTS),
        ("/\U0001f600", Code.BAD_ARGUMENTS),
        ("/none/b", Code.NO_NODE),
        ("/e/b", Code.NO_CHILDREN_FOR_EPHEMERALS),
        ("/e", Code.NODE_EXISTS),
        ("/...", 0),
        ("/ä", 0),
    ],
)
def test_paths_that_can_and_cannot_be_created(path: str, code: int) -> None:
    book = Book()
    book.create("/e", flags=CreateFlag.EPHEMERAL)
    before = book.picture()
    assert book.create(path).err == code
    assert (book.picture() == before) == (code != 0)


def test_deletes_and_versions() -> None:
    book = Book()
    book.create("/a")
    book.create("/a/b")
    book.apply(OpCode.SET_DATA, SetDataRequest("/a/b", None))
    delete = OpCode.DELETE
    assert book.apply(delete, DeleteRequest("/a")).err == Code.NOT_EMPTY
    assert book.apply(delete, DeleteRequest("/a/b", 0)).err == Code.BAD_VERSION
    assert book.apply(delete, DeleteRequest("/zookeeper/quota")).err == Code.BAD_ARGUMENTS
    assert book.apply(OpCode.CHECK, CheckVersionRequest("/a/b", 1)).err == 0
    assert book.apply(delete, DeleteRequest("/a/b", 1)).err == 0
    assert book.apply(delete, DeleteRequest("/a/b", 1)).err == Code.NO_NODE
    assert book.tree.nodes["/a"].pzxid == book.zxid - 1


def test_a_session_takes_its_znodes_with_it() -> None:
    book = Book()
    for path in ("/z", "/b", "/m"):
        book.create(path, flags=CreateFlag.EPHEMERAL)
    book.create("/stays")
    events = book.tree.close_session(SESSION, 50)
    deleted = [path for kind, path, _ in events if kind == EventType.NODE_DELETED]
    assert deleted == ["/z", "/b", "/m"]
    assert book.tree.ephemerals == {}
    assert "/stays" in book.tree.nodes
    assert book.tree.close_session(SESSION, 51) == ()


def test_a_multi_that_fails_changes_nothing_and_says_where() -> None:
    book = Book()
    book.create("/a", b"1")
    book.tree.touched.clear()
    before = book.picture()
    parts = (
        (OpCode.CREATE, CreateRequest("/a/n-", b"", OPEN_ACL_UNSAFE, 3)),
        (OpCode.CREATE, CreateRequest("/a/x", b"", OPEN_ACL_UNSAFE, CreateFlag.CONTAINER)),
        (OpCode.SET_DATA, SetDataRequest("/a", b"2", 0)),
        (OpCode.DELETE, DeleteRequest("/a/x")),
        (OpCode.CHECK, CheckVersionRequest("/a", 0)),
        (OpCode.CREATE, CreateRequest("/b", b"")),
    )
    outcome = book.apply(OpCode.MULTI, MultiRequest(parts))
    assert outcome.err == 0
    assert [result.op for result in outcome.record.results] == [-1] * 6
    assert [result.record.err for result in outcome.record.results] == [0, 0, 0, 0, -103, -2]
    assert outcome.events == ()
    assert book.picture() == before
    assert book.tree.touched == {}


def test_the_parts_of_a_multi_see_each_other_and_share_a_zxid() -> None:
    book = Book()
    parts = (
        (OpCode.CREATE, CreateRequest("/a", b"")),
        (OpCode.CREATE, CreateRequest("/a/n-", b"", OPEN_ACL_UNSAFE, 2)),
        (OpCode.CREATE, CreateRequest("/a/n-", b"", OPEN_ACL_UNSAFE, 2)),
        (OpCode.DELETE, DeleteRequest("/a/n-0000000000")),
    )
    outcome = book.apply(OpCode.MULTI, MultiRequest(parts))
    paths = [getattr(result.record, "path", None) for result in outcome.record.results]
    assert paths == ["/a", "/a/n-0000000000", "/a/n-0000000001", None]
    assert book.tree.nodes["/a/n-0000000001"].czxid == 1


def test_access_lists_guard_and_auth_is_resolved() -> None:
    book = Book()
    alice = (("ip", "10.0.0.1"), ("digest", "alice:h"))
    record = CreateRequest("/a", b"", (Acl(31, "auth", ""), Acl(1, "world", "anyone")))
    assert book.apply(OpCode.CREATE, record).err == Code.INVALID_ACL
    assert book.apply(OpCode.CREATE, record, identities=alice).err == 0
    assert book.tree.nodes["/a"].acl[0] == Acl(31, "digest", "alice:h")
    assert book.apply(OpCode.SET_DATA, SetDataRequest("/a", b"")).err == Code.NO_AUTH
    assert book.create("/a/b").err == Code.NO_AUTH
    acl = SetAclRequest("/a", OPEN_ACL_UNSAFE, 0)
    assert book.apply(OpCode.SET_ACL, acl).err == Code.NO_AUTH
    assert book.apply(OpCode.SET_ACL, acl, identities=alice).err == 0
    assert book.tree.nodes["/a"].aversion == 1
    assert book.apply(OpCode.SET_ACL, acl).err == Code.BAD_VERSION


def test_containers_and_times_to_live() -> None:
    book = Book()
    book.apply(OpCode.CREATE_CONTAINER, CreateRequest("/box", b"", OPEN_ACL_UNSAFE, 4))
    ttl = CreateTTLRequest("/old", b"", OPEN_ACL_UNSAFE, CreateFlag.PERSISTENT_WITH_TTL, 500)
    book.apply(OpCode.CREATE_TTL, ttl)
    born = book.tree.nodes["/old"].mtime
    assert book.tree.due_for_removal(born + 500) == []
    assert book.tree.due_for_removal(born + 501) == ["/old"]
    book.create("/box/a")
    assert book.apply(OpCode.DELETE_CONTAINER, PathRequest("/box")).err == Code.NOT_EMPTY
    book.apply(OpCode.DELETE, DeleteRequest("/box/a"))
    assert book.tree.due_for_removal(0) == ["/box"]
    assert book.apply(OpCode.DELETE_CONTAINER, PathRequest("/box")).err == 0
    assert book.create("/box").err == 0
    assert book.apply(OpCode.DELETE_CONTAINER, PathRequest("/box")).err == Code.BAD_VERSION
    bad = ttl._replace(path="/never", ttl=0)
    assert book.apply(OpCode.CREATE_TTL, bad).err == Code.BAD_ARGUMENTS


_paths = st.sampled_from(["/a", "/b", "/a/x", "/b/y", "/a/x/z"])
_versions = st.integers(-1, 1)
_parts = st.one_of(
    st.tuples(
        st.just(OpCode.CREATE),
        st.builds(
            CreateRequest, _paths, st.just(b"d"), st.just(OPEN_ACL_UNSAFE), st.integers(0, 4)
        ),
    ),
    st.tuples(st.just(OpCode.DELETE), st.builds(DeleteRequest, _paths, _versions)),
    st.tuples(st.just(OpCode.SET_DATA), st.builds(SetDataRequest, _paths, st.none(), _versions)),
    st.tuples(st.just(OpCode.CHECK), st.builds(CheckVersionRequest, _paths, _versions)),
)


@settings(max_examples=150)
@given(st.lists(st.lists(_parts, min_size=1, max_size=5), max_size=8))
def test_a_multi_is_its_parts_one_by_one_or_nothing(history: list[list[tuple[int, Any]]]) -> None:
    book = Book()
    for parts in history:
        before = book.picture()
        single = Book()
        single.tree.restore((path, node) for path, node in _copied(book.tree))
        single.zxid = book.zxid
        expected = [single.tree.apply(op, part, _who(book.zxid + 1)).err for op, part in parts]
        outcome = book.apply(OpCode.MULTI, MultiRequest(tuple(parts)))
        if any(result.op == OpCode.ERROR for result in outcome.record.results):
            assert book.picture() == before
            assert any(expected)
        else:
            assert not any(expected)
            assert single.picture()[0].keys() == book.picture()[0].keys()
        _check_structure(book.tree)


def _who(zxid: int) -> Request:
    return Request(zxid, 1000 + zxid, SESSION)


def _copied(tree: ZTree) -> list[tuple[str, Any]]:
    """Nodes as a store would bring them back."""
    from barnabas.zookeeper.server.node import Node

    copies = []
    for path, node in tree.nodes.items():
        fields = {
            name: getattr(node, name)
            for name in Node.__slots__
            if name not in ("data", "acl", "children")
        }
        copies.append((path, Node(node.data, node.acl, **fields)))
    return copies


def _check_structure(tree: ZTree) -> None:
    for path, node in tree.nodes.items():
        below = [p for p in tree.nodes if p != "/" and (p[: p.rindex("/")] or "/") == path]
        assert sorted(p[p.rindex("/") + 1 :] for p in below) == sorted(node.children)
    owned = [path for paths in tree.ephemerals.values() for path in paths]
    assert sorted(owned) == sorted(p for p, node in tree.nodes.items() if node.ephemeral)


LEAST = -INT_MAX - 1


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
