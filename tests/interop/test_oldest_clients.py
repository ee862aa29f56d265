"""The oldest clients that can still be installed, against one broker of ours (docs/old-clients.md).

Each writes 20 records with every codec that it knows. Then each reads the records of all of them,
those that can in a group, and must see the keys, values and times that were written. Clients that
speak a version before 0.10 neither write times nor see them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from tests.cluster_kit import Cluster
from tests.interop.pip import pip

PROGRAMS = Path(__file__).parent / "oldest"
COUNT = 20
NOW_MS = 1_700_000_000_000
BUILD_TIMEOUT_S = 500
RUN_TIMEOUT_S = 120
ALL = ("none", "gzip", "snappy", "lz4")
NO_TIME = (None, 0, -1)
"""How clients say that a record has none."""
CODEC_PACKAGES = ("python-snappy", "lz4", "xxhash")
GO_MOD = "module oldest\n\ngo 1.23\n\nrequire github.com/IBM/sarama v1.45.2\n"
CARGO = """
[package]
name = "oldest"
version = "0.1.0"
edition = "2021"

[dependencies]
kafka = { version = "0.10", default-features = false, features = ["gzip", "snappy"] }

[profile.dev]
debug = false
incremental = false
"""
POM = """
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>example</groupId><artifactId>oldest</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka-clients</artifactId>
      <version>VERSION</version>
    </dependency>
  </dependencies>
</project>
"""

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(1200)]


@dataclass(frozen=True, kw_only=True)
class Client:
    """A client and the broker version that it takes ours for."""

    library: str
    version: str
    speaks: str
    codecs: tuple[str, ...] = ALL
    groups: bool = True
    timed: bool = True
    """It has times of records (message format 1)."""
    nulls: bool = True
    """It tells null from empty."""

    @property
    def name(self) -> str:
        return f"{self.library}-{self.version}-as-{self.speaks}"


CLIENTS = [
    *(
        Client(library="kafka-python", version=version, speaks=speaks, timed=speaks != "0.9")
        for version in ("1.4.7", "2.0.6")
        for speaks in ("0.9", "0.10.0", "0.11")
    ),
    Client(library="librdkafka", version="newest", speaks="0.8.2", groups=False, timed=False),
    Client(library="librdkafka", version="newest", speaks="0.9.0", timed=False),
    Client(library="librdkafka", version="newest", speaks="0.10.0"),
    *(Client(library="java", version=v, speaks=v) for v in ("0.10.2.2", "1.1.1", "2.0.1")),
    Client(
        library="sarama",
        version="1.45.2",
        speaks="0.9.0.0",
        codecs=("none", "gzip", "snappy"),
        groups=False,
        timed=False,
    ),
    Client(library="sarama", version="1.45.2", speaks="0.10.0.0", groups=False),
    Client(
        library="rust-kafka",
        version="0.10",
        speaks="0.8.2",
        codecs=("none", "gzip", "snappy"),
        groups=False,
        timed=False,
        nulls=False,
    ),
]


@dataclass(frozen=True, kw_only=True)
class Program:
    """How to run a client."""

    command: tuple[str, ...]
    environment: Mapping[str, str]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.command, *arguments],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=RUN_TIMEOUT_S,
            check=False,
        )


class Missing(Exception):
    """This machine cannot run a client, and why."""


class Workshop:
    """Makes clients runnable, once each."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.made = cache(self._make)

    def _make(self, library: str, version: str) -> Program:
        makers: Mapping[str, Callable[[str], Program]] = {
            "kafka-python": self._kafka_python,
            "librdkafka": self._librdkafka,
            "java": self._java,
            "sarama": self._sarama,
            "rust-kafka": self._rust,
        }
        return makers[library](version)

    def _kafka_python(self, version: str) -> Program:
        if sys.version_info >= (3, 12):
            raise Missing(f"kafka-python {version} does not run on Python 3.12")
        directory = self._directory / f"kafka-python-{version}"
        try:
            pip("install", "--target", str(directory), f"kafka-python=={version}", *CODEC_PACKAGES)
        except pytest.skip.Exception as reason:
            raise Missing(str(reason)) from reason
        program = str(PROGRAMS / "kafka_python.py")
        return Program(
            command=(sys.executable, program), environment={"PYTHONPATH": str(directory)}
        )

    def _librdkafka(self, version: str) -> Program:
        return Program(command=(sys.executable, str(PROGRAMS / "librdkafka.py")), environment={})

    def _java(self, version: str) -> Program:
        directory = self._directory / f"java-{version}"
        directory.mkdir()
        (directory / "pom.xml").write_text(POM.replace("VERSION", version))
        _build(
            directory, "mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib"
        )
        source = str(PROGRAMS / "Oldest.java")
        _build(directory, "javac", "-nowarn", "-cp", "lib/*", "-d", "out", source)
        classes = os.pathsep.join((f"{directory}/lib/*", f"{directory}/out"))
        return Program(command=("java", "-cp", classes, "Oldest"), environment={})

    def _sarama(self, version: str) -> Program:
        directory = self._directory / "sarama"
        directory.mkdir()
        (directory / "go.mod").write_text(GO_MOD)
        shutil.copy(PROGRAMS / "sarama.go", directory / "main.go")
        _build(directory, "go", "mod", "tidy")
        _build(directory, "go", "build", "-o", "oldest", ".")
        return Program(command=(str(directory / "oldest"),), environment={})

    def _rust(self, version: str) -> Program:
        directory = self._directory / "rust"
        (directory / "src").mkdir(parents=True)
        (directory / "Cargo.toml").write_text(CARGO)
        shutil.copy(PROGRAMS / "rust_kafka.rs", directory / "src" / "main.rs")
        _build(directory, "cargo", "build", "-q")
        return Program(command=(str(directory / "target/debug/oldest"),), environment={})


