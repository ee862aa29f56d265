"""The console behind its guard, without a socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from tests.console.kit import cluster, partition

from barnabas.broker.main import system_env
from barnabas.client.cluster import ClusterClient
from barnabas.console.app import console_app
from barnabas.console.changes import _stream
from barnabas.console.context import Console
from barnabas.console.documents import snapshot_document
from barnabas.console.hub import Hub
from barnabas.console.model import applied, patch_between
from barnabas.http.guard import Guard
from barnabas.http.guarded import Guarded

TOKEN = "secret"
WHOLE = cluster("123", partition("123", 1, "123"), partition("231", 2, "231"))
FAILED = cluster("23", partition("123", 2, "23", 1), partition("231", 2, "23", 1), controller=2)


def console(**options: Any) -> Console:
    hub = Hub()
    hub.publish(WHOLE, 1)
    hub.say_trouble(None)
    return Console(
        env=system_env(),
        hub=hub,
        new_client=lambda: ClusterClient("127.0.0.1:1", "test", timeout_ms=1),
        **options,
    )


@asynccontextmanager
async def browser(one: Console, token: str | None = TOKEN) -> AsyncIterator[httpx.AsyncClient]:
    app = Guarded(console_app(one), Guard(token=TOKEN))
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:9021", headers=headers
    ) as client:
        yield client


def test_nobody_comes_in_without_the_token() -> None:
    async def run() -> None:
        for token in (None, "wrong"):
            async with browser(console(), token) as client:
                for path in ("/", "/static/app.js", "/api/snapshot", "/api/changes"):
                    assert (await client.get(path)).status_code == 401, path

    asyncio.run(run())


def test_the_page_and_its_policy() -> None:
    async def run() -> None:
        async with browser(console()) as client:
            page = await client.get("/")
            assert page.status_code == 200
            assert "<script type=" in page.text
            assert "script-src 'self'" in page.headers["content-security-policy"]
            assert "unsafe" not in page.headers["content-security-policy"]
            module = await client.get("/static/lib.js")
            assert module.headers["content-type"].startswith("text/javascript")
            again = await client.get(
                "/static/lib.js", headers={"If-None-Match": module.headers["etag"]}
            )
            assert again.status_code == 304
            assert (await client.get("/static/vendor/htm/LICENSE")).status_code == 404
            for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static//etc/passwd"):
                assert (await client.get(path)).status_code == 404

    asyncio.run(run())


def test_snapshot_and_events() -> None:
    async def run() -> None:
        one = console()
        async with browser(one) as client:
            answer = (await client.get("/api/snapshot")).json()
            assert answer["snapshot"] == snapshot_document(WHOLE)
            assert answer["health"]["level"] == "healthy"
            one.hub.publish(FAILED, 5)
            told = (await client.get("/api/events")).json()
            assert told["events"][0]["kind"] == "broker_down"
            assert told["next"] == len(told["events"])
            since = (await client.get("/api/events", params={"since": told["next"]})).json()
            assert since["events"] == []
            odd = (await client.get("/api/events", params={"since": "-1x"})).json()
            assert len(odd["events"]) == told["next"]

    asyncio.run(run())


def test_changes_lead_to_the_same_snapshot() -> None:
    async def run() -> None:
        one = console()
        stream = _stream(one)
        first = json.loads((await anext(stream)).data)
        assert first["snapshot"] == snapshot_document(WHOLE)
        one.hub.publish(FAILED, 5)
        second = json.loads((await anext(stream)).data)
        assert "snapshot" not in second
        assert second["patch"]["brokers"] == {"1": None}
        kinds = [event["kind"] for event in second["events"]]
        assert kinds == ["broker_down", "leader_elected", "controller_elected", "isr_shrank"]
        assert applied(WHOLE, patch_between(WHOLE, FAILED)) == FAILED

    asyncio.run(run())


@pytest.mark.parametrize("write", [False, True])
def test_processes_are_not_touched_without_leave(write: bool) -> None:
    async def run() -> None:
        async with browser(console(write=write)) as client:
            answer = await client.post("/api/processes/broker:1/kill")
            assert answer.status_code == (404 if write else 403)
            assert "error" in answer.json()
            assert (await client.get("/api/processes/broker:1/kill")).status_code == 405

    asyncio.run(run())
