"""Connects a test with the processes of its nodes: JSON lines over a Unix socket, both ways.

A node sends ``hello``, receives its links and faults, and begins. Then it reports events, and
carries out what the test asks for.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from typing import Any, Final, TypeAlias, cast

from barnabas.cluster.control import socket_path

LINE_BYTES_MAX: Final = 16 * 1024 * 1024
CONNECT_TIMEOUT_S: Final = 30.0
CONNECT_PAUSE_S: Final = 0.01
Message: TypeAlias = dict[str, Any]


def channel_path(port: int) -> str:
    """The socket of the cluster whose first broker listens on ``port``."""
    return socket_path(port) + ".nodes"


async def connect_channel(channel: Channel, path: str) -> None:
    """Connect to the test's end, which may be about to listen. Raises TimeoutError."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(CONNECT_TIMEOUT_S):
        while True:
            try:
                await loop.create_unix_connection(lambda: channel, path)
                return
            except (FileNotFoundError, ConnectionRefusedError):
                await asyncio.sleep(CONNECT_PAUSE_S)


class Channel(asyncio.Protocol):
    """One end of the channel. ``on_message`` is called with every message that is no answer,
    ``on_end`` once when the other end has closed."""

    def __init__(
        self,
        on_message: Callable[[Channel, Message], None],
        on_end: Callable[[Channel], None],
    ) -> None:
        self._on_message = on_message
        self._on_end = on_end
        self._transport: asyncio.WriteTransport | None = None
        self._received = bytearray()
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self.name = ""
        """The name of the node at the other end."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        *lines, rest = self._received.split(b"\n")
        self._received = rest
        if len(rest) > LINE_BYTES_MAX:
            self.close()
            return
        for line in lines:
            message = json.loads(line)
            if "answer" not in message:
                self._on_message(self, message)
            elif (asked := self._asked.pop(message["answer"], None)) and not asked.done():
                asked.set_result(message["result"])

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        asked, self._asked = self._asked, {}
        for future in asked.values():
            if not future.done():
                future.set_exception(ConnectionError(f"{self.name or 'the test'} has gone"))
        self._on_end(self)

    def send(self, message: Message) -> None:
        """Send without an answer. Nothing happens if the other end has closed."""
        if self._transport is not None:
            self._transport.write(json.dumps(message, default=str).encode() + b"\n")

    def ask(self, message: Message) -> asyncio.Future[Any]:
        """Send, and return the future of the answer: ConnectionError if the other end closes, or
        has closed."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._transport is None:
            future.set_exception(ConnectionError(f"{self.name or 'the test'} has gone"))
            return future
        number = next(self._numbers)
        self._asked[number] = future
        self.send({**message, "number": number})
        return future

    def answer(self, message: Message, result: object) -> None:
        """Answer a message that the other end sent with ``ask``."""
        self.send({"answer": message["number"], "result": result})

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
