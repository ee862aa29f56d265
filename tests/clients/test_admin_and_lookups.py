"""Topics administered and offsets looked up with each client; a consumer across a failover."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from functools import partial

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as AioPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin import NewPartitions as AioNewPartitions
from aiokafka.admin import NewTopic as AioNewTopic
from aiokafka.admin.config_resource import ConfigResource as AioConfigResource
from aiokafka.admin.config_resource import ConfigResourceType as AioConfigResourceType
from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as ConfluentPartition
from confluent_kafka.admin import (
    AdminClient,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)
from tests.clients.drivers import (
    READERS,
    WRITERS,
    How,
    KafkaConsumer,
    KafkaPartition,
    Row,
    missing,
)
from tests.cluster_kit import Cluster, wait_for

pytestmark = [
    pytest.mark.processes,
    # kafka-python and aiokafka leave sockets of refused connections to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

T0 = 1_700_000_000_000
LOOKUPS = {T0 - 5: 0, T0: 0, T0 + 401: 41, T0 + 990: 99}
"""Time to the first offset at or after it: record n has T0 + 10 * n."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    directory = tmp_path_factory.mktemp("clients")
    settings = {"auto.leader.rebalance.enable": "false"}
    with Cluster(directory=directory, overrides=settings) as running:
        yield running
        gc.collect()


@pytest.fixture(scope="module")
def timed(cluster: Cluster) -> str:
    """A topic of one partition with a record every ten milliseconds."""
    cluster.create_topic("timed", 1)
    rows = [Row(partition=0, key=None, value=b"%d" % n, timestamp=T0 + 10 * n) for n in range(100)]
    for how, part in ((How(), rows[:50]), (How(codec="lz4", idempotent=True), rows[50:])):
        WRITERS["confluent-kafka"](cluster.bootstrap, "timed", part, how)
    return "timed"


def test_offsets_for_times_confluent(cluster: Cluster, timed: str) -> None:
    consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "unused"})
    try:
        for time, offset in LOOKUPS.items():
            (found,) = consumer.offsets_for_times([ConfluentPartition(timed, 0, time)], timeout=5)
            assert (found.offset, found.error) == (offset, None)
        (late,) = consumer.offsets_for_times([ConfluentPartition(timed, 0, T0 * 2)], timeout=5)
        assert late.offset == -1  # the end
        assert consumer.get_watermark_offsets(ConfluentPartition(timed, 0), timeout=5) == (0, 100)
    finally:
        consumer.close()
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    for spec, offset in (
        (OffsetSpec.earliest(), 0),
        (OffsetSpec.latest(), 100),
        (OffsetSpec.max_timestamp(), 99),
        (OffsetSpec.for_timestamp(T0 + 15), 2),
    ):
        ((_, future),) = admin.list_offsets({ConfluentPartition(timed, 0): spec}).items()
        assert future.result(5).offset == offset


def test_offsets_for_times_kafka_python(cluster: Cluster, timed: str) -> None:
    consumer = KafkaConsumer(bootstrap_servers=cluster.bootstrap.split(","))
    try:
        partition = KafkaPartition(timed, 0)
        for time, offset in LOOKUPS.items():
            found = consumer.offsets_for_times({partition: time})[partition]
            assert (found.offset, found.timestamp) == (offset, T0 + 10 * offset)
        assert consumer.offsets_for_times({partition: T0 * 2}) == {partition: None}
        assert consumer.beginning_offsets([partition]) == {partition: 0}
        assert consumer.end_offsets([partition]) == {partition: 100}
    finally:
        consumer.close()


def test_offsets_for_times_aiokafka(cluster: Cluster, timed: str) -> None:
    async def look() -> None:
        consumer = AIOKafkaConsumer(bootstrap_servers=cluster.bootstrap)
        await consumer.start()
        try:
            partition = AioPartition(timed, 0)
            for time, offset in LOOKUPS.items():
                found = (await consumer.offsets_for_times({partition: time}))[partition]
                assert found is not None
                assert (found.offset, found.timestamp) == (offset, T0 + 10 * offset)
            assert await consumer.end_offsets([partition]) == {partition: 100}
        finally:
            await consumer.stop()

    asyncio.run(look())


def test_admin_confluent(cluster: Cluster) -> None:
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    new = NewTopic("made-confluent", 2, 3, config={"retention.ms": "1234567"})
    admin.create_topics([new])["made-confluent"].result(10)
    with pytest.raises(KafkaException) as refused:
        admin.create_topics([new])["made-confluent"].result(10)
    assert refused.value.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS
    admin.create_partitions([NewPartitions("made-confluent", 5)])["made-confluent"].result(10)
    wait_for(lambda: cluster.whole("made-confluent", 5), 10, "five partitions")
    resource = ConfigResource(ResourceType.TOPIC, "made-confluent")
    configs = admin.describe_configs([resource])[resource].result(10)
    assert configs["retention.ms"].value == "1234567"
    assert configs["retention.ms"].is_default is False
    assert configs["cleanup.policy"].value == "delete"
    broker = ConfigResource(ResourceType.BROKER, "2")
    assert admin.describe_configs([broker])[broker].result(10)["broker.id"].value == "2"
    described = admin.describe_cluster().result(10)
    assert sorted(node.id for node in described.nodes) == [1, 2, 3]
    assert described.controller.id in (1, 2, 3)
    assert len(described.cluster_id) == 22
    admin.delete_topics(["made-confluent"])["made-confluent"].result(10)
    wait_for(lambda: not cluster.partitions("made-confluent"), 10, "it is gone")
    assert "made-confluent" not in admin.list_topics(timeout=5).topics


