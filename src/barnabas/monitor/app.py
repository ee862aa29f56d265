"""The paths of a broker's HTTP listener. An app for ``http.light_server``.

- ``/metrics``: for Prometheus
- ``/livez``: 200 while the loop runs; ``/readyz``: 200 or 503, with reasons as JSON
- ``/events``: the last events; ``/events?follow``: these, and then new ones as they happen
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qs

from barnabas.http.answers import App, HttpError, Json, Receive, Scope, Send
from barnabas.http.events import Events, ServerEvent
from barnabas.observe.events import to_json
from barnabas.observe.timeline import Noted, Timeline

OPEN_PATHS: Final = frozenset({"/livez", "/readyz"})
"""Served without a token, since the probes of a container platform have none."""
QUEUED_EVENTS_MAX: Final = 1_000
"""Events kept for a follower that does not read; then the oldest are dropped."""
EVENTS_PER_TURN: Final = 50
PAGES_AT_ONCE: Final = 2
"""Pages of ``/metrics`` written at the same time, since each takes memory."""

_JSON: Final = [(b"content-type", b"application/json")]
CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"

Pages = Callable[[], AsyncIterator[str]]


class MonitorApp:
    """An ASGI app. ``condition`` is the document of ``/readyz``; ``pages`` gives the text of
    ``/metrics`` in pieces."""

    def __init__(
        self,
        timeline: Timeline,
        condition: Callable[[], Mapping[str, object]],
        pages: Pages,
    ) -> None:
        self._timeline = timeline
        self._condition = condition
        self._pages = pages
        self._pages_now = 0
        self._served: Mapping[str, App] = {
            "/": self._index,
            "/livez": self._livez,
            "/readyz": self._readyz,
            "/metrics": self._metrics,
            "/events": self._events,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        serve = self._served.get(scope["path"])
        if serve is None:
            raise HttpError(404, "no such path")
        if scope["method"] not in ("GET", "HEAD"):
            raise HttpError(405, "only GET", [(b"allow", b"GET, HEAD")])
        await serve(scope, receive, send)

    async def _index(self, scope: Scope, receive: Receive, send: Send) -> None:
        paths = [path for path in self._served if path != "/"]
        await Json({"source": self._timeline.source, "paths": paths})(scope, receive, send)

    async def _livez(self, scope: Scope, receive: Receive, send: Send) -> None:
        await Json({"live": True})(scope, receive, send)

    async def _readyz(self, scope: Scope, receive: Receive, send: Send) -> None:
        document = self._condition()
        await Json(document, 200 if document["ready"] else 503)(scope, receive, send)

    # Metrics

    async def _metrics(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._pages_now >= PAGES_AT_ONCE:
            raise HttpError(503, "metrics are being read already", [(b"retry-after", b"1")])
        self._pages_now += 1
        try:
            await self._send_pages(scope, send)
        finally:
            self._pages_now -= 1

    async def _send_pages(self, scope: Scope, send: Send) -> None:
        headers = [(b"content-type", CONTENT_TYPE)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["method"] != "HEAD":
            async for text in self._pages():
                await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    # Events

    async def _events(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        after = _after(asked, scope)
        if "follow" in asked:
            await Events(self._following(after))(scope, receive, send)
            return
        noted = self._timeline.noted(after)
        await send({"type": "http.response.start", "status": 200, "headers": _JSON})
        if scope["method"] != "HEAD":
            before = f'{{"source": {json.dumps(self._timeline.source)}, "events": ['.encode()
            for start in range(0, len(noted), EVENTS_PER_TURN):
                some = noted[start : start + EVENTS_PER_TURN]
                body = before + b",\n".join(to_json(each.event()) for each in some)
                await send({"type": "http.response.body", "body": body, "more_body": True})
                before = b",\n"
                await asyncio.sleep(0)
            end = b"]}\n" if noted else before + b"]}\n"
            await send({"type": "http.response.body", "body": end, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _following(self, after: int) -> AsyncIterator[ServerEvent]:
        queue: deque[Noted] = deque(self._timeline.noted(after), maxlen=QUEUED_EVENTS_MAX)
        come = asyncio.Event()

        def hear(noted: Noted) -> None:
            queue.append(noted)
            come.set()

        leave = self._timeline.follow(hear)
        try:
            while True:
                while queue:
                    event = queue.popleft().event()
                    yield ServerEvent(data=to_json(event).decode(), id=str(event.sequence))
                come.clear()
                await come.wait()
        finally:
            leave()


def _after(asked: Mapping[str, list[str]], scope: Mapping[str, Any]) -> int:
    """The ``sequence`` after which events are wanted. Raises HttpError."""
    texts = list(asked.get("after", ()))
    texts += [v.decode("latin-1") for k, v in scope["headers"] if k == b"last-event-id"]
    if not texts:
        return 0
    if not texts[-1].isascii() or not texts[-1].isdigit() or len(texts[-1]) > 18:
        raise HttpError(400, "after: not a sequence number")
    return int(texts[-1])
