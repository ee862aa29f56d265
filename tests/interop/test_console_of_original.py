"""The console on the original: it has only znodes and what brokers answer to any client."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.cluster_kit import free_ports
from tests.console.kit import until
from tests.interop.original import SCRIPT

from barnabas.broker.main import system_env
from barnabas.client.admin import create_topic, wait_for_leaders
from barnabas.client.cluster import ClusterClient
from barnabas.client.producer import Producer
from barnabas.console.app import console_app
from barnabas.console.context import Console
from barnabas.console.discovery import ZOOKEEPER_CONNECT, broker_settings
from barnabas.console.hub import Hub
from barnabas.console.zookeeper_source import ZooKeeperSource
from barnabas.http.guard import Guard
from barnabas.http.guarded import Guarded
from barnabas.records.batch import Record
from barnabas.types import TopicPartition

pytestmark = [
    pytest.mark.foreign,
    pytest.mark.timeout(300),
    pytest.mark.usefixtures("original"),
]
NAME = "console"
PAGES = (
    "/api/topics/orders",
    "/api/topics/orders/records?find=paid",
    "/api/groups",
    "/api/moves",
    "/api/access",
    "/api/coordinator",
    "/api/znodes?path=/brokers/ids",
)


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """The first of three brokers of the original, with ZooKeeper three ports above it."""
    first = free_ports(4)
    environment = {**os.environ, "ORIGINAL_DATA": str(tmp_path)}

    def run(*arguments: str) -> None:
        subprocess.run([str(SCRIPT), *arguments], env=environment, check=True)

    ports = ("--port", str(first), "--zookeeper-port", str(first + 3), "--brokers", "3")
    run("up", NAME, *ports, "zookeeper.session.timeout.ms=6000")
    try:
        yield first
    finally:
        run("down", NAME)


def test_a_killed_leader_appears_in_the_timeline(port: int, tmp_path: Path) -> None:
    bootstrap = f"127.0.0.1:{port}"

    async def run() -> None:
        async with ClusterClient(bootstrap, "test", timeout_ms=60_000) as client:
            while not (settings := await broker_settings(client)):  # noqa: ASYNC110
                await asyncio.sleep(0.1)  # they are starting
            zookeeper = settings[ZOOKEEPER_CONNECT]
            assert zookeeper == f"127.0.0.1:{port + 3}"
            await create_topic(client, "orders", partitions=3, replication_factor=3)
            await wait_for_leaders(client, "orders", partitions=3)
            producer = Producer(client)
            await producer.start()
            await producer.send(TopicPartition("orders", 0), [Record(value=b"paid")])
        hub = Hub()
        source = ZooKeeperSource(system_env(), zookeeper, hub)
        following = asyncio.ensure_future(source.run())
        await until(hub, lambda hub: len(hub.snapshot.brokers) == 3)
        await until(hub, lambda hub: "orders" in hub.snapshot.topics)
        console = Console(
            env=system_env(),
            hub=hub,
            new_client=lambda: ClusterClient(bootstrap, "test"),
            zookeeper=source.zookeeper,
            zookeeper_connect=zookeeper,
        )
        leader = hub.snapshot.topics["orders"].partitions[0].leader
        await _read_pages(console, [*PAGES, f"/api/brokers/{leader}"])
        pid_file = tmp_path / NAME / f"broker-{leader}.pid"
        os.kill(int(pid_file.read_text()), signal.SIGKILL)
        await until(hub, lambda hub: leader not in hub.snapshot.brokers)
        await until(hub, lambda hub: _leads_again(hub, leader))
        told = [event for _, event in hub.events() if event.time_ms > 0]
        assert {"broker_down", "leader_elected"} <= {event.kind for event in told}
        moved = [e for e in told if e.kind == "leader_elected" and e.partition == 0]
        assert moved[-1].strategy == "offline"
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)

    asyncio.run(run())


def _leads_again(hub: Hub, dead: int) -> bool:
    leader = hub.snapshot.topics["orders"].partitions[0].leader
    return leader >= 0 and leader != dead


async def _read_pages(console: Console, pages: list[str]) -> None:
    app = Guarded(console_app(console), Guard(token=None))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://127.0.0.1"
    ) as client:
        for page in pages:
            answer = await client.get(page)
            assert answer.status_code == 200, (page, answer.text)
            assert '"error": "' not in answer.text or page == "/api/access", (page, answer.text)
        found = (await client.get(PAGES[1])).json()["records"]
        assert [record["value"]["text"] for record in found] == ["paid"]
