"""One table of raw requests, each operation with good and bad input, and what they are answered.

``python -m tests.zookeeper.server.answers PORT`` asks a fresh server of the original (with
``extendedTypesEnabled``) and prints what tests/golden/zookeeper-answers.txt holds: 3.8.4's answers.
Left out is what the original does not survive or answer: createTTL with neither flag nor time ends
its process, a check outside a multi is never answered.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Iterator
from typing import Any

from tests.zookeeper.server.kit import Client, connect

from barnabas.zookeeper import jute
from barnabas.zookeeper.messages import (
    EMPTY,
    OPEN_ACL_UNSAFE,
    Acl,
    AddWatchRequest,
    AuthRequest,
    CheckVersionRequest,
    CreateRequest,
    CreateTTLRequest,
    DeleteRequest,
    MultiRequest,
    OpCode,
    PathRequest,
    ReadRequest,
    ReconfigRequest,
    SaslRequest,
    SetAclRequest,
    SetDataRequest,
    WatchesRequest,
)

Step = tuple[int, Any]
READS = (OpCode.EXISTS, OpCode.GET_DATA, OpCode.GET_CHILDREN, OpCode.GET_CHILDREN2)
PATH_READS = (
    *(OpCode.GET_ACL, OpCode.SYNC, OpCode.GET_EPHEMERALS),
    *(OpCode.GET_ALL_CHILDREN_NUMBER, OpCode.DELETE_CONTAINER),
)
CREATES = (OpCode.CREATE, OpCode.CREATE2, OpCode.CREATE_CONTAINER)
ODD_PATHS = (
    *("", "/", "x", "/x/", "//", "/./x", "/..", "/x\0", "/x\x01", "/x\x7f", "/none", "/none/x"),
    *("/zookeeper", "/zookeeper/config", "/zookeeper/quota", "/zookeeper/quota/x"),
)
ACLS = (
    *((), (Acl(31, "auth", ""),), OPEN_ACL_UNSAFE * 2),
    *((Acl(perms, "world", "anyone"),) for perms in (0, 32, -1)),
    *((Acl(31, "world", text),) for text in ("", "somebody")),
    *((Acl(31, "digest", text),) for text in ("", ":", "a", "a:", ":a", "a:b", "a:b:", "a:b:c")),
    *((Acl(31, "ip", text),) for text in ("", "127.1", "127.0.0.1", "127.0.0.1/", "127.0.0.1/8")),
    *((Acl(31, "ip", text),) for text in ("127.0.0.1/0", "127.0.0.1/33", "127.0.0.256")),
    *((Acl(31, "ip", text),) for text in ("127.0.0.1/255.0.0.0", "::1", "::1/64", "0127.0.0.1")),
    *((Acl(31, scheme, "a"),) for scheme in ("", "super", "x509", "sasl", "martian", "auth")),
)


def _auth() -> Iterator[list[Step]]:
    for secret in (b"alice", b"", None, b":", b"alice:x", b":x", b"a:b:c", b"\xff:x"):
        proof = AuthRequest(0, "digest", secret)
        mine = CreateRequest("/auth-", b"", (Acl(31, "auth", ""),), 2)
        yield [(OpCode.AUTH, proof), (OpCode.WHO_AM_I, EMPTY), (OpCode.CREATE, mine)]
    for scheme in ("ip", "world", "super", "x509", "sasl", "", "martian", "auth"):
        yield [(OpCode.AUTH, AuthRequest(0, scheme, b"a:b")), (OpCode.WHO_AM_I, EMPTY)]


def _acls() -> Iterator[list[Step]]:
    for acl in ACLS:
        yield [(OpCode.CREATE, CreateRequest("/acl-", b"", acl, 2))]
        yield [(OpCode.SET_ACL, SetAclRequest("/", acl, 77))]
    for perms in (31, *(31 - (1 << bit) for bit in range(5)), *(1 << bit for bit in range(5)), 0):
        path = f"/perms-{perms}"
        acl = (Acl(perms, "ip", "127.0.0.1"), Acl(31 - perms, "digest", "bob:x"))
        parts = ((OpCode.CHECK, CheckVersionRequest(path)),)
        yield [
            (OpCode.CREATE, CreateRequest(path, b"", acl)),
            *((op, ReadRequest(path)) for op in READS),
            *((op, PathRequest(path)) for op in PATH_READS),
            (OpCode.MULTI_READ, MultiRequest(((OpCode.GET_DATA, ReadRequest(path)),))),
            (OpCode.MULTI, MultiRequest(parts)),
            (OpCode.SET_DATA, SetDataRequest(path, b"x")),
            (OpCode.CREATE, CreateRequest(path + "/x", b"")),
            (OpCode.DELETE, DeleteRequest(path + "/x")),
            (OpCode.SET_ACL, SetAclRequest(path, OPEN_ACL_UNSAFE)),
        ]


def _creates() -> Iterator[list[Step]]:
    forget = (OpCode.DELETE, DeleteRequest("/f"))
    for flags in range(-2, 9):
        for op in CREATES:
            create = op, CreateRequest("/f", b"", OPEN_ACL_UNSAFE, flags)
            yield [create, create, forget]
            yield [(OpCode.MULTI, MultiRequest((create, create))), forget]
            yield [(OpCode.MULTI, MultiRequest((create,))), forget]
        for ttl in (-1, 0, 1_000_000, 1 << 40) if flags in (5, 6) else (1_000_000,):
            timed = OpCode.CREATE_TTL, CreateTTLRequest("/f", b"", OPEN_ACL_UNSAFE, flags, ttl)
            yield [timed, forget, (OpCode.MULTI, MultiRequest((timed,))), forget]


def _paths() -> Iterator[list[Step]]:
    for path in ODD_PATHS:
        yield [
            *((op, ReadRequest(path)) for op in READS),
            *((op, PathRequest(path)) for op in PATH_READS),
            (OpCode.CREATE, CreateRequest(path, b"")),
            (OpCode.CREATE, CreateRequest(path, b"", OPEN_ACL_UNSAFE, 2)),
            (OpCode.SET_DATA, SetDataRequest(path, b"x")),
            (OpCode.SET_DATA, SetDataRequest(path, b"x", -2)),
            (OpCode.SET_ACL, SetAclRequest(path, OPEN_ACL_UNSAFE, -2)),
            (OpCode.DELETE, DeleteRequest(path, -2)),
            (OpCode.MULTI, MultiRequest(((OpCode.CHECK, CheckVersionRequest(path, -1)),))),
            (OpCode.MULTI, MultiRequest(((OpCode.CHECK, CheckVersionRequest(path, 9)),))),
        ]


def _others() -> Iterator[list[Step]]:
    for mode in (-1, 0, 1, 2):
        yield [(OpCode.ADD_WATCH, AddWatchRequest("/w", mode))]
    for kind in (-1, 0, 1, 2, 3, 6):
        yield [(OpCode.REMOVE_WATCHES, WatchesRequest("/unwatched", kind))]
        yield [(OpCode.CHECK_WATCHES, WatchesRequest("/unwatched", kind))]
    yield [(OpCode.MULTI, MultiRequest(())), (OpCode.MULTI_READ, MultiRequest(()))]
    yield [(OpCode.RECONFIG, ReconfigRequest(None, None, None, -1))]
    yield [(OpCode.SASL, SaslRequest(b"")), (OpCode.PING, EMPTY)]
    for op in (*range(1, 24), *range(99, 109), -1, -10):
        if op not in (OpCode.PING, OpCode.AUTH, OpCode.WHO_AM_I):
            yield [(op, b""), (OpCode.PING, EMPTY)]


def _quotas() -> Iterator[list[Step]]:
    """``zookeeper_stats`` says what is used, whatever was written there."""
    of, stats = "/zookeeper/quota/quoted", "/zookeeper/quota/quoted/zookeeper_stats"

    def made(path: str, data: bytes) -> Step:
        return OpCode.CREATE, CreateRequest(path, data, OPEN_ACL_UNSAFE, 0)

    read: list[Step] = [(op, ReadRequest(stats, False)) for op in READS]
    yield [
        made("/quoted", b"abc"),
        made("/quoted/x", b"12"),
        made(of, b""),
        made(f"{of}/zookeeper_limits", b"count=5,bytes=-1=;byteHardLimit=-1;countHardLimit=-1"),
        made(stats, b"count=0,bytes=0"),
        *read,
        made("/quoted/x/y", b"1234567890"),
        *read,
        (OpCode.SET_DATA, SetDataRequest("/quoted/x", b"", -1)),
        *read,
        (OpCode.MULTI_READ, MultiRequest(((OpCode.GET_DATA, ReadRequest(stats, False)),))),
        (OpCode.DELETE, DeleteRequest("/quoted/x/y", -1)),
        *read,
        (OpCode.DELETE, DeleteRequest("/quoted/x", -1)),
        (OpCode.DELETE, DeleteRequest("/quoted", -1)),
        *read,
    ]


async def _answer(client: Client, op: int, record: Any) -> str:
    if client.transport.is_closing():
        return "closed"
    if isinstance(record, bytes):
        client.transport.write((8 + len(record)).to_bytes(4, "big"))
        client.transport.write((1).to_bytes(4, "big") + op.to_bytes(4, "big", signed=True) + record)
    else:
        client.send(op, record)
    async with asyncio.timeout(30):
        frame = await client.frames.get()
    if frame is None:
        return "closed"
    header = jute.decode_reply_header(frame)
    return str(header.err or _plain(jute.decode_reply(op, frame)))


def _plain(record: Any) -> Any:
    """Names in order, and of a Stat what follows from the request."""
    text = re.sub(r"(czxid|mzxid|pzxid|ctime|mtime)=\d+, |, pzxid=\d+", "", str(record))
    text = re.sub(r"ephemeralOwner=[1-9]\d*", "ephemeralOwner=mine", text)
    text = re.sub(r"cversion=\d+|numChildren=\d+|total=\d+", lambda m: m[0].split("=")[0], text)
    for kind in ("children", "client_info"):
        if (list_ := getattr(record, kind, None)) is not None:
            text = re.sub(rf"{kind}=\(.*?\)(?=,? ?(stat|\)$))", f"{kind}={sorted(list_)}", text)
    return text


async def ask(server: Any) -> list[str]:
    """The table and the answers, a line each; every group of steps on a session of its own."""
    lines = []
    for part in (_auth, _acls, _creates, _paths, _others, _quotas):
        for steps in part():
            client = await connect(server, timeout_ms=30_000)
            for op, record in steps:
                name = OpCode(op).name if op in {*OpCode} else str(op)
                answer = await _answer(client, op, record)
                lines.append(f"{name} {record!r} -> {answer}")
            client.drop()
    return lines


if __name__ == "__main__":
    where = type("Original", (), {"port": int(sys.argv[1])})
    print("\n".join(asyncio.run(ask(where))))
