"""One connection of the coordinator: greetings, limits and bad input."""

from __future__ import annotations

import asyncio

import pytest
from tests.virtual_time import run
from tests.zookeeper.server.kit import Client, Server, break_stats, connect, coordinator

from barnabas.limits import ZOOKEEPER_SERVER_FRAME_BYTES_MAX
from barnabas.zookeeper import jute
from barnabas.zookeeper.messages import (
    EMPTY,
    Code,
    CreateRequest,
    OpCode,
    PathRequest,
    ReadRequest,
)


def test_a_wrong_password_gets_no_session() -> None:
    async def main() -> None:
        async with coordinator() as server:
            owner = await connect(server)
            forged = owner.session._replace(password=bytes(16))
            thief = await connect(server, resume=forged)
            assert thief.session.timeout_ms == 0
            assert await thief.receive() is None
            assert await owner.call(OpCode.PING) == (0, EMPTY)

    run(main())


def test_a_client_from_the_future_is_turned_away() -> None:
    async def main() -> None:
        async with coordinator() as server:
            client = await connect(server, last_zxid=1 << 60)
            assert client.session.session_id == 0
            assert client.transport.is_closing()

    run(main())


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff\xff\xff\xff",
        b"\x7f\xff\xff\xff",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0\0\0\0",
        b"\0\0\0\2ab",
    ],
)
def test_bad_input_closes_only_its_connection(garbage: bytes) -> None:
    async def main() -> None:
        async with coordinator() as server:
            good = await connect(server)
            loop = asyncio.get_running_loop()
            _, bad = await loop.create_connection(Client, "127.0.0.1", server.port)
            bad.transport.write(garbage)
            assert await bad.receive() is None
            garbled = await connect(server)
            garbled.transport.write(b"\0\0\0\x0c\0\0\0\1\0\0\0\1\0\0\xff\xff")
            assert (await garbled.reply(OpCode.CREATE))[0] == Code.MARSHALLING_ERROR
            garbled.transport.write(b"\0\0\0\x0a\0\0\0\1\0\0\0\x64\0\0")
            assert await garbled.receive() is None, "auth without its record"
            assert await good.call(OpCode.PING) == (0, EMPTY)

    run(main())


def test_an_unknown_operation_is_refused_and_ends_the_connection() -> None:
    async def main() -> None:
        async with coordinator() as server:
            client = await connect(server)
            client.transport.write(b"\0\0\0\x08\0\0\0\1\0\0\x03\xe7")
            frame = await client.receive()
            assert frame is not None
            assert jute.decode_reply_header(frame).err == Code.UNIMPLEMENTED
            assert await client.receive() is None

    run(main())


async def _flood(server: Server, count: int) -> Client:
    client = await connect(server)
    await client.call(OpCode.CREATE, CreateRequest("/big", bytes(500_000)))
    client.transport.pause_reading()
    for _ in range(count):
        client.send(OpCode.GET_DATA, ReadRequest("/big"))
    return client


def test_a_client_that_does_not_read_is_not_served_further() -> None:
    async def main() -> None:
        async with coordinator() as server:
            greedy = await _flood(server, 300)
            other = await connect(server)
            await asyncio.sleep(1)
            for _ in range(3):
                assert (await other.call(OpCode.PING))[0] == 0
            greedy.transport.resume_reading()
            for _ in range(300):
                assert len((await greedy.reply(OpCode.GET_DATA))[1].data) == 500_000

    run(main())


def test_big_frames_pass_up_to_the_limit() -> None:
    async def main() -> None:
        async with coordinator() as server:
            client = await connect(server)
            data = bytes(ZOOKEEPER_SERVER_FRAME_BYTES_MAX - 200)
            assert (await client.call(OpCode.CREATE, CreateRequest("/big", data)))[0] == 0
            assert (await client.call(OpCode.GET_DATA, ReadRequest("/big")))[1].data == data
            client.send(OpCode.CREATE, CreateRequest("/bigger", data + bytes(400)))
            assert await client.receive() is None

    run(main())


def test_a_read_that_breaks_ends_its_connection_only(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with coordinator() as server:
            good, bad = await connect(server), await connect(server)
            with monkeypatch.context() as patch:
                break_stats(patch)
                bad.send(OpCode.SYNC, PathRequest("/"))
                bad.send(OpCode.EXISTS, ReadRequest("/"))
                bad.send(OpCode.SYNC, PathRequest("/"))
                assert (await bad.reply(OpCode.SYNC))[0] == 0
                assert await bad.receive() is None
            assert await good.call(OpCode.PING) == (0, EMPTY)
            # It comes back to its session.
            again = await connect(server, resume=bad.session)
            assert again.session.session_id == bad.session.session_id
            assert (await again.call(OpCode.EXISTS, ReadRequest("/")))[0] == 0

    run(main())
