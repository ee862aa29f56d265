"""Reads partition 0 in a rack: librdkafka.

``librdkafka.py BOOTSTRAP TOPIC RACK ISOLATION`` prints OFFSET VALUE of each record. It takes
``seek OFFSET`` on its standard input, and ends with that.
"""

from __future__ import annotations

import sys
import threading
from queue import SimpleQueue

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

_, bootstrap, topic, rack, isolation = sys.argv
seeks: SimpleQueue[int | None] = SimpleQueue()


def listen() -> None:
    for line in sys.stdin:
        seeks.put(int(line.split()[1]))
    seeks.put(None)


threading.Thread(target=listen, daemon=True).start()
consumer = Consumer(
    {
        "bootstrap.servers": bootstrap,
        "group.id": "unused",
        "client.rack": rack,
        "isolation.level": isolation,
        "enable.auto.commit": False,
        "auto.offset.reset": "error",
        "fetch.wait.max.ms": 100,
    }
)
consumer.assign([TopicPartition(topic, 0, 0)])
while True:
    while not seeks.empty():
        offset = seeks.get()
        if offset is None:
            consumer.close()
            sys.exit()
        consumer.seek(TopicPartition(topic, 0, offset))
    message = consumer.poll(0.05)
    if message is None:
        continue
    if (error := message.error()) is not None:
        if error.code() == KafkaError._AUTO_OFFSET_RESET:
            raise KafkaException(error)
        print(error, file=sys.stderr)
        continue
    print(message.offset(), (message.value() or b"").decode(), flush=True)
