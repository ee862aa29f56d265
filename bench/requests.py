"""CPU of a broker per request: of one checkout, or of two by turns.

    python bench/requests.py DIRECTORY [DIRECTORY] [--rounds 9] [--only lone,pipe16]

Each DIRECTORY is a checkout with its ``.venv``. Starts one broker of each and sends both the same
bytes, so many requests by turns: produce requests with acks=all of one record of 100 B, one at a
time (``lone``), on 100 connections (``many``) or pipelined (``pipe4``, ``pipe16``); fetches of one
partition (``fetch``); produce requests of so many records of so many bytes (``160x100``). Prints
microseconds of CPU, user and system, per request: median, least and greatest; and the median of the
turns' ratios, second to first. What it costs to show metrics: one checkout twice, with
``--up=--no-http --up-second=--http``.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import struct
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from confluent_kafka.admin import AdminClient, NewTopic

from barnabas.cluster.control import ask
from barnabas.protocol.header import request_start
from barnabas.protocol.produce import encode_produce_request
from barnabas.records.batch import Record, build_batch

PORT = 27_392
TOPIC = "t"
PRODUCE, PRODUCE_VERSION, FETCH, FETCH_VERSION = 0, 9, 1, 11
PREFIX_BYTES = 4


class Broker:
    """One that was started for this, with connections to it."""

    def __init__(self, checkout: Path, port: int, options: list[str]) -> None:
        command = [str(checkout / ".venv/bin/python"), "-m", "barnabas.cli.main", "up"]
        command += ["--brokers", "1", "--port", str(port), "--zookeeper-port", str(port + 50)]
        command += options
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        if "ready" not in self.process.stdout.readline():
            raise SystemExit(f"{checkout} has not started")
        processes = ask(port, {"verb": "status"})["processes"]
        self.pids = [p["pid"] for name, p in processes.items() if name.startswith("broker")]
        admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{port}"})
        kept = {"retention.bytes": "50000000", "segment.bytes": "20000000"}
        admin.create_topics([NewTopic(TOPIC, 1, 1, config=kept)])[TOPIC].result()
        self.connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]
        for connection in self.connections:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def cpu_us(self) -> float:
        """Processor time so far."""
        files = [
            path for pid in self.pids for path in Path(f"/proc/{pid}/task").glob("*/schedstat")
        ]
        return sum(int(path.read_text().split()[0]) for path in files) / 1000

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


def take(connection: socket.socket, count: int) -> None:
    """Read so many answers."""
    buffer = b""
    while count:
        data = connection.recv(1 << 20)
        if not data:
            raise SystemExit("the broker has closed the connection")
        buffer += data
        while len(buffer) >= PREFIX_BYTES:
            end = PREFIX_BYTES + int.from_bytes(buffer[:PREFIX_BYTES], "big")
            if len(buffer) < end:
                break
            buffer = buffer[end:]
            count -= 1


def produce(records: int, size: int) -> bytes:
    now_ms = int(time.time() * 1000)
    batch = bytes(build_batch([Record(timestamp=now_ms, value=bytes(size))] * records))
    body = encode_produce_request(PRODUCE_VERSION, None, -1, 30_000, [(TOPIC, [(0, batch)])])
    return request_start(PRODUCE, PRODUCE_VERSION, 1, "bench", len(body)) + body


def fetch() -> bytes:
    body = struct.pack(">iiiibii", -1, 0, 1, 1 << 20, 0, 0, -1)
    body += struct.pack(">ih", 1, len(TOPIC)) + TOPIC.encode()
    body += struct.pack(">iiiqqi", 1, 0, -1, 0, -1, 200) + struct.pack(">ih", 0, 0)
    return request_start(FETCH, FETCH_VERSION, 1, "bench", len(body)) + body


def pipelined(broker: Broker, count: int, *, frame: bytes, depth: int) -> None:
    connection, frames = broker.connections[0], frame * depth
    for _ in range(count // depth):
        connection.sendall(frames)
        take(connection, depth)


def on_many(broker: Broker, count: int, *, frame: bytes) -> None:
    for _ in range(count // len(broker.connections)):
        for connection in broker.connections:
            connection.sendall(frame)
        for connection in broker.connections:
            take(connection, 1)


Load = Callable[[Broker, int], None]


def loads() -> dict[str, tuple[Load, int]]:
    """By name: what to send, and how many requests a turn."""
    small = produce(1, 100)
    found: dict[str, tuple[Load, int]] = {
        "lone": (partial(pipelined, frame=small, depth=1), 4000),
        "many": (partial(on_many, frame=small), 4000),
        "pipe4": (partial(pipelined, frame=small, depth=4), 4000),
        "pipe16": (partial(pipelined, frame=small, depth=16), 8000),
        "fetch": (partial(pipelined, frame=fetch(), depth=1), 3000),
    }
    for records, size, count in ((16, 1000, 2000), (160, 100, 2000), (900, 1000, 200)):
        frame = produce(records, size)
        found[f"{records}x{size}"] = (partial(pipelined, frame=frame, depth=1), count)
    found["8500x100"] = (partial(pipelined, frame=produce(8500, 100), depth=1), 200)
    return found


def measure(brokers: list[Broker], load: Load, count: int, rounds: int) -> str:
    spent: list[list[float]] = [[] for _ in brokers]
    for turn in range(-1, rounds):
        order = range(len(brokers)) if turn % 2 else reversed(range(len(brokers)))
        for number in order:
            before = brokers[number].cpu_us()
            load(brokers[number], count)
            if turn >= 0:
                spent[number].append((brokers[number].cpu_us() - before) / count)
    text = [f"{statistics.median(us):.1f} ({min(us):.1f}-{max(us):.1f})" for us in spent]
    if len(spent) > 1:
        ratios = sorted(second / first for first, second in zip(*spent, strict=True))
        text.append(f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f})")
    return " | ".join(text)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkouts", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", default="")
    parser.add_argument("--port", type=int, default=PORT)
    parser.add_argument("--up", default="", help="more options for 'up', e.g. --no-http")
    parser.add_argument("--up-second", default="", help="the same, for the second broker alone")
    options = parser.parse_args()
    brokers: list[Broker] = []
    try:
        for number, checkout in enumerate(options.checkouts[:2]):
            more = f"{options.up} {options.up_second if number else ''}".split()
            brokers.append(Broker(checkout.resolve(), options.port + 100 * number, more))
        for name, (load, count) in loads().items():
            if not options.only or name in options.only.split(","):
                print(f"| {name} | {measure(brokers, load, count, options.rounds)} |", flush=True)
    finally:
        for broker in brokers:
            broker.stop()


if __name__ == "__main__":
    main()
