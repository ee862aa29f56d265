"""Half of all partitions move, throttled, under load, and the controller dies twice.

    python -m bench.moves [--quick] [--port 22500] [--kills 2] [--original]

Four brokers. A topic lies on three of them (1,000 partitions, RF 3, min.insync.replicas 2). A plan
replaces one replica of every second partition, in turn the first, second and third, by one on the
fourth broker; `barnabas cluster reassign --execute PLAN --throttle N` carries it out. Meanwhile an
idempotent producer (librdkafka, acks=all) writes small records to all partitions, and the
controller is killed twice, once all moves have begun and whenever all are in sync again, and
started again after three seconds. Then every record is read and compared. ``--original`` does the
same to Apache Kafka 3.9.1.

Prints what was copied and how fast, beside the throttle; the worst time that a record took to be
acknowledged; and lost=N duplicated=N. Exit code 1 if a record is lost or there twice, a send
failed, a throttle is left, or replicas are not where they belong.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.systems import kafka
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer
from confluent_kafka import TopicPartition as Place

from barnabas.admin.plan_json import plan_text
from barnabas.client.admin import create_topic, wait_for_leaders
from barnabas.client.cluster import ClusterClient
from barnabas.client.errors import ClientError, Unreachable
from barnabas.client.replica_sizes import replica_sizes
from barnabas.client.throttles import find_throttles
from barnabas.cluster.control import ask
from barnabas.types import TopicPartition

BROKERS = 4
NEW = 4
TOPIC = "moved"
BARNABAS = [sys.executable, "-m", "barnabas.cli.main"]
KILL_AT = (0.2, 0.5)
"""Shares of the copying after which the controller dies."""
DOWN_S = 3.0


@dataclass(kw_only=True)
class Load:
    """Records that are told apart: how they were acknowledged."""

    bootstrap: str
    partitions: int
    acknowledged: Counter[tuple[int, bytes]] = field(default_factory=Counter)
    failed: int = 0
    latencies_ms: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.producer = Producer(
            {
                "bootstrap.servers": self.bootstrap,
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": 5,
                "queue.buffering.max.kbytes": 2_000_000,
            }
        )

    def send(self, partition: int, name: bytes, size: int) -> None:
        """One record of ``size`` bytes that begins with its name."""
        began = time.monotonic()

        def delivered(error: KafkaError | None, _message: Message) -> None:
            if error is not None:
                self.failed += 1
                return
            self.acknowledged[partition, name] += 1
            self.latencies_ms.append((time.monotonic() - began) * 1000)

        value = name.ljust(size, b".")
        while True:
            try:
                self.producer.produce(TOPIC, value, partition=partition, on_delivery=delivered)
                return
            except BufferError:
                self.producer.poll(0.05)

    def fill(self, size: int, each: int) -> None:
        """``each`` records of ``size`` bytes to every partition."""
        for number in range(each):
            for partition in range(self.partitions):
                self.send(partition, b"fill-%d" % number, size)
                self.producer.poll(0)
        self.producer.flush(300)
        self.latencies_ms.clear()

    def run(self, per_second: int, stop: threading.Event) -> None:
        """Small records in turn to all partitions, until told to stop."""
        number, began = 0, time.monotonic()
        while not stop.is_set():
            due = int((time.monotonic() - began) * per_second)
            for _ in range(due - number):
                self.send(number % self.partitions, b"load-%d" % number, 100)
                number += 1
            self.producer.poll(0.01)
        self.producer.flush(120)

    def quantiles(self) -> str:
        """How long records took to be acknowledged."""
        found = sorted(self.latencies_ms)
        named = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
        told = [f"{name}={found[int(len(found) * q)]:.0f}" for name, q in named.items()]
        return " ".join([*told, f"worst={found[-1]:.0f}"])


def end_of(consumer: Consumer, partition: int) -> int:
    """Asked again while the consumer has not heard yet who leads."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return int(consumer.get_watermark_offsets(Place(TOPIC, partition), timeout=30)[1])
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def compare(load: Load) -> tuple[int, int, int]:
    """Read everything: how many records there are, are lost, and are there twice."""
    consumer = Consumer({"bootstrap.servers": load.bootstrap, "group.id": "bench"})
    places, ends = [], {}
    for partition in range(load.partitions):
        end = end_of(consumer, partition)
        places.append(Place(TOPIC, partition, 0))
        ends[partition] = end
    consumer.assign(places)
    found: Counter[tuple[int, bytes]] = Counter()
    open_ends = {p for p, end in ends.items() if end > 0}
    deadline = time.monotonic() + 600
    while open_ends and time.monotonic() < deadline:
        for message in consumer.consume(10_000, timeout=1.0):
            if message.error():
                continue
            place, value, offset = message.partition(), message.value(), message.offset()
            assert place is not None
            assert value is not None
            assert offset is not None
            found[place, bytes(value).rstrip(b".")] += 1
            if offset >= ends[place] - 1:
                open_ends.discard(place)
    consumer.close()
    lost = sum(1 for name in load.acknowledged if name not in found)
    twice = sum(1 for count in found.values() if count > 1)
    return sum(found.values()), lost, twice


