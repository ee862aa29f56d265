"""The tree that ZooKeeper keeps: nodes with Kafka's bodies read, their owners, and its sessions.

Bodies that hold credentials are not shown.
"""

from __future__ import annotations

import asyncio
from typing import Final, cast

import msgspec
from starlette.requests import Request

from barnabas import addresses
from barnabas.console.context import Console, console_of
from barnabas.console.shown_records import shown_bytes
from barnabas.http.answers import HttpError, Json
from barnabas.zk.acls import SENSITIVE_ROOT_PATHS
from barnabas.zk.stat_document import stat_document, stat_summary
from barnabas.zookeeper.client.addresses import parse_connect_string
from barnabas.zookeeper.client.client import ZooKeeperClient
from barnabas.zookeeper.client.operations import ExistsOp
from barnabas.zookeeper.errors import NoNode, ZooKeeperError
from barnabas.zookeeper.messages import Stat

CHILDREN_MAX: Final = 1_000
WORDS: Final = ("srvr", "mntr", "wchs", "dump")
"""Four-letter words; a ZooKeeper answers those that its ``4lw.commands.whitelist`` has."""
WORD_BYTES_MAX: Final = 256 * 1024
WORD_S: Final = 2.0


async def znode(request: Request) -> Json:
    """``GET /api/znodes?path=/``: a node, its body, and its children with their sizes."""
    console = console_of(request)
    zookeeper = _zookeeper(console)
    path = request.query_params.get("path", "/")
    if not path.startswith("/"):
        raise HttpError(400, "path: begins with /")
    try:
        names, _ = await zookeeper.children(path)
        data, stat = await zookeeper.get(path)
        some = names[:CHILDREN_MAX]
        prefix = "" if path == "/" else path
        stats = await zookeeper.submit_all([ExistsOp(f"{prefix}/{name}") for name in some])
    except NoNode:
        raise HttpError(404, "no such node") from None
    except (ZooKeeperError, ValueError) as error:
        raise HttpError(409, str(error)) from None
    return Json(
        {
            "path": path,
            "stat": stat_document(stat),
            "body": _body(path, data),
            "children": [
                {"name": name, **stat_summary(found)}
                for name, found in zip(some, stats, strict=True)
                if isinstance(found, Stat)
            ],
            "left_out": max(len(names) - CHILDREN_MAX, 0),
        }
    )


def _zookeeper(console: Console) -> ZooKeeperClient:
    if console.zookeeper is None:
        raise HttpError(404, "this console asks brokers alone: start it with --zookeeper")
    return console.zookeeper


def _body(path: str, data: bytes) -> dict[str, object]:
    if path.startswith(SENSITIVE_ROOT_PATHS):
        return {"hidden": "not shown: it may hold credentials"}
    if not data:
        return {"empty": True}
    try:
        return {"json": msgspec.json.decode(data)}
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return {"raw": shown_bytes(data)}


async def coordinator(request: Request) -> Json:
    """``GET /api/coordinator``: what the server says of itself, and this console's own session."""
    console = console_of(request)
    zookeeper = _zookeeper(console)
    answers = {}
    hosts = parse_connect_string(console.zookeeper_connect).hosts
    for word in WORDS:
        text = await ask_word(hosts[0], word)
        if text and "whitelist" not in text:
            answers[word] = text
    return Json(
        {
            "words": answers,
            "session": f"{zookeeper.session_id & (2**64 - 1):#x}",
            "state": zookeeper.state.value,
            "session_timeout_ms": zookeeper.session_timeout_ms,
            "watches": zookeeper.watches,
            "server": f"{hosts[0][0]}:{hosts[0][1]}",
        }
    )


async def ask_word(server: tuple[str, int], word: str) -> str | None:
    """The answer to a four-letter word; None if there is none in time."""
    answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    try:
        async with asyncio.timeout(WORD_S):
            host, port = server
            connection = await addresses.connect(lambda: _Word(word, answer), host, port)
            try:
                return (await answer).decode(errors="replace")
            finally:
                connection.close()
    except (OSError, TimeoutError):
        return None


class _Word(asyncio.Protocol):
    """Sends a word, and takes what comes until the server closes."""

    def __init__(self, word: str, answer: asyncio.Future[bytes]) -> None:
        self._word = word
        self._answer = answer
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._word.encode())

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if len(self._received) > WORD_BYTES_MAX:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._answer.done():
            self._answer.set_result(bytes(self._received[:WORD_BYTES_MAX]))
