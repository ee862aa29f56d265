"""Out to Kafka 4: MirrorMaker 2 copies a cluster of ours to a KRaft broker, with the positions of
groups; consumers of the groups go on there. The same with a cluster of the original."""

from __future__ import annotations

import os
import subprocess
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka import TopicPartition as ConfluentPartition
from confluent_kafka.admin import AdminClient, NewTopic
from tests.cluster_kit import Cluster, free_ports, wait_for
from tests.interop import original
from tests.zookeeper import real_zookeeper
from tests.zookeeper.real_zookeeper import RealZooKeeper

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(600)]

TOPIC = "orders"
BEHIND, CAUGHT_UP = "behind", "caught-up"
"""Groups: one stops in the middle, the other reads to the end."""
COUNT, READ = 3000, 1200
PARTITIONS = 3


def _java(version: str, log: Path, *arguments: str) -> subprocess.Popen[bytes]:
    with log.open("ab") as out:
        return subprocess.Popen(
            [str(original.SCRIPT), "run", *arguments],
            env={**os.environ, "ORIGINAL_VERSION": version},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )


@pytest.fixture
def kafka_4(tmp_path: Path) -> Iterator[str]:
    """The address of a broker that is its own controller."""
    for version in ("4.0.0", "mirror"):
        if (reason := original.missing(version)) is not None:
            pytest.skip(reason)
    port = free_ports(2)
    properties = tmp_path / "kafka4.properties"
    properties.write_text(
        "process.roles=broker,controller\nnode.id=9\n"
        f"controller.quorum.voters=9@127.0.0.1:{port + 1}\n"
        f"listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{port + 1}\n"
        "controller.listener.names=CONTROLLER\n"
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n"
        f"log.dirs={tmp_path / 'kafka4'}\noffsets.topic.replication.factor=1\n"
        "offsets.topic.num.partitions=2\ngroup.initial.rebalance.delay.ms=0\n"
    )
    log = tmp_path / "kafka4.log"
    cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    format_it = ("kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(properties))
    with _java("4.0.0", log, *format_it) as formatting:
        assert formatting.wait(60) == 0, log.read_text()[-2000:]
    with _java("4.0.0", log, "kafka.Kafka", str(properties)) as broker:
        try:
            wait_for(lambda: "Kafka Server started" in log.read_text(), 90, log.read_text()[-500:])
            yield f"127.0.0.1:{port}"
        finally:
            broker.kill()


@pytest.fixture(params=["ours", "original"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of the cluster that is left."""
    if request.param == "ours":
        with Cluster(directory=tmp_path / "ours", brokers=3) as running:
            yield running.bootstrap
        return
    for reason in (original.missing(), real_zookeeper.missing()):
        if reason is not None:
            pytest.skip(reason)
    with (
        RealZooKeeper(tmp_path / "zookeeper") as zookeeper,
        original.JavaBroker(
            *(tmp_path, 1, free_ports(1), zookeeper.connect_string),
            group_initial_rebalance_delay_ms="0",
        ) as broker,
    ):
        yield f"127.0.0.1:{broker.port}"


def _mirror(tmp_path: Path, source: str, target: str) -> subprocess.Popen[bytes]:
    properties = tmp_path / "mirror.properties"
    properties.write_text(
        "clusters=old, new\n"
        f"old.bootstrap.servers={source}\nnew.bootstrap.servers={target}\n"
        "old->new.enabled=true\nnew->old.enabled=false\n"
        f"old->new.topics={TOPIC}\nold->new.groups={BEHIND}, {CAUGHT_UP}\n"
        "replication.policy.class=org.apache.kafka.connect.mirror.IdentityReplicationPolicy\n"
        "replication.factor=1\ncheckpoints.topic.replication.factor=1\n"
        "heartbeats.topic.replication.factor=1\noffset-syncs.topic.replication.factor=1\n"
        "offset.storage.replication.factor=1\nstatus.storage.replication.factor=1\n"
        "config.storage.replication.factor=1\n"
        "sync.group.offsets.enabled=true\nemit.checkpoints.interval.seconds=1\n"
        "sync.group.offsets.interval.seconds=1\noffset.lag.max=10\n"
        "new.offset.flush.interval.ms=1000\n"
        "refresh.topics.interval.seconds=2\nrefresh.groups.interval.seconds=2\n"
    )
    log = tmp_path / "mirror.log"
    return _java("mirror", log, "org.apache.kafka.connect.mirror.MirrorMaker", str(properties))


def _write(bootstrap: str, first: int, count: int) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True})
    for number in range(first, first + count):
        producer.produce(TOPIC, b"%d" % number, partition=number % PARTITIONS)
    assert producer.flush(60) == 0


def _read(bootstrap: str, count: int, group: str) -> list[tuple[int, int]]:
    """(partition, number) of so many records from the group's position on; commits after them."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([TOPIC])
    found: list[tuple[int, int]] = []

    def more() -> bool:
        message = consumer.poll(0.5)
        if message is not None and message.error() is None:
            value, partition = message.value(), message.partition()
            assert isinstance(value, bytes)
            assert partition is not None
            found.append((partition, int(value)))
        return len(found) >= count

    wait_for(more, 90, f"{count} records, {len(found)} came")
    consumer.commit(asynchronous=False)
    consumer.close()
    return found


def _positions(bootstrap: str, group: str) -> dict[int, int]:
    """By partition; 0 where the group has none."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    try:
        wanted = [ConfluentPartition(TOPIC, n) for n in range(PARTITIONS)]
        return {p.partition: max(0, p.offset) for p in consumer.committed(wanted, timeout=30)}
    finally:
        consumer.close()


def test_mirror_maker_takes_records_and_positions(
    source: str, kafka_4: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    admin = AdminClient({"bootstrap.servers": source})
    admin.create_topics([NewTopic(TOPIC, PARTITIONS, -1)])[TOPIC].result(60)
    _write(source, 0, COUNT // 2)
    done = _read(source, READ, BEHIND)
    with ExitStack() as stack:
        mirror = stack.enter_context(_mirror(tmp_path, source, kafka_4))
        stack.callback(mirror.kill)
        _write(source, COUNT // 2, COUNT - COUNT // 2)
        _read(source, COUNT, CAUGHT_UP)
        copied = _read(kafka_4, COUNT, "all")
        for partition in range(PARTITIONS):
            numbers = [number for p, number in copied if p == partition]
            assert numbers == list(range(partition, COUNT, PARTITIONS))
        ends = _positions(source, CAUGHT_UP)
        assert sum(ends.values()) == COUNT
        wait_for(
            lambda: _positions(kafka_4, CAUGHT_UP) == ends,
            120,
            "a group that has read everything has the same positions there",
        )
    # A position is never ahead. Far from the end it is far behind: MirrorMaker keeps few pairs of
    # offsets, the fewer the older they are.
    before, after = _positions(source, BEHIND), _positions(kafka_4, BEHIND)
    assert all(after[n] <= before[n] for n in before)
    rest = _read(kafka_4, COUNT - sum(after.values()), BEHIND)
    seen = {number for _, number in (*done, *rest)}
    assert seen == set(range(COUNT))
    with capsys.disabled():
        again = len(done) + len(rest) - COUNT
        print(f"\nout to Kafka 4: records={COUNT} lost=0 positions {before} became {after}:")
        print(f"read twice by the group that was behind={again}, by the other=0")
