"""What charts are made of, and the charts in a browser."""

from __future__ import annotations

import asyncio
import socket

import httpx
import pytest
from tests.console.kit import until

from barnabas.broker.main import system_env
from barnabas.client.cluster import ClusterClient
from barnabas.client.producer import Producer
from barnabas.console.app import console_app
from barnabas.console.context import Console
from barnabas.console.figures import request_latencies, topic_counters
from barnabas.console.hub import Hub
from barnabas.console.metadata_source import MetadataSource
from barnabas.console.scrape import ScrapeError, scrape
from barnabas.http.guard import Guard
from barnabas.http.guarded import Guarded
from barnabas.records.batch import Record
from barnabas.testing import Cluster
from barnabas.testing.async_cluster import AsyncCluster
from barnabas.types import TopicPartition

TEXT = b"""# HELP kafka_server_brokertopicmetrics_messagesinpersec Records.
# TYPE kafka_server_brokertopicmetrics_messagesinpersec untyped
kafka_server_brokertopicmetrics_messagesinpersec{topic="orders"} 12
kafka_server_brokertopicmetrics_messagesinpersec{topic="orders.eu"} 30
kafka_server_brokertopicmetrics_messagesinpersec 42
kafka_server_brokertopicmetrics_bytesinpersec{topic="orders"} 1.5e+06
kafka_server_brokertopicmetrics_bytesinpersec 1.5e+06
kafka_network_requestmetrics_localtimems{request="Produce"} 7
kafka_network_requestmetrics_localtimems{quantile="0.5",request="Produce"} 0.1
kafka_network_requestmetrics_localtimems{quantile="0.99",request="Produce"} 0.223
kafka_network_requestmetrics_requestqueuetimems{quantile="0.99",request="Produce"} 0.005
"""


def test_counters_are_read_from_metrics() -> None:
    assert topic_counters(TEXT, None) == {"records_in": 42, "bytes_in": 1.5e6, "bytes_out": 0}
    assert topic_counters(TEXT, "orders") == {"records_in": 12, "bytes_in": 1.5e6, "bytes_out": 0}
    assert topic_counters(TEXT, "none") == {"records_in": 0, "bytes_in": 0, "bytes_out": 0}
    assert request_latencies(TEXT) == {"Produce": {"local": 0.223, "queue": 0.005}}


async def produced(cluster: AsyncCluster, count: int) -> None:
    async with ClusterClient(cluster.bootstrap, "test") as client:
        producer = Producer(client, idempotent=False)
        await producer.send(TopicPartition("orders", 0), [Record(value=b"a")] * count)


def test_figures_of_a_cluster_with_and_without_listeners() -> None:
    async def run() -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        settings = {
            "barnabas.http.listener": f"127.0.0.1:{port}",
            "barnabas.http.token": "secret",
        }
        async with Cluster(brokers=1, in_process=True, settings=settings) as cluster:
            await cluster.create_topic("orders", partitions=1, replicas=1)
            await produced(cluster, 7)
            url = f"http://127.0.0.1:{port}"
            hub = Hub()
            async with ClusterClient(cluster.bootstrap, "test") as client:
                source = asyncio.create_task(MetadataSource(system_env(), client, hub).run())
                await until(hub, lambda hub: "orders" in hub.snapshot.topics)
                with_metrics = await asked(cluster, hub, {1: url}, "secret")
                without = await asked(cluster, hub, {}, None)
                unread = await asked(cluster, hub, {1: url}, "wrong")
                source.cancel()
                await asyncio.gather(source, return_exceptions=True)
            answer, latency = with_metrics
            assert answer["source"] == "metrics"
            assert answer["counters"]["1"]["records_in"] == 7
            assert answer["counters"]["1"]["bytes_in"] > 7
            assert set(latency["requests"]["Produce"]) == {"queue", "local", "remote", "response"}
            for answer, _ in (without, unread):
                assert answer["source"] == "offsets"
                assert answer["counters"] == {"orders/0": {"records_in": 7}}
            assert "is not known" in without[1]["why"]
            assert "status 401" in unread[1]["why"]
            with pytest.raises(ScrapeError, match=r"http://127\.0\.0\.1:1: "):
                await scrape("http://127.0.0.1:1", None)

    asyncio.run(run())


async def asked(
    cluster: AsyncCluster, hub: Hub, urls: dict[int, str], token: str | None
) -> tuple[dict, dict]:  # type: ignore[type-arg]
    """The answers for a topic and a broker."""
    one = Console(
        env=system_env(),
        hub=hub,
        new_client=lambda: ClusterClient(cluster.bootstrap, "test"),
        http_urls=urls,
        http_token=token,
    )
    app = Guarded(console_app(one), Guard(token=None))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:9021") as client:
        figures = await client.get("/api/figures", params={"topic": "orders"})
        latency = await client.get("/api/figures/brokers/1")
        return figures.json(), latency.json()
