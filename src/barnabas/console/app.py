"""The console as an ASGI app: its page, and the JSON behind it."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.routing import Route

from barnabas.console import (
    access,
    brokers,
    changes,
    figures,
    groups,
    moves,
    records,
    topics,
    znodes,
)
from barnabas.console.context import Console
from barnabas.console.static_files import StaticFiles
from barnabas.console.tour import requests as tour
from barnabas.console.tour.tour import Tour
from barnabas.http.application import application


def console_app(console: Console) -> Starlette:
    """The app of a console. It checks no logins: serve it only behind a ``Guard``."""
    page = StaticFiles()
    app = application(
        [
            Route("/", page.page),
            Route("/static/{path:path}", page.file),
            Route("/api/snapshot", changes.snapshot),
            Route("/api/changes", changes.changes),
            Route("/api/events", changes.events),
            Route("/api/brokers/{broker:int}", brokers.broker),
            Route("/api/figures", figures.figures),
            Route("/api/figures/brokers/{broker:int}", figures.latency),
            Route("/api/topics", topics.create, methods=["POST"]),
            Route("/api/topics/{topic}", topics.topic),
            Route("/api/topics/{topic}", topics.delete, methods=["DELETE"]),
            Route("/api/topics/{topic}/settings", topics.alter, methods=["POST"]),
            Route("/api/topics/{topic}/records", records.records),
            Route("/api/topics/{topic}/records", records.produce, methods=["POST"]),
            Route("/api/topics/{topic}/tail", records.tail),
            Route("/api/groups", groups.groups),
            Route("/api/groups/{group}", groups.group),
            Route("/api/groups/{group}", groups.delete, methods=["DELETE"]),
            Route("/api/groups/{group}/reset", groups.reset, methods=["POST"]),
            Route("/api/moves", moves.moves),
            Route("/api/moves", moves.plan, methods=["POST"]),
            Route("/api/elections", moves.elect, methods=["POST"]),
            Route("/api/znodes", znodes.znode),
            Route("/api/coordinator", znodes.coordinator),
            Route("/api/access", access.access),
            Route("/api/processes/{name}/{verb}", brokers.process, methods=["POST"]),
            Route("/api/tour", tour.tour),
            Route("/api/tour/changes", tour.changes),
            Route("/api/tour/{lesson}", tour.begin, methods=["POST"]),
        ]
    )
    app.state.console = console
    app.state.tour = Tour(console)
    return app
