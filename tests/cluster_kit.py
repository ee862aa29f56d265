"""A real cluster for tests: ``barnabas up`` in a child process, and what can be done to it."""

from __future__ import annotations

import asyncio
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests import commands

from barnabas.client.admin import create_topic, wait_for_leaders
from barnabas.client.cluster import ClusterClient
from barnabas.client.metadata import ClusterView, PartitionView
from barnabas.cluster.control import ask

READY_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 30.0
PORTS_OF_WORKER = 1500
"""Tests that run side by side (``pytest -n``) look for ports apart from each other."""
FIRST_PORT = int(os.environ.get("BARNABAS_TEST_PORT", "25000")) + PORTS_OF_WORKER * int(
    os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
)
"""Tests look for free ports from here on."""

BARNABAS = (sys.executable, "-m", "barnabas.cli.main")


def free_ports(count: int) -> int:
    """The first of ``count`` consecutive ports on which nobody listens now."""
    start = FIRST_PORT + os.getpid() % 35 * 20
    for first in [*range(start, start + 800, count), *range(FIRST_PORT, 60_000, count)]:
        probes: list[socket.socket] = []
        try:
            for port in range(first, first + count):
                probe = socket.socket()
                probes.append(probe)
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
            return int(first)
        except OSError:
            continue
        finally:
            for probe in probes:
                probe.close()
    raise OSError("no free ports")


