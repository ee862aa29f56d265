"""Produce at full speed, with and without metrics and an open console, by turns.

    python -m bench.watched                 ten minutes of each
    python -m bench.watched --quick         one minute of each
    python -m bench.watched --memory 5000   memory of brokers with so many partitions

Starts two clusters of three brokers: one that shows nothing (``up --no-http --no-console``), and
one as ``up`` starts it. While it is the turn of the second, its metrics are read every ``--scrape``
seconds from all four nodes as Prometheus does, and a page's stream of changes is read from its
console. Three connections, one to each leader, keep eight batches of 16 records of 1,000 B in
flight, with acks=all. Prints for each: MB/s, seconds of CPU per GB of the brokers, of the whole
cluster (brokers, coordinator, console), and the median of the turns' ratios, second to first.
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bench.requests import PREFIX_BYTES, PRODUCE, PRODUCE_VERSION
from confluent_kafka.admin import AdminClient, NewTopic

from barnabas.protocol.header import request_start
from barnabas.protocol.produce import encode_produce_request
from barnabas.records.batch import Record, build_batch

PORT = 27_700
TOPIC = "t"
RECORDS, RECORD_BYTES = 16, 1_000
DEPTH = 8
PLAIN = ("--no-http", "--no-console")
WATCHED = ("--console-port", "0")


def frame(partition: int) -> bytes:
    """A produce request with one batch."""
    now_ms = int(time.time() * 1000)
    batch = bytes(build_batch([Record(timestamp=now_ms, value=bytes(RECORD_BYTES))] * RECORDS))
    body = encode_produce_request(
        PRODUCE_VERSION, None, -1, 30_000, [(TOPIC, [(partition, batch)])]
    )
    return request_start(PRODUCE, PRODUCE_VERSION, 1, "bench", len(body)) + body


class Cluster:
    """Three brokers with a topic of three partitions, each led by another one."""

    def __init__(self, port: int, options: Sequence[str]) -> None:
        command = [sys.executable, "-m", "barnabas.cli.main", "up", "--ready-json"]
        command += ["--port", str(port), "--zookeeper-port", str(port + 10), *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("the cluster has not started")
        self.ready: dict[str, Any] = json.loads(line)
        admin = AdminClient({"bootstrap.servers": self.ready["bootstrap"], "log_level": 0})
        kept = {"retention.bytes": "50000000", "segment.bytes": "20000000"}
        admin.create_topics([NewTopic(TOPIC, 3, 3, config=kept)])[TOPIC].result()
        found = admin.list_topics(TOPIC, timeout=10)
        partitions = found.topics[TOPIC].partitions
        self.leaders = {
            p: (found.brokers[partitions[p].leader].host, found.brokers[partitions[p].leader].port)
            for p in partitions
        }

    def pids(self, kind: str) -> list[int]:
        """Of the brokers (``broker``), or of all processes ("")."""
        pids: dict[str, int] = self.ready["pids"]
        found = [pid for name, pid in pids.items() if name.startswith(kind)]
        return found if kind else [*found, *self._late()]

    def _late(self) -> list[int]:
        """The console, which starts when the cluster is ready."""
        from barnabas.cluster.control import ask

        port = int(self.ready["bootstrap"].split(",")[0].rpartition(":")[2])
        processes = ask(port, {"verb": "status"})["processes"]
        return [p["pid"] for name, p in processes.items() if name == "console"]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


def cpu_s(pids: Sequence[int]) -> float:
    """Processor time so far."""
    files = [path for pid in pids for path in Path(f"/proc/{pid}/task").glob("*/schedstat")]
    return sum(int(path.read_text().split()[0]) for path in files) / 1e9


# --- load and readers -----------------------------------------------------------------------------


class Answers:
    """The answers on one connection, counted."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = b""

    def some(self) -> int:
        """Wait for data; how many answers have ended with it."""
        data = self._connection.recv(1 << 16)
        if not data:
            raise ConnectionError("the broker has closed the connection")
        buffer, count, at = self._buffer + data, 0, 0
        while len(buffer) - at >= PREFIX_BYTES:
            end = at + PREFIX_BYTES + int.from_bytes(buffer[at : at + PREFIX_BYTES], "big")
            if len(buffer) < end:
                break
            at, count = end, count + 1
        self._buffer = buffer[at:]
        return count


