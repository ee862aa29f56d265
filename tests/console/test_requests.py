"""What the page asks and tells, answered by a real cluster."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.routing import Route
from tests.console.kit import until

from barnabas.broker.main import system_env
from barnabas.client.cluster import ClusterClient
from barnabas.client.groups import commit_offsets
from barnabas.console.app import console_app
from barnabas.console.context import Console
from barnabas.console.hub import Hub
from barnabas.console.zookeeper_source import ZooKeeperSource
from barnabas.http.guard import Guard
from barnabas.http.guarded import Guarded
from barnabas.testing import Cluster
from barnabas.types import TopicPartition


@asynccontextmanager
async def page(brokers: int = 1, *, write: bool = True) -> AsyncIterator[tuple[Any, Console]]:
    """A browser's view of a new cluster."""
    async with Cluster(brokers=brokers, in_process=True) as cluster:
        hub = Hub()
        source = ZooKeeperSource(system_env(), cluster.zookeeper, hub)
        console = Console(
            env=system_env(),
            hub=hub,
            new_client=lambda: ClusterClient(cluster.bootstrap, "test"),
            zookeeper=source.zookeeper,
            zookeeper_connect=cluster.zookeeper,
            write=write,
        )
        app = Guarded(console_app(console), Guard(token=None))
        following = asyncio.ensure_future(source.run())
        try:
            await until(hub, lambda hub: hub.is_complete)
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(app), base_url="http://127.0.0.1", timeout=60
            ) as client:
                yield client, console
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


async def ok(client: Any, method: str, path: str, body: object = None) -> Any:
    answer = await client.request(method, path, json=body)
    assert answer.status_code in (200, 201), (path, answer.text)
    return answer.json()


async def ok_once_known(client: Any, path: str, body: object) -> Any:
    """As ``ok``, of a topic that some broker may not have heard of yet."""
    for _ in range(1_000):
        answer = await client.post(path, json=body)
        if answer.status_code != 409:
            break
        await asyncio.sleep(0.01)
    assert answer.status_code == 200, (path, answer.text)
    return answer.json()


async def refused(client: Any, method: str, path: str, body: object = None) -> int:
    answer = await client.request(method, path, json=body)
    assert list(answer.json()) == ["error"], answer.text
    return int(answer.status_code)


def test_a_topic_and_its_records() -> None:
    async def run() -> None:
        async with page() as (client, _):
            await ok(client, "POST", "/api/topics", {"name": "orders", "partitions": 2})
            await ok(client, "POST", "/api/topics/orders/settings", {"set": {"retention.ms": "7"}})
            topic = await ok(client, "GET", "/api/topics/orders")
            settings = {s["name"]: s for s in topic["settings"]}
            assert (settings["retention.ms"]["value"], settings["retention.ms"]["source"]) == (
                "7",
                "topic",
            )
            assert settings["cleanup.policy"]["source"] == "default"
            assert topic["offsets"] == {"0": [0, 0], "1": [0, 0]}
            for number, value in enumerate(("a", "b", "c")):
                record = {"key": "k", "value": value, "headers": [["h", "1"]], "partition": 1}
                told = await ok(client, "POST", "/api/topics/orders/records", record)
                assert told == {"partition": 1, "offset": number}
            path = "/api/topics/orders/records"
            newest = (await ok(client, "GET", f"{path}?count=2"))["records"]
            assert [r["value"]["text"] for r in newest] == ["b", "c"]
            oldest = (await ok(client, "GET", f"{path}?from=oldest&count=2"))["records"]
            assert [r["value"]["text"] for r in oldest] == ["a", "b"]
            assert oldest[0]["headers"] == [["h", {"text": "1", "bytes": 1}]]
            later = (await ok(client, "GET", f"{path}?from=2&partition=1"))["records"]
            assert [r["offset"] for r in later] == [2]
            found = (await ok(client, "GET", f"{path}?find=B"))["records"]
            assert [r["value"]["text"] for r in found] == ["b"]
            assert (await ok(client, "GET", f"{path}?from=@99999999999999"))["records"] == []
            await ok(client, "DELETE", "/api/topics/orders")
            assert await refused(client, "GET", "/api/topics/orders") == 409

    asyncio.run(run())


def test_positions_are_shown_and_set() -> None:
    async def run() -> None:
        async with page() as (client, console):
            await ok(client, "POST", "/api/topics", {"name": "orders", "partitions": 1})
            for _ in range(3):
                await ok(client, "POST", "/api/topics/orders/records", {"value": "x"})
            async with console.new_client() as kafka:
                await commit_offsets(kafka, "billing", {TopicPartition("orders", 0): 3})
            reset = {"to": "shift_by", "value": -2}
            plan = await ok(client, "POST", "/api/groups/billing/reset", reset)
            assert (plan["executed"], plan["positions"][0]["new"]) == (False, 1)
            positions = (await ok(client, "GET", "/api/groups/billing"))["positions"]
            assert positions[0]["lag"] == 0
            await ok(client, "POST", "/api/groups/billing/reset", {**reset, "execute": True})
            positions = (await ok(client, "GET", "/api/groups/billing"))["positions"]
            assert positions[0]["lag"] == 2
            names = [g["name"] for g in (await ok(client, "GET", "/api/groups"))["groups"]]
            assert names == ["billing"]
            await ok(client, "DELETE", "/api/groups/billing")
            assert await refused(client, "GET", "/api/groups/billing") == 409

    asyncio.run(run())


