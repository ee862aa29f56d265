"""The app of a broker's HTTP listener, without a socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.observe.support import a_timeline

from barnabas.http.answers import HttpError
from barnabas.monitor.app import EVENTS_PER_TURN, PAGES_AT_ONCE, MonitorApp
from barnabas.observe.events import events_of_document
from barnabas.observe.timeline import Timeline


async def _page() -> AsyncIterator[str]:
    yield "a 1\n"
    yield "b 2\n"


def an_app(timeline: Timeline | None = None, pages: Any = _page) -> MonitorApp:
    return MonitorApp(timeline or a_timeline(), lambda: {"ready": False, "reasons": ["x"]}, pages)


async def answer(app: MonitorApp, path: str, method: str = "GET", query: bytes = b"") -> Any:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    scope = {"type": "http", "method": method, "path": path, "query_string": query, "headers": []}
    await app(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent[1:])
    assert not sent[-1].get("more_body")
    return sent[0]["status"], body, len(sent)


def test_pages_and_health() -> None:
    app = an_app()
    assert asyncio.run(answer(app, "/metrics"))[:2] == (200, b"a 1\nb 2\n")
    assert asyncio.run(answer(app, "/metrics", "HEAD"))[:2] == (200, b"")
    status, body, _ = asyncio.run(answer(app, "/readyz"))
    assert (status, json.loads(body)) == (503, {"ready": False, "reasons": ["x"]})


@pytest.mark.parametrize("count", [0, 1, EVENTS_PER_TURN, 3 * EVENTS_PER_TURN + 1])
def test_events_come_in_pieces_and_are_one_document(count: int) -> None:
    timeline = a_timeline()
    for broker in range(count):
        timeline.note("broker_down", broker=broker, reason="session gone")
    _, body, messages = asyncio.run(answer(an_app(timeline), "/events"))
    assert events_of_document(body) == timeline.events()
    assert messages >= 3 + count // EVENTS_PER_TURN
    _, body, _ = asyncio.run(answer(an_app(timeline), "/events", query=b"after=1"))
    assert events_of_document(body) == timeline.events(after=1)


def test_few_pages_are_written_at_once() -> None:
    async def main() -> None:
        goes_on = asyncio.Event()

        async def slow() -> AsyncIterator[str]:
            yield "a 1\n"
            await goes_on.wait()

        app = an_app(pages=slow)
        reading = [asyncio.ensure_future(answer(app, "/metrics")) for _ in range(PAGES_AT_ONCE)]
        await asyncio.sleep(0)
        with pytest.raises(HttpError) as refused:
            await answer(app, "/metrics")
        assert refused.value.status == 503
        goes_on.set()
        await asyncio.gather(*reading)
        assert (await answer(app, "/metrics"))[0] == 200

    asyncio.run(main())
