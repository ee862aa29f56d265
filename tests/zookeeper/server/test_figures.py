"""What the coordinator counts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.virtual_time import run
from tests.zookeeper.server.kit import Server, connect, coordinator

from barnabas.zookeeper.messages import (
    EMPTY,
    OpCode,
    PathRequest,
)
from barnabas.zookeeper.server import four_letter, handlers


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
