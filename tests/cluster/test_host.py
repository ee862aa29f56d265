"""``barnabas host`` as a process: starts, a death, a clean stop."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.kit import fails, here
from tests.cluster_kit import BARNABAS, free_ports, wait_for

from barnabas.client.cluster import ClusterClient
from barnabas.client.metadata import BrokerView

pytestmark = pytest.mark.processes

PATIENCE_S = 60.0


def started(arguments: list[str], log: Path, **environment: str) -> subprocess.Popen[bytes]:
    with log.open("w") as stderr:
        return subprocess.Popen(
            [*BARNABAS, *arguments], stderr=stderr, env={**os.environ, **environment}
        )


class Running:
    """A coordinator, and a host of two brokers."""

    def __init__(self, directory: Path) -> None:
        self.port = free_ports(3)
        self.log = directory / "host.log"
        self.notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        told = str(directory / "notify")
        self.notified.bind(told)
        self.notified.settimeout(PATIENCE_S)
        coordinator = ["coordinator", "--data", str(directory / "zk"), "--port", str(self.port + 2)]
        self.coordinator = started(coordinator, directory / "zk.log")
        config = directory / "server.properties"
        config.write_text(
            "broker.id=7\n"
            f"listeners=PLAINTEXT://127.0.0.1:{self.port}\n"
            f"zookeeper.connect=127.0.0.1:{self.port + 2}\n"
            f"log.dirs={directory / 'data'}\n"
        )
        host = ["host", "--config", str(config), "--brokers", "2"]
        self.host = started(host, self.log, NOTIFY_SOCKET=told)

    def said(self) -> str:
        return self.log.read_text()

    def children(self) -> list[int]:
        path = Path(f"/proc/{self.host.pid}/task/{self.host.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def close(self) -> None:
        for process in (self.host, self.coordinator):
            if process.poll() is None:
                process.kill()
            process.wait()
        self.notified.close()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    host = Running(tmp_path)
    yield host
    host.close()


async def brokers(port: int) -> list[BrokerView]:
    async with ClusterClient(f"127.0.0.1:{port}", "test") as client:
        view = await client.status([])
        return [view.brokers[i] for i in sorted(view.brokers)]


def test_a_host_s_life(running: Running, tmp_path: Path) -> None:
    assert running.notified.recv(100) == b"READY=1", running.said()
    assert f"ready: 2 brokers, 127.0.0.1:{running.port},127.0.0.1:{running.port + 1}" in (
        running.said()
    )
    # They accept connections a moment before the controller has announced them all.
    wait_for(lambda: len(asyncio.run(brokers(running.port))) == 2, PATIENCE_S, running.said())
    found = asyncio.run(brokers(running.port))
    assert [(b.id, b.port, b.rack) for b in found] == [
        (7, running.port, socket.gethostname()),
        (8, running.port + 1, socket.gethostname()),
    ]
    assert {p.name for p in (tmp_path / "data").iterdir()} == {"broker-7", "broker-8"}

    first, second = running.children()
    os.kill(second, signal.SIGKILL)
    wait_for(
        lambda: len(running.children()) == 2 and second not in running.children(),
        PATIENCE_S,
        "the second broker is started again",
    )
    assert "broker 8 has ended (SIGKILL): started again in 1 s" in running.said()
    wait_for(
        lambda: len(asyncio.run(brokers(running.port))) == 2, PATIENCE_S, "both are registered"
    )
    assert first in running.children()

    running.host.send_signal(signal.SIGTERM)
    assert running.host.wait(PATIENCE_S) == 0, running.said()
    assert running.notified.recv(100) == b"STOPPING=1"
    stops = re.findall(r"stopping broker (\d)", running.said())
    assert stops == ["8", "7"]
    assert all(
        (tmp_path / "data" / n / ".kafka_cleanshutdown").exists() for n in ("broker-7", "broker-8")
    )


def test_wrong_settings_are_one_line(tmp_path: Path) -> None:
    config = tmp_path / "server.properties"
    config.write_text("zookeeper.connect=127.0.0.1:1\n")
    where = ("--config", str(config))
    fails(here("host", *where), 1, "broker.id: the id of this host's first broker is needed")
    fails(here("host", *where, "--brokers", "many"), 1, "--brokers: many")
    fails(here("host", "install-service", *where), 2, "--print")
    config.write_text("broker.id=1\nzookeeper.connect=z:1\nlog.dirs=/var/lib/one,/srv/two\n")
    printed = here("host", "install-service", *where, "--brokers", "4", "--print").stdout
    assert f'--config "{config}" --brokers 4' in printed
    assert 'ReadWritePaths="/var/lib/one" "/srv/two"' in printed
