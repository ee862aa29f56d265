"""Transactions of real clients on real brokers, and a coordinator that is killed under them."""

from __future__ import annotations

import asyncio
import time
import warnings
from collections.abc import Callable, Iterator

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import TopicPartition as AioPartition
from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka import TopicPartition as ConfluentPartition
from tests.cluster_kit import Cluster, no_traceback
from tests.coordinator.transaction.libraries import (
    DEADLINE_S,
    Rows,
    confluent,
    coordinator_of,
    read_confluent,
)

from barnabas.client.cluster import ClusterClient
from barnabas.client.groups import committed_offsets
from barnabas.types import TopicPartition

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of the way in which it reads its files
    from kafka import KafkaConsumer, KafkaProducer
    from kafka import TopicPartition as KafkaPartition
    from kafka.structs import OffsetAndMetadata

pytestmark = pytest.mark.processes
PARTITIONS = 2


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(directory=tmp_path_factory.mktemp("transactions")) as running:
        yield running
        assert all(no_traceback(running.log(f"broker:{n}")) for n in (1, 2, 3))


# Writing: one aborted and one committed transaction, the second with positions of a group.


def write_confluent(cluster: Cluster, topic: str, group: str) -> None:
    producer = confluent(cluster, f"{topic}-id")
    consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": group})
    producer.init_transactions(DEADLINE_S)
    for word in ("bad", "good"):
        producer.begin_transaction()
        for n in range(4):
            producer.produce(topic, f"{word}-{n}", partition=n % PARTITIONS)
        offsets = [ConfluentPartition(topic, 0, 7 if word == "good" else 99)]
        producer.send_offsets_to_transaction(
            offsets, consumer.consumer_group_metadata(), DEADLINE_S
        )
        if word == "good":
            producer.commit_transaction(DEADLINE_S)
        else:
            producer.flush()
            producer.abort_transaction(DEADLINE_S)
    consumer.close()


def write_kafka_python(cluster: Cluster, topic: str, group: str) -> None:
    producer = KafkaProducer(bootstrap_servers=cluster.bootstrap, transactional_id=f"{topic}-id")
    producer.init_transactions()
    for word in ("bad", "good"):
        producer.begin_transaction()
        for n in range(4):
            producer.send(topic, f"{word}-{n}".encode(), partition=n % PARTITIONS).get(DEADLINE_S)
        position = OffsetAndMetadata(7 if word == "good" else 99, "", -1)
        producer.send_offsets_to_transaction({KafkaPartition(topic, 0): position}, group)
        if word == "good":
            producer.commit_transaction()
        else:
            producer.abort_transaction()
    producer.close()


def write_aiokafka(cluster: Cluster, topic: str, group: str) -> None:
    async def write() -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=cluster.bootstrap, transactional_id=f"{topic}-id"
        )
        await producer.start()
        for word in ("bad", "good"):
            await producer.begin_transaction()
            for n in range(4):
                await producer.send_and_wait(
                    topic, f"{word}-{n}".encode(), partition=n % PARTITIONS
                )
            position = {AioPartition(topic, 0): 7 if word == "good" else 99}
            await producer.send_offsets_to_transaction(position, group)
            if word == "good":
                await producer.commit_transaction()
            else:
                await producer.abort_transaction()
        await producer.stop()

    asyncio.run(write())


WRITERS: dict[str, Callable[[Cluster, str, str], None]] = {
    "confluent": write_confluent,
    "kafka-python": write_kafka_python,
    "aiokafka": write_aiokafka,
}


# Reading what is committed, up to the end


def read_kafka_python(cluster: Cluster, topic: str) -> Rows:
    consumer = KafkaConsumer(
        bootstrap_servers=cluster.bootstrap,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
    )
    partitions = [KafkaPartition(topic, n) for n in range(PARTITIONS)]
    consumer.assign(partitions)
    ends = consumer.end_offsets(partitions)
    rows: Rows = {n: [] for n in range(PARTITIONS)}
    deadline = time.monotonic() + DEADLINE_S
    while any(consumer.position(p) < ends[p] for p in partitions):
        assert time.monotonic() < deadline
        for partition, records in consumer.poll(500).items():
            rows[partition.partition] += [r.value for r in records]
    consumer.close()
    return rows


