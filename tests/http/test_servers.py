"""Both servers: the same app, the same guard, the same answers."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.http.kit import KINDS, OPEN, Start, connected, one, run

from barnabas.errors import ConfigError
from barnabas.http import light_server, uvicorn_server
from barnabas.http import listener as listener_module
from barnabas.http.answers import HttpError, Json, Receive, Scope, Send, Text
from barnabas.http.events import Events, ServerEvent
from barnabas.http.guard import Guard
from barnabas.http.listener import Listener

pytestmark = pytest.mark.parametrize("start", KINDS)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """What the tests ask of a server."""
    match scope["path"]:
        case "/echo":
            body = (await receive())["body"]
            await Json({"method": scope["method"], "bytes": len(body)})(scope, receive, send)
        case "/query":
            await Text(scope["query_string"])(scope, receive, send)
        case "/long":
            await Text(b"x" * 3_000_000)(scope, receive, send)
        case "/events":
            await Events(forever())(scope, receive, send)
        case "/chunks":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for piece in (b"one", b"two"):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        case "/never":
            await asyncio.Event().wait()
        case "/broken":
            raise RuntimeError("broken")
        case "/half":
            start = {"type": "http.response.start", "status": 200}
            await send({**start, "headers": [(b"content-length", b"10")]})
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
            raise RuntimeError("broken")
        case _:
            raise HttpError(404, "no such path")


async def forever() -> AsyncIterator[ServerEvent]:
    yield ServerEvent(data="first", name="begin", id="1")
    await asyncio.Event().wait()


def test_a_request_and_the_next_on_the_same_connection(start: Start) -> None:
    async def test(listener: Listener) -> None:
        async with connected(listener) as wire:
            for _ in range(3):
                wire.ask("/echo", "POST", b"hello")
                status, headers, body = await wire.answer()
                assert (status, json.loads(body)) == (200, {"method": "POST", "bytes": 5})
                assert headers["content-type"] == "application/json"
                assert headers["x-content-type-options"] == "nosniff"
                assert "server" not in headers

    run(start, app, test)


def test_requests_that_do_not_wait_for_answers(start: Start) -> None:
    async def test(listener: Listener) -> None:
        async with connected(listener) as wire:
            for number in range(50):
                wire.ask(f"/query?n={number}")
            for number in range(50):
                assert (await wire.answer())[2] == b"n=%d" % number

    run(start, app, test)


def test_head_has_no_body(start: Start) -> None:
    async def test(listener: Listener) -> None:
        async with connected(listener) as wire:
            wire.ask("/long", "HEAD")
            status, headers, _ = await wire.answer(is_head=True)
            assert (status, headers["content-length"]) == (200, "3000000")
            wire.ask("/events", "HEAD")
            assert (await wire.answer(is_head=True))[0] == 200
            wire.ask("/query?still")
            assert (await wire.answer())[2] == b"still"

    run(start, app, test)


def test_a_long_answer_to_somebody_who_reads_late(start: Start) -> None:
    async def test(listener: Listener) -> None:
        async with connected(listener) as wire:
            wire.ask("/long")
            await asyncio.sleep(0)
            assert len((await wire.answer())[2]) == 3_000_000

    run(start, app, test)


def test_pieces_of_unknown_length(start: Start) -> None:
    async def test(listener: Listener) -> None:
        async with connected(listener) as wire:
            wire.ask("/chunks", Connection="close")
            assert (await wire.end()).endswith(b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")

    run(start, app, test)


def test_errors_are_one_line_of_json(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    async def test(listener: Listener) -> None:
        status, headers, body = await one(listener, "/nowhere")
        assert (status, body) == (404, b'{"error": "no such path"}\n')
        assert headers["content-type"] == "application/json"
        status, _, body = await one(listener, "/broken")
        assert (status, list(json.loads(body))) == (500, ["error"])

    run(start, app, test)
    assert [r.levelname for r in caplog.records if r.name.startswith("barnabas")] == ["ERROR"]


def test_an_answer_that_breaks_off_is_not_taken_for_whole(start: Start) -> None:
    async def test(listener: Listener) -> None:
        async with connected(listener) as wire:
            wire.ask("/half")
            assert b"content-length: 10" in (said := await wire.end()) or said == b""
            assert not said.endswith(b"x" * 10)

    run(start, app, test)


def test_a_body_that_is_too_long(start: Start) -> None:
    async def test(listener: Listener) -> None:
        status, _, body = await one(listener, "/echo", "POST", b"x" * 5001)
        assert (status, body) == (413, b'{"error": "more than 5000 bytes"}\n')
        async with connected(listener) as wire:
            wire.ask("/echo", "POST", Transfer_Encoding="chunked")
            for _ in range(6):
                wire.say(b"3e8\r\n" + b"x" * 1000 + b"\r\n")
            assert (await wire.answer())[0] == 413
            wire.say(b"0\r\n\r\n")
            wire.ask("/query?and-it-goes-on")
            assert (await wire.answer())[2] == b"and-it-goes-on"

    async def main() -> None:
        async with await start(app, Guard(token=None, body_bytes_max=5000)) as listener:
            await test(listener)

    asyncio.run(main())


def test_a_client_that_asks_whether_to_send_its_body(start: Start) -> None:
    async def test(listener: Listener) -> None:
        async with connected(listener) as wire:
            wire.ask("/echo", "POST", Expect="100-continue", Content_Length="5")
            assert (await wire.answer())[0] == 100
            wire.say(b"hello")
            assert json.loads((await wire.answer())[2])["bytes"] == 5

    run(start, app, test)


@pytest.mark.parametrize(
    "text", ["nonsense\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nA: " + "x" * 70_000]
)
def test_what_is_no_http(start: Start, text: str) -> None:
    async def test(listener: Listener) -> None:
        async with connected(listener) as wire:
            wire.say(text)
            assert (await wire.end()).startswith((b"HTTP/1.1 400", b"HTTP/1.1 431"))
        assert (await one(listener, "/query?next"))[0] == 200

    run(start, app, test)


def test_one_connection_too_many(start: Start) -> None:
    async def main() -> None:
        async with (
            await start(app, OPEN, connections_max=2) as listener,
            connected(listener) as first,
            connected(listener) as second,
        ):
            for wire in (first, second):
                wire.ask("/query")
                assert (await wire.answer())[0] == 200
            async with connected(listener) as third:
                status, _, body = await third.answer()
                assert (status, body) == (503, b'{"error": "too many connections"}\n')
                assert await third.end() == b""
            first.writer.close()
            await until(lambda: len(listener._connections) < 2)
            assert (await one(listener, "/query"))[0] == 200

    asyncio.run(main())


@pytest.mark.parametrize("said", ["", "GET / HT", "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"])
def test_a_head_that_does_not_come(
    start: Start, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (uvicorn_server, light_server, listener_module):
        monkeypatch.setattr(module, "HEAD_TIMEOUT_S", 0.05)

    async def test(listener: Listener) -> None:
        async with connected(listener) as wire:
            wire.say(said)
            assert await wire.end() == b""
        async with connected(listener) as wire:
            wire.ask("/query?first")
            assert (await wire.answer())[0] == 200
            wire.say(said)
            assert await wire.end() == b""

    run(start, app, test)


def test_a_stop_ends_streams_at_once_and_requests_soon(start: Start) -> None:
    async def main() -> None:
        listener = await start(app, OPEN)
        async with connected(listener) as idle, connected(listener) as stream:
            idle.ask("/query")
            await idle.answer()
            stream.ask("/events")
            said = await stream.reader.readuntil(b"first\n\n")
            assert b"content-type: text/event-stream" in said
            assert b"id: 1\nevent: begin\ndata: first\n\n" in said
            loop = asyncio.get_running_loop()
            began = loop.time()
            await listener.stop(grace_s=60)  # nothing of it is waited for
            assert loop.time() - began < 30
            assert (await stream.end()).endswith(b"0\r\n\r\n")
            assert await idle.end() == b""
        with pytest.raises(ConnectionRefusedError):
            await one(listener, "/query")
        await listener.stop()

    asyncio.run(main())


def test_a_stop_cuts_off_what_does_not_end(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        listener = await start(app, OPEN)
        async with connected(listener) as wire:
            wire.ask("/never")
            await until(lambda: bool(listener._app.calls))
            await listener.stop(grace_s=0.01)
            await wire.end()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
    assert caplog.records == []


async def until(condition: Any) -> None:
    while not condition():  # noqa: ASYNC110  (of somebody else's state)
        await asyncio.sleep(0.001)


def test_a_client_that_goes_ends_its_stream(start: Start) -> None:
    async def test(listener: Listener) -> None:
        async with connected(listener) as wire:
            wire.ask("/events")
            await wire.reader.readuntil(b"first\n\n")
            assert listener._app.calls
        await until(lambda: not listener._app.calls)

    run(start, app, test)


def test_beyond_this_machine_only_when_told(start: Start) -> None:
    async def main() -> None:
        with pytest.raises(ConfigError):
            await start(app, OPEN, host="0.0.0.0")
        async with await start(app, OPEN, host="0.0.0.0", others=True) as listener:
            assert listener.url.startswith("http://0.0.0.0:")
            assert (await one(listener, "/query"))[0] == 200
        with socket.create_server(("0.0.0.0", 0)) as bound, pytest.raises(ConfigError):
            await start(app, OPEN, sock=bound)

    asyncio.run(main())


def test_on_a_socket_that_was_bound_before(start: Start) -> None:
    async def main() -> None:
        bound = socket.socket()
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        async with await start(app, OPEN, sock=bound) as listener:
            assert listener.port == port
            assert (await one(listener, "/query"))[0] == 200

    asyncio.run(main())


def test_the_host_keeps_its_logs_and_the_log_no_token(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    handlers = {name: list(logging.getLogger(name).handlers) for name in ("", "uvicorn.access")}

    async def test(listener: Listener) -> None:
        assert (await one(listener, "/query?token=secret"))[2] == b""

    with caplog.at_level(logging.DEBUG):
        run(start, app, test)
    assert "secret" not in caplog.text
    assert {name: list(logging.getLogger(name).handlers) for name in handlers} == handlers
    assert logging.getLogger("uvicorn.access").propagate
