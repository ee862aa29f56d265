"""The console of a history: what a cluster was like after each event of a file."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from barnabas.console.asking import number_of
from barnabas.console.changes import encoded
from barnabas.console.history import History
from barnabas.console.listening import listen
from barnabas.console.static_files import StaticFiles
from barnabas.http.answers import Text
from barnabas.http.application import application
from barnabas.http.guard import Guard

_JSON: Final = "application/json"


def replay_app(history: History) -> Starlette:
    """It checks no logins: serve it only behind a ``Guard``."""
    page = StaticFiles("replay.html")
    outline = encoded(history.outline()).encode()

    async def whole(request: Request) -> Text:
        """``GET /api/history``: all events in few words."""
        return Text(outline, media_type=_JSON)

    async def at(request: Request) -> Text:
        """``GET /api/history/at?position=N``: the state after N events, and the events around."""
        position = number_of(request, "position", 0, len(history.events))
        return Text(encoded(history.document(position)), media_type=_JSON)

    return application(
        [
            Route("/", page.page),
            Route("/static/{path:path}", page.file),
            Route("/api/history", whole),
            Route("/api/history/at", at),
        ]
    )


async def serve_history(
    history: History,
    guard: Guard,
    stop: asyncio.Event,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    others: bool = False,
    on_ready: Callable[[str], None] = lambda link: None,
) -> None:
    """Serve until ``stop``; ``on_ready`` gets the link for a browser. Raises OSError; ConfigError
    for a bad address."""
    app = replay_app(history)
    async with await listen(app, guard, host=host, port=port, others=others) as listener:
        on_ready(guard.link(listener.url))
        await stop.wait()
