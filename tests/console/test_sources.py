"""A real cluster, seen through its znodes and through its brokers' answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest
from tests.console.kit import until

from barnabas.broker.main import system_env
from barnabas.client.cluster import ClusterClient
from barnabas.client.producer import Producer
from barnabas.console.hub import Hub
from barnabas.console.lag import follow_lag
from barnabas.console.metadata_source import MetadataSource
from barnabas.console.zookeeper_source import ZooKeeperSource
from barnabas.records.batch import Record
from barnabas.testing import Cluster
from barnabas.testing.async_cluster import AsyncCluster
from barnabas.types import TopicPartition


@asynccontextmanager
async def following(cluster: AsyncCluster, kind: str) -> AsyncIterator[Hub]:
    hub = Hub()
    async with ClusterClient(cluster.bootstrap, "test") as client:
        source = (
            ZooKeeperSource(system_env(), cluster.zookeeper, hub)
            if kind == "zookeeper"
            else MetadataSource(system_env(), client, hub)
        )
        task = asyncio.create_task(source.run())
        try:
            await until(hub, lambda hub: hub.is_complete and hub.trouble is None)
            yield hub
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def kinds(hub: Hub) -> list[str]:
    return [event.kind for _, event in hub.events()]


def has(hub: Hub, *wanted: str) -> bool:
    return set(wanted) <= set(kinds(hub))


def leaders(hub: Hub, topic: str) -> list[int]:
    return [p.leader for p in hub.snapshot.topics[topic].partitions.values()]


@pytest.mark.parametrize("kind", ["zookeeper", "metadata"])
def test_a_failover_is_seen(kind: str) -> None:
    async def run() -> None:
        async with Cluster(brokers=3, in_process=True) as cluster, following(cluster, kind) as hub:
            assert sorted(hub.snapshot.brokers) == [1, 2, 3]
            await cluster.create_topic("orders", partitions=3, min_isr=2)
            await until(hub, lambda hub: "orders" in hub.snapshot.topics)
            await until(hub, lambda hub: -1 not in leaders(hub, "orders"))
            victim = await cluster.kill("leader:orders/0")
            assert victim is not None
            await until(hub, lambda hub: has(hub, "broker_down", "leader_elected"))
            await until(hub, lambda hub: victim not in leaders(hub, "orders"))
            moved = [
                e
                for _, e in hub.events()
                if e.kind == "leader_elected" and e.fields["was"] == victim
            ]
            assert {(e.topic, e.partition) for e in moved} >= {("orders", 0)}
            assert all(e.strategy in ("offline", "handed over") for e in moved)
            await cluster.restart(victim)
            await until(hub, lambda hub: has(hub, "broker_registered", "isr_expanded"))
            whole = hub.snapshot
            await until(hub, lambda hub: _all_in_sync(hub, "orders"))
            assert whole.cluster_id == hub.snapshot.cluster_id
            if kind == "zookeeper":
                assert hub.snapshot.controller.epoch > 0
                assert hub.snapshot.topics["orders"].min_isr == 2
                assert all(e.zxid > 0 and e.time_ms > 0 for e in moved)

    asyncio.run(run())


def _all_in_sync(hub: Hub, topic: str) -> bool:
    return all(len(p.isr) == 3 for p in hub.snapshot.topics[topic].partitions.values())


def test_topics_come_and_go() -> None:
    async def run() -> None:
        async with (
            Cluster(brokers=1, in_process=True) as cluster,
            following(cluster, "zookeeper") as hub,
        ):
            await cluster.create_topic("a", partitions=2)
            await until(hub, lambda hub: "a" in hub.snapshot.topics)
            first = hub.snapshot.topics["a"].topic_id
            await _delete(cluster, ["a"])
            await until(hub, lambda hub: "a" not in hub.snapshot.topics)
            await cluster.create_topic("a", partitions=1)
            await until(hub, lambda hub: "a" in hub.snapshot.topics)
            await until(hub, lambda hub: leaders(hub, "a") == [1])
            assert hub.snapshot.topics["a"].topic_id != first
            assert kinds(hub).count("topic_created") == 2
            assert kinds(hub).count("topic_deleted") == 1

    asyncio.run(run())


async def _delete(cluster: AsyncCluster, topics: Iterable[str]) -> None:
    from barnabas.client.admin import delete_topic

    async with ClusterClient(cluster.bootstrap, "test") as client:
        for topic in topics:
            await delete_topic(client, topic)


def test_what_happens_while_zookeeper_is_away_is_told_afterwards() -> None:
    async def run() -> None:
        async with (
            Cluster(brokers=2, in_process=True) as cluster,
            following(cluster, "zookeeper") as hub,
        ):
            await cluster.create_topic("orders", partitions=1)
            await until(hub, lambda hub: "orders" in hub.snapshot.topics)
            await cluster.kill("coordinator")
            await until(hub, lambda hub: hub.trouble is not None)
            await cluster.restart("coordinator")
            await until(hub, lambda hub: hub.trouble is None)
            await cluster.create_topic("later", partitions=1)
            await until(hub, lambda hub: has(hub, "topic_created"))
            await until(hub, lambda hub: "later" in hub.snapshot.topics)

    asyncio.run(run())


def test_partitions_are_bounded() -> None:
    async def run() -> None:
        async with Cluster(brokers=1, in_process=True) as cluster:
            await cluster.create_topic("small", partitions=2)
            await cluster.create_topic("large", partitions=9)
            hub = Hub()
            source = ZooKeeperSource(system_env(), cluster.zookeeper, hub, partitions_max=5)
            task = asyncio.create_task(source.run())
            await until(hub, lambda hub: hub.trouble == "9 partitions are not shown")
            assert list(hub.snapshot.topics) == ["small"]
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


async def _produce_acks_1(cluster: AsyncCluster, count: int) -> None:
    """The watermark still waits for a follower that was in sync a moment ago."""
    async with ClusterClient(cluster.bootstrap, "test") as client:
        await client.metadata(["orders"])
        producer = Producer(client, acks=1, idempotent=False)
        await producer.send(TopicPartition("orders", 0), [Record(value=b"a")] * count)


def test_the_lag_of_a_replica_that_is_out_of_sync_is_told() -> None:
    async def run() -> None:
        async with (
            Cluster(brokers=2, in_process=True) as cluster,
            following(cluster, "zookeeper") as hub,
        ):
            await cluster.create_topic("orders", partitions=1, replicas=2, min_isr=1)
            await until(hub, lambda hub: "orders" in hub.snapshot.topics)
            leader = await cluster.leader_of("orders")
            assert leader is not None
            await cluster.shrink_isr("orders", to=1)
            await _produce_acks_1(cluster, 3)
            task = asyncio.create_task(
                follow_lag(hub, lambda: ClusterClient(cluster.bootstrap, "test"))
            )
            try:
                tp = TopicPartition("orders", 0)
                await until(hub, lambda hub: hub.lag == {tp: {3 - leader: 3}})
                await cluster.restore_isr("orders")
                await until(hub, lambda hub: hub.lag == {})
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
