"""kafka-python of any version; see test_oldest_clients.py for what it is asked."""

from __future__ import annotations

import json
import sys

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

NOW_MS = 1700000000000


def main(
    bootstrap: str,
    version: str,
    what: str,
    topics: list[str],
    codecs: list[str],
    count: int,
    group: str,
) -> None:
    numbers = tuple(int(part) for part in version.split("."))
    if what == "produce":
        for topic, codec in zip(topics, codecs, strict=True):
            produce(bootstrap, numbers, topic, None if codec == "none" else codec, count)
        return
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap,
        api_version=numbers,
        group_id=group or None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        consumer_timeout_ms=20000,
    )
    if group:
        consumer.subscribe(topics)
    else:
        consumer.assign([TopicPartition(topic, 0) for topic in topics])
    left = count * len(topics)
    for record in consumer:
        told = [record.topic, record.offset, record.timestamp, text(record.key), text(record.value)]
        print(json.dumps(told))
        left -= 1
        if not left:
            break
    if group:
        consumer.commit()
    consumer.close()


def produce(
    bootstrap: str, version: tuple[int, ...], topic: str, codec: str | None, count: int
) -> None:
    producer = KafkaProducer(
        bootstrap_servers=bootstrap,
        api_version=version,
        compression_type=codec,
        linger_ms=50,
        acks="all",
        retries=0,
    )
    waiting = []
    for number in range(count):
        key = None if number == 3 else b"k%d" % number
        value = None if number == 5 else b"value-%d-" % number + b"x" * number
        stamp = NOW_MS + number if version >= (0, 10) else None
        waiting.append(producer.send(topic, value, key, timestamp_ms=stamp))
    offsets = [future.get(20).offset for future in waiting]
    assert offsets == list(range(count)), offsets
    producer.close()


def text(data: bytes | None) -> str | None:
    return None if data is None else bytes(data).decode()


main(
    sys.argv[1],
    sys.argv[2],
    sys.argv[3],
    sys.argv[4].split(","),
    sys.argv[5].split(","),
    int(sys.argv[6]),
    sys.argv[7],
)