async def copied_to(client: ClusterClient) -> int | None:
    """Bytes of the topic on the new broker; None if it cannot be asked."""
    try:
        await client.metadata([])
        sizes = await replica_sizes(client, [NEW], None)
    except (OSError, ClientError, Unreachable):
        return None
    held = sizes.get(NEW)
    if held is None:
        return None
    return sum(size for tp, size in held.items() if tp.topic == TOPIC)


class Bench:
    """One run."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.port: int = arguments.port
        self.bootstrap = ",".join(f"127.0.0.1:{self.port + i}" for i in range(BROKERS))
        self.partitions = 100 if arguments.quick else 1000
        self.throttle = arguments.throttle or (1_000_000 if arguments.quick else 5_000_000)
        # The copies take about so many seconds.
        seconds = 20 if arguments.quick else 60
        self.new_killed: list[float] = []
        """When the controller that died was the new broker."""
        self.record = 20_000
        self.each = max(self.throttle * seconds // (self.partitions // 2 * self.record), 1)

    def run(self) -> int:
        with tempfile.TemporaryDirectory(prefix="bench-moves-", dir=self.arguments.data) as data:
            self.data = data
            with self._original() if self.arguments.original else self._ours():
                return self._measure()

    @contextmanager
    def _ours(self) -> Iterator[None]:
        up = [*BARNABAS, "up", "--no-console", "--data", self.data, "--port", str(self.port)]
        up += ["--brokers", str(BROKERS), "--zookeeper-port", str(self.port + BROKERS)]
        with subprocess.Popen(up, stdout=subprocess.PIPE, text=True) as cluster:
            try:
                assert cluster.stdout is not None
                next(line for line in cluster.stdout if line.startswith("ready: "))
                yield
            finally:
                cluster.terminate()

    @contextmanager
    def _original(self) -> Iterator[None]:
        with kafka(BROKERS, self.port) as self.system:
            yield

    def _measure(self) -> int:
        asyncio.run(self._create())
        load = Load(bootstrap=self.bootstrap, partitions=self.partitions)
        load.fill(self.record, self.each)
        stop = threading.Event()
        rate = 200 if self.arguments.quick else 500
        loading = threading.Thread(target=load.run, args=(rate, stop))
        loading.start()
        time.sleep(2)
        plan = Path(self.data) / "plan.json"
        plan.write_text(plan_text({TopicPartition(TOPIC, p): t for p, t in self._plan().items()}))
        reassign = [*BARNABAS, "cluster", "reassign", "-b", self.bootstrap, "-o", "json"]
        reassign += ["--execute", str(plan), "--throttle", str(self.throttle)]
        moving = subprocess.Popen(reassign, stdout=subprocess.PIPE, text=True)
        samples = asyncio.run(self._watch(moving))
        said, _ = moving.communicate()
        time.sleep(2)
        stop.set()
        loading.join()
        count, lost, twice = compare(load)
        misplaced, throttles = asyncio.run(self._after())
        self._tell(samples)
        moves = sum(entry["result"] == "moved" for entry in json.loads(said or "[]"))
        print(
            f"records={count} failed={load.failed} lost={lost} duplicated={twice}"
            f" produce_ms {load.quantiles()}\n"
            f"moves={moves} exit_code={moving.returncode}"
            f" misplaced={misplaced} throttles_left={throttles}",
            flush=True,
        )
        wrong = lost or twice or load.failed or misplaced or throttles or moving.returncode
        return 1 if wrong else 0

    def _before(self, partition: int) -> list[int]:
        return [1 + (partition + i) % 3 for i in range(3)]

    def _plan(self) -> dict[int, tuple[int, ...]]:
        """The replicas of every second partition after its move."""
        plan = {}
        for p in range(0, self.partitions, 2):
            replicas = self._before(p)
            replicas[p // 2 % 3] = NEW
            plan[p] = tuple(replicas)
        return plan

    async def _create(self) -> None:
        placed = {p: self._before(p) for p in range(self.partitions)}
        configs = {"min.insync.replicas": "2"}
        async with ClusterClient(self.bootstrap, "bench") as admin:
            await create_topic(admin, TOPIC, assignments=placed, configs=configs)
            await wait_for_leaders(admin, TOPIC)

    async def _watch(self, moving: subprocess.Popen[str]) -> list[tuple[float, int]]:
        """(time, bytes on the new broker) until the moves have ended; kills the controller at its
        times."""
        whole = self.partitions // 2 * self.each * self.record
        samples: list[tuple[float, int]] = []
        waiting = list(KILL_AT[: self.arguments.kills])
        async with ClusterClient(self.bootstrap, "bench", timeout_ms=2000) as client:
            while moving.poll() is None:
                now, held = time.monotonic(), await copied_to(client)
                if held is not None:
                    samples.append((now, held))
                    due = waiting and held > waiting[0] * whole
                    if due and await self._may_kill(client):
                        waiting.pop(0)
                        await asyncio.to_thread(self._kill, client.view.controller_id)
                await asyncio.sleep(0.25)
        return samples

    async def _may_kill(self, client: ClusterClient) -> bool:
        """All moves have begun (to begin one to a dead broker is refused), and as many are in sync
        as before: new replicas join in the end."""
        try:
            partitions = (await client.status([TOPIC])).topics[TOPIC].partitions
        except (OSError, ClientError, Unreachable):
            return False
        moving = self._plan()
        begun = all(NEW in p.replicas for p in partitions if p.partition in moving)
        in_sync = all(len(p.isr) >= 3 for p in partitions)
        return begun and in_sync and len(client.view.brokers) == BROKERS

    def _kill(self, controller: int) -> None:
        print(f"killing broker {controller}, the controller", flush=True)
        if controller == NEW:
            self.new_killed.append(time.monotonic())
        if self.arguments.original:
            os.kill(self.system.pids[controller], signal.SIGKILL)
            time.sleep(DOWN_S)
            self.system.pids[controller] = self.system.restart(controller)
            return
        ask(self.port, {"verb": "kill", "process": f"broker:{controller}"})
        time.sleep(DOWN_S)
        ask(self.port, {"verb": "restart", "process": f"broker:{controller}"})

    async def _after(self) -> tuple[int, int]:
        """Partitions that are not where they belong, and throttles that are left."""
        async with ClusterClient(self.bootstrap, "bench") as client:
            view = await client.status([TOPIC])
            found = {p.partition: p.replicas for p in view.topics[TOPIC].partitions}
            left = await find_throttles(client)
        wrong = sum(found[p] != target for p, target in self._plan().items())
        return wrong, len(left.brokers) + len(left.topics)

    def _tell(self, samples: list[tuple[float, int]]) -> None:
        """A follower of three leaders copies three seconds' worth at once and then waits for three.
        So the last growth does not count: the time that it uses up comes after it. Nor does the
        time in which the new broker was dead."""
        began = next(i for i, (_, b) in enumerate(samples) if b > 0)
        end = next(i for i, (_, b) in enumerate(samples) if b >= samples[-1][1] * 0.98)
        copied = samples[end - 1][1]
        away = sum(self._pause(samples, killed) for killed in self.new_killed)
        seconds = samples[end][0] - samples[max(began - 1, 0)][0] - away
        whole = copied / seconds
        steady = self._steady(samples[began : end + 1])
        print(
            f"partitions={self.partitions} throttle={self.throttle} copied_MB={copied / 1e6:.1f}"
            f" seconds={seconds:.1f} without_the_new_broker_s={away:.1f}"
            f" rate={whole / 1e6:.2f} MB/s = {whole / self.throttle:.2f} of the throttle in all,"
            f" {steady:.2f} in the median of five seconds",
            flush=True,
        )
        if self.arguments.samples:
            lines = [f"{t - samples[0][0]:.2f} {b}" for t, b in samples]
            Path(self.arguments.samples).write_text("\n".join(lines) + "\n")

    def _pause(self, samples: list[tuple[float, int]], killed: float) -> float:
        """From a death of the new broker until it has more than before."""
        held = max((b for t, b in samples if t <= killed), default=0)
        return next((t for t, b in samples if b > held), samples[-1][0]) - killed

    def _steady(self, moving: list[tuple[float, int]]) -> float:
        rates = []
        for i, (t, b) in enumerate(moving):
            later = next(((u, c) for u, c in moving[i:] if u - t >= 5), None)
            if later is not None:
                rates.append((later[1] - b) / (later[0] - t) / self.throttle)
        return sorted(rates)[len(rates) // 2] if rates else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100 partitions, 20 s of copying")
    parser.add_argument("--throttle", type=int, help="bytes/s")
    parser.add_argument("--port", type=int, default=27_300)
    parser.add_argument("--data", help="directory for the brokers' data")
    parser.add_argument("--samples", help="file for what was copied when: seconds, bytes")
    parser.add_argument("--kills", type=int, help="of the controller; default 2")
    parser.add_argument(
        "--original", action="store_true", help="Apache Kafka 3.9.1; nobody is killed"
    )
    arguments = parser.parse_args()
    if arguments.kills is None:
        # The original starts again only when its old session has ended.
        arguments.kills = 0 if arguments.original else len(KILL_AT)
    sys.exit(Bench(arguments).run())


if __name__ == "__main__":
    main()
