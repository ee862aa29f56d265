"""A transactional producer and a READ_COMMITTED reader of librdkafka."""

from __future__ import annotations

import asyncio
import time

from confluent_kafka import Consumer, Producer
from confluent_kafka import TopicPartition as ConfluentPartition
from tests.cluster_kit import Cluster

from barnabas.client.cluster import ClusterClient
from barnabas.client.coordinators import TRANSACTION, find_coordinator

DEADLINE_S = 30.0
Rows = dict[int, list[bytes]]


def confluent(cluster: Cluster, transactional_id: str) -> Producer:
    config = {"bootstrap.servers": cluster.bootstrap, "transactional.id": transactional_id}
    return Producer({**config, "log_level": 0, "linger.ms": 0})


def read_confluent(cluster: Cluster, topic: str, partitions: int = 2) -> Rows:
    """What is committed, by partition, up to the end."""
    consumer = Consumer(
        {
            "bootstrap.servers": cluster.bootstrap,
            "group.id": "reader",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )
    consumer.assign([ConfluentPartition(topic, n, 0) for n in range(partitions)])
    rows: Rows = {n: [] for n in range(partitions)}
    ended = 0
    deadline = time.monotonic() + DEADLINE_S
    while ended < partitions:
        assert time.monotonic() < deadline
        message = consumer.poll(1)
        if message is None:
            continue
        if message.error() is not None:
            ended += 1
        else:
            partition, value = message.partition(), message.value()
            assert partition is not None
            assert value is not None
            rows[partition].append(value)
    consumer.close()
    return rows


def coordinator_of(cluster: Cluster, transactional_id: str) -> int:
    async def ask() -> int:
        async with ClusterClient(cluster.bootstrap, "tests") as client:
            return await find_coordinator(client, TRANSACTION, transactional_id)

    return asyncio.run(ask())
