"""Real clients in one group, real brokers, and a coordinator that is killed under them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import aiokafka
import pytest
from aiokafka.coordinator.assignors.range import RangePartitionAssignor as AioRange
from confluent_kafka import Consumer, KafkaException, Producer
from tests.cluster_kit import Cluster, wait_for

from barnabas.client.cluster import ClusterClient
from barnabas.client.groups import committed_offsets, describe_group
from barnabas.types import TopicPartition

pytestmark = pytest.mark.process

TOPIC, GROUP, PARTITIONS = "t", "g", 6
SESSION_MS, HEARTBEAT_MS = 6000, 300


class Members:
    """Consumers of three libraries, each on a thread, committing what they have read."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self.read: Counter[tuple[int, int]] = Counter()
        self.readers: Counter[str] = Counter()
        self.faults: list[str] = []
        self.stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        for work in (self._confluent, self._kafka_python, self._aiokafka):
            thread = threading.Thread(target=self._guarded, args=(work,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def join(self) -> None:
        self.stop.set()
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive()

    def _guarded(self, work: object) -> None:
        try:
            assert callable(work)
            work()
        except BaseException as error:
            self.faults.append(repr(error))

    def _took(self, who: str, partition: int | None, offset: int | None) -> None:
        assert partition is not None
        assert offset is not None
        self.read[partition, offset] += 1
        self.readers[who] += 1

    def _confluent(self) -> None:
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": GROUP,
                "client.id": "confluent",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "partition.assignment.strategy": "range",
                "session.timeout.ms": SESSION_MS,
                "heartbeat.interval.ms": HEARTBEAT_MS,
                "log_level": 0,
            }
        )
        consumer.subscribe([TOPIC])
        while not self.stop.is_set():
            messages = [m for m in consumer.consume(100, 0.1) if m.error() is None]
            for message in messages:
                self._took("confluent", message.partition(), message.offset())
            try:
                if messages:
                    consumer.commit(asynchronous=False)
            except KafkaException:
                pass  # a rebalance or a dead coordinator: whoever owns it next reads it again
        consumer.close()

    def _kafka_python(self) -> None:
        program = Path(__file__).with_name("kafka_python_member.py")
        with subprocess.Popen(
            [sys.executable, str(program), self.bootstrap, TOPIC, GROUP],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            stopping = threading.Thread(target=self._close_when_stopped, args=(process,))
            stopping.start()
            for line in process.stdout:
                partition, offset = map(int, line.split())
                self._took("kafka-python", partition, offset)
            stopping.join()

    def _close_when_stopped(self, process: subprocess.Popen[str]) -> None:
        self.stop.wait()
        assert process.stdin is not None
        process.stdin.close()

    def _aiokafka(self) -> None:
        asyncio.run(self._consume_with_aiokafka())

    async def _consume_with_aiokafka(self) -> None:
        consumer = aiokafka.AIOKafkaConsumer(
            TOPIC,
            bootstrap_servers=self.bootstrap.split(","),
            group_id=GROUP,
            client_id="aiokafka",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            partition_assignment_strategy=[AioRange],
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
        )
        await consumer.start()
        while not self.stop.is_set():
            found = await consumer.getmany(timeout_ms=100)
            for partition, messages in found.items():
                for message in messages:
                    self._took("aiokafka", partition.partition, message.offset)
            try:
                if found:
                    await consumer.commit()
            except aiokafka.errors.KafkaError:
                pass
        await consumer.stop()


class Watcher:
    """Asks for positions and owners, again and again, and complains of any that is wrong."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self.positions: dict[TopicPartition, int] = {}
        self.owned: dict[int, int] = {}
        self.coordinator = -1
        self.complaints: list[str] = []

    def look(self) -> None:
        asyncio.run(self._look())

    async def _look(self) -> None:
        async with ClusterClient(self.bootstrap, "watcher", timeout_ms=20_000) as client:
            for partition, offset in (await committed_offsets(client, GROUP)).items():
                known = self.positions.get(partition, -1)
                if offset < known:
                    self.complaints.append(f"{partition}: {known}, then {offset}")
                self.positions[partition] = offset
            group = await describe_group(client, GROUP)
        self.coordinator = group.coordinator
        self.owned = {}
        if group.state == "Stable":
            owned = [p for m in group.members for p in m.partitions or ()]
            if len(owned) != len(set(owned)):
                self.complaints.append(f"owned twice: {owned}")
            self.owned = {len(group.members): len(owned)}


def produce(bootstrap: str, count: int) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "log_level": 0})
    for number in range(count):
        producer.produce(TOPIC, b"%d" % number, partition=number % PARTITIONS)
    assert producer.flush(30) == 0


def test_three_libraries_in_one_group_outlive_their_coordinator(tmp_path: Path) -> None:
    with Cluster(directory=tmp_path) as cluster:
        cluster.create_topic(TOPIC, PARTITIONS)
        members, watcher = Members(cluster.bootstrap), Watcher(cluster.bootstrap)
        members.start()

        def shared() -> bool:
            watcher.look()
            return watcher.owned == {3: PARTITIONS}

        def all_committed(count: int) -> bool:
            watcher.look()
            return sum(watcher.positions.values()) >= count

        try:
            wait_for(shared, 20, "three members share the partitions")
            produce(cluster.bootstrap, 1200)
            wait_for(lambda: all_committed(1200), 15, "everything is committed")
            assert set(members.readers) == {"confluent", "kafka-python", "aiokafka"}
            killed = time.monotonic()
            cluster.ask("kill", f"broker:{watcher.coordinator}")
            produce(cluster.bootstrap, 1200)
            wait_for(lambda: all_committed(2400), 25, "the next coordinator takes commits")
            print(f"committed again {time.monotonic() - killed:.2f} s after the kill")
        finally:
            members.join()
        assert not members.faults
        assert not watcher.complaints
        assert len(members.read) == 2400
