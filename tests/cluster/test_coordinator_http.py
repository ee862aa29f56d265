"""What the embedded coordinator shows over HTTP."""

from __future__ import annotations

import asyncio
import random

import httpx
import pytest

from barnabas.broker.main import SystemClock
from barnabas.cluster.coordinator_http import CoordinatorHttp
from barnabas.cluster.ports import Ports
from barnabas.config.http_listener import parse_http_listener
from barnabas.observe.events import events_of_document
from barnabas.seams import Env
from barnabas.storage.memory_files import MemoryFiles
from barnabas.zookeeper.client.client import ZooKeeperClient
from barnabas.zookeeper.server.coordinator import Coordinator, CoordinatorConfig
from barnabas.zookeeper.server.serve import serve
from barnabas.zookeeper.server.store import MemoryStore


def _env() -> Env:
    return Env(clock=SystemClock(), random=random.Random(1), files=MemoryFiles(), boot_id="b")


@pytest.mark.parametrize("token", [None, "secret"])
def test_metrics_health_and_events(token: str | None) -> None:
    async def main() -> None:
        ports = Ports("127.0.0.1", [0])
        shown = CoordinatorHttp(_env(), parse_http_listener(f"127.0.0.1:{ports.numbers[0]}", token))
        ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        made: list[Coordinator] = []

        def keep(coordinator: Coordinator) -> None:
            made.append(coordinator)
            shown.made(coordinator)

        server = asyncio.ensure_future(
            serve(
                *(shown.env, CoordinatorConfig(port=0), MemoryStore()),
                ready=lambda _, port: ready.set_result(port),
                made=keep,
            )
        )
        shows = asyncio.ensure_future(shown.serve())
        try:
            client = ZooKeeperClient(_env(), f"127.0.0.1:{await ready}", 10_000)
            await client.connect(timeout_ms=5_000)
            await client.create("/a", b"x")
            headers = {} if token is None else {"authorization": f"Bearer {token}"}
            url = f"http://127.0.0.1:{ports.numbers[0]}"
            async with httpx.AsyncClient(base_url=url, timeout=10) as http:
                assert (await http.get("/readyz")).json() == {"ready": True, "reasons": []}
                if token is not None:
                    assert (await http.get("/metrics")).status_code == 401
                text = (await http.get("/metrics", headers=headers)).text
                assert f"znode_count {len(made[0].tree.nodes)}\n" in text
                assert "num_alive_connections 1\n" in text
                events = events_of_document((await http.get("/events", headers=headers)).content)
            assert [e.kind for e in events] == ["session_created"]
            assert events[0].source == "coordinator"
            await client.close()
        finally:
            for each in (server, shows):
                each.cancel()
            await asyncio.gather(server, shows, return_exceptions=True)
            ports.close()

    asyncio.run(main())