def wait_for(condition: Callable[[], object], timeout_s: float, what: str) -> None:
    """Until ``condition()`` holds, asked a hundred times a second; AssertionError when late."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(0.01)


@dataclass(kw_only=True)
class Cluster:
    """One ``barnabas up``; a context manager that starts it and stops it."""

    directory: Path
    brokers: int = 3
    overrides: Mapping[str, str] = field(default_factory=dict)
    zookeeper: str | None = None
    secure: bool = False
    options: Sequence[str] = ()
    """More of ``up``."""
    ready_line: str = ""

    def __post_init__(self) -> None:
        self.port = free_ports(self.brokers + 1)
        self.zookeeper_port = self.port + self.brokers
        self.process: subprocess.Popen[str] | None = None
        self.directory.mkdir(parents=True, exist_ok=True)

    @property
    def bootstrap(self) -> str:
        return ",".join(f"127.0.0.1:{self.port + i}" for i in range(self.brokers))

    def broker_port(self, broker: int) -> int:
        return self.port + broker - 1

    # Life

    def start(self) -> str:
        """Start it and wait for its ready line, which is returned."""
        arguments = ["--port", str(self.port), "--brokers", str(self.brokers)]
        if self.zookeeper is None:
            arguments += ["--zookeeper-port", str(self.zookeeper_port)]
        else:
            arguments += ["--zookeeper", self.zookeeper]
        if self.secure:
            arguments.append("--secure")
        arguments += self.options
        for key, value in self.overrides.items():
            arguments += ["-X", f"{key}={value}"]
        with open(self.directory / "up.err", "a") as errors:
            self.process = subprocess.Popen(
                [*BARNABAS, "up", "--no-console", "--data", str(self.directory), *arguments],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], READY_TIMEOUT_S)
        lines = iter(self.process.stdout if readable else ())
        self.ready_line = next((x.rstrip("\n") for x in lines if x.startswith("ready: ")), "")
        if not self.ready_line.startswith("ready: "):
            self.kill()
            raise AssertionError(f"not ready: {self.ready_line!r}\n{self.logs()}")
        return self.ready_line

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """A clean shutdown; the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(STOP_TIMEOUT_S)
        finally:
            self.kill()

    def kill(self) -> None:
        """End everything that is left of it, at once."""
        if self.process is None:
            return
        if self.process.poll() is None:
            for process in self._processes().values():
                if process["state"] in ("running", "paused"):
                    os.kill(process["pid"], signal.SIGKILL)
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    # Chaos

    def ask(self, verb: str, process: str = "") -> dict[str, Any]:
        """What ``barnabas chaos`` asks of the supervisor."""
        answer = ask(self.port, {"verb": verb, "process": process})
        assert "error" not in answer, answer
        return answer

    def _processes(self) -> dict[str, dict[str, Any]]:
        try:
            return dict(self.ask("status")["processes"])
        except Exception:
            return {}

    def state(self, process: str) -> str:
        return str(self._processes()[process]["state"])

    def pid(self, process: str) -> int:
        return int(self._processes()[process]["pid"])

    def cli(
        self, *arguments: str, stdin: str | bytes = "", bootstrap: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """``barnabas ARGUMENTS`` against this cluster."""
        if self.secure and "--command-config" not in arguments:
            arguments = (*arguments, "--command-config", str(self.client_properties))
        return barnabas(*arguments, stdin=stdin, bootstrap=bootstrap or self.bootstrap)

    @property
    def client_properties(self) -> Path:
        """What ``up --secure`` has written for clients."""
        return self.directory / "secure" / "client.properties"

    # What can be seen

    def metadata(self, bootstrap: str | None = None) -> ClusterView:
        """What the first broker that answers knows of all topics."""

        async def look() -> ClusterView:
            async with ClusterClient(bootstrap or self.bootstrap, "tests") as client:
                return await client.metadata()

        return asyncio.run(look())

    def partitions(self, topic: str, bootstrap: str | None = None) -> dict[int, PartitionView]:
        """The partitions of ``topic`` by number; empty while the topic is unknown."""
        found = self.metadata(bootstrap).topics.get(topic)
        return {p.partition: p for p in found.partitions} if found else {}

    def whole(self, topic: str, partitions: int, replicas: int = 3) -> bool:
        """Whether every partition is led and every ISR is of full size."""
        found = self.partitions(topic)
        return len(found) == partitions and all(
            p.leader >= 0 and len(p.isr) == replicas for p in found.values()
        )

    def create_topic(
        self,
        name: str,
        partitions: int = 1,
        replicas: int = 3,
        *,
        assignments: Mapping[int, Sequence[int]] | None = None,
        **configs: str,
    ) -> None:
        """A topic with ``min.insync.replicas=2`` unless told otherwise, once all replicas serve."""
        settings = {"min.insync.replicas": str(min(2, replicas))}
        settings |= {key.replace("_", "."): value for key, value in configs.items()}

        async def create() -> None:
            async with ClusterClient(self.bootstrap, "tests") as client:
                await create_topic(
                    client,
                    name,
                    partitions=partitions,
                    replication_factor=replicas,
                    configs=settings,
                    assignments=assignments,
                )
                await wait_for_leaders(client, name)

        asyncio.run(create())
        wait_for(lambda: self.whole(name, partitions, replicas), 15, f"{name} is whole")

    def log(self, process: str) -> str:
        """The log of ``broker:N`` or ``coordinator`` so far."""
        path = self.directory / f"{process.replace(':', '-')}.log"
        return path.read_text() if path.exists() else ""

    def logs(self) -> str:
        """The ends of all logs, for a failure's message."""
        paths = [self.directory / "up.err", *sorted(self.directory.glob("*.log"))]
        return "\n".join(f"--- {p.name}\n{p.read_text()[-3000:]}" for p in paths if p.exists())

    def log_dir(self, broker: int) -> Path:
        return self.directory / f"broker-{broker}"

    def segments(self, broker: int, topic: str, partition: int) -> bytes:
        """The bytes of one replica, all segments in order."""
        directory = self.log_dir(broker) / f"{topic}-{partition}"
        return b"".join(path.read_bytes() for path in sorted(directory.glob("*.log")))


def barnabas(
    *arguments: str,
    stdin: str | bytes = "",
    bootstrap: str | None = None,
    timeout_s: float = 60.0,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    variables = {**os.environ, **(environment or {})}
    if bootstrap is not None:
        variables["BARNABAS_BOOTSTRAP_SERVER"] = bootstrap
    data = stdin.encode() if isinstance(stdin, str) else stdin
    done = commands.run(arguments, data, variables, timeout_s)
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


TRACEBACK = re.compile(r"Traceback \(most recent call last\)|unexpected error|Task exception")


def no_traceback(text: str) -> bool:
    """Whether a log shows no fault of ours."""
    return TRACEBACK.search(text) is None
