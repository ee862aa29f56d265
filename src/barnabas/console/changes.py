"""The live view: a stream that begins with the whole cluster and goes on with its changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
from starlette.requests import Request

from barnabas.console.context import Console, console_of
from barnabas.console.documents import (
    Document,
    event_document,
    health_document,
    patch_document,
    snapshot_document,
)
from barnabas.console.model import Snapshot, patch_between
from barnabas.http.answers import Json
from barnabas.http.events import Events, ServerEvent

PACE_S: Final = 0.04
"""Time between two messages of one stream, so that many changes make few large messages."""
EVENTS_AT_ONCE: Final = 2_000


async def snapshot(request: Request) -> Json:
    """``GET /api/snapshot``: the cluster now."""
    console = console_of(request)
    return Json({**_common(console), "snapshot": snapshot_document(console.hub.snapshot)})


async def events(request: Request) -> Json:
    """``GET /api/events?since=N``: the kept events from number N on."""
    console = console_of(request)
    text = request.query_params.get("since", "0")
    since = int(text) if text.isdecimal() and len(text) < 19 else 0
    found = console.hub.events(since)
    return Json({"events": [event_document(n, e) for n, e in found], "next": console.hub.noted})


async def changes(request: Request) -> Events:
    """``GET /api/changes``: server-sent events. The first has ``snapshot``, the others ``patch``;
    each has ``health``, the new ``events``, those that brokers have said more of (``refined``),
    ``trouble`` and ``processes``."""
    return Events(_stream(console_of(request)))


async def _stream(console: Console) -> AsyncIterator[ServerEvent]:
    hub = console.hub
    seen: Snapshot | None = None
    noted = max(hub.noted - EVENTS_AT_ONCE, 0)
    version = hub.version
    while True:
        changed = hub.refined_since(version, noted)
        version, now = hub.version, hub.snapshot
        message: Document = _common(console)
        if seen is None:
            message["snapshot"] = snapshot_document(now)
        elif patch := patch_between(seen, now):
            message["patch"] = patch_document(patch)
        happened = hub.events(noted)
        message["events"] = [event_document(n, e) for n, e in happened[-EVENTS_AT_ONCE:]]
        if changed:
            message["refined"] = [event_document(n, e) for n, e in changed]
        seen, noted = now, hub.noted
        yield ServerEvent(data=encoded(message))
        await asyncio.sleep(PACE_S)
        await hub.after(version)


def _common(console: Console) -> Document:
    hub = console.hub
    return {
        "now_ms": console.env.clock.wall_ms(),
        "complete": hub.is_complete,
        "trouble": hub.trouble,
        "health": health_document(hub.health),
        "processes": dict(hub.processes),
        "lag": {
            f"{tp.topic}/{tp.partition}": {str(broker): n for broker, n in behind.items()}
            for tp, behind in hub.lag.items()
        },
        "write": console.write,
        "zookeeper": console.zookeeper is not None,
    }


def encoded(document: Any) -> str:
    """JSON text."""
    return msgspec.json.encode(document).decode()
