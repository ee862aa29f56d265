"""Quotas of one cluster with brokers of both kinds: set with the original's tool at one, obeyed at
the other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cluster_kit import Cluster, wait_for
from tests.interop.original import java_broker, output

from barnabas.client.cluster import ClusterClient
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.records.batch import Record, build_batch

pytestmark = [
    pytest.mark.foreign,
    pytest.mark.timeout(400),
    pytest.mark.usefixtures("original"),
]

TOOL = "kafka.admin.ConfigCommand"
ENTITIES = [
    (("users", "alice"), "producer_byte_rate=1000", "user-principal 'alice'"),
    (("clients", "reports"), "consumer_byte_rate=2000", "client-id 'reports'"),
    (("users", None), "request_percentage=50", "the default user-principal"),
    (("clients", None), "controller_mutation_rate=0.5", "the default client-id"),
    (("ips", "127.0.0.9"), "connection_creation_rate=7", "ip '127.0.0.9'"),
    (("ips", None), "connection_creation_rate=1000", "the default ip"),
]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Broker 1 of ours, and our coordinator."""
    with Cluster(directory=tmp_path / "ours", brokers=1) as running:
        yield running


def _named(kind: str, name: str | None) -> list[str]:
    return [
        "--entity-type",
        kind,
        *(["--entity-default"] if name is None else ["--entity-name", name]),
    ]


def configure(bootstrap: str, *arguments: str) -> str:
    return output(TOOL, "--bootstrap-server", bootstrap, *arguments)


def throttle_ms(cluster: Cluster, broker: int, client_id: str) -> int:
    """What a Produce of 20 kB is told there; its topic need not exist."""
    record = Record(offset=0, timestamp=1, key=None, value=b"x" * 20_000)
    part = Message(index=0, records=bytes(build_batch([record])))
    message = Message(
        transactional_id=None,
        acks=1,
        timeout=1000,
        topic_data=[Message(name="none", partition_data=[part])],
    )

    async def run() -> Any:
        async with ClusterClient(cluster.bootstrap, client_id) as client:
            await client.metadata([])
            return await client.broker(broker, ApiKey.PRODUCE, 9, message)

    return int(asyncio.run(run()).throttle_time)


def test_its_tool_sets_and_describes_quotas_of_every_kind(cluster: Cluster) -> None:
    for (kind, name), quota, _ in ENTITIES:
        done = configure(cluster.bootstrap, "--alter", "--add-config", quota, *_named(kind, name))
        assert "Completed updating" in done
    both = ["--entity-type", "users", "--entity-name", "alice", "--entity-type", "clients"]
    configure(
        cluster.bootstrap,
        "--alter",
        "--add-config",
        "producer_byte_rate=5",
        *both,
        "--entity-default",
    )
    for (kind, name), quota, shown in ENTITIES:
        described = configure(cluster.bootstrap, "--describe", *_named(kind, name))
        key, _, value = quota.partition("=")
        assert f"Quota configs for {shown} are {key}={float(value)}" in described
    described = configure(cluster.bootstrap, "--describe", *both)
    assert "user-principal 'alice', the default client-id are producer_byte_rate=5.0" in described
    for (kind, name), quota, _ in ENTITIES:
        key = quota.partition("=")[0]
        configure(cluster.bootstrap, "--alter", "--delete-config", key, *_named(kind, name))
    assert "Quota configs" not in configure(cluster.bootstrap, "--describe", "--entity-type", "ips")


def test_set_at_one_obeyed_at_the_other(cluster: Cluster, tmp_path: Path) -> None:
    with java_broker(cluster, tmp_path / "java") as java:
        ours, theirs = 1, java.broker_id
        for bootstrap, client_id in (
            (cluster.bootstrap, "set-at-ours"),
            (f"127.0.0.1:{java.port}", "set-at-theirs"),
        ):
            named = _named("clients", client_id)
            configure(bootstrap, "--alter", "--add-config", "producer_byte_rate=1000", *named)
            for broker in (ours, theirs):
                told: list[int] = []

                def waits(b: int = broker, c: str = client_id, told: list[int] = told) -> bool:
                    told.append(throttle_ms(cluster, b, c))
                    return told[-1] > 0

                wait_for(waits, 30, f"broker {broker} obeys")
                assert 8_000 < told[-1] < 100_000
            assert throttle_ms(cluster, ours, "another") == 0
