"""Between brokers and ZooKeeper: passes everything on, and cuts the connection in the middle of a
chosen multi: after so many bytes of it, or when it was passed on and before its answer is.
"""

from __future__ import annotations

import asyncio
import re
import struct
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum

from barnabas.zookeeper import jute
from barnabas.zookeeper.messages import MultiRequest, OpCode

_LENGTH = struct.Struct(">i")


class Where(Enum):
    """A cut is made."""

    IN_REQUEST = "in the middle of the request"
    BEFORE_ANSWER = "after it was passed on, before the answer"


def kind_of(record: MultiRequest) -> str:
    """What a multi does, without names and numbers; repeated operations count once."""
    parts = []
    for op, part in record.ops:
        name = OpCode(op).name.lower().removesuffix("_data")
        parts.append(f"{name} {_general(part.path)}")
    return "; ".join(dict.fromkeys(parts))


def _general(path: str) -> str:
    path = re.sub(r"^(/brokers/topics|/admin/delete_topics|/config/topics)/[^/]+", r"\1/T", path)
    return re.sub(r"(?<=[/_])\d+(?=/|$)", "N", path)


@dataclass(slots=True)
class Cut:
    """One that is still to be made, or was."""

    kind: re.Pattern[str]
    where: Where
    made: threading.Event


class Proxy:
    """Runs on a thread of its own. ``targets`` are the members; the first port is for the first."""

    def __init__(self, address: str, first_port: int, targets: list[tuple[str, int]]) -> None:
        self.address = address
        self.first_port = first_port
        self._targets = targets
        self._cut: Cut | None = None
        self.kinds: Counter[str] = Counter()
        """Of all multis that came by."""
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def connect(self) -> str:
        """For ``zookeeper.connect``."""
        ports = range(self.first_port, self.first_port + len(self._targets))
        return ",".join(f"{self.address}:{port}" for port in ports)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def cut(self, kind: str, where: Where) -> threading.Event:
        """Cut the next multi whose kind matches the pattern; the event tells that it was cut."""
        cut = Cut(re.compile(kind), where, threading.Event())
        self._cut = cut
        return cut.made

    def disarm(self) -> None:
        self._cut = None

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        for number, target in enumerate(self._targets):
            serve = asyncio.start_server(
                lambda r, w, t=target: self._serve(r, w, *t),  # type: ignore[misc]
                self.address,
                self.first_port + number,
            )
            self._loop.run_until_complete(serve)
        self._ready.set()
        self._loop.run_forever()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int
    ) -> None:
        try:
            up_reader, up_writer = await asyncio.open_connection(host, port)
        except OSError:
            writer.transport.abort()
            return
        connection = _Proxied(self, writer, up_writer)
        tasks = [
            asyncio.create_task(connection.requests(reader)),
            asyncio.create_task(connection.answers(up_reader)),
        ]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        writer.transport.abort()
        up_writer.transport.abort()

    def wants(self, record: MultiRequest) -> Where | None:
        """Where this multi is to be cut, if it is."""
        kind = kind_of(record)
        self.kinds[kind] += 1
        cut = self._cut
        if cut is None or not cut.kind.search(kind):
            return None
        return cut.where

    def made(self) -> None:
        cut, self._cut = self._cut, None
        if cut is not None:
            cut.made.set()


class _Proxied:
    """One connection; either direction ends it by returning."""

    def __init__(
        self, proxy: Proxy, writer: asyncio.StreamWriter, up_writer: asyncio.StreamWriter
    ) -> None:
        self._proxy = proxy
        self._writer = writer
        self._up_writer = up_writer
        self._last_xid: int | None = None
        """Of the multi whose answer is not passed on, nor any after it."""

    async def requests(self, reader: asyncio.StreamReader) -> None:
        with suppress(asyncio.IncompleteReadError, OSError):
            self._up_writer.write(await _frame(reader))  # the session's
            while True:
                frame = await _frame(reader)
                xid, op = jute.decode_request_header(frame[4:])
                if op == OpCode.MULTI:
                    record = jute.decode_request_record(op, frame[4:])
                    where = self._proxy.wants(record)
                    if where is Where.IN_REQUEST:
                        self._up_writer.write(frame[: len(frame) // 2])
                        await self._up_writer.drain()
                        self._proxy.made()
                        return
                    if where is Where.BEFORE_ANSWER:
                        self._last_xid = xid
                self._up_writer.write(frame)

    async def answers(self, reader: asyncio.StreamReader) -> None:
        with suppress(asyncio.IncompleteReadError, OSError):
            self._writer.write(await _frame(reader))
            while True:
                frame = await _frame(reader)
                if jute.decode_reply_header(frame[4:]).xid == self._last_xid:
                    self._proxy.made()
                    return
                self._writer.write(frame)


async def _frame(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(4)
    return head + await reader.readexactly(_LENGTH.unpack(head)[0])