def test_a_partition_is_moved() -> None:
    async def run() -> None:
        async with page(brokers=2) as (client, console):
            wanted = {"name": "orders", "partitions": 1, "replicas": 1}
            await ok(client, "POST", "/api/topics", wanted)
            await until(console.hub, lambda hub: "orders" in hub.snapshot.topics)
            old = console.hub.snapshot.topics["orders"].partitions[0].replicas[0]
            plan = {"topic": "orders", "brokers": [3 - old]}
            shown = await ok_once_known(client, "/api/moves", plan)
            assert shown["partitions"] == [
                {"partition": 0, "from": [old], "to": [3 - old], "error": None}
            ]
            await ok_once_known(client, "/api/moves", {**plan, "execute": True})
            await until(
                console.hub,
                lambda hub: hub.snapshot.topics["orders"].partitions[0].replicas == (3 - old,),
            )
            assert (await ok(client, "GET", "/api/moves"))["moves"] == []
            broker = await ok(client, "GET", f"/api/brokers/{3 - old}")
            assert broker["lag"] == {"orders/0": 0}
            assert await refused(client, "GET", "/api/brokers/9") == 404

    asyncio.run(run())


def test_the_tree_is_shown_without_its_secrets() -> None:
    async def run() -> None:
        async with page() as (client, console):
            assert console.zookeeper is not None
            await console.zookeeper.create("/config/users/alice", b'{"config":{"SCRAM":"salt"}}')
            root = await ok(client, "GET", "/api/znodes")
            assert {"brokers", "controller"} <= {c["name"] for c in root["children"]}
            controller = await ok(client, "GET", "/api/znodes?path=/controller")
            assert controller["body"]["json"]["brokerid"] == 1
            assert controller["stat"]["session"].startswith("0x")
            alice = await client.get("/api/znodes?path=/config/users/alice")
            assert "salt" not in alice.text
            assert await refused(client, "GET", "/api/znodes?path=/nobody") == 404
            assert await refused(client, "GET", "/api/znodes?path=relative") == 400
            assert (await ok(client, "GET", "/api/coordinator"))["state"] == "connected"

    asyncio.run(run())


def test_what_is_wrong_is_refused_in_one_line() -> None:
    async def run() -> None:
        async with page() as (client, _):
            assert await refused(client, "POST", "/api/topics", {"name": 7}) == 400
            assert await refused(client, "POST", "/api/topics", {"name": "a", "oops": 1}) == 400
            assert await refused(client, "POST", "/api/topics", {"name": "a b"}) == 409
            assert await refused(client, "GET", "/api/topics/a%20b/records") == 404
            assert await refused(client, "GET", "/api/topics/none/records?count=x") == 400
            assert await refused(client, "GET", "/api/topics/none/tail") == 409
            assert await refused(client, "POST", "/api/moves", {"topic": "a", "brokers": []}) == 400
            empty = await client.post("/api/topics")
            assert empty.status_code == 400

    asyncio.run(run())


def test_a_console_without_write_changes_nothing() -> None:
    """Each route that is no GET is refused, but for two that only show what they would do."""

    async def run() -> None:
        async with page(write=False) as (client, console):
            bodies = {
                "/api/groups/{group}/reset": {"to": "to_latest", "execute": True},
                "/api/moves": {"topic": "a", "brokers": [1], "execute": True},
            }
            names = {"topic": "a", "group": "a", "name": "broker:1", "verb": "kill", "lesson": "1"}
            tried = 0
            for route in console_app(console).routes:
                assert isinstance(route, Route)
                for method in sorted((route.methods or set()) - {"GET", "HEAD"}):
                    path = route.path.format(**names)
                    answer = await refused(client, method, path, bodies.get(route.path))
                    assert answer == 403, (method, path)
                    tried += 1
            assert tried >= 9

    asyncio.run(run())


@pytest.mark.parametrize("count", [1, 250])
def test_a_live_tail_is_bounded(count: int) -> None:
    async def run() -> None:
        from barnabas.client.producer import Producer
        from barnabas.console.records import _tail
        from barnabas.records.batch import Record

        async with page() as (client, console):
            await ok(client, "POST", "/api/topics", {"name": "orders", "partitions": 1})
            tp = TopicPartition("orders", 0)
            stream = _tail(console, {tp: 0}, "")
            async with console.new_client() as kafka:
                await kafka.metadata(["orders"])
                await Producer(kafka, acks=1, idempotent=False).send(
                    tp, [Record(value=b"x")] * count
                )
            document = json.loads((await anext(stream)).data)
            assert len(document["records"]) == min(count, 200)
            assert document["left_out"] == max(count - 200, 0)
            await stream.aclose()  # type: ignore[attr-defined]

    asyncio.run(run())
