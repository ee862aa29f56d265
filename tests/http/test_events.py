"""Server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.virtual_time import run

from barnabas.http.answers import Message
from barnabas.http.events import Events, ServerEvent


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (ServerEvent(data="x"), "data: x\n\n"),
        (ServerEvent(data=""), "data: \n\n"),
        (ServerEvent(data="a\nb\r\nc\rd"), "data: a\ndata: b\ndata: c\ndata: d\n\n"),
        (ServerEvent(data="x", name="n", id="7"), "id: 7\nevent: n\ndata: x\n\n"),
        (ServerEvent(data="x", name="n\ndata: forged"), "event: n\\ndata: forged\ndata: x\n\n"),
    ],
)
def test_the_lines_of_an_event(event: ServerEvent, text: str) -> None:
    assert event.encode().decode() == text


class Client:
    """Receives what is sent, until it goes."""

    def __init__(self) -> None:
        self.told: list[bytes] = []
        self.gone = asyncio.Event()
        self.closed = False

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.told.append(message.get("body", b""))

    async def source(self, *pauses_s: float) -> AsyncIterator[ServerEvent]:
        try:
            for number, pause_s in enumerate(pauses_s):
                await asyncio.sleep(pause_s)
                yield ServerEvent(data=str(number))
        finally:
            self.closed = True


def test_a_stream_ends_with_its_source() -> None:
    async def main() -> None:
        client = Client()
        await Events(client.source(1, 1))({"method": "GET"}, client.receive, client.send)
        assert client.told == [b"", b": hello\n\n", b"data: 0\n\n", b"data: 1\n\n", b""]
        assert client.closed

    run(main())


def test_a_stream_shows_that_it_lives() -> None:
    async def main() -> None:
        client = Client()
        await Events(client.source(35), ping_s=10)({"method": "GET"}, client.receive, client.send)
        assert client.told[2:] == [b": ping\n\n"] * 3 + [b"data: 0\n\n", b""]

    run(main())


def test_a_stream_ends_when_nobody_listens() -> None:
    async def main() -> None:
        client = Client()
        answer = Events(client.source(1, 1e6))({"method": "GET"}, client.receive, client.send)
        stream = asyncio.ensure_future(answer)
        await asyncio.sleep(2)
        client.gone.set()
        await stream
        assert client.told[-2:] == [b"data: 0\n\n", b""]
        assert client.closed
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main())
