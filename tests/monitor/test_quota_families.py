"""Series of users and client ids that have a quota."""

from __future__ import annotations

import asyncio

import pytest
from tests.monitor.support import metrics, until

from barnabas.client.cluster import ClusterClient
from barnabas.client.quotas import alter_quotas
from barnabas.monitor import quota_families
from barnabas.quotas.entities import DEFAULT, Entity
from barnabas.testing import Cluster

RATE = "kafka_server_produce_byte_rate"
WAIT = "kafka_server_produce_throttle_time"


def test_who_has_a_quota_has_series_and_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """The quota is too small for what is written, so there are waits."""
    with Cluster(brokers=1, in_process=True, http=True) as cluster:
        topic = cluster.create_topic("metered")
        address = cluster.http_url(1)
        cluster.produce(topic, [b"x"])
        assert RATE in metrics(address).text, "the family is there, without series"
        assert not metrics(address).all(RATE)

        async def limit() -> None:
            async with ClusterClient(cluster.bootstrap, "admin") as client:
                quotas = {"producer_byte_rate": 10.0, "controller_mutation_rate": 100.0}
                await alter_quotas(client, Entity(client_id=DEFAULT), quotas)

        asyncio.run(limit())

        def is_throttled() -> bool:
            cluster.produce(topic, [b"x" * 1000])
            return any(metrics(address).all(WAIT).values())

        until(is_throttled, "a client is throttled")
        read = metrics(address)
        ((labels, rate),) = read.all(RATE).items()
        assert [name for name, _ in labels] == ["client_id"], "a quota of client ids has no user"
        assert rate > 10
        assert list(read.all(WAIT)) == [labels]
        assert not read.all("kafka_server_fetch_byte_rate")
        cluster.create_topic("other")
        monkeypatch.setattr(quota_families, "SHARERS_MAX", 0)
        assert not metrics(address).all(RATE), "their number is bounded"
