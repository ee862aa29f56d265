"""A busy producer that tells when it heard nothing: aiokafka. See ``librdkafka.py``.

python aiokafka_client.py BOOTSTRAP TOPIC PARTITIONS
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import threading
import time

from aiokafka import AIOKafkaProducer

SILENCE_S = 0.04
PENDING_MAX = 5_000


class Busy:
    """The producer and what it heard."""

    def __init__(self, topic: str, partitions: int) -> None:
        self._topic = topic
        self._partitions = partitions
        self._heard: dict[int, float] = {}
        self._pending: set[asyncio.Future[object]] = set()
        self.acknowledged = 0
        self.failed = 0

    def _delivered(self, future: asyncio.Future[object], partition: int) -> None:
        self._pending.discard(future)
        if future.cancelled() or future.exception() is not None:
            self.failed += 1
            print(f"trace {time.time() * 1000:.0f} not delivered", flush=True)
            return
        self.acknowledged += 1
        now, last = time.time(), self._heard.get(partition)
        if last is not None and now - last >= SILENCE_S:
            print(f"silence {partition} {last * 1000:.0f} {now * 1000:.0f}", flush=True)
        self._heard[partition] = now
        if last is None and len(self._heard) == self._partitions:
            print("ready", flush=True)

    async def run(self, bootstrap: str, stop: threading.Event) -> None:
        """Produce until told to stop, then flush."""
        producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, linger_ms=5
        )
        await producer.start()
        sent = 0
        while not stop.is_set():
            for _ in range(20):
                if len(self._pending) >= PENDING_MAX:
                    break
                partition = sent % self._partitions
                future = await producer.send(self._topic, b"x" * 200, partition=partition)
                self._pending.add(future)
                future.add_done_callback(lambda f, p=partition: self._delivered(f, p))
                sent += 1
            await asyncio.sleep(0.005)
        await producer.stop()
        await asyncio.sleep(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bootstrap")
    parser.add_argument("topic")
    parser.add_argument("partitions", type=int)
    arguments = parser.parse_args()
    stop = threading.Event()
    busy = Busy(arguments.topic, arguments.partitions)

    def work() -> None:
        asyncio.run(busy.run(arguments.bootstrap, stop))

    producing = threading.Thread(target=work)
    producing.start()
    sys.stdin.read()
    stop.set()
    producing.join()
    print(f"acknowledged={busy.acknowledged} failed={busy.failed}", flush=True)


if __name__ == "__main__":
    main()