def test_admin_kafka_python(cluster: Cluster) -> None:
    from kafka.admin import ConfigResource as KafkaConfigResource
    from kafka.admin import ConfigResourceType, KafkaAdminClient
    from kafka.admin import NewPartitions as KafkaNewPartitions
    from kafka.admin import NewTopic as KafkaNewTopic

    admin = KafkaAdminClient(bootstrap_servers=cluster.bootstrap.split(","))
    try:
        admin.create_topics([KafkaNewTopic("made-python", 2, 3)])
        wait_for(lambda: cluster.whole("made-python", 2), 10, "two partitions")
        admin.create_partitions({"made-python": KafkaNewPartitions(3)})
        wait_for(lambda: cluster.whole("made-python", 3), 10, "three partitions")
        assert "made-python" in admin.list_topics()
        found = admin.describe_configs(
            [KafkaConfigResource(ConfigResourceType.TOPIC, "made-python")], config_filter="all"
        )
        assert "segment.bytes" in str(found)
        assert len(admin.describe_cluster()["brokers"]) == 3
        admin.delete_topics(["made-python"])
        wait_for(lambda: not cluster.partitions("made-python"), 10, "it is gone")
    finally:
        admin.close()


def test_admin_aiokafka(cluster: Cluster) -> None:
    async def administer() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=cluster.bootstrap)
        await admin.start()
        try:
            await admin.create_topics([AioNewTopic("made-aio", 2, 3)])
            await admin.create_partitions({"made-aio": AioNewPartitions(3)})
            assert "made-aio" in await admin.list_topics()
            (answer,) = await admin.describe_configs(
                [AioConfigResource(AioConfigResourceType.TOPIC, "made-aio")]
            )
            assert answer.resources[0][0] == 0
            assert len((await admin.describe_cluster())["brokers"]) == 3
            await admin.delete_topics(["made-aio"])
        finally:
            await admin.close()

    asyncio.run(administer())
    wait_for(lambda: not cluster.partitions("made-aio"), 10, "it is gone")


@pytest.mark.parametrize("client", READERS)
def test_write_and_read_across_a_failover(cluster: Cluster, client: str) -> None:
    """The leader is killed between two batches of each client; both come back, in order."""
    if (reason := missing(client)) is not None:
        pytest.skip(reason)
    topic = f"failover-{client}"
    cluster.create_topic(topic, 1)
    rows = [Row(partition=0, key=b"k", value=b"%d" % n, timestamp=T0) for n in range(200)]
    how = How(codec="gzip", idempotent=True)
    WRITERS[client](cluster.bootstrap, topic, rows[:100], how)
    leader = cluster.partitions(topic)[0].leader
    cluster.ask("kill", f"broker:{leader}")
    try:
        WRITERS[client](cluster.bootstrap, topic, rows[100:], how)
        # Some broker may not have heard of the new leader yet that has taken the rest.
        wait_for(
            lambda: cluster.partitions(topic)[0].leader not in (leader, -1), 10, "another leads"
        )
        found = READERS[client](cluster.bootstrap, topic, {0: 200})[0]
        assert [row.value for row in found] == [row.value for row in rows]
    finally:
        cluster.ask("restart", f"broker:{leader}")
        wait_for(lambda: cluster.whole(topic, 1), 30, "the ISR is whole again")


def test_a_consumer_goes_on_when_the_leader_dies(cluster: Cluster) -> None:
    """Two assigned consumers, open all the time, through two deaths of the leader."""
    cluster.create_topic("open", 1)
    rows = [Row(partition=0, key=None, value=b"%d" % n, timestamp=T0) for n in range(150)]
    confluent = Consumer(
        {
            "bootstrap.servers": cluster.bootstrap,
            "group.id": "unused",
            "enable.auto.commit": False,
            "log_level": 0,
        }
    )
    python = KafkaConsumer(
        bootstrap_servers=cluster.bootstrap.split(","), auto_offset_reset="earliest"
    )
    got: list[bytes | None] = []
    got_python: list[bytes | None] = []

    def poll() -> None:
        message = confluent.poll(0.02)
        if message is not None and message.error() is None:
            got.append(message.value())
        for records in python.poll(20).values():
            got_python.extend(record.value for record in records)

    def reads(count: int) -> bool:
        poll()
        return len(got) == len(got_python) == count

    def led_by_another(than: int) -> bool:
        return cluster.partitions("open")[0].leader not in (than, -1)

    try:
        confluent.assign([ConfluentPartition("open", 0, 0)])
        python.assign([KafkaPartition("open", 0)])
        for start in (0, 50, 100):
            batch = rows[start : start + 50]
            WRITERS["confluent-kafka"](cluster.bootstrap, "open", batch, How())
            wait_for(partial(reads, start + 50), 30, f"{start + 50} read by both")
            leader = cluster.partitions("open")[0].leader
            if start < 100:
                cluster.ask("kill", f"broker:{leader}")
                wait_for(partial(led_by_another, leader), 20, "another leads")
                cluster.ask("restart", f"broker:{leader}")
                wait_for(lambda: cluster.whole("open", 1), 30, "whole again")
        assert got == got_python == [row.value for row in rows]
    finally:
        confluent.close()
        python.close()
