"""What is measured beside each other: three brokers of Barnabas, of another checkout of it, or of
Apache Kafka 3.9.1, each with its coordinator, on loopback with the settings of a server."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from barnabas.cluster.control import ask

HERE = Path(__file__).parent
ORIGINAL = HERE.parent / "tools" / "original" / "kafka"


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A running cluster of brokers 1, 2 and 3, or of more."""

    name: str
    bootstrap: str
    zookeeper: str
    pids: dict[int, int]
    """Process ids of the brokers by broker id."""
    directories: dict[int, Path]
    """Log directories of the brokers."""
    restart: Callable[[int], int]
    """Start a broker that was killed. Returns its process id."""

    def pid_list(self) -> str:
        return ",".join(str(p) for p in self.pids.values())

    def pid_pairs(self) -> str:
        return ",".join(f"{i}={p}" for i, p in self.pids.items())


Start = Callable[[], AbstractContextManager[System]]


def free_ports(count: int) -> int:
    """The first of so many in a row on which nobody listens, below those that the system gives to
    clients."""
    while True:
        first = random.randrange(11_000, 19_000)
        if not any(is_taken(first + i) for i in range(count)):
            return first


def is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def barnabas(name: str, checkout: Path) -> Iterator[System]:
    """Of a checkout with its ``.venv``; neither console nor metrics."""
    port = free_ports(4)
    zookeeper = port + 3
    data = tempfile.mkdtemp(prefix="barnabas-bench-")
    command = [str(checkout / ".venv/bin/python"), "-m", "barnabas.cli.main", "up"]
    known = subprocess.check_output([*command, "--help"], text=True)
    command += ["--data", data, "--port", str(port), "--zookeeper-port", str(zookeeper)]
    command += ["--profile", "server"] if "--profile" in known else []  # else it is the only one
    command += [option for option in ("--no-console", "--no-http") if option in known]

    def restart(broker: int) -> int:
        return int(ask(port, {"verb": "restart", "process": f"broker:{broker}"})["pid"])

    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=checkout, text=True) as process:
        try:
            assert process.stdout is not None
            if "ready" not in process.stdout.readline():
                raise SystemExit(f"{name}: {checkout} has not started")
            processes = ask(port, {"verb": "status"})["processes"]
            yield System(
                name=name,
                bootstrap=",".join(f"127.0.0.1:{port + i}" for i in range(3)),
                zookeeper=f"127.0.0.1:{zookeeper}",
                pids={i: processes[f"broker:{i}"]["pid"] for i in (1, 2, 3)},
                directories={i: Path(data, f"broker-{i}") for i in (1, 2, 3)},
                restart=restart,
            )
        finally:
            process.terminate()
    shutil.rmtree(data, ignore_errors=True)


@contextmanager
def kafka(brokers: int = 3, port: int | None = None) -> Iterator[System]:
    """Apache Kafka 3.9.1 with its defaults and heaps of 1 GiB (tools/original/kafka). ``port``: the
    first; None: some that are free."""
    port = free_ports(brokers + 1) if port is None else port
    zookeeper = port + brokers
    ids = range(1, brokers + 1)
    with tempfile.TemporaryDirectory(prefix="kafka-bench-", ignore_cleanup_errors=True) as data:
        environment = {**os.environ, "ORIGINAL_DATA": data}

        def run(*arguments: str) -> str:
            command = [str(ORIGINAL), *arguments]
            return subprocess.run(
                command, env=environment, check=True, stdout=subprocess.PIPE, text=True
            ).stdout

        def pid(broker: int) -> int:
            return int(run("pid", "bench", str(broker)))

        def restart(broker: int) -> int:
            settings = Path(data, "bench", f"broker-{broker}.properties").read_text().split()
            given = [s for s in settings if not s.startswith(("broker.id=", "log.dirs="))]
            run("broker", "bench", str(broker), *given)
            return pid(broker)

        try:
            ports = ("--zookeeper-port", str(zookeeper), "--port", str(port))
            run("up", "bench", *ports, "--brokers", str(brokers))
            yield System(
                name="kafka",
                bootstrap=",".join(f"127.0.0.1:{port + i - 1}" for i in ids),
                zookeeper=f"127.0.0.1:{zookeeper}",
                pids={i: pid(i) for i in ids},
                directories={i: Path(data, "bench", f"data-{i}") for i in ids},
                restart=restart,
            )
        finally:
            run("down", "bench")


def systems(before: Path | None) -> dict[str, Start]:
    """By name: ``barnabas`` (this checkout), ``before`` (another, if given) and ``kafka`` (if this
    machine has java and mvn)."""
    found: dict[str, Start] = {"barnabas": partial(barnabas, "barnabas", HERE.parent)}
    if before is not None:
        found["before"] = partial(barnabas, "before", before.resolve())
    if shutil.which("java") and shutil.which("mvn"):
        found["kafka"] = kafka
    else:
        print("left out: kafka, which needs java and mvn", file=sys.stderr)
    return found
