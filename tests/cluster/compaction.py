"""A compacted topic under a real cluster: read from the start before, during and after compaction,
with the leader killed in the middle; each read must end with the last value of every key."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer
from confluent_kafka import TopicPartition as ConfluentPartition
from tests.cluster_kit import Cluster, wait_for

from barnabas.records.batch import iterate_batches, iterate_records

TOPIC = "latest"
OVERRIDES = {
    "log.cleaner.backoff.ms": "300",
    "log.segment.delete.delay.ms": "500",
    "zookeeper.session.timeout.ms": "4000",
}


@dataclass(slots=True)
class Compaction:
    """One run; ``lines`` is what there is to report."""

    cluster: Cluster
    updates: int
    keys: int
    segment_bytes: int = 1 << 20
    values: dict[bytes, bytes] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Everything; AssertionError if a read ends with anything but the last values."""
        self.cluster.create_topic(
            TOPIC, 1, cleanup_policy="compact", segment_bytes=str(self.segment_bytes)
        )
        began = time.monotonic()
        self.produce(self.updates)
        self.lines.append(f"produced {self.updates:,} in {time.monotonic() - began:.1f} s")
        full = self.disk()
        self.read("before")
        leader = self.cluster.partitions(TOPIC)[0].leader
        self.wait_for_cleaning(leader)
        self.cluster.ask("kill", f"broker:{leader}")
        self.lines.append(f"leader {leader} killed in the middle: {self.listing(leader)}")
        self.read("during, the leader killed,")
        self.cluster.ask("restart", f"broker:{leader}")
        wait_for(lambda: self.cluster.whole(TOPIC, 1), 30, "all in sync again")
        self.produce(self.updates // 2)
        self.wait_for_cleaning(1)
        self.read("during")
        self.produce(self.keys)
        wait_for(self.is_clean, 120, f"all replicas are clean: {self.disk()}")
        self.read("after")
        self.lines.append(f"on disk, bytes of log by broker: {full} -> {self.disk()}")
        for broker in (1, 2, 3):
            assert self.replica(broker) == self.values, f"replica {broker}"

    def produce(self, count: int) -> None:
        """Idempotent updates of random keys, every twentieth a tombstone."""
        chance = random.Random(count)
        producer = Producer(
            {
                "bootstrap.servers": self.cluster.bootstrap,
                "enable.idempotence": True,
                "linger.ms": 20,
                "queue.buffering.max.messages": 200_000,
            }
        )
        for number in range(count):
            key = b"key-%d" % chance.randrange(self.keys)
            value = None if chance.random() < 0.05 else b"%d-%d" % (count, number)
            while True:
                try:
                    producer.produce(TOPIC, value, key, partition=0)
                    break
                except BufferError:
                    producer.poll(0.1)
            if value is None:
                self.values.pop(key, None)
            else:
                self.values[key] = value
        assert producer.flush(120) == 0

    def read(self, when: str) -> None:
        """From the start to the end, as a consumer that has just been started."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.cluster.bootstrap,
                "group.id": "none",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
            }
        )
        consumer.assign([ConfluentPartition(TOPIC, 0, OFFSET_BEGINNING)])
        values: dict[bytes, bytes] = {}
        count, last = 0, -1
        deadline = time.monotonic() + 60
        while True:
            assert time.monotonic() < deadline, f"no end of {TOPIC} in sight at {last}"
            messages = consumer.consume(5000, timeout=0.2)
            for message in messages:
                error = message.error()
                if error is not None:
                    assert error.retriable() or error.code() == KafkaError._PARTITION_EOF, error
                    continue
                count += 1
                offset, key, value = message.offset(), message.key(), message.value()
                assert offset is not None
                assert offset > last
                assert key is not None
                last = offset
                if value is None:
                    values.pop(key, None)
                else:
                    values[key] = value
            ends = [message.error() for message in messages]
            if any(e is not None and e.code() == KafkaError._PARTITION_EOF for e in ends):
                break
        consumer.close()
        assert values == self.values, f"{when} compaction: {len(values)} of {len(self.values)} keys"
        self.lines.append(f"{when} compaction: {count:,} records read, {len(values):,} last values")

    # What is on the disks

    def directory(self, broker: int) -> Path:
        return self.cluster.log_dir(broker) / f"{TOPIC}-0"

    def files(self, broker: int, ending: str) -> list[Path]:
        return sorted(self.directory(broker).glob(f"*{ending}"))

    def listing(self, broker: int) -> str:
        """Endings of its files, with their number."""
        endings: dict[str, int] = {}
        for path in self.files(broker, ""):
            ending = "".join(path.suffixes)
            endings[ending] = endings.get(ending, 0) + 1
        return " ".join(f"{name or path.name}={n}" for name, n in sorted(endings.items()))

    def disk(self) -> dict[int, int]:
        return {
            broker: sum(path.stat().st_size for path in self.files(broker, ".log"))
            for broker in (1, 2, 3)
        }

    def replica(self, broker: int) -> dict[bytes, bytes]:
        """The last values in the files of one broker."""
        data = self.cluster.segments(broker, TOPIC, 0)
        values: dict[bytes, bytes] = {}
        for _, position, _ in iterate_batches(data):
            for record in iterate_records(data, position):
                assert record.key is not None
                if record.value is None:
                    values.pop(record.key, None)
                else:
                    values[record.key] = record.value
        return values

    def wait_for_cleaning(self, broker: int) -> None:
        """Until a broker is in the middle of a pass; gives it reason for another if need be."""
        for _ in range(20):
            deadline = time.monotonic() + 2
            while time.monotonic() < deadline:
                if self.files(broker, ".log.cleaned"):
                    return
                time.sleep(0.005)
            self.produce(self.updates // 2)
        raise AssertionError(f"broker {broker} does not clean: {self.listing(broker)}")

    def is_clean(self) -> bool:
        """Only the active segment and little else is left everywhere."""
        return all(size < 2.5 * self.segment_bytes for size in self.disk().values())
