"""The original (Apache Kafka 3.9.1, ``tools/original``): its tools run, its brokers started."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.cluster_kit import BARNABAS, Cluster, free_ports

SCRIPT = Path(__file__).parents[2] / "tools" / "original" / "kafka"
VERSION = "3.9.1"
TOOL_TIMEOUT_S = 60.0
READY = "started (kafka.server.KafkaServer)"


@cache
def missing(version: str = VERSION) -> str | None:
    """What this machine lacks to run the original, or None. Fetches its jars once."""
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    done = _libs(version)
    if done.returncode:
        return f"Maven cannot fetch the original: {done.stdout[-200:]}{done.stderr[-200:]}"
    return None


def jars(version: str) -> str:
    """The directory of a release's jars, among them those of its ZooKeeper; fetched if need be."""
    return _libs(version).stdout.strip()


def _libs(version: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SCRIPT), "libs"],
        env={**os.environ, "ORIGINAL_VERSION": version},
        capture_output=True,
        text=True,
        check=False,
    )


def tool(
    name: str, *arguments: str, stdin: str = "", timeout_s: float = TOOL_TIMEOUT_S
) -> subprocess.CompletedProcess[str]:
    """Run one of its tools by class name; one that does not end is killed after the time."""
    process = subprocess.Popen(
        [str(SCRIPT), "run", name, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        out, errors = process.communicate(stdin, timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        out, errors = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, out, errors)


def output(name: str, *arguments: str, stdin: str = "") -> str:
    """What a tool prints; AssertionError if it fails."""
    done = tool(name, *arguments, stdin=stdin)
    assert done.returncode == 0, f"{name}: {done.stdout}\n{done.stderr}"
    return done.stdout


class JavaBroker:
    """One broker of the original under our coordinator; killed at the end of the block."""

    version = VERSION

    def __init__(
        self, directory: Path, broker_id: int, port: int, zookeeper: str, **settings: str
    ) -> None:
        self.directory = directory
        self.broker_id = broker_id
        self.port = port
        self._settings = {
            "listeners": f"PLAINTEXT://127.0.0.1:{port}",
            "zookeeper.connect": zookeeper,
            "offsets.topic.replication.factor": "1",
            **{key.replace("_", "."): value for key, value in settings.items()},
        }
        self.pid = 0

    @property
    def log(self) -> str:
        path = self.directory / "life" / f"broker-{self.broker_id}.log"
        return path.read_text() if path.exists() else ""

    @property
    def log_dir(self) -> Path:
        return self.directory / "life" / f"data-{self.broker_id}"

    def start(self, timeout_s: float = 60.0) -> None:
        settings = [f"{key}={value}" for key, value in self._settings.items()]
        subprocess.run(
            [str(SCRIPT), "broker", "life", str(self.broker_id), *settings],
            env={
                **os.environ,
                "ORIGINAL_DATA": str(self.directory),
                "ORIGINAL_VERSION": self.version,
            },
            check=True,
            capture_output=True,
        )
        pid_file = self.directory / "life" / f"broker-{self.broker_id}.pid"
        self.pid = int(pid_file.read_text())
        deadline = time.monotonic() + timeout_s
        while READY not in self.log:
            assert self.alive(), self.log[-3000:]
            assert time.monotonic() < deadline, self.log[-3000:]
            time.sleep(0.1)

    def alive(self) -> bool:
        if self.pid == 0:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def kill(self) -> None:
        """SIGKILL, as in a crash."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM: its controlled shutdown."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self.alive():
            os.kill(self.pid, number)
        deadline = time.monotonic() + 40
        while self.alive():
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
            time.sleep(0.05)
        self.pid = 0

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()


def java_broker(
    cluster: Cluster, directory: Path, broker_id: int = 3, **settings: str
) -> JavaBroker:
    """One that joins a cluster of ours."""
    return JavaBroker(
        directory,
        broker_id,
        free_ports(1),
        f"127.0.0.1:{cluster.zookeeper_port}",
        zookeeper_session_timeout_ms="6000",
        **settings,
    )


@contextmanager
def our_broker(log: Path, settings: Mapping[str, str]) -> Iterator[None]:
    """One broker of ours outside of ``up``."""
    given = [part for key, value in settings.items() for part in ("-X", f"{key}={value}")]
    with (
        log.open("w") as errors,
        subprocess.Popen([*BARNABAS, "broker", *given], stderr=errors) as process,
    ):
        try:
            yield
        finally:
            process.terminate()
