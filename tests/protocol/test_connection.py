"""The client connection against a scripted peer on a real loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, cast

import pytest

from barnabas.broker.exchange import JOIN_BYTES_MAX, Exchange
from barnabas.protocol import codec
from barnabas.protocol.api import ApiKey
from barnabas.protocol.connection import KafkaConnection, RequestTimedOut
from barnabas.protocol.framing import FrameBuffer
from barnabas.protocol.header import parse_request_header
from barnabas.protocol.message import Message

Answer = Callable[[bytes], bytes | None]


class Peer(asyncio.Protocol):
    """Answers each frame by a function; None closes, b"" stays silent."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.frames = FrameBuffer()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        for frame in self.frames.feed(data):
            reply = self.answer(bytes(frame))
            if reply is None:
                self.transport.close()
            else:
                self.transport.write(reply)


def heartbeat(frame: bytes) -> bytes:
    """Echo the generation as the throttle time."""
    header, offset = parse_request_header(frame)
    request: Any = codec.decode_request(header.api_key, header.api_version, frame, offset)
    answer = Message(throttle_time=request.generation_id)
    return codec.encode_response(header.api_key, header.api_version, header.correlation_id, answer)


def run(answer: Answer, scenario: Callable[[KafkaConnection], Awaitable[None]]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Peer(answer), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        connection = await KafkaConnection.connect(
            "127.0.0.1", port, client_id="1", timeout_ms=5000
        )
        try:
            await scenario(connection)
        finally:
            connection.close()
            server.close()
            await asyncio.sleep(0)

    asyncio.run(main())


def ask(
    connection: KafkaConnection, number: int, timeout_ms: int | None = None
) -> Awaitable[Message]:
    message = Message(group_id="g", generation_id=number, member_id="m")
    return connection.send(ApiKey.HEARTBEAT, 4, message, timeout_ms=timeout_ms)


def test_pipelined_requests_get_their_own_answers() -> None:
    async def scenario(connection: KafkaConnection) -> None:
        answers = await asyncio.gather(*(ask(connection, number) for number in range(50)))
        assert [answer.throttle_time for answer in answers] == list(range(50))
        assert connection.pending == 0
        assert connection.next_correlation_id() == 50

    run(heartbeat, scenario)


def test_frames_and_their_answers_as_bytes() -> None:
    async def scenario(connection: KafkaConnection) -> None:
        message = Message(group_id="g", generation_id=3, member_id="m")
        number = connection.next_correlation_id()
        frame = codec.encode_request(ApiKey.HEARTBEAT, 4, number, "1", message)
        answer = await connection.send_frame([frame[:20], frame[20:]])
        body: Any = codec.decode_response(ApiKey.HEARTBEAT, 4, answer, 5)
        assert body.throttle_time == 3

    run(heartbeat, scenario)


def test_an_answer_given_up_is_dropped() -> None:
    async def scenario(connection: KafkaConnection) -> None:
        first = asyncio.ensure_future(ask(connection, 1))
        await asyncio.sleep(0)
        first.cancel()
        assert (await ask(connection, 2)).throttle_time == 2

    run(heartbeat, scenario)


def test_loss_fails_everything_pending_and_later() -> None:
    async def scenario(connection: KafkaConnection) -> None:
        results = await asyncio.gather(
            ask(connection, 1), ask(connection, 2), return_exceptions=True
        )
        assert [type(result) for result in results] == [ConnectionError, ConnectionError]
        assert not connection.is_open
        with pytest.raises(ConnectionError):
            await ask(connection, 3)

    run(lambda frame: None, scenario)


@pytest.mark.parametrize(
    "reply",
    [
        b"\x7f\xff\xff\xff",
        b"\xff\xff\xff\xff",
        b"\0\0\0\3abc",
        b"\0\0\0\5\0\0\0\x09\0",
        b"\0\0\0\5\0\0\0\0\0",
        b"\0\0\0\x0e\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    ],
)
def test_a_broken_answer_ends_the_connection(reply: bytes) -> None:
    async def scenario(connection: KafkaConnection) -> None:
        with pytest.raises(ConnectionError):
            await ask(connection, 1)
        assert not connection.is_open

    run(lambda frame: reply, scenario)


def test_a_late_answer_ends_the_connection() -> None:
    async def scenario(connection: KafkaConnection) -> None:
        other = asyncio.ensure_future(ask(connection, 1))
        with pytest.raises(RequestTimedOut):
            await ask(connection, 1, timeout_ms=20)
        with pytest.raises(ConnectionError):
            await other
        assert not connection.is_open

    run(lambda frame: b"", scenario)


def test_closing_fails_what_is_pending() -> None:
    async def scenario(connection: KafkaConnection) -> None:
        waiting = asyncio.ensure_future(ask(connection, 1))
        await asyncio.sleep(0)
        connection.close()
        connection.close()
        with pytest.raises(ConnectionError, match="by us"):
            await waiting

    run(lambda frame: b"", scenario)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_refused_connection_is_told_apart(host: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        with pytest.raises(ConnectionRefusedError):
            await KafkaConnection.connect(host, port, client_id="1", timeout_ms=5000)

    asyncio.run(main())


def test_the_bytes_may_come_through_data_received() -> None:
    async def main() -> None:
        connection = KafkaConnection("1")
        written: list[bytes] = []

        class Transport(asyncio.Transport):
            def write(self, data: object) -> None:
                assert isinstance(data, bytes)
                written.append(data)

            def abort(self) -> None:
                return

        connection.connection_made(Transport())
        waiting = asyncio.ensure_future(ask(connection, 9))
        await asyncio.sleep(0)
        connection.data_received(heartbeat(written[0][4:]))
        assert (await waiting).throttle_time == 9

    asyncio.run(main())


class _Written(asyncio.Transport):
    """Keeps what is handed to it."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        self.pieces += map(bytes, list_of_data)

    def abort(self) -> None:
        return


def test_no_empty_piece_is_handed_to_a_transport() -> None:
    """asyncio of Python 3.12 and 3.13 (mended in 3.14: gh-155888) keeps one at the end in its
    buffer for ever, and the loop never rests again. An answer without records ends with one."""

    async def main() -> None:
        transport = _Written()
        connection = KafkaConnection("1")
        connection.connection_made(transport)
        connection.send_frame([bytes(12), b"", b"records", b""])
        assert transport.pieces == [bytes(12), b"records"]

        exchange = object.__new__(Exchange)
        exchange._transport, exchange._closing, exchange._writing_paused = transport, False, False
        exchange._write([b"x" * JOIN_BYTES_MAX, memoryview(b""), b"y", b""])
        assert transport.pieces[2:] == [b"x" * JOIN_BYTES_MAX, b"y"]

    asyncio.run(main())