def _build(directory: Path, program: str, *arguments: str) -> None:
    if shutil.which(program) is None:
        raise Missing(f"{program} is not installed")
    done = subprocess.run(
        [program, *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=BUILD_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        said = done.stdout + done.stderr
        assert program != "javac", said
        assert "error[E" not in said, said
        raise Missing(f"{program} cannot fetch what it needs: {said[-300:]}")


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("oldest"))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(directory=tmp_path_factory.mktemp("cluster"), brokers=1) as running:
        yield running


@pytest.fixture(scope="module")
def written(cluster: Cluster, workshop: Workshop) -> Mapping[str, Client]:
    """Topic -> who wrote it."""
    found: dict[str, Client] = {}
    for client in CLIENTS:
        try:
            program = workshop.made(client.library, client.version)
        except Missing:
            continue  # its own test says so
        topics = [f"{client.name}-{codec}" for codec in client.codecs]
        for topic in topics:
            cluster.create_topic(topic, 1, replicas=1, retention_ms="-1")
        done = program.run(
            *(cluster.bootstrap, client.speaks, "produce"),
            *(",".join(topics), ",".join(client.codecs), str(COUNT), ""),
        )
        assert done.returncode == 0, f"{client.name}: {done.stdout}\n{done.stderr}"
        found.update(dict.fromkeys(topics, client))
    return found


Row = tuple[int, int | None, str | None, str | None]
"""Offset, time, key, value."""


def expected(reader: Client, writer: Client) -> list[Row]:
    rows: list[Row] = []
    for number in range(COUNT):
        time = NOW_MS + number if reader.timed and writer.timed else None
        key = None if number == 3 else f"k{number}"
        value = None if number == 5 else f"value-{number}-" + "x" * number
        if not reader.nulls:
            key, value = key or "", value or ""
        rows.append((number, time, key, value))
    return rows


@pytest.mark.parametrize("client", CLIENTS, ids=[client.name for client in CLIENTS])
def test_it_reads_what_all_have_written(
    client: Client, cluster: Cluster, workshop: Workshop, written: Mapping[str, Client]
) -> None:
    try:
        program = workshop.made(client.library, client.version)
    except Missing as reason:
        pytest.skip(str(reason))
    group = f"group-{client.name}" if client.groups else ""
    readable = {t: w for t, w in written.items() if t.rsplit("-", 1)[1] in client.codecs}
    done = program.run(
        *(cluster.bootstrap, client.speaks, "consume", ",".join(readable), "-", str(COUNT), group)
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    found: dict[str, list[Row]] = {topic: [] for topic in readable}
    for line in done.stdout.splitlines():
        if line.startswith("["):
            topic, offset, time, key, value = json.loads(line)
            found[topic].append((offset, None if time in NO_TIME else time, key, value))
    for topic, writer in readable.items():
        assert sorted(found[topic]) == expected(client, writer), topic
    if client.groups:
        told = cluster.cli("group", "describe", group)
        assert told.returncode == 0, told.stderr
