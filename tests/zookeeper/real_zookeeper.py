"""Starts a real, standalone ZooKeeper (Debian's package ``zookeeper``) for comparison.

``with RealZooKeeper(directory) as zookeeper: zookeeper.connect_string``. ``missing()`` names what
this machine lacks, for a skip that says so. ``ZOOKEEPER_JARS`` may name a directory with the jars
of another release (for example the libraries of Kafka 3.9, which has ZooKeeper 3.8.4).
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

JARS = Path("/usr/share/java")
_NAMES = (
    "zookeeper",
    "zookeeper-jute",
    "slf4j-api",
    "slf4j-nop",
    "metrics-core",
    "snappy-java",
    "commons-cli",
    "netty-buffer",
    "netty-codec",
    "netty-common",
    "netty-handler",
    "netty-resolver",
    "netty-transport",
    "netty-transport-native-epoll",
    "netty-transport-native-unix-common",
)


_CHOSEN = os.environ.get("ZOOKEEPER_JARS")


def _class_path(jars: str | None) -> str:
    chosen = jars or _CHOSEN
    return f"{chosen}/*" if chosen else ":".join(str(JARS / f"{name}.jar") for name in _NAMES)


def missing() -> str | None:
    """What a real ZooKeeper needs and this machine has not, or None."""
    if shutil.which("java") is None:
        return "java is not installed"
    if not _CHOSEN and not (JARS / "zookeeper.jar").exists():
        return f"ZooKeeper is not installed ({JARS}/zookeeper.jar)"
    return None


def server_command(config: Path, options: Sequence[str] = (), jars: str | None = None) -> list[str]:
    """How to start a server with a configuration file; ``options`` are Java's, ``jars`` a directory
    with those of another release."""
    return [
        *("java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
        "-Dzookeeper.extendedTypesEnabled=true",
        "-Dzookeeper.admin.enableServer=false",
        "-Djava.net.preferIPv4Stack=true",
        *options,
        *("-cp", _class_path(jars)),
        "org.apache.zookeeper.server.quorum.QuorumPeerMain",
        str(config),
    ]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class RealZooKeeper:
    """One server process on loopback; ``stop`` and ``start`` keep its data and its port."""

    def __init__(
        self,
        directory: Path,
        *,
        tick_ms: int = 2000,
        properties: str = "",
        options: tuple[str, ...] = (),
        jars: str | None = None,
    ) -> None:
        self._options, self._jars = options, jars
        self.directory = directory
        self.port = free_port()
        self.connect_string = f"127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "zoo.cfg").write_text(
            f"tickTime={tick_ms}\ndataDir={directory}/data\nclientPort={self.port}\n"
            "clientPortAddress=127.0.0.1\nadmin.enableServer=false\nmaxClientCnxns=0\n"
            f"4lw.commands.whitelist=*\nextendedTypesEnabled=true\n{properties}\n"
        )

    def __enter__(self) -> RealZooKeeper:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def start(self, *, timeout_s: float = 60) -> None:
        """Start and wait until it serves (``ruok`` is answered before that)."""
        log = self.directory / "out.log"
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                server_command(self.directory / "zoo.cfg", self._options, self._jars),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        deadline = time.monotonic() + timeout_s
        while b"Mode: standalone" not in four_letter_word(self.port, b"srvr"):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"ZooKeeper did not start: {log.read_text()[-2000:]}")
            time.sleep(0.05)

    @property
    def version(self) -> tuple[int, ...]:
        """Of the release, (3, 8, 0) for example."""
        found = re.search(rb"version: (\d+)\.(\d+)\.(\d+)", four_letter_word(self.port, b"srvr"))
        assert found is not None
        return tuple(map(int, found.groups()))

    def stop(self) -> None:
        """End it the polite way (SIGTERM)."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
            self._process = None


def four_letter_word(port: int, word: bytes, host: str = "127.0.0.1") -> bytes:
    """The answer to a four-letter word; empty if nobody listens or nothing comes."""
    try:
        with socket.create_connection((host, port), 2) as connection:
            connection.sendall(word)
            answer = b""
            while chunk := connection.recv(65536):
                answer += chunk
            return answer
    except OSError:
        return b""
