"""Four-letter words."""

from __future__ import annotations

import asyncio

import pytest
from tests.virtual_time import run
from tests.zookeeper.server.kit import connect, coordinator, ephemeral

from barnabas.zookeeper.messages import (
    AddWatchRequest,
    OpCode,
    ReadRequest,
)


@pytest.mark.parametrize(
    ("word", "start_of_answer"),
    [
        (b"ruok", b"imok"),
        (b"isro", b"rw"),
        (b"srvr", b"Zookeeper version: 3.8"),
        (b"stat", b"Zookeeper version: 3.8"),
        (b"envi", b"Environment:\nzookeeper.version=3.8"),
        (b"mntr", b"zk_version\t3.8"),
        (b"cons", b" /127.0.0.1:"),
        (b"conf", b"clientPort="),
        (b"dump", b"SessionTracker dump:"),
        (b"wchs", b"1 connections watching 2 paths\nTotal watches:3\n"),
        (b"wchp", b"/"),
        (b"wchc", b"0x1"),
    ],
)
def test_four_letter_words(word: bytes, start_of_answer: bytes) -> None:
    async def main() -> bytes:
        async with coordinator() as server:
            client = await connect(server)
            await client.call(OpCode.CREATE, ephemeral("/a"))
            await client.call(OpCode.GET_CHILDREN, ReadRequest("/", True))
            await client.call(OpCode.ADD_WATCH, AddWatchRequest("/a", 0))
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(word)
            answer = await reader.read()
            writer.close()
            return answer

    assert run(main()).startswith(start_of_answer)
