"""Fetching: bounded in time and size, whatever the other side sends."""

from __future__ import annotations

import asyncio

import pytest

from barnabas.security.http_client import BYTES_MAX, FetchFailed, fetch


def ask(answer: bytes, *, stay: bool = False, body: bytes | None = None) -> tuple[bytes, bytes]:
    """(what the fetch gives, what the server was sent). The server closes unless it is to stay."""
    received = bytearray()

    class Server(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            received.extend(data)
            self.transport.write(answer)
            if not stay:
                self.transport.close()

    async def run() -> bytes:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Server, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            return await fetch(
                f"http://127.0.0.1:{port}/keys?a=b",
                tls=None,
                connect_timeout_s=5,
                read_timeout_s=0.2 if stay else 10,
                body=body,
            )
        finally:
            server.close()

    return asyncio.run(run()), bytes(received)


def test_get_and_post() -> None:
    for head in (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nok",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok",
    ):
        body, sent = ask(head)
        assert body == b"ok"
        assert sent.startswith(b"GET /keys?a=b HTTP/1.1\r\nHost: 127.0.0.1:")
    _, sent = ask(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", body=b"x=y")
    assert sent.startswith(b"POST ")
    assert sent.endswith(b"\r\n\r\nx=y")


@pytest.mark.parametrize(
    ("answer", "may_pass"),
    [
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 429 Later\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 401 No\r\nContent-Length: 6\r\n\r\nsecret", False),
        (b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nok", True),
        (b"SSH-2.0-x\r\n", True),
        (b"", True),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000, True),
        (b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * (BYTES_MAX + 1), False),
    ],
)
def test_answers_that_are_none(answer: bytes, may_pass: bool) -> None:
    with pytest.raises(FetchFailed) as failed:
        ask(answer)
    assert failed.value.may_pass is may_pass
    assert "secret" not in str(failed.value)


def test_who_is_silent_is_not_waited_for() -> None:
    for answer in (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no"):
        with pytest.raises(FetchFailed, match="no answer in"):
            ask(answer, stay=True)


def test_nobody_there() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        await fetch(f"http://127.0.0.1:{port}/", tls=None, connect_timeout_s=5, read_timeout_s=5)

    with pytest.raises(FetchFailed, match=r"127\.0\.0\.1"):
        asyncio.run(run())
