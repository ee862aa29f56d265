"""The same two jobs done with each client: write records, read partitions from their beginning.

Partitions are chosen and assigned by hand. A record is a ``Row``; what a driver reads is, per
partition, the rows in order.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import subprocess
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import TopicPartition as AioPartition
from confluent_kafka import Consumer, KafkaError, Message, Producer
from confluent_kafka import TopicPartition as ConfluentPartition

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of the way in which it reads its files
    from kafka import KafkaConsumer, KafkaProducer
    from kafka import TopicPartition as KafkaPartition

Headers: TypeAlias = Sequence[tuple[str, bytes | None]]
DEADLINE_S = 20.0
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a client writes and must get back; ``timestamp`` in ms."""

    partition: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How to write: the codec, acks ("0", "1", "all") and whether idempotent."""

    codec: str = "none"
    acks: str = "all"
    idempotent: bool = False

    def __str__(self) -> str:
        return f"{self.codec}-acks={self.acks}" + ("-idempotent" if self.idempotent else "")


Rows: TypeAlias = Mapping[int, Sequence[Row]]
Write: TypeAlias = Callable[[str, str, Sequence[Row], How], None]
Read: TypeAlias = Callable[[str, str, Mapping[int, int]], Rows]
"""Bootstrap, topic, and how many records to read from each partition."""


def digests(rows: Rows) -> dict[int, tuple[int, str]]:
    """Count and SHA-256 of each partition's rows, in order."""
    found = {}
    for partition, items in sorted(rows.items()):
        digest = hashlib.sha256()
        for row in items:
            digest.update(repr(row).encode() + b"\n")
        found[partition] = (len(items), digest.hexdigest())
    return found


def write_confluent(bootstrap: str, topic: str, rows: Sequence[Row], how: How) -> None:
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "compression.type": how.codec,
            "acks": how.acks,
            "enable.idempotence": how.idempotent,
            "linger.ms": 5,
            "log_level": 0,
        }
    )
    errors: list[KafkaError] = []

    def delivered(error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            errors.append(error)

    for row in rows:
        producer.produce(
            topic,
            row.value,
            row.key,
            row.partition,
            on_delivery=delivered,
            timestamp=row.timestamp,
            headers=list(row.headers),
        )
    assert producer.flush(DEADLINE_S) == 0
    assert not errors, errors[:3]


def read_confluent(bootstrap: str, topic: str, counts: Mapping[int, int]) -> Rows:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "unused",
            "enable.auto.commit": False,
            "check.crcs": True,
            "log_level": 0,
        }
    )
    rows: dict[int, list[Row]] = {p: [] for p in counts}
    try:
        consumer.assign([ConfluentPartition(topic, p, 0) for p in counts])
        while any(len(rows[p]) < n for p, n in counts.items()):
            message = consumer.poll(DEADLINE_S)
            assert message is not None, "nothing comes"
            assert message.error() is None, message.error()
            partition, headers = message.partition(), cast("Headers", message.headers() or ())
            assert partition is not None
            rows[partition].append(
                Row(
                    partition=partition,
                    key=message.key(),
                    value=message.value(),
                    headers=tuple(headers),
                    timestamp=message.timestamp()[1],
                )
            )
    finally:
        consumer.close()
    return rows


def write_kafka_python(bootstrap: str, topic: str, rows: Sequence[Row], how: How) -> None:
    producer = KafkaProducer(
        bootstrap_servers=bootstrap.split(","),
        compression_type=None if how.codec == "none" else how.codec,
        acks="all" if how.acks == "all" else int(how.acks),
        enable_idempotence=how.idempotent,
        linger_ms=5,
    )
    try:
        sent = [
            producer.send(
                topic,
                value=row.value,
                key=row.key,
                headers=[(k, v) for k, v in row.headers],
                partition=row.partition,
                timestamp_ms=row.timestamp,
            )
            for row in rows
        ]
        producer.flush(DEADLINE_S)
        for future in sent:
            future.get(DEADLINE_S)
    finally:
        producer.close(5)


def read_kafka_python(bootstrap: str, topic: str, counts: Mapping[int, int]) -> Rows:
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap.split(","),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        consumer_timeout_ms=int(DEADLINE_S * 1000),
        check_crcs=True,
    )
    rows: dict[int, list[Row]] = {p: [] for p in counts}
    try:
        consumer.assign([KafkaPartition(topic, p) for p in counts])
        consumer.seek_to_beginning()
        for record in consumer:
            rows[record.partition].append(
                Row(
                    partition=record.partition,
                    key=record.key,
                    value=record.value,
                    headers=tuple(record.headers),
                    timestamp=record.timestamp,
                )
            )
            if all(len(rows[p]) >= n for p, n in counts.items()):
                break
    finally:
        consumer.close()
    return rows


