"""A console from its start to its end, without a browser."""

from __future__ import annotations

import asyncio
import socket

import pytest
from tests.console.kit import until

from barnabas.broker.main import system_env
from barnabas.client.cluster import Bootstrap, ClusterClient
from barnabas.console.broker_events import follow
from barnabas.console.discovery import http_url, http_urls
from barnabas.console.hub import Hub
from barnabas.console.serve import ConsoleSettings, serve
from barnabas.errors import ConfigError
from barnabas.testing import Cluster


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_a_wrong_chroot_is_an_error_and_is_not_created() -> None:
    async def run() -> None:
        async with Cluster(brokers=1, in_process=True) as cluster:
            wrong = f"{cluster.zookeeper.partition('/')[0]}/kafak"
            settings = ConsoleSettings(
                bootstrap=Bootstrap(servers=cluster.bootstrap), zookeeper=wrong, port=0
            )
            for _ in range(2):  # the first has not created it for the second
                with pytest.raises(ConfigError, match=r"ZooKeeper has no node /kafak"):
                    await serve(system_env(), settings, asyncio.Event())

    asyncio.run(run())


@pytest.mark.parametrize(
    ("listener", "url"),
    [
        ("127.0.0.1:9404", "http://127.0.0.1:9404"),
        ("0.0.0.0:9404", "http://kafka1:9404"),
        ("[::]:9404", "http://kafka1:9404"),
        ("", None),
        ("127.0.0.1:0", None),
        ("nonsense", None),
    ],
)
def test_where_a_listener_is_reached(listener: str, url: str | None) -> None:
    assert http_url(listener, "kafka1") == url


def test_events_behind_a_token_are_followed(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        port = free_port()
        settings = {
            "barnabas.http.listener": f"127.0.0.1:{port}",
            "barnabas.http.token": "secret",
        }
        async with Cluster(brokers=1, in_process=True, settings=settings) as cluster:
            async with ClusterClient(cluster.bootstrap, "test") as client:
                urls = await http_urls(client)
            assert urls == {1: f"http://127.0.0.1:{port}"}
            hub = Hub()
            right = asyncio.create_task(follow(urls[1], "secret", hub.hear))
            wrong = asyncio.create_task(follow(urls[1], None, hub.hear))
            try:
                await until(hub, lambda hub: hub.noted > 0)
                async with asyncio.timeout(30):
                    while "it asks for a token" not in caplog.text:  # noqa: ASYNC110
                        await asyncio.sleep(0.01)
            finally:
                for task in (right, wrong):
                    task.cancel()
                await asyncio.gather(right, wrong, return_exceptions=True)

    asyncio.run(run())