def read_aiokafka(cluster: Cluster, topic: str) -> Rows:
    async def read() -> Rows:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=cluster.bootstrap, isolation_level="read_committed"
        )
        await consumer.start()
        partitions = [AioPartition(topic, n) for n in range(PARTITIONS)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        rows: Rows = {n: [] for n in range(PARTITIONS)}
        async with asyncio.timeout(DEADLINE_S):
            while True:
                positions = [await consumer.position(p) < ends[p] for p in partitions]
                if not any(positions):
                    break
                for partition, records in (await consumer.getmany(timeout_ms=500)).items():
                    rows[partition.partition] += [r.value for r in records]
        await consumer.stop()
        return rows

    return asyncio.run(read())


READERS: dict[str, Callable[[Cluster, str], Rows]] = {
    "confluent": read_confluent,
    "kafka-python": read_kafka_python,
    "aiokafka": read_aiokafka,
}


@pytest.mark.parametrize("writer", WRITERS)
def test_every_library_reads_what_was_committed_and_nothing_else(
    cluster: Cluster, writer: str
) -> None:
    topic, group = f"of-{writer}", f"group-{writer}"
    cluster.create_topic(topic, PARTITIONS)
    WRITERS[writer](cluster, topic, group)
    for reader in READERS.values():
        assert reader(cluster, topic) == {0: [b"good-0", b"good-2"], 1: [b"good-1", b"good-3"]}
    assert positions(cluster, group) == {TopicPartition(topic, 0): 7}


def positions(cluster: Cluster, group: str) -> dict[TopicPartition, int]:
    async def ask() -> dict[TopicPartition, int]:
        async with ClusterClient(cluster.bootstrap, "tests") as client:
            return await committed_offsets(client, group)

    return asyncio.run(ask())


def test_a_zombie_is_fenced(cluster: Cluster) -> None:
    cluster.create_topic("fenced", PARTITIONS)
    zombie, successor = confluent(cluster, "one"), confluent(cluster, "one")
    zombie.init_transactions(DEADLINE_S)
    zombie.begin_transaction()
    zombie.produce("fenced", "of the zombie", partition=0)
    zombie.flush()
    successor.init_transactions(DEADLINE_S)
    with pytest.raises(KafkaException) as caught:
        zombie.commit_transaction(DEADLINE_S)
    assert caught.value.args[0].fatal()
    successor.begin_transaction()
    successor.produce("fenced", "of the successor", partition=0)
    successor.commit_transaction(DEADLINE_S)
    assert read_confluent(cluster, "fenced") == {0: [b"of the successor"], 1: []}


def test_a_coordinator_killed_in_the_midst_of_commits(cluster: Cluster) -> None:
    cluster.create_topic("killed", PARTITIONS)
    producer = confluent(cluster, "steady")
    producer.init_transactions(DEADLINE_S)
    committed = []
    for number in range(120):
        if number in (40, 80):
            victim = coordinator_of(cluster, "steady")
            cluster.ask("kill", f"broker:{victim}")
        producer.begin_transaction()
        for partition in range(PARTITIONS):
            producer.produce("killed", str(number), partition=partition)
        if finished(producer):
            committed.append(str(number).encode())
        if number == 60:
            cluster.ask("restart", f"broker:{victim}")
    assert len(committed) > 110
    rows = read_confluent(cluster, "killed")
    assert rows == {0: committed, 1: committed}
    for broker in (1, 2, 3):
        if cluster.state(f"broker:{broker}") != "running":
            cluster.ask("restart", f"broker:{broker}")


def finished(producer: Producer) -> bool:
    """Commit, as often as the library says that it may still succeed; else abort."""
    while True:
        try:
            producer.commit_transaction(DEADLINE_S)
            return True
        except KafkaException as error:
            reason = error.args[0]
            if reason.retriable():
                continue
            assert reason.txn_requires_abort(), reason
            producer.abort_transaction(DEADLINE_S)
            return False
