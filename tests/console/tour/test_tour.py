"""Each lesson on a cluster in this process: what it says is what is seen."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from tests.console.kit import until

from barnabas.broker.main import system_env
from barnabas.client.cluster import ClusterClient
from barnabas.console.app import console_app
from barnabas.console.broker_events import follow
from barnabas.console.context import Console
from barnabas.console.control import Control, ControlError
from barnabas.console.hub import Hub
from barnabas.console.tour.lessons.all import LESSONS
from barnabas.console.tour.run import DONE, Run, run_document
from barnabas.console.tour.tour import Tour
from barnabas.console.zookeeper_source import ZooKeeperSource
from barnabas.http.guard import Guard
from barnabas.http.guarded import Guarded
from barnabas.testing import AsyncCluster, Cluster

pytestmark = pytest.mark.processes  # in this one, but in real time, and long
LESSON_S = 120.0
SESSION_MS = 10_000
"""Longer than any stop of this process on a busy machine: no broker that runs is taken for dead."""


class TestControl(Control):
    """The supervisor's part, for nodes in this process."""

    __test__ = False

    def __init__(self, cluster: AsyncCluster, brokers: int) -> None:
        super().__init__("")
        self.cluster = cluster
        names = ["coordinator", *(f"broker:{n}" for n in range(1, brokers + 1))]
        self.known = dict.fromkeys(names, "running")

    async def ask(self, command: Mapping[str, str]) -> dict[str, Any]:
        verb, name = command["verb"], command["process"]
        after = {"kill": "killed", "pause": "paused"}.get(verb, "running")
        if name not in self.known:
            raise ControlError(f"no process named {name}")
        self.known[name] = after
        await getattr(self.cluster, verb)(name)
        return {}

    async def states(self) -> dict[str, str]:
        return dict(self.known)


@asynccontextmanager
async def toured(brokers: int = 3) -> AsyncIterator[tuple[Console, Tour]]:
    settings = {"zookeeper.session.timeout.ms": SESSION_MS}
    async with Cluster(brokers=brokers, in_process=True, http=True, settings=settings) as cluster:
        hub = Hub()
        source = ZooKeeperSource(system_env(), cluster.zookeeper, hub)
        console = Console(
            env=system_env(),
            hub=hub,
            new_client=lambda: ClusterClient(cluster.bootstrap, "test"),
            zookeeper=source.zookeeper,
            zookeeper_connect=cluster.zookeeper,
            write=True,
            control=TestControl(cluster, brokers),
        )
        assert console.control is not None
        hub.set_processes(await console.control.states())
        urls = [cluster.http_url(n) for n in range(1, brokers + 1)]
        flows = [source.run(), *(follow(url, None, hub.hear) for url in urls)]
        following = [asyncio.ensure_future(flow) for flow in flows]
        tour = Tour(console)
        try:
            await until(hub, lambda hub: len(hub.snapshot.brokers) == brokers)
            yield console, tour
        finally:
            await tour.close()
            for task in following:
                task.cancel()
            await asyncio.gather(*following, return_exceptions=True)


async def taken(tour: Tour, name: str) -> Run:
    """A whole run of a lesson."""
    lesson = next(one for one in LESSONS if one.name == name)
    run = tour.begin(lesson)
    async with asyncio.timeout(LESSON_S):
        async for runs in tour.changes():
            if run in runs and run.state == DONE:
                return run
    raise AssertionError("no end")


def told(run: Run) -> str:
    """What a lesson did and saw, whole: a failure is otherwise cut short."""
    document = run_document(run)
    parts = ("lesson", "failure", "not_mended", "steps", "seen", "events")
    return json.dumps({part: document[part] for part in parts}, indent=1)


def has_no_topic_of_the_tour(hub: Hub) -> bool:
    return not any(topic.startswith("tour-") for topic in hub.snapshot.topics)


@pytest.mark.timeout(300)
def test_every_lesson_sees_what_it_says_and_again() -> None:
    async def run() -> None:
        async with toured() as (console, tour):
            for name in [*(lesson.name for lesson in LESSONS), "leader-dies"]:
                done = await taken(tour, name)
                assert done.holds, told(done)
                assert all(step.ms is not None for step in done.steps)
                assert len(done.pictures) >= 2
                await until(console.hub, has_no_topic_of_the_tour)
            kinds = {event.kind for _, event in done.events}
            assert {"broker_down", "leader_elected", "isr_expanded"} <= kinds
            assert done.zero_ms is not None

    asyncio.run(run())


def test_a_lesson_that_cannot_be_run_says_why() -> None:
    async def run() -> None:
        async with toured(brokers=2) as (_, tour):
            assert tour.why_not() == "The tour needs 3 brokers."
        async with toured() as (console, tour):
            del console.control.known["coordinator"]  # type: ignore[union-attr]
            console.hub.set_processes(await console.control.states())  # type: ignore[union-attr]
            done = await taken(tour, "no-zookeeper")
            assert not done.holds
            assert "none of its processes" in str(done.failure)
            assert done.not_mended is None

    asyncio.run(run())


def test_the_page_is_told_of_lessons_and_begins_one_at_a_time() -> None:
    async def run() -> None:
        async with toured() as (console, _):
            inner = console_app(console)
            app = Guarded(inner, Guard(token=None))
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(app), base_url="http://127.0.0.1", timeout=60
            ) as client:
                told = (await client.get("/api/tour")).json()
                assert [one["number"] for one in told["lessons"]] == list(range(1, 8))
                assert told["why_not"] is None
                assert (await client.post("/api/tour/8")).status_code == 404
                begun = await client.post("/api/tour/1")
                assert (begun.status_code, begun.json()["state"]) == (201, "preparing")
                refused = await client.post("/api/tour/leader-dies")
                assert refused.status_code == 409
                assert "lesson 1 is running" in refused.json()["error"]
            await inner.state.tour.close()
        alone = Console(env=system_env(), hub=Hub(), new_client=lambda: ClusterClient("x:1", "x"))
        assert "barnabas up" in str(Tour(alone).why_not())

    asyncio.run(run())
