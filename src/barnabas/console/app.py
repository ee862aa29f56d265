"""The console as an ASGI app: its page, and the JSON behind it."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.routing import Route

from barnabas.console import brokers, changes
from barnabas.console.context import Console
from barnabas.console.static_files import StaticFiles
from barnabas.http.application import application


def console_app(console: Console) -> Starlette:
    """Serve it behind a ``Guard`` only."""
    page = StaticFiles()
    app = application(
        [
            Route("/", page.page),
            Route("/static/{path:path}", page.file),
            Route("/api/snapshot", changes.snapshot),
            Route("/api/changes", changes.changes),
            Route("/api/events", changes.events),
            Route("/api/processes/{name}/{verb}", brokers.process, methods=["POST"]),
        ]
    )
    app.state.console = console
    return app
