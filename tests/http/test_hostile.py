"""Whatever bytes come, a server answers or closes, says nothing untoward, and serves the next."""

from __future__ import annotations

import asyncio
import contextlib
import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.http.kit import KINDS, OPEN, Start, connected, one
from tests.http.test_servers import app

PIECES = [
    b"GET /query?a HTTP/1.1\r\n",
    b"POST /echo HTTP/1.1\r\n",
    b"HEAD /chunks HTTP/1.0\r\n",
    b"GET http://evil.example/query HTTP/1.1\r\n",
    b"GET /%ff%00%0d%0a HTTP/1.1\r\n",
    b"GET /events HTTP/1.1\r\n",
    b"GET /broken HTTP/1.1\r\n",
    b"Host: 127.0.0.1\r\n",
    b"Host: evil.example\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: -1\r\n",
    b"Content-Length: 99999999999999999999\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
    b"Expect: 100-continue\r\n",
    b"Authorization: Bearer \xff\xfe\r\n",
    b"Cookie: ;;=;a\r\n",
    b"A" * 20_000,
    b"\r\n",
    b"hello",
    b"5\r\nhello\r\n",
    b"fffffffffffffffff\r\n",
    b"0\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01",
    b"\x00\x00\x00\x20\x00\x12\x00\x03",
]
WHAT_IS_SAID = st.lists(st.sampled_from(PIECES) | st.binary(max_size=50), max_size=12)


@pytest.mark.parametrize("start", KINDS)
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(said=WHAT_IS_SAID, half_closed=st.booleans())
def test_bytes_of_anybody(
    start: Start, caplog: pytest.LogCaptureFixture, said: list[bytes], half_closed: bool
) -> None:
    caplog.clear()

    async def main() -> None:
        async with asyncio.timeout(20), await start(app, OPEN) as listener:
            async with connected(listener) as wire:
                for piece in said:
                    wire.say(piece)
                    await asyncio.sleep(0)
                with contextlib.suppress(OSError):
                    if half_closed:
                        wire.writer.write_eof()
                        await wire.end()
            status, _, body = await one(listener, "/query?the-next")
            assert (status, body) == (200, b"the-next")
            while listener._connections or listener._app.calls:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
    expected = "an unexpected error" if b"GET /broken HTTP/1.1\r\n" in said else "nothing"
    for record in caplog.records:
        assert record.levelno < logging.ERROR or expected in record.getMessage(), record
