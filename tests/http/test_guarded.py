"""An app of Starlette behind its guard, without a socket."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
from starlette.requests import Request
from starlette.routing import Route

from barnabas.http.answers import HttpError, Json
from barnabas.http.application import application
from barnabas.http.guard import Guard
from barnabas.http.guarded import Guarded

GUARD = Guard(token="secret")


async def topic(request: Request) -> Json:
    if request.path_params["name"] == "none":
        raise HttpError(404, 'no topic "none"')
    return Json({"name": request.path_params["name"], "asked": dict(request.query_params)})


async def create(request: Request) -> Json:
    return Json(await request.json(), 201)


async def broken(_: Request) -> Json:
    raise RuntimeError("broken")


APP = application(
    [
        Route("/topics/{name}", topic),
        Route("/topics", create, methods=["POST"]),
        Route("/broken", broken),
    ]
)


def ask(
    method: str, path: str, *, token: str | None = "secret", **options: object
) -> httpx.Response:
    async def main() -> httpx.Response:
        transport = httpx.ASGITransport(Guarded(APP, GUARD), raise_app_exceptions=True)
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:1") as client:
            return await client.request(method, path, headers=headers, **options)  # type: ignore[arg-type]

    return asyncio.run(main())


def test_handlers_answer_json() -> None:
    answer = ask("GET", "/topics/orders?a=1&token=secret")
    assert (answer.status_code, answer.json()) == (200, {"name": "orders", "asked": {"a": "1"}})
    assert ask("POST", "/topics", content=b'{"name": "x"}').json() == {"name": "x"}


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/topics/none", 404, 'no topic "none"'),
        ("GET", "/nowhere", 404, "no such path"),
        ("DELETE", "/topics", 405, "not with DELETE"),
        ("GET", "/broken", 500, "an unexpected error; see the log"),
    ],
)
def test_errors_are_one_line_of_json(method: str, path: str, status: int, text: str) -> None:
    answer = ask(method, path)
    assert answer.status_code == status
    assert answer.text == json.dumps({"error": text}) + "\n"


def test_nobody_without_a_token_reaches_the_app() -> None:
    answer = ask("GET", "/broken", token=None)
    assert answer.status_code == 401
    assert answer.headers["x-frame-options"] == "DENY"
    assert ask("GET", "/broken", token="secrets").status_code == 401
