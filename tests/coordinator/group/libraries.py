"""Consumers of several libraries in one group, real ones, and somebody who watches the group."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import aiokafka
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from confluent_kafka import Consumer, KafkaException, Producer
from tests.cluster_kit import wait_for

from barnabas.client.cluster import ClusterClient
from barnabas.client.groups import committed_offsets, describe_group
from barnabas.types import TopicPartition

TOPIC, GROUP, PARTITIONS = "t", "g", 6
SESSION_MS, HEARTBEAT_MS = 6000, 300
ALL_PYTHON = ("confluent", "kafka-python", "aiokafka")
_AIO = {"range": RangePartitionAssignor, "roundrobin": RoundRobinPartitionAssignor}
_HERE = Path(__file__).parent


class Members:
    """One consumer of each library named, committing what it has read; a name may stand several
    times. confluent-kafka and aiokafka run on threads, the others in processes of their own."""

    def __init__(
        self,
        bootstrap: str,
        libraries: Sequence[str] = ALL_PYTHON,
        assignor: str = "range",
        *,
        node_path: Path | None = None,
    ) -> None:
        self.bootstrap = bootstrap
        self.read: Counter[tuple[int, int]] = Counter()
        self.readers: Counter[str] = Counter()
        self.faults: list[str] = []
        self.owners: dict[tuple[int, int], str] = {}
        """(generation, partition) to the member that says it was given it, where a library can."""
        self.processes: dict[str, list[subprocess.Popen[str]]] = {}
        self._libraries = libraries
        self._assignor = assignor
        self._node_path = node_path
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        for library in self._libraries:
            self.add(library)

    def add(self, library: str) -> None:
        """One more."""
        work: Callable[[], None] = {
            "confluent": self._confluent,
            "aiokafka": self._aiokafka,
            "kafka-python": self._kafka_python,
            "kafkajs": self._kafkajs,
        }[library]
        thread = threading.Thread(target=self._guarded, args=(work,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def join(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive()

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            self.faults.append(repr(error))

    def _took(self, who: str, partition: int | None, offset: int | None) -> None:
        assert partition is not None
        assert offset is not None
        self.read[partition, offset] += 1
        self.readers[who] += 1

    def _owns(self, generation: int, partitions: Sequence[int], member: str) -> None:
        for partition in partitions:
            other = self.owners.setdefault((generation, partition), member)
            if other != member:
                self.faults.append(f"{partition} in {generation}: {other} and {member}")

    def _confluent(self) -> None:
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": GROUP,
                "client.id": "confluent",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "partition.assignment.strategy": self._assignor,
                "session.timeout.ms": SESSION_MS,
                "heartbeat.interval.ms": HEARTBEAT_MS,
                "log_level": 0,
            }
        )
        consumer.subscribe([TOPIC])
        while not self._stop.is_set():
            messages = [m for m in consumer.consume(100, 0.1) if m.error() is None]
            for message in messages:
                self._took("confluent", message.partition(), message.offset())
            try:
                if messages:
                    consumer.commit(asynchronous=False)
            except KafkaException:
                pass  # a rebalance or a dead coordinator: whoever owns it next reads it again
        consumer.close()

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
            partition_assignment_strategy=[_AIO[self._assignor]],
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
        )
        await consumer.start()
        while not self._stop.is_set():
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

    def _kafka_python(self) -> None:
        self._process("kafka-python", sys.executable, str(_HERE / "kafka_python_member.py"))

    def _kafkajs(self) -> None:
        self._process("kafkajs", "node", str(_HERE / "kafkajs_member.js"))

    def _process(self, library: str, *program: str) -> None:
        """Its lines: ``read PARTITION OFFSET``, or ``owns`` and what was given in JSON."""
        environment = dict(os.environ)
        if self._node_path is not None:
            environment["NODE_PATH"] = str(self._node_path)
        with subprocess.Popen(
            [*program, self.bootstrap, TOPIC, GROUP, self._assignor],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        ) as process:
            assert process.stdout is not None
            self.processes.setdefault(library, []).append(process)
            stopping = threading.Thread(target=self._close_when_stopped, args=(process,))
            stopping.start()
            for line in process.stdout:
                what, rest = line.split(" ", 1)
                if what == "owns":
                    self._owns(**json.loads(rest))
                else:
                    partition, offset = map(int, rest.split())
                    self._took(library, partition, offset)
            stopping.join()

    def _close_when_stopped(self, process: subprocess.Popen[str]) -> None:
        self._stop.wait()
        assert process.stdin is not None
        try:
            process.stdin.close()
        except BrokenPipeError:
            pass  # it was killed


class Watcher:
    """Asks for positions and owners, again and again, and complains of any that is wrong."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self.positions: dict[TopicPartition, int] = {}
        self.owned: dict[int, int] = {}
        """The number of members of a settled group to the number of partitions they own."""
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

    def wait_until_shared(self, members: int, timeout_s: float = 30) -> None:
        def shared() -> bool:
            self.look()
            return self.owned == {members: PARTITIONS}

        wait_for(shared, timeout_s, f"{members} members share the partitions")

    def wait_until_committed(self, count: int, timeout_s: float = 30) -> None:
        def committed() -> bool:
            self.look()
            return sum(self.positions.values()) >= count

        wait_for(committed, timeout_s, f"{count} records are committed")

    def wait_for_rebalance(self, timeout_s: float = 20) -> int:
        """The coordinator of the group, as soon as a rebalance is seen under way."""
        return asyncio.run(self._wait_for_rebalance(timeout_s))

    async def _wait_for_rebalance(self, timeout_s: float) -> int:
        async with ClusterClient(self.bootstrap, "watcher") as client, asyncio.timeout(timeout_s):
            while True:
                group = await describe_group(client, GROUP)
                if group.state in ("PreparingRebalance", "CompletingRebalance"):
                    return group.coordinator


def produce(bootstrap: str, count: int) -> None:
    """``count`` records, as many to each partition as to the others, each once."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "linger.ms": 5,
            "enable.idempotence": True,
            "log_level": 0,
        }
    )
    for number in range(count):
        producer.produce(TOPIC, b"%d" % number, partition=number % PARTITIONS)
    assert producer.flush(30) == 0
