"""A machine's cable is pulled: how long until records are acknowledged with acks=all again?

``python -m tests.chaos.silence`` for three brokers of ours, ``--original`` for the original's, with
a real ZooKeeper (Debian's package), each in a network namespace. Settings are the defaults, and
min.insync.replicas is 2. Every 200 ms somebody who knows nothing yet asks a broker that is left
who leads each partition, and sends it a record. Needs root, ``ip`` and Java.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from tests.chaos.network import Network, run
from tests.zookeeper.real_zookeeper import server_command

from barnabas.client.admin import create_topic, wait_for_leaders
from barnabas.client.cluster import ClusterClient
from barnabas.client.errors import ClientError, Unreachable
from barnabas.client.producer import Producer
from barnabas.records.batch import Record
from barnabas.types import TopicPartition

ORIGINAL = Path(__file__).parents[2] / "tools" / "original" / "kafka"
NETWORK = 224
IDS = (1, 2, 3)
ZOOKEEPER = "zk"
TOPIC = "t"
EVERY_S = 0.2
PATIENCE_S = 60.0


class Machines:
    """Three brokers and a ZooKeeper."""

    def __init__(self, directory: Path, *, original: bool) -> None:
        self._directory = directory
        self._original = original
        self.network = Network(NETWORK, [*map(self.host, IDS), ZOOKEEPER])
        self._processes: list[subprocess.Popen[bytes]] = []

    @staticmethod
    def host(broker: int) -> str:
        return f"b{broker}"

    def endpoint(self, broker: int) -> str:
        return f"{self.network.address(self.host(broker))}:9092"

    def start(self) -> None:
        self.network.build()
        (self._directory / "zk").mkdir()
        config = self._directory / "zk.cfg"
        address = self.network.address(ZOOKEEPER)
        config.write_text(
            f"tickTime=2000\ndataDir={self._directory}/zk\nclientPort=2181\n"
            f"clientPortAddress={address}\nadmin.enableServer=false\n"
        )
        self._spawn(ZOOKEEPER, server_command(config))
        time.sleep(3)
        for broker in IDS:
            settings = {
                "listeners": f"PLAINTEXT://{self.endpoint(broker)}",
                "zookeeper.connect": f"{address}:2181",
                "min.insync.replicas": "2",
                "auto.leader.rebalance.enable": "false",
            }
            if self._original:
                (self._directory / f"o{broker}").mkdir()
                pairs = [f"{name}={value}" for name, value in settings.items()]
                command = [str(ORIGINAL), "broker", f"o{broker}", str(broker), *pairs]
                self._spawn(self.host(broker), command)
            else:
                settings |= {"broker.id": str(broker), "log.dirs": f"{self._directory}/{broker}"}
                pairs = [part for n, v in settings.items() for part in ("-X", f"{n}={v}")]
                command = [sys.executable, "-m", "barnabas.cli.main", "broker", *pairs]
                self._spawn(self.host(broker), command)

    def _spawn(self, host: str, command: list[str]) -> None:
        with open(self._directory / f"{host}.log", "ab") as log:
            process = subprocess.Popen(
                [*self.network.command(host), *command],
                env={**os.environ, "ORIGINAL_DATA": str(self._directory)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._processes.append(process)

    def pull_cable(self, broker: int) -> None:
        run("ip", "link", "set", f"{self.network.namespace(self.host(broker))}v", "down")

    def end(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
        for file in self._directory.glob("o*/broker-*.pid"):
            with suppress(ProcessLookupError):
                os.kill(int(file.read_text()), signal.SIGKILL)
        self.network.remove()


async def _acknowledged(left: str, partition: int) -> bool:
    """Whether a record is, within a second, for somebody who begins anew."""
    try:
        async with asyncio.timeout(1), ClusterClient(left, "silence", timeout_ms=900) as client:
            await client.metadata([TOPIC])
            producer = Producer(client, idempotent=False, delivery_timeout_ms=900)
            await producer.send(TopicPartition(TOPIC, partition), [Record(0, 0, None, b"x", ())])
    except (OSError, ClientError, Unreachable):
        return False
    return True


async def _measure(machines: Machines) -> None:
    bootstrap = ",".join(map(machines.endpoint, IDS))
    async with ClusterClient(bootstrap, "silence", timeout_ms=60_000) as client:
        while len((await client.metadata()).brokers) < len(IDS):  # noqa: ASYNC110
            await asyncio.sleep(0.5)
        controller = client.view.controller_id
        orders = {n: [*IDS[n:], *IDS[:n]] for n in range(len(IDS))}
        await create_topic(
            client, TOPIC, partitions=len(IDS), replication_factor=len(IDS), assignments=orders
        )
        await wait_for_leaders(client, TOPIC)
    victim = next(b for b in IDS if b != controller)
    left = ",".join(machines.endpoint(b) for b in IDS if b != victim)
    for partition in range(len(IDS)):
        while not await _acknowledged(bootstrap, partition):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    await asyncio.sleep(3)
    began = time.monotonic()
    machines.pull_cable(victim)
    took = await asyncio.gather(*(_first(left, partition, began) for partition in orders))
    for partition, seconds in enumerate(took):
        role = "led by it" if IDS[partition] == victim else "followed by it"
        text = "never" if seconds is None else f"{seconds:.1f} s"
        print(f"partition {partition}, {role}: acknowledged again after {text}")


async def _first(left: str, partition: int, began: float) -> float | None:
    running: set[asyncio.Task[bool]] = set()
    while time.monotonic() < began + PATIENCE_S:
        running.add(asyncio.ensure_future(_acknowledged(left, partition)))
        await asyncio.sleep(EVERY_S)
        done = {task for task in running if task.done()}
        if any(task.result() for task in done):
            return time.monotonic() - began
        running -= done
    return None


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.silence")
    parser.add_argument("--original", action="store_true", help="the original's brokers")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="silence-", ignore_cleanup_errors=True) as directory:
        machines = Machines(Path(directory), original=options.original)
        try:
            machines.start()
            asyncio.run(_measure(machines))
        except BaseException:
            for log in sorted(Path(directory).glob("**/*.log")):
                if log.is_file():
                    print(log.name, log.read_text(errors="replace")[-1500:], file=sys.stderr)
            raise
        finally:
            machines.end()


if __name__ == "__main__":
    main()
