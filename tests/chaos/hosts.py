"""The processes that chaos is done to: three brokers and a coordinator, each on a host of its own
(a network namespace) or, where that is not permitted, all on loopback."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from tests.chaos.network import Network
from tests.cluster_kit import BARNABAS, free_ports

from barnabas.client.admin import create_topic, wait_for_leaders
from barnabas.client.cluster import ClusterClient
from barnabas.client.metadata import ClusterView

BROKERS = ("b1", "b2", "b3")
COORDINATOR = "zk"
HOSTS = [*BROKERS, COORDINATOR]
SESSION_MS = 4000


class Hosts:
    """Starts, kills and finds processes by the names of their hosts."""

    names: ClassVar[Sequence[str]] = HOSTS

    def __init__(self, directory: Path, network: Network | None) -> None:
        self.directory = directory
        self.network = network
        self._first_port = free_ports(len(self.names)) if network is None else 0
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def endpoint(self, host: str) -> str:
        if self.network is None:
            return f"127.0.0.1:{self._first_port + list(self.names).index(host)}"
        return f"{self.network.address(host)}:{9092 if host in BROKERS else 2181}"

    @property
    def zookeeper(self) -> str:
        """What brokers connect to."""
        return self.endpoint(COORDINATOR)

    @property
    def bootstrap(self) -> str:
        return ",".join(self.endpoint(b) for b in BROKERS)

    # Processes

    def start(self, host: str) -> None:
        prefix = [] if self.network is None else self.network.command(host)
        with open(self.directory / f"{host}.log", "ab") as log:
            self._processes[host] = subprocess.Popen(
                [*prefix, *self.command(host)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def command(self, host: str) -> list[str]:
        """What runs on a host."""
        if host in BROKERS:
            given = [p for k, v in self.settings(host).items() for p in ("-X", f"{k}={v}")]
            return [*BARNABAS, "broker", *given]
        address, _, port = self.endpoint(host).rpartition(":")
        data = str(self.directory / "coordinator")
        where = ["--data", data, "--host", address, "--port", port]
        return [*BARNABAS, "coordinator", *where, "--allow-strangers"]

    def settings(self, broker: str) -> dict[str, str]:
        """Of a broker."""
        address, _, port = self.endpoint(broker).rpartition(":")
        return {
            "broker.id": broker[1:],
            "listeners": f"PLAINTEXT://{address}:{port}",
            "zookeeper.connect": self.zookeeper,
            "zookeeper.session.timeout.ms": str(SESSION_MS),
            "zookeeper.connection.timeout.ms": "60000",
            "log.dirs": str(self.directory / broker),
            "replica.lag.time.max.ms": "10000",
            "controlled.shutdown.retry.backoff.ms": "200",
            # Leadership that moves without a fault stops two clients (docs/clients.md): members
            # by librdkafka never read, kafka-python asks the former leader for thirty seconds.
            "auto.leader.rebalance.enable": "false",
        }

    def is_running(self, host: str) -> bool:
        process = self._processes.get(host)
        return process is not None and process.poll() is None

    def signal(self, host: str, number: signal.Signals) -> None:
        if self.is_running(host):
            os.kill(self._processes[host].pid, number)

    def kill(self, host: str) -> None:
        self.signal(host, signal.SIGKILL)
        self._processes[host].wait()

    def stop(self, host: str) -> int:
        """A controlled shutdown; the exit code."""
        self.signal(host, signal.SIGTERM)
        try:
            return self._processes[host].wait(30)
        except subprocess.TimeoutExpired:
            self.kill(host)
            return -1

    def unexpectedly_ended(self, expected: dict[str, None]) -> list[str]:
        """Hosts whose processes have ended though nobody ended them."""
        return [h for h in self.names if h not in expected and not self.is_running(h)]

    def last_line(self, host: str) -> str:
        lines = (self.directory / f"{host}.log").read_text(errors="replace").splitlines()
        return lines[-1] if lines else ""

    def end(self) -> None:
        for host, process in self._processes.items():
            if process.poll() is None:
                self.kill(host)

    # What the cluster says

    def metadata(self, broker: str | None = None) -> ClusterView | None:
        """As one broker sees it, or any; None if none answers within seconds."""
        bootstrap = self.bootstrap if broker is None else self.endpoint(broker)

        async def look() -> ClusterView:
            async with ClusterClient(bootstrap, "chaos", timeout_ms=1000) as client:
                return await client.metadata()

        try:
            return asyncio.run(look())
        except Exception:
            return None

    def create_topic(self, name: str, partitions: int) -> None:
        async def create() -> None:
            async with ClusterClient(self.bootstrap, "chaos", timeout_ms=30_000) as client:
                settings = {"min.insync.replicas": "2"}
                await create_topic(
                    client,
                    name,
                    partitions=partitions,
                    replication_factor=3,
                    configs=settings,
                )
                await wait_for_leaders(client, name)

        asyncio.run(create())

    def replica(self, broker: str, topic: str, partition: int) -> bytes:
        """The bytes of one replica."""
        directory = self.directory / broker / f"{topic}-{partition}"
        return b"".join(p.read_bytes() for p in sorted(directory.glob("*.log")))
