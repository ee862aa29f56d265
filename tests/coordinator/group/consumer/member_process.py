"""A librdkafka consumer of the next-generation protocol in a process of its own, to be killed.

Usage: BOOTSTRAP TOPIC GROUP. Writes ``PARTITION OFFSET`` for each record, before it commits.
"""

from __future__ import annotations

import contextlib
import sys

from confluent_kafka import Consumer, KafkaException


def main(bootstrap: str, topic: str, group: str) -> None:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "group.protocol": "consumer",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([topic])
    while True:
        messages = [m for m in consumer.consume(100, 0.1) if m.error() is None]
        for message in messages:
            print(message.partition(), message.offset(), flush=True)
        with contextlib.suppress(KafkaException):
            if messages:
                consumer.commit(asynchronous=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
