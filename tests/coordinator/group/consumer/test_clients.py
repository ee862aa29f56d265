"""librdkafka consumers of the next-generation protocol; members and coordinators die."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaException
from tests.cluster_kit import Cluster
from tests.coordinator.group.libraries import GROUP, PARTITIONS, TOPIC, Watcher, produce

from barnabas.client.cluster import ClusterClient
from barnabas.client.groups import describe_group

pytestmark = pytest.mark.processes

MEMBER = Path(__file__).with_name("member_process.py")
SETTINGS = {
    "group.coordinator.rebalance.protocols": "classic,consumer",
    "group.consumer.min.session.timeout.ms": "3000",
    "group.consumer.session.timeout.ms": "3000",
    "group.consumer.min.heartbeat.interval.ms": "100",
    "group.consumer.heartbeat.interval.ms": "300",
}


class Reader:
    """One consumer on a thread, committing what it has read."""

    def __init__(
        self, bootstrap: str, assignor: str, topic: str, read: Counter[tuple[int, int]]
    ) -> None:
        self._read = read
        self._stop = threading.Event()
        self.faults: list[str] = []
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": GROUP,
                "group.protocol": "consumer",
                "group.remote.assignor": assignor,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "log_level": 0,
            }
        )
        self._consumer.subscribe([topic])
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while not self._stop.is_set():
            messages = [m for m in self._consumer.consume(100, 0.1) if m.error() is None]
            for message in messages:
                partition, offset = message.partition(), message.offset()
                assert partition is not None
                assert offset is not None
                self._read[partition, offset] += 1
            try:
                if messages:
                    self._consumer.commit(asynchronous=False)
            except KafkaException:
                pass  # a rebalance or a dead coordinator: whoever owns it next reads it again
        self._consumer.close()

    def leave(self) -> None:
        self._stop.set()
        self._thread.join(20)
        assert not self._thread.is_alive()


@pytest.mark.parametrize("assignor", ["uniform", "range"])
def test_members_come_and_go_and_the_coordinator_dies(tmp_path: Path, assignor: str) -> None:
    with Cluster(directory=tmp_path, overrides=SETTINGS) as cluster:
        cluster.create_topic(TOPIC, PARTITIONS)
        read: Counter[tuple[int, int]] = Counter()
        watcher = Watcher(cluster.bootstrap)
        readers = [Reader(cluster.bootstrap, assignor, t, read) for t in (TOPIC, f"^{TOPIC}$")]
        try:
            watcher.wait_until_shared(2)
            produce(cluster.bootstrap, 600)
            watcher.wait_until_committed(600)
            readers.append(Reader(cluster.bootstrap, assignor, TOPIC, read))
            watcher.wait_until_shared(3)
            cluster.ask("kill", f"broker:{watcher.coordinator}")
            produce(cluster.bootstrap, 600)
            watcher.wait_until_committed(1200)
            readers.pop(0).leave()
            watcher.wait_until_shared(2)
            produce(cluster.bootstrap, 600)
            watcher.wait_until_committed(1800)

            async def assignor_of_the_group() -> str:
                async with ClusterClient(cluster.bootstrap, "test") as client:
                    return (await describe_group(client, GROUP)).protocol

            assert asyncio.run(assignor_of_the_group()) == assignor
        finally:
            for reader in readers:
                reader.leave()
        assert not watcher.complaints
        assert len(read) == 1800


def test_the_partitions_of_a_killed_member_go_to_the_other(tmp_path: Path) -> None:
    with Cluster(directory=tmp_path, overrides=SETTINGS) as cluster:
        cluster.create_topic(TOPIC, PARTITIONS)
        read: Counter[tuple[int, int]] = Counter()
        watcher = Watcher(cluster.bootstrap)
        reader = Reader(cluster.bootstrap, "uniform", TOPIC, read)
        doomed = subprocess.Popen(
            [sys.executable, str(MEMBER), cluster.bootstrap, TOPIC, GROUP],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            watcher.wait_until_shared(2)
            produce(cluster.bootstrap, 600)
            watcher.wait_until_committed(600)
            doomed.kill()
            produce(cluster.bootstrap, 600)
            watcher.wait_until_shared(1)
            watcher.wait_until_committed(1200)
        finally:
            reader.leave()
            doomed.kill()
            printed, _ = doomed.communicate()
        by_the_doomed = {tuple(map(int, line.split())) for line in printed.splitlines()}
        assert by_the_doomed
        assert not watcher.complaints
        assert len(by_the_doomed | set(read)) == 1200
