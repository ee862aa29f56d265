"""Real consumers read from the follower in their rack (KIP-392): librdkafka, Java's, franz-go.

The brokers 1, 2, 3 are in the racks a, b, c, and 1 leads. The brokers' own metrics say who has sent
the records.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
from confluent_kafka import Producer
from tests.cluster_kit import wait_for
from tests.interop.original import SCRIPT, missing
from tests.racks import RACKS, SETTINGS, failed_fetches, sent_bytes

from barnabas.testing import Cluster

HERE = Path(__file__).parent
BUILD_TIMEOUT_S = 150
PATIENCE_S = 60.0
LEADER, FOLLOWER, OTHER = 1, 2, 3
ASSIGNMENT = {0: [LEADER, FOLLOWER, OTHER]}
CLIENTS = ["librdkafka", "java", "franz-go"]
STAYS_AT_ITS_FOLLOWER = ["franz-go"]
"""Told that an offset is beyond the follower's end, it asks until the follower has it."""

Row = tuple[int, str]
"""Offset and value."""

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(300)]


@dataclass
class Reader:
    """A client that reads partition 0 from its start, in the follower's rack."""

    command: Sequence[str]
    cluster: Cluster
    topic: str
    isolation: str = "read_uncommitted"
    rows: list[Row] = field(default_factory=list)

    def __enter__(self) -> Self:
        rack = RACKS[FOLLOWER - 1]
        self._process = subprocess.Popen(
            [*self.command, self.cluster.bootstrap, self.topic, rack, self.isolation],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._errors: list[str] = []
        self._threads = [threading.Thread(target=f) for f in (self._read, self._listen)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
            self._process.wait(20)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        for thread in self._threads:
            thread.join()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                offset, _, value = line.rstrip("\n").partition(" ")
                self.rows.append((int(offset), value))

    def _listen(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            self._errors += lines

    def seek(self, offset: int) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"seek {offset}\n")
        self._process.stdin.flush()

    def wait_for(self, count: int) -> None:
        """Until it has read this many records."""
        self.wait_until(lambda: len(self.rows) >= count, f"{count} records")

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """A failure shows how far the client is."""
        try:
            wait_for(condition, PATIENCE_S, what)
        except AssertionError as error:
            raise AssertionError(
                f"{error}: {len(self.rows)} records, the last {self.rows[-1:]}\n"
                f"{''.join(self._errors[-20:])}\n{self.cluster.timeline(40)}"
            ) from error


class Writer:
    """Writes numbers, ten at a time, until the end of the block."""

    def __init__(self, cluster: Cluster, topic: str) -> None:
        self._cluster, self._topic = cluster, topic
        self.values: list[str] = []
        self.faults: list[BaseException] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def _write(self) -> None:
        try:
            while not self._stop.wait(0.02):
                first = len(self.values)
                values = [str(number) for number in range(first, first + 10)]
                self._cluster.produce(self._topic, values)
                self.values += values
        except BaseException as error:
            self.faults.append(error)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        assert not self.faults

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()


def _built(directory: Path, client: str) -> list[str]:
    """The command of a client; skips where something for it is missing."""
    if client == "librdkafka":
        return [sys.executable, str(HERE / "racks" / "librdkafka.py")]
    if client == "franz-go":
        if shutil.which("go") is None:
            pytest.skip("go is not installed")
        program = str(directory / "racks")
        done = _run("go", "build", "-o", program, "./racks", cwd=HERE / "franz_go")
        if done.returncode:
            assert "racks/main.go" not in done.stderr, done.stderr
            pytest.skip(f"go cannot build franz-go: {done.stderr[-200:]}")
        return [program]
    if (reason := missing()) is not None:
        pytest.skip(reason)
    if shutil.which("javac") is None:
        pytest.skip("javac is not installed")
    jars = f"{_run(str(SCRIPT), 'libs').stdout.strip()}/*"
    source = str(HERE / "racks" / "Racks.java")
    done = _run("javac", "-cp", jars, "-d", str(directory), source)
    assert done.returncode == 0, done.stderr
    return ["java", "-XX:TieredStopAtLevel=1", "-cp", f"{jars}:{directory}", "Racks"]


def _run(*command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=BUILD_TIMEOUT_S, check=False
    )


@pytest.fixture(scope="module", params=CLIENTS)
def client(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def command(client: str, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return _built(tmp_path_factory.mktemp("client"), client)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(brokers=3, racks=RACKS, http=True, settings=SETTINGS, wait_s=30) as running:
        yield running


def stored(cluster: Cluster, topic: str, *, read_committed: bool = False) -> list[Row]:
    """What the leader has, as our own client reads it."""
    records = cluster.records(topic, read_committed=read_committed)
    return [(record.offset, (record.value or b"").decode()) for record in records]


def test_it_reads_from_the_follower_in_its_rack(
    cluster: Cluster, client: str, command: list[str]
) -> None:
    topic = cluster.create_topic(f"near-{client}", assignments=ASSIGNMENT)
    values = [str(number) for number in range(300)]
    cluster.produce(topic, values[:100])
    with Reader(command, cluster, topic) as reader:
        for number in range(100, 300, 20):
            reader.wait_for(number)
            cluster.produce(topic, values[number : number + 20])
        reader.wait_for(300)
        sent = [sent_bytes(cluster, broker, topic) for broker in cluster.brokers]
    assert reader.rows == list(enumerate(values))
    assert sent[FOLLOWER - 1] > 0
    assert sent[LEADER - 1] == sent[OTHER - 1] == 0, "nobody else has sent any of it"


def test_its_follower_dies_and_comes_back(
    cluster: Cluster, client: str, command: list[str]
) -> None:
    topic = cluster.create_topic(f"dies-{client}", assignments=ASSIGNMENT)
    with Reader(command, cluster, topic) as reader, Writer(cluster, topic) as writer:
        reader.wait_for(100)
        assert sent_bytes(cluster, LEADER, topic) == 0
        cluster.kill(FOLLOWER)
        reader.wait_for(len(writer.values) + 100)
        assert sent_bytes(cluster, LEADER, topic) > 0, "the leader serves it"
        cluster.restart(FOLLOWER)
        cluster.wait_for_isr(topic, isr=3)
        reader.wait_until(
            lambda: sent_bytes(cluster, FOLLOWER, topic) > 0,
            "it reads from its follower again",
        )
        reader.wait_for(len(writer.values) + 100)
        writer.stop()
        reader.wait_for(len(writer.values))
    assert reader.rows == list(enumerate(writer.values)) == stored(cluster, topic)


def test_it_reads_what_is_committed(cluster: Cluster, client: str, command: list[str]) -> None:
    topic = cluster.create_topic(f"committed-{client}", assignments=ASSIGNMENT)
    producer = Producer(
        {"bootstrap.servers": cluster.bootstrap, "transactional.id": topic, "linger.ms": 0}
    )
    producer.init_transactions(30)
    with Reader(command, cluster, topic, "read_committed") as reader:
        wanted: list[str] = []
        for number in range(12):
            is_committed = number % 3 != 1
            values = [f"{number}-{n}" for n in range(10)]
            producer.begin_transaction()
            for value in values:
                producer.produce(topic, value, partition=0)
            assert producer.flush(30) == 0
            cluster.produce(topic, [f"{number}-outside"])
            if is_committed:
                producer.commit_transaction(30)
                wanted += values
            else:
                producer.abort_transaction(30)
            wanted.append(f"{number}-outside")
            reader.wait_for(len(wanted))
        sent = [sent_bytes(cluster, broker, topic) for broker in cluster.brokers]
    assert reader.rows == stored(cluster, topic, read_committed=True)
    assert [value for _, value in reader.rows] == wanted
    assert sent[FOLLOWER - 1] > 0
    assert sent[LEADER - 1] == sent[OTHER - 1] == 0


def test_it_asks_for_more_than_its_follower_has(
    cluster: Cluster, client: str, command: list[str]
) -> None:
    topic = cluster.create_topic(f"beyond-{client}", assignments=ASSIGNMENT)
    values = [str(number) for number in range(300)]
    cluster.produce(topic, values[:100])
    with Reader(command, cluster, topic) as reader:
        reader.wait_for(100)
        cluster.isolate(FOLLOWER, from_=[LEADER])
        cluster.produce(topic, values[100:200])
        reader.seek(150)
        reader.wait_until(
            lambda: failed_fetches(cluster, FOLLOWER, topic) > 0, "it asks its follower"
        )
        if client not in STAYS_AT_ITS_FOLLOWER:
            reader.wait_for(150)
            assert sent_bytes(cluster, LEADER, topic) > 0
        cluster.heal()
        cluster.wait_for_isr(topic, isr=3)
        cluster.produce(topic, values[200:])
        reader.wait_for(250)
    rows = list(enumerate(values))
    assert reader.rows == rows[:100] + rows[150:]
