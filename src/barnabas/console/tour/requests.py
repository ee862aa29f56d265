"""What the page of the tour and the terminal ask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from starlette.requests import Request

from barnabas.console.changes import encoded
from barnabas.console.context import console_of
from barnabas.console.tour.lessons.all import LESSONS, lesson_named
from barnabas.console.tour.run import lesson_document, run_document
from barnabas.console.tour.tour import Tour
from barnabas.http.answers import HttpError, Json
from barnabas.http.events import Events, ServerEvent

PACE_S: Final = 0.05
"""Time between two messages of one stream."""


def tour_of(request: Request) -> Tour:
    """The tour of the console that a request is for."""
    tour = request.app.state.tour
    assert isinstance(tour, Tour)
    return tour


async def tour(request: Request) -> Json:
    """``GET /api/tour``: the lessons; ``why_not`` says why none can be run, or is null."""
    return Json(
        {
            "lessons": [lesson_document(lesson) for lesson in LESSONS],
            "why_not": tour_of(request).why_not(),
        }
    )


async def begin(request: Request) -> Json:
    """``POST /api/tour/{lesson}``: begin a lesson, by its name or number."""
    console_of(request).check_write()
    lesson = lesson_named(str(request.path_params["lesson"]))
    if lesson is None:
        raise HttpError(404, f"there are lessons 1 to {len(LESSONS)}")
    found = tour_of(request)
    if (why := found.why_not()) is not None:
        raise HttpError(409, why)
    if (other := found.running) is not None:
        raise HttpError(409, f"lesson {other.number} is running: wait until it has ended")
    return Json(run_document(found.begin(lesson)), 201)


async def changes(request: Request) -> Events:
    """``GET /api/tour/changes``: server-sent events with ``runs``, those that have changed; the
    first message has the last run of each lesson."""
    return Events(_stream(tour_of(request)))


async def _stream(found: Tour) -> AsyncIterator[ServerEvent]:
    async for runs in found.changes():
        yield ServerEvent(data=encoded({"runs": [run_document(run) for run in runs]}))
        await asyncio.sleep(PACE_S)