def load(cluster: Cluster, seconds: float) -> int:
    """Bytes of records that were acknowledged."""
    until = time.monotonic() + seconds
    counts: list[int] = []

    def one(partition: int, address: tuple[str, int]) -> None:
        acked, request = 0, frame(partition)
        with socket.create_connection(address, timeout=60) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            answers = Answers(connection)
            connection.sendall(request * DEPTH)
            while time.monotonic() < until:
                done = answers.some()
                acked += done
                connection.sendall(request * done)
            left = DEPTH
            while left:
                left -= answers.some()
        counts.append(acked + DEPTH)

    threads = [threading.Thread(target=one, args=item) for item in cluster.leaders.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(counts) != len(threads):
        raise SystemExit("a connection has ended")
    return sum(counts) * RECORDS * RECORD_BYTES


@contextmanager
def readers(cluster: Cluster, scrape_s: float) -> Iterator[dict[str, int]]:
    """Read what the cluster shows, as Prometheus and a page do. Gives what was read."""
    stop = threading.Event()
    read = {"scrapes": 0, "bytes": 0}

    def metrics() -> None:
        while not stop.wait(scrape_s):
            for url in cluster.ready["metrics"].values():
                with urllib.request.urlopen(f"{url}/metrics", timeout=30) as answer:
                    answer.read()
                read["scrapes"] += 1

    def page(stream: socket.socket) -> None:
        while data := stream.recv(1 << 16):
            read["bytes"] += len(data)

    with _page(cluster.ready["console"]) as stream:
        threads = [threading.Thread(target=metrics), threading.Thread(target=page, args=(stream,))]
        for thread in threads:
            thread.start()
        try:
            yield read
        finally:
            stop.set()
            stream.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()


def _page(link: str) -> socket.socket:
    """The stream of changes that a page of the console reads."""
    parts = urlsplit(link)
    token = parse_qs(parts.query)["token"][0]
    request = f"GET /api/changes HTTP/1.1\r\nHost: {parts.netloc}\r\n"
    request += f"Authorization: Bearer {token}\r\n\r\n"
    stream = socket.create_connection((str(parts.hostname), int(parts.port or 0)))
    stream.sendall(request.encode())
    if not stream.recv(1 << 16).startswith(b"HTTP/1.1 200"):
        raise SystemExit("the console does not answer")
    return stream


# --- the measurement ------------------------------------------------------------------------------


@dataclass
class Figures:
    """Of each turn."""

    mb_s: list[float] = field(default_factory=list)
    brokers: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)


def turn(cluster: Cluster, seconds: float, figures: Figures | None) -> None:
    brokers, whole = cluster.pids("broker"), cluster.pids("")
    before, began = (cpu_s(brokers), cpu_s(whole)), time.monotonic()
    moved = load(cluster, seconds)
    took = time.monotonic() - began
    if figures is not None:
        figures.mb_s.append(moved / 1e6 / took)
        figures.brokers.append((cpu_s(brokers) - before[0]) / moved * 1e9)
        figures.whole.append((cpu_s(whole) - before[1]) / moved * 1e9)


def row(name: str, first: list[float], second: list[float], form: Callable[[float], str]) -> str:
    texts = [
        f"{form(statistics.median(v))} ({form(min(v))}-{form(max(v))})" for v in (first, second)
    ]
    ratios = sorted(b / a for a, b in zip(first, second, strict=True))
    texts.append(f"{statistics.median(ratios):.3f} ({ratios[0]:.3f}-{ratios[-1]:.3f})")
    return f"| {name} | {' | '.join(texts)} |"


def memory(port: int, partitions: int) -> None:
    """MiB of each broker with so many partitions of three replicas: its own memory and its share of
    what it shares (PSS), without metrics and with metrics that were read three times."""
    for name, options in (("without", PLAIN), ("with metrics", ("--no-console",))):
        cluster = Cluster(port, options)
        try:
            admin = AdminClient({"bootstrap.servers": cluster.ready["bootstrap"], "log_level": 0})
            wanted = NewTopic("many", partitions, 3)
            admin.create_topics([wanted], operation_timeout=600, request_timeout=600)[
                "many"
            ].result()
            for _ in range(3):
                for url in cluster.ready["metrics"].values():
                    with urllib.request.urlopen(f"{url}/metrics", timeout=60) as answer:
                        answer.read()
            found = [_pss_mib(pid) for pid in cluster.pids("broker")]
            print(f"{name}: {', '.join(f'{mib:.1f}' for mib in found)} MiB", flush=True)
        finally:
            cluster.stop()


def _pss_mib(pid: int) -> float:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(text.partition("Pss:")[2].split()[0]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="of each")
    parser.add_argument("--quick", action="store_true", help="one minute of each")
    parser.add_argument("--turn", type=float, default=15.0, help="seconds of a turn")
    parser.add_argument("--scrape", type=float, default=5.0, help="seconds between two scrapes")
    parser.add_argument("--port", type=int, default=PORT)
    parser.add_argument("--memory", type=int, metavar="PARTITIONS", help="measure memory instead")
    options = parser.parse_args()
    if options.memory:
        memory(options.port, options.memory)
        return
    minutes = 1.0 if options.quick else options.minutes
    turns = max(round(minutes * 60 / options.turn), 1)
    plain, watched = Figures(), Figures()
    read = {"scrapes": 0, "bytes": 0}
    clusters = [Cluster(options.port, PLAIN)]
    try:
        clusters.append(Cluster(options.port + 100, WATCHED))
        for number in range(-1, turns):  # the first one warms up
            for at in (0, 1) if number % 2 else (1, 0):
                seconds = options.turn if number >= 0 else min(options.turn, 5.0)
                if at == 0:
                    turn(clusters[0], seconds, plain if number >= 0 else None)
                    continue
                with readers(clusters[1], options.scrape) as now:
                    turn(clusters[1], seconds, watched if number >= 0 else None)
                read = {name: read[name] + now[name] for name in read}
    finally:
        for cluster in clusters:
            cluster.stop()
    print(
        f"{turns} turns of {options.turn:g} s each; {read['scrapes']} scrapes of a node,"
        f" {read['bytes']:,} bytes to the page"
    )
    print("| | without | with metrics and console | ratio |\n|---|---|---|---|")
    print(row("MB/s", plain.mb_s, watched.mb_s, lambda v: f"{v:.1f}"))
    print(row("CPU of brokers, s/GB", plain.brokers, watched.brokers, lambda v: f"{v:.2f}"))
    print(row("CPU of all processes, s/GB", plain.whole, watched.whole, lambda v: f"{v:.2f}"))


if __name__ == "__main__":
    main()
