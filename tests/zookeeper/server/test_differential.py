"""Random histories through the coordinator and through a real ZooKeeper: same answers, same events,
same zxids, same stats. Two clients; one sets one-shot watches, the other persistent ones (on one
path of one client ZooKeeper 3.8 confuses the two kinds, ZOOKEEPER-4475)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.zookeeper.real_zookeeper import RealZooKeeper, missing
from tests.zookeeper.server.kit import Client, Server, connect, coordinator

from barnabas.zookeeper import jute
from barnabas.zookeeper.messages import (
    EMPTY,
    OPEN_ACL_UNSAFE,
    Acl,
    AddWatchRequest,
    AuthRequest,
    CheckVersionRequest,
    ClientInfo,
    CreateRequest,
    CreateTTLRequest,
    DeleteRequest,
    MultiRequest,
    OpCode,
    PathRequest,
    ReadRequest,
    SetAclRequest,
    SetDataRequest,
    Stat,
    WatchesRequest,
)
from barnabas.zookeeper.server import acl as access

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(missing() is not None, reason=missing() or ""),
]

PATHS = ("/a", "/b", "/a/x", "/a/y", "/b/z", "/a/x/deep")
ODD_PATHS = (
    *("/", "a", "/a/", "/a//b", "/a/./b", "/a/..", "/a/\x01", "/ä", "/\U0001f600", "/none/x"),
    *("/zookeeper", "/zookeeper/config", "/zookeeper/quota", "/zookeeper/x"),
)
CHANGED = (3, 8, 4)
"""Until then exists showed the Stat of what one may not read, and a create2 in a multi was answered
as a create; before that version the histories do without both."""
DIGEST = "alice:" + "x" * 27 + "="
LOCAL = (("ip", "127.0.0.1"),)
ACLS: tuple[tuple[Acl, ...], ...] = (
    *(OPEN_ACL_UNSAFE,) * 6,
    OPEN_ACL_UNSAFE * 2,
    (Acl(31, "auth", ""),),
    (Acl(1, "world", "anyone"), Acl(30, "auth", "")),
    (Acl(31, "digest", DIGEST), Acl(3, "ip", "127.0.0.1")),
    (Acl(31, "ip", "127.0.0.0/8"),),
    (Acl(31, "ip", "10.0.0.0/8"),),
    (),
    (Acl(31, "world", "somebody"),),
    (Acl(31, "ip", "nonsense"),),
    (Acl(31, "digest", "no-colon"),),
    (Acl(31, "martian", "x"),),
)


def _path(dice: random.Random) -> str:
    return dice.choice(ODD_PATHS if dice.random() < 0.08 else PATHS)


def _version(dice: random.Random) -> int:
    return dice.choice((-1, -1, -1, 0, 1, 2))


def _create(dice: random.Random) -> tuple[int, Any]:
    op = dice.choice((OpCode.CREATE, OpCode.CREATE, OpCode.CREATE2, OpCode.CREATE_CONTAINER))
    data = dice.choice((None, b"", b"data"))
    flags = dice.choice((0, 0, 0, 1, 2, 3, 4, 5, 6, 7, -1))
    acl = dice.choice(ACLS)
    if dice.random() < 0.15:
        flags = dice.choice((5, 6))
        ttl = dice.choice((1, 10**6, 0, -1, 2**40 - 1, 2**40))
        return OpCode.CREATE_TTL, CreateTTLRequest(_path(dice), data, acl, flags, ttl)
    if op == OpCode.CREATE_CONTAINER:
        flags = 4
    return op, CreateRequest(_path(dice), data, acl, flags)


def _part(dice: random.Random) -> tuple[int, Any]:
    kind = dice.randrange(6)
    if kind < 3:
        op, record = _create(dice)
        if op != OpCode.CREATE_TTL and not 0 <= record.flags <= 4:
            record = record._replace(flags=0)  # the original answers with a marshalling error
        return op, record._replace(acl=OPEN_ACL_UNSAFE)
    if kind == 3:
        return OpCode.DELETE, DeleteRequest(_path(dice), _version(dice))
    if kind == 4:
        return OpCode.SET_DATA, SetDataRequest(_path(dice), b"multi", _version(dice))
    return OpCode.CHECK, CheckVersionRequest(_path(dice), _version(dice))


def _write(dice: random.Random) -> tuple[int, Any]:
    kind = dice.randrange(10)
    if kind < 4:
        return _create(dice)
    if kind < 6:
        return OpCode.DELETE, DeleteRequest(_path(dice), _version(dice))
    if kind < 8:
        data = dice.choice((None, b"", b"more"))
        return OpCode.SET_DATA, SetDataRequest(_path(dice), data, _version(dice))
    if kind == 8:
        return OpCode.SET_ACL, SetAclRequest(_path(dice), dice.choice(ACLS), _version(dice))
    return OpCode.MULTI, MultiRequest(tuple(_part(dice) for _ in range(dice.randrange(1, 5))))


def _read(dice: random.Random, *, watch: bool) -> tuple[int, Any]:
    path = _path(dice)
    kind = dice.randrange(9)
    if kind < 4:
        op = (OpCode.EXISTS, OpCode.GET_DATA, OpCode.GET_CHILDREN, OpCode.GET_CHILDREN2)[kind]
        return op, ReadRequest(path, watch and dice.random() < 0.6)
    if kind == 4:
        parts = tuple(
            (dice.choice((OpCode.GET_DATA, OpCode.GET_CHILDREN)), ReadRequest(_path(dice)))
            for _ in range(3)
        )
        return OpCode.MULTI_READ, MultiRequest(parts)
    op = (
        OpCode.GET_ACL,
        OpCode.GET_EPHEMERALS,
        OpCode.GET_ALL_CHILDREN_NUMBER,
        OpCode.WHO_AM_I,
    )[kind - 5]
    return op, EMPTY if op == OpCode.WHO_AM_I else PathRequest(path)


def _watch(dice: random.Random, who: int) -> tuple[int, Any]:
    if who == 1:
        number = dice.randrange(len(PATHS))
        return OpCode.ADD_WATCH, AddWatchRequest(PATHS[number], number % 2)
    # Not checkWatches: 3.8 answers it from everybody's watches.
    return OpCode.REMOVE_WATCHES, WatchesRequest(dice.choice(PATHS), dice.choice((1, 2, 3)))


def _as_before(op: int, record: Any) -> tuple[int, Any]:
    """The like of a request that older releases answer in the same way."""
    if op == OpCode.MULTI:
        plain = {OpCode.CREATE2: OpCode.CREATE}
        return op, MultiRequest(tuple((plain.get(part, part), r) for part, r in record.ops))
    acl = getattr(record, "acl", OPEN_ACL_UNSAFE)
    if acl and not any(access.permits((entry,), access.READ, LOCAL) for entry in acl):
        return op, record._replace(acl=(Acl(1, "world", "anyone"), *acl))
    return op, record


def history(
    seed: int, length: int, version: tuple[int, ...] = CHANGED
) -> Iterator[tuple[int, int, Any]]:
    """(client, operation, record), with what a release answers as we do."""
    for who, op, record in _history(seed, length):
        yield (who, op, record) if version >= CHANGED else (who, *_as_before(op, record))


def _history(seed: int, length: int) -> Iterator[tuple[int, int, Any]]:
    dice = random.Random(seed)
    yield 0, OpCode.AUTH, AuthRequest(0, "digest", b"alice:secret")
    for _ in range(length):
        who = dice.randrange(2)
        chance = dice.random()
        if chance < 0.55:
            yield who, *_write(dice)
        elif chance < 0.93:
            yield who, *_read(dice, watch=who == 0)
        else:
            yield who, *_watch(dice, who)


class Normal:
    """Takes out what may differ: times, the epoch in front of a zxid, session ids."""

    def __init__(self, sessions: list[int]) -> None:
        self._sessions = sessions

    def _stat(self, stat: Stat) -> Stat:
        owner = stat.ephemeralOwner
        return stat._replace(
            czxid=stat.czxid & 0xFFFFFFFF,
            mzxid=stat.mzxid & 0xFFFFFFFF,
            pzxid=stat.pzxid & 0xFFFFFFFF,
            ctime=0,
            mtime=0,
            ephemeralOwner=self._sessions.index(owner) + 1 if owner in self._sessions else owner,
        )

    def record(self, value: Any) -> Any:
        if isinstance(value, Stat):
            return self._stat(value)
        if isinstance(value, tuple):
            items = [self.record(item) for item in value]
            if value and isinstance(value[0], ClientInfo):
                return sorted(value)
            strings = all(isinstance(item, str) for item in items)
            # Lists of names and of identities come out of hash tables.
            unordered = type(value) is tuple and strings
            return type(value).__name__, sorted(items) if unordered else items
        return value

    def frame(self, op: int, frame: bytes) -> Any:
        header = jute.decode_reply_header(frame)
        if header.xid == -1:
            return "event", jute.decode_event(frame)
        record = None if header.err else self.record(jute.decode_reply(op, frame))
        return "reply", header.zxid & 0xFFFFFFFF, header.err, record


async def play(server: Server, steps: list[tuple[int, int, Any]]) -> list[Any]:
    """What both clients hear at each step."""
    clients = [await connect(server, timeout_ms=30_000) for _ in range(2)]
    normal = Normal([client.session.session_id for client in clients])
    heard = []
    for who, op, record in steps:
        here = await _hear(clients[who], normal, op, record)
        there = await _hear(clients[1 - who], normal, OpCode.PING, EMPTY)
        heard.append((who, record, here, there))
    steps = [(0, OpCode.CLOSE_SESSION, EMPTY), *((1, OpCode.EXISTS, ReadRequest(p)) for p in PATHS)]
    for who, op, record in steps:
        heard.append((who, record, await _hear(clients[who], normal, op, record), []))
    clients[1].drop()
    return heard


async def _hear(client: Client, normal: Normal, op: int, record: Any) -> list[Any]:
    client.send(op, record)
    heard: list[Any] = []
    while not heard or heard[-1][0] == "event":
        frame = await client.receive()
        assert frame is not None, f"closed at {record}"
        heard.append(normal.frame(op, frame))
    # Events of one change may come in any order (ZooKeeper's own is that of a hash table).
    return [*sorted(heard[:-1]), heard[-1]]


async def _ours(steps: list[tuple[int, int, Any]]) -> list[Any]:
    async with coordinator() as server:
        return await play(server, steps)


@pytest.mark.parametrize("seed", range(4))
def test_ours_and_the_original_tell_the_same(seed: int, tmp_path: Path) -> None:
    with RealZooKeeper(tmp_path) as zookeeper:
        steps = list(history(seed, 400, zookeeper.version))
        ours = asyncio.run(_ours(steps))
        server: Any = type("Real", (), {"port": zookeeper.port})
        theirs = asyncio.run(play(server, steps))
    for step, (mine, original) in enumerate(zip(ours, theirs, strict=True)):
        assert mine == original, f"seed {seed}, step {step}"
