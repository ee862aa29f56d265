"""librdkafka, told that its broker is an old one; see test_oldest_clients.py."""

from __future__ import annotations

import json
import sys
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

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
    common: dict[str, Any] = {
        "bootstrap.servers": bootstrap,
        "api.version.request": False,
        "broker.version.fallback": version,
    }
    if what == "produce":
        for topic, codec in zip(topics, codecs, strict=True):
            produce(common, version, topic, codec, count)
        return
    consumer = Consumer(
        {
            **common,
            "group.id": group or "none",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "check.crcs": True,
        }
    )
    if group:
        consumer.subscribe(topics)
    else:
        consumer.assign([TopicPartition(topic, 0, 0) for topic in topics])
    left = count * len(topics)
    while left:
        record = consumer.poll(20)
        assert record is not None, f"{left} records are missing"
        assert record.error() is None, record.error()
        _, time = record.timestamp()
        told = [record.topic(), record.offset(), time, text(record.key()), text(record.value())]
        print(json.dumps(told))
        left -= 1
    if group:
        consumer.commit(asynchronous=False)
    consumer.close()


def produce(common: dict[str, Any], version: str, topic: str, codec: str, count: int) -> None:
    errors: list[Any] = []
    producer = Producer(
        {**common, "compression.codec": codec, "linger.ms": 50, "message.send.max.retries": 0}
    )
    for number in range(count):
        key = None if number == 3 else b"k%d" % number
        value = None if number == 5 else b"value-%d-" % number + b"x" * number
        stamp = NOW_MS + number if version >= "0.10" else 0
        producer.produce(
            topic,
            value,
            key,
            0,
            timestamp=stamp,
            on_delivery=lambda error, _: errors.append(error) if error else None,
        )
    assert producer.flush(20) == 0
    assert not errors, errors


def text(data: bytes | None) -> str | None:
    return None if data is None else data.decode()


main(
    sys.argv[1],
    sys.argv[2],
    sys.argv[3],
    sys.argv[4].split(","),
    sys.argv[5].split(","),
    int(sys.argv[6]),
    sys.argv[7],
)
