"""A busy producer that tells when it heard nothing: librdkafka, through confluent-kafka.

    python librdkafka.py BOOTSTRAP TOPIC PARTITIONS [NAME=VALUE ...] [--trace]

20 records of 200 bytes every 2 ms, spread over the partitions, acks=all, idempotent. Prints "ready"
once every partition has acknowledged a record, then "silence PARTITION FROM UNTIL" (milliseconds
since 1970) for each time in which a partition acknowledged nothing for 40 ms; at the end of its
standard input it flushes and prints "acknowledged=N failed=N". The other programs of this directory
do the same with other clients.
"""

from __future__ import annotations

import argparse
import logging
import sys
import threading
import time

from confluent_kafka import KafkaError, Message, Producer

SILENCE_S = 0.04


class Trace(logging.Handler):
    """What librdkafka says, with the time it said it."""

    def emit(self, record: logging.LogRecord) -> None:
        print(f"trace {time.time() * 1000:.0f} {record.getMessage()}", flush=True)


class Busy:
    """The producer and what it heard."""

    def __init__(self, topic: str, partitions: int, settings: dict[str, object]) -> None:
        logger = logging.getLogger("librdkafka")
        logger.setLevel(logging.DEBUG)
        logger.addHandler(Trace())
        self._producer = Producer(settings, logger=logger)
        self._topic = topic
        self._partitions = partitions
        self._heard: dict[int, float] = {}
        self.acknowledged = 0
        self.failed = 0

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.failed += 1
            print(f"trace {time.time() * 1000:.0f} not delivered: {error}", flush=True)
            return
        self.acknowledged += 1
        partition, now = message.partition(), time.time()
        assert partition is not None
        last = self._heard.get(partition)
        if last is not None and now - last >= SILENCE_S:
            print(f"silence {partition} {last * 1000:.0f} {now * 1000:.0f}", flush=True)
        self._heard[partition] = now
        if last is None and len(self._heard) == self._partitions:
            print("ready", flush=True)

    def run(self, stop: threading.Event) -> None:
        """Produce until told to stop, then flush."""
        sent = 0
        while not stop.is_set():
            for _ in range(20):
                self._producer.produce(
                    self._topic,
                    b"x" * 200,
                    partition=sent % self._partitions,
                    on_delivery=self._delivered,
                )
                sent += 1
            self._producer.poll(0.002)
        self._producer.flush(30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bootstrap")
    parser.add_argument("topic")
    parser.add_argument("partitions", type=int)
    parser.add_argument("settings", nargs="*")
    parser.add_argument("--trace", action="store_true")
    arguments = parser.parse_args()
    settings: dict[str, object] = {
        "bootstrap.servers": arguments.bootstrap,
        "acks": "all",
        "enable.idempotence": True,
        "linger.ms": 5,
        **dict(pair.split("=", 1) for pair in arguments.settings),
    }
    if arguments.trace:
        settings["debug"] = "eos,broker,topic,metadata"
    stop = threading.Event()
    busy = Busy(arguments.topic, arguments.partitions, settings)
    producing = threading.Thread(target=busy.run, args=(stop,))
    producing.start()
    sys.stdin.read()
    stop.set()
    producing.join()
    print(f"acknowledged={busy.acknowledged} failed={busy.failed}", flush=True)


if __name__ == "__main__":
    main()