def write_aiokafka(bootstrap: str, topic: str, rows: Sequence[Row], how: How) -> None:
    async def write() -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap,
            compression_type=None if how.codec == "none" else how.codec,
            acks="all" if how.acks == "all" else int(how.acks),
            enable_idempotence=how.idempotent,
            linger_ms=5,
        )
        await producer.start()
        try:
            sent = [
                await producer.send(
                    topic,
                    row.value,
                    row.key,
                    row.partition,
                    row.timestamp,
                    [(k, v) for k, v in row.headers],
                )
                for row in rows
            ]
            await asyncio.wait_for(asyncio.gather(*sent), DEADLINE_S)
        finally:
            await producer.stop()

    asyncio.run(write())


def read_aiokafka(bootstrap: str, topic: str, counts: Mapping[int, int]) -> Rows:
    rows: dict[int, list[Row]] = {p: [] for p in counts}

    async def read() -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            consumer.assign([AioPartition(topic, p) for p in counts])
            while any(len(rows[p]) < n for p, n in counts.items()):
                record = await asyncio.wait_for(consumer.getone(), DEADLINE_S)
                rows[record.partition].append(
                    Row(
                        partition=record.partition,
                        key=record.key,
                        value=record.value,
                        headers=tuple(record.headers),
                        timestamp=record.timestamp,
                    )
                )
        finally:
            await consumer.stop()

    asyncio.run(read())
    return rows


def _kcat(*arguments: str, stdin: bytes = b"") -> bytes:
    done = subprocess.run(
        ["kcat", *arguments], input=stdin, capture_output=True, timeout=DEADLINE_S, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def write_kcat(bootstrap: str, topic: str, rows: Sequence[Row], how: How) -> None:
    """kcat sets no timestamps, and one set of headers for all; an empty value becomes null."""
    for partition in sorted({row.partition for row in rows}):
        mine = [row for row in rows if row.partition == partition]
        headers = [f"-H{k}={(v or b'').decode()}" for k, v in mine[0].headers]
        lines = b"".join((row.key or b"") + b"\t" + (row.value or b"") + b"\n" for row in mine)
        settings = [f"acks={how.acks}", f"enable.idempotence={str(how.idempotent).lower()}"]
        _kcat(
            *("-P", "-b", bootstrap, "-t", topic, "-p", str(partition), "-K", "\t", "-Z"),
            *("-z", how.codec, *headers),
            *(part for setting in settings for part in ("-X", setting)),
            stdin=lines,
        )


def read_kcat(bootstrap: str, topic: str, counts: Mapping[int, int]) -> Rows:
    rows: dict[int, list[Row]] = {}
    for partition, count in counts.items():
        output = _kcat(
            *("-C", "-b", bootstrap, "-t", topic, "-p", str(partition), "-o", "beginning"),
            *("-c", str(count), "-J", "-q", "-X", "check.crcs=true"),
        )
        rows[partition] = [
            _row_of_json(partition, json.loads(line)) for line in output.splitlines()
        ]
    return rows


def _row_of_json(partition: int, item: dict[str, object]) -> Row:
    def data(value: object) -> bytes | None:
        return None if value is None else str(value).encode()

    pairs = item.get("headers", [])
    assert isinstance(pairs, list)
    headers = tuple((str(k), data(v)) for k, v in zip(pairs[::2], pairs[1::2], strict=True))
    timestamp = item["ts"]
    assert isinstance(timestamp, int)
    return Row(
        partition=partition,
        key=data(item["key"]),
        value=data(item["payload"]),
        headers=headers,
        timestamp=timestamp,
    )


WRITERS: Mapping[str, Write] = {
    "confluent-kafka": write_confluent,
    "kafka-python": write_kafka_python,
    "aiokafka": write_aiokafka,
    "kcat": write_kcat,
}
READERS: Mapping[str, Read] = {
    "confluent-kafka": read_confluent,
    "kafka-python": read_kafka_python,
    "aiokafka": read_aiokafka,
    "kcat": read_kcat,
}
LACKS: Mapping[str, frozenset[str]] = {
    # Codecs for which a client wants packages that are no dependencies of ours.
    "kafka-python": frozenset({"snappy", "lz4", "zstd"}),
}


def missing(client: str) -> str | None:
    """Why a client cannot be used here, or None."""
    if client == "kcat" and shutil.which("kcat") is None:
        return "kcat is not installed"
    return None
