"""How long a busy client hears nothing when a broker goes: every client, one table.

    python bench/failover.py [--client NAME ...] [--runs 20] [--end kill|stop] [--trace DIRECTORY]

Each run of a producer (`bench/producers/`): six partitions, RF 3, min.insync.replicas 2, acks=all,
idempotent, 20 records every 2 ms; then the leader of partition 0 is killed with SIGKILL (or, with
``--end stop``, shut down in order), and the longest silence of any partition is the run's length.
Half a minute later nothing of it is left: the broker is back and the topic is deleted. "demo" runs
``python -m barnabas.demo`` instead and takes the two lengths it prints. "-controller" behind a
client's name kills the leader that is also the controller. Java needs the jars of Kafka 3.9.1
(``tools/original/kafka libs``), franz-go a Go compiler; what is not there is left out of the table,
and said. With ``--trace`` the client's own log of each run is kept,
and the brokers' logs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from barnabas.client.admin import create_topic, delete_topic, wait_for_leaders
from barnabas.client.cluster import ClusterClient
from barnabas.cluster.control import ask

BROKERS = 3
PARTITIONS = 6
JARS = Path(os.environ.get("KAFKA_LIBS", Path.home() / ".cache" / "kafka-3.9.1"))
PROGRAMS = Path(__file__).parent / "producers"
SETTLE_S = {"franz-go": 12.0}
"""From the first acknowledgements to the end of the leader. franz-go asks for metadata at most
every five seconds (MetadataMinAge), whatever has happened, and twice when it starts."""
WATCH_S = 4.0
BOUND_MS = {"demo": 300, "demo-controller": 400}
BUSY_BOUND_MS = 350
CLIENTS = ("demo", "librdkafka", "java", "franz-go")
TUNED = ["retry.backoff.ms=5", "retry.backoff.max.ms=50", "reconnect.backoff.ms=10"]
TUNED += ["reconnect.backoff.max.ms=50", "topic.metadata.refresh.fast.interval.ms=20"]


class Missing(Exception):
    """This machine cannot run a client."""


def command(client: str, directory: Path) -> list[str]:
    """How a producer is started, without its arguments. Raises Missing."""
    if client.startswith("librdkafka"):
        return [sys.executable, str(PROGRAMS / "librdkafka.py")]
    if client == "java":
        if shutil.which("java") is None or not list(JARS.glob("kafka-clients-*.jar")):
            raise Missing(f"no java, or no jars in {JARS}: tools/original/kafka libs")
        return ["java", "-cp", f"{JARS}/*", str(PROGRAMS / "Java.java")]
    if shutil.which("go") is None:
        raise Missing("no go")
    program = directory / "franz-go"
    if not program.exists():
        build = ["go", "build", "-o", str(program), "."]
        subprocess.run(build, cwd=PROGRAMS / "franz-go", check=True)
    return [str(program)]


class Producer:
    """A running producer program and what it has printed."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.rstrip("\n"))

    def wait_ready(self) -> None:
        """Until every partition has acknowledged something."""
        deadline = time.monotonic() + 60
        while "ready" not in self.lines:
            if time.monotonic() > deadline or self._process.poll() is not None:
                self._process.kill()
                raise SystemExit("the producer never became ready: " + "\n".join(self.lines[-20:]))
            time.sleep(0.01)

    def stop(self) -> None:
        """Let it flush and end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._reading.join()

    def silences(self, since_ms: float) -> list[tuple[int, float, float]]:
        """(partition, from, until) of each silence that ended after this time."""
        found = []
        for line in list(self.lines):
            if line.startswith("silence "):
                partition, start, end = line.split()[1:]
                if float(end) >= since_ms:
                    found.append((int(partition), float(start), float(end)))
        return found


class Bench:
    """One cluster for all runs of a client."""

    def __init__(self, client: str, of_controller: bool, arguments: argparse.Namespace) -> None:
        self._port: int = arguments.port
        self._client = client
        self._of_controller = of_controller
        self._arguments = arguments
        self._bootstrap = ",".join(f"127.0.0.1:{self._port + i}" for i in range(BROKERS))

    def runs(self, program: list[str]) -> list[float]:
        """The length of each run, in milliseconds."""
        up = [sys.executable, "-m", "barnabas.cli.main", "up", "--port", str(self._port)]
        up += ["--zookeeper-port", str(self._port + BROKERS)]
        if self._arguments.trace:
            up += ["--data", str(Path(self._arguments.trace) / f"{self._client}-cluster")]
        with subprocess.Popen(
            up, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as cluster:
            try:
                assert cluster.stdout is not None
                cluster.stdout.readline()
                return [self._run(program, run) for run in range(1, self._arguments.runs + 1)]
            finally:
                cluster.terminate()

    def _run(self, program: list[str], run: int) -> float:
        topic = f"busy-{run}"
        victim = asyncio.run(self._create(topic))
        arguments = [self._bootstrap, topic, str(PARTITIONS)]
        if self._client == "librdkafka-tuned":
            arguments += TUNED
        if self._arguments.trace:
            arguments.append("--trace")
        producer = Producer([*program, *arguments])
        producer.wait_ready()
        time.sleep(SETTLE_S.get(self._client, 1.5))
        ended = time.time() * 1000
        self._do(self._arguments.end, victim)
        dead = time.time() * 1000
        time.sleep(WATCH_S)
        producer.stop()
        length = self._report(producer, run, ended, dead)
        self._do("resume" if self._arguments.end == "pause" else "restart", victim)
        asyncio.run(self._delete_when_whole(topic))
        return length

    def _do(self, verb: str, broker: int) -> None:
        answer = ask(self._port, {"verb": verb, "process": f"broker:{broker}"})
        if "error" in answer:
            raise SystemExit(str(answer["error"]))

    async def _create(self, topic: str) -> int:
        """Create the topic; the broker that leads its partition 0."""
        async with ClusterClient(self._bootstrap, "bench") as admin:
            controller = (await admin.metadata()).controller_id
            others = [i for i in range(1, BROKERS + 1) if i != controller]
            ids = [controller, *others] if self._of_controller else [*others, controller]
            assignments = {
                p: [ids[(p + i) % BROKERS] for i in range(BROKERS)] for p in range(PARTITIONS)
            }
            configs = {"min.insync.replicas": "2"}
            await create_topic(admin, topic, assignments=assignments, configs=configs)
            await wait_for_leaders(admin, topic)
            return ids[0]

    async def _delete_when_whole(self, topic: str) -> None:
        """Once all brokers are in every ISR again."""
        deadline = time.monotonic() + 60
        async with ClusterClient(self._bootstrap, "bench") as admin:
            while time.monotonic() < deadline:
                view = (await admin.metadata([topic])).topics[topic]
                if all(len(p.isr) == BROKERS and p.leader >= 0 for p in view.partitions):
                    await delete_topic(admin, topic)
                    return
                await asyncio.sleep(0.05)
        raise SystemExit(f"{topic} was never whole again")

    def _report(self, producer: Producer, run: int, killed: float, ended: float) -> float:
        silences = producer.silences(killed)
        longest = max((end - start for _, start, end in silences), default=0.0)
        of = " controller" if self._of_controller else ""
        failed = next((x for x in producer.lines if x.startswith("acknowledged=")), "ended early")
        told = " ".join(
            f"{p}:{start - killed:.0f}..{end - killed:.0f}"
            for p, start, end in sorted(silences, key=lambda s: s[1])
        )
        print(
            f"{self._client} run={run}{of} silence_ms={longest:.0f}"
            f" dead_after_ms={ended - killed:.0f} {failed} {told}",
            flush=True,
        )
        if self._arguments.trace:
            name = f"{self._client}-{run}-{longest:.0f}ms.log"
            lines = [f"killed {killed:.0f} dead {ended:.0f}", *map(str, producer.lines)]
            (Path(self._arguments.trace) / name).write_text("\n".join(_since(lines, killed)))
        return longest


def _since(lines: list[str], zero: float) -> list[str]:
    """Lines of a trace from shortly before the kill, with times counted from it."""
    kept = []
    for line in lines:
        match = re.match(r"trace (\d+) (.*)", line)
        if match is None:
            kept.append(line)
        elif -100 <= int(match[1]) - zero <= 3000:
            kept.append(f"{int(match[1]) - zero:8.0f}  {match[2]}")
    return kept


def demo(runs: int) -> dict[str, list[float]]:
    """Both lengths of each run of the demo."""
    lengths: dict[str, list[float]] = {"demo": [], "demo-controller": []}
    for run in range(1, runs + 1):
        done = subprocess.run(
            [sys.executable, "-m", "barnabas.demo"], capture_output=True, text=True, check=False
        )
        match = re.search(r"leader_failover_ms=(\d+) controller_failover_ms=(\d+)", done.stdout)
        if match is None or done.returncode:
            raise SystemExit(done.stdout + done.stderr)
        print(f"demo run={run} leader_ms={match[1]} controller_ms={match[2]}", flush=True)
        lengths["demo"].append(float(match[1]))
        lengths["demo-controller"].append(float(match[2]))
    return lengths


def table(lengths: dict[str, list[float]]) -> None:
    """What was measured, a row a client."""
    print("\n| client | runs | within its bound | bound ms | median ms | least-greatest ms |")
    print("|---|---|---|---|---|---|")
    for name, all_of_it in lengths.items():
        bound = BOUND_MS.get(name, BUSY_BOUND_MS)
        within = sum(length < bound for length in all_of_it)
        print(
            f"| {name} | {len(all_of_it)} | {within} | {bound} | {statistics.median(all_of_it):.0f}"
            f" | {min(all_of_it):.0f}-{max(all_of_it):.0f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--client", action="append", help=f"default: {', '.join(CLIENTS)}")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--end", choices=["kill", "stop", "pause"], default="kill")
    parser.add_argument("--port", type=int, default=27_200)
    parser.add_argument("--trace", help="keep each client's own log of the run in this directory")
    arguments = parser.parse_args()
    if arguments.trace:
        Path(arguments.trace).mkdir(parents=True, exist_ok=True)
    lengths: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as directory:
        for name in arguments.client or CLIENTS:
            client, of_controller = name.removesuffix("-controller"), name.endswith("-controller")
            if client == "demo":
                lengths |= demo(arguments.runs)
                continue
            try:
                program = command(client, Path(directory))
            except Missing as missing:
                print(f"{client}: left out: {missing}", flush=True)
                continue
            lengths[name] = Bench(client, of_controller, arguments).runs(program)
    table(lengths)


if __name__ == "__main__":
    main()
