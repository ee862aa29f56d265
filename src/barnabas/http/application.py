"""Makes Starlette apps whose errors are one line of JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import BaseRoute

from barnabas.http.answers import HttpError, Json


def application(routes: Sequence[BaseRoute]) -> Starlette:
    """An app with these routes. Other requests get 404 or 405; an ``HttpError`` becomes its
    answer."""
    handlers: dict[Any, Any] = {  # an answer is an app, as a Response is
        HttpError: _refused,
        HTTPException: _not_served,
        Exception: _unexpected,
    }
    return Starlette(routes=routes, exception_handlers=handlers)


async def _refused(_: Request, error: Exception) -> Json:
    assert isinstance(error, HttpError)
    return error.answer()


async def _not_served(request: Request, error: Exception) -> Json:
    assert isinstance(error, HTTPException)
    what = {404: "no such path", 405: f"not with {request.method}"}
    headers = [(k.lower().encode(), v.encode()) for k, v in (error.headers or {}).items()]
    return HttpError(error.status_code, what.get(error.status_code, error.detail), headers).answer()


async def _unexpected(_: Request, __: Exception) -> Json:
    return HttpError(500, "an unexpected error; see the log").answer()
