"""A ZooKeeper server for tests that misbehaves on command.

It keeps a real tree, speaks the real protocol, and asks ``fault`` about every request: "drop" (the
connection, before applying it), "apply and drop" (nobody gets the reply), "hold" (never answered),
or None. ``expire`` ends a session, ``cut`` every connection. What it was asked is in ``requests``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, cast

from barnabas.zookeeper import jute
from barnabas.zookeeper.messages import (
    XID_SET_WATCHES,
    Children2Response,
    Code,
    ConnectRequest,
    ConnectResponse,
    GetDataResponse,
    OpCode,
    PathResponse,
    SaslResponse,
    StatResponse,
    WatcherEvent,
)
from barnabas.zookeeper.server.node import Refused
from barnabas.zookeeper.server.tree import Request, ZTree

Fault = Callable[[int, Any], str | None]
NOW_MS: Final = 1_700_000_000_000
"""When everything is written: the clients' clock stands here too."""


class PuppetServer:
    """``async with PuppetServer() as server: server.connect_string``."""

    def __init__(self) -> None:
        self.tree = ZTree()
        self.zxid = 0
        self.sessions: dict[int, int] = {}
        """Live sessions and their timeouts."""
        self.session_timeout_ms: int | None = None
        """Granted instead of what is asked for."""
        self.requests: list[tuple[str, str]] = []
        """(operation, path) in the order of arrival; a multi has its parts' names as path."""
        self.greetings: list[ConnectRequest] = []
        self.tokens: list[bytes | None] = []
        """What a login is answered, in order; what it said is in ``told``."""
        self.told: list[bytes] = []
        self.fault: Fault = lambda op, record: None
        self.silent = False
        """Neither pings nor anything else is answered."""
        self.reply_chunk = 1 << 20
        self.connections: list[PuppetConnection] = []
        self._server: asyncio.Server | None = None
        self._next_session = 0x100
        self.port = 0

    @property
    def connect_string(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def __aenter__(self) -> PuppetServer:
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop_listening()
        self.cut()

    async def listen(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: PuppetConnection(self), "127.0.0.1", self.port
        )
        self.port = self._server.sockets[0].getsockname()[1]

    def stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def cut(self) -> None:
        """Drop every connection; sessions live on."""
        for connection in list(self.connections):
            connection.transport.abort()

    def expire(self, session_id: int) -> None:
        """End a session as its timeout would."""
        del self.sessions[session_id]
        for connection in list(self.connections):
            if connection.session_id == session_id:
                connection.watches.clear()
                connection.transport.abort()
        self.zxid += 1
        self.fire(self.tree.close_session(session_id, self.zxid))

    def write(self, op: int, record: Any, session_id: int = 0) -> Any:
        """Apply a write of nobody in particular; the outcome."""
        self.zxid += 1
        outcome = self.tree.apply(op, record, Request(self.zxid, NOW_MS, session_id))
        self.fire(outcome.events)
        return outcome

    def fire(self, events: Any) -> None:
        for kind, path, *_ in events:
            for connection in list(self.connections):
                connection.fire(int(kind), path)

    def new_session_id(self) -> int:
        self._next_session += 1
        return self._next_session


class PuppetConnection(asyncio.Protocol):
    """One client of a PuppetServer."""

    transport: asyncio.Transport

    def __init__(self, server: PuppetServer) -> None:
        self.server = server
        self.session_id = 0
        self.splitter = jute.FrameSplitter()
        self.watches: dict[tuple[str, str], None] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is not a subclass
        self.server.connections.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.server.connections.remove(self)

    def data_received(self, data: bytes) -> None:
        for frame in self.splitter.feed(data):
            if self.session_id == 0:
                self._greet(jute.decode_connect_request(frame))
            else:
                self._serve(*jute.decode_request(frame))

    def send(self, data: bytes) -> None:
        for at in range(0, len(data), self.server.reply_chunk):
            self.transport.write(data[at : at + self.server.reply_chunk])

    def fire(self, kind: int, path: str) -> None:
        """One event if a watch matches, as ZooKeeper does."""
        kinds = {1: ("exist", "data"), 3: ("exist", "data"), 4: ("child",)}
        wanted = kinds.get(kind, ("exist", "data", "child"))
        matching = [(what, path) for what in wanted if (what, path) in self.watches]
        for key in matching:
            del self.watches[key]
        if matching:
            self.send(jute.encode_event(WatcherEvent(kind, 3, path)))

    def _greet(self, request: ConnectRequest) -> None:
        server = self.server
        server.greetings.append(request)
        if server.silent:
            return
        timeout_ms = server.session_timeout_ms or request.timeout_ms
        if request.session_id == 0:
            self.session_id = server.new_session_id()
            server.sessions[self.session_id] = timeout_ms
        elif request.session_id in server.sessions:
            self.session_id = request.session_id
        else:
            self.send(jute.encode_connect_response(ConnectResponse(0, 0, 0, bytes(16), False)))
            self.transport.close()
            return
        answer = ConnectResponse(0, timeout_ms, self.session_id, b"p" * 16, False)
        self.send(jute.encode_connect_response(answer))

    def _serve(self, xid: int, op: int, record: Any) -> None:
        server = self.server
        if server.silent:
            return
        if op == OpCode.PING:
            self.send(jute.encode_reply(xid, server.zxid, op))
            return
        parts = " ".join(OpCode(part).name for part, _ in record.ops) if op == OpCode.MULTI else ""
        server.requests.append((OpCode(op).name, getattr(record, "path", parts)))
        fault = server.fault(op, record)
        if fault == "drop":
            self.transport.abort()
        if fault in ("drop", "hold"):
            return
        reply = self._answer(xid, op, record)
        if fault == "apply and drop":
            self.transport.abort()
        else:
            self.send(reply)

    def _answer(self, xid: int, op: int, record: Any) -> bytes:
        server = self.server
        if op == OpCode.CLOSE_SESSION:
            del server.sessions[self.session_id]
            server.zxid += 1
            server.fire(server.tree.close_session(self.session_id, server.zxid))
            return jute.encode_reply(xid, server.zxid, op)
        if op == OpCode.SET_WATCHES:
            self._set_watches(record)
            return jute.encode_reply(XID_SET_WATCHES, server.zxid, op)
        if op == OpCode.SASL:
            server.told.append(record.token)
            return jute.encode_reply(xid, 0, op, SaslResponse(server.tokens.pop(0)))
        if op == OpCode.SYNC:
            return jute.encode_reply(xid, server.zxid, op, PathResponse(record.path))
        if op in (OpCode.EXISTS, OpCode.GET_DATA, OpCode.GET_CHILDREN2):
            return self._read(xid, op, record)
        outcome = server.write(op, record, self.session_id)
        if outcome.err:
            return jute.encode_error_reply(xid, server.zxid, outcome.err)
        return jute.encode_reply(xid, server.zxid, op, outcome.record)

    def _read(self, xid: int, op: int, record: Any) -> bytes:
        zxid = self.server.zxid
        try:
            node = self.server.tree.get(record.path)
        except Refused:
            if record.watch and op == OpCode.EXISTS:
                self.watches["exist", record.path] = None
            return jute.encode_error_reply(xid, zxid, Code.NO_NODE)
        if record.watch:
            self.watches["child" if op == OpCode.GET_CHILDREN2 else "data", record.path] = None
        stat = node.stat()
        if op == OpCode.EXISTS:
            return jute.encode_reply(xid, zxid, op, StatResponse(stat))
        if op == OpCode.GET_DATA:
            return jute.encode_reply(xid, zxid, op, GetDataResponse(node.data, stat))
        return jute.encode_reply(xid, zxid, op, Children2Response(tuple(node.children), stat))

    def _set_watches(self, record: Any) -> None:
        nodes = self.server.tree.nodes
        for path in record.exist_watches:
            self.watches["exist", path] = None
            if path in nodes:
                self.fire(1, path)
        for path in record.data_watches:
            self.watches["data", path] = None
            if path not in nodes:
                self.fire(2, path)
            elif nodes[path].stat().mzxid > record.relative_zxid:
                self.fire(3, path)
        for path in record.child_watches:
            self.watches["child", path] = None
            if path not in nodes:
                self.fire(2, path)
            elif nodes[path].stat().pzxid > record.relative_zxid:
                self.fire(4, path)
