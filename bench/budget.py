"""What a request and a megabyte may cost the brokers, as multiples of the floor in the same run.

    python bench/budget.py [--turns 5]

Three brokers with one partition, and the floor (``floor.py``: a leader and two followers without a
protocol), are sent the same bytes by turns: one record each on 100 connections at a time, and
batches of 1 MB. Counts the CPU time of leader and followers, so other work on the machine matters
little; no time of the clock is judged. Prints the medians, and ends with 1 if one is above its
bound. The bounds are generous: they are there for what makes the path of the data much longer.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import floor
import systems
from confluent_kafka.admin import AdminClient, NewTopic

from barnabas.protocol.header import request_start
from barnabas.protocol.produce import encode_produce_request
from barnabas.records.batch import Record, build_batch

HERE = Path(__file__).parent
TOPIC = "t"
PRODUCE, VERSION, ACKS_ALL = 0, 9, -1
CONNECTIONS, ROUNDS = 100, 15
BATCHES, DEPTH = 40, 2
PREFIX_BYTES = 4
BOUNDS = {"a request of 100 B, us": 22.0, "a MB in batches of 1 MB, us": 3.0}


@dataclass(frozen=True, slots=True)
class Target:
    """Something that takes produce requests: each frame that comes is answered by one."""

    connections: list[socket.socket]
    pids: list[int]

    def cpu_us(self) -> float:
        files = [p for pid in self.pids for p in Path(f"/proc/{pid}/task").glob("*/schedstat")]
        return sum(int(path.read_text().split()[0]) for path in files) / 1000


def connect(port: int, pids: list[int]) -> Target:
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]
    for connection in connections:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Target(connections, pids)


def receive(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise SystemExit("a connection was closed")
        data += piece
    return data


def take(connection: socket.socket) -> None:
    """Read one answer; of a broker, one without an error."""
    answer = receive(connection, int.from_bytes(receive(connection, PREFIX_BYTES), "big"))
    # Correlation id, tags, one topic with its name, one partition with its number, the error.
    at = 4 + 1 + 1 + 1 + len(TOPIC) + 1 + 4
    if answer and answer[at : at + 2] != b"\0\0":
        raise SystemExit(f"an error was answered: {answer!r}")


def produce(value: bytes, count: int = 1) -> bytes:
    now_ms = int(time.time() * 1000)
    batch = bytes(build_batch([Record(timestamp=now_ms, value=value)] * count))
    body = encode_produce_request(VERSION, None, ACKS_ALL, 30_000, [(TOPIC, [(0, batch)])])
    return request_start(PRODUCE, VERSION, 1, "budget", len(body)) + body


def small(target: Target, frame: bytes) -> float:
    """The CPU time of one small request."""
    before = target.cpu_us()
    for _ in range(ROUNDS):
        for connection in target.connections:
            connection.sendall(frame)
        for connection in target.connections:
            take(connection)
    return (target.cpu_us() - before) / (ROUNDS * CONNECTIONS)


def large(target: Target, frame: bytes) -> float:
    """The CPU time of a megabyte."""
    connection = target.connections[0]
    before = target.cpu_us()
    for _ in range(DEPTH - 1):
        connection.sendall(frame)
    for number in range(BATCHES):
        if number + DEPTH <= BATCHES:
            connection.sendall(frame)
        take(connection)
    return (target.cpu_us() - before) / (BATCHES * len(frame) / 1e6)


def leader_port(system: systems.System) -> int:
    """Of the topic's only partition, which is made here."""
    admin = AdminClient({"bootstrap.servers": system.bootstrap})
    admin.create_topics([NewTopic(TOPIC, 1, 3)])[TOPIC].result()
    while True:
        metadata = admin.list_topics(TOPIC, timeout=10)
        partitions = metadata.topics[TOPIC].partitions
        if partitions and len(partitions[0].isrs) == 3 and partitions[0].leader in metadata.brokers:
            return int(metadata.brokers[partitions[0].leader].port)
        time.sleep(0.1)


def compare(turns: int) -> bool:
    """Whether all is within its bound."""
    loads: list[tuple[Callable[[Target, bytes], float], bytes]] = [
        (small, produce(bytes(100))),
        (large, produce(os.urandom(1000), 950)),
    ]
    with floor.floor() as bare, systems.barnabas("barnabas", HERE.parent) as system:
        targets = (
            connect(bare.port, bare.pids),
            connect(leader_port(system), list(system.pids.values())),
        )
        within = True
        for (name, bound), (load, frame) in zip(BOUNDS.items(), loads, strict=True):
            spent: list[list[float]] = [[], []]
            for turn in range(-1, turns):
                for costs, target in zip(spent, targets, strict=True):
                    cost = load(target, frame)
                    if turn >= 0:  # the first one warms up
                        costs.append(cost)
            least, ours = map(statistics.median, spent)
            ratio = statistics.median(b / a for a, b in zip(*spent, strict=True))
            print(f"{name}: floor {least:.0f}, ours {ours:.0f}, ratio {ratio:.2f} (bound {bound})")
            within = within and ratio <= bound
    return within


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=5)
    if not compare(parser.parse_args().turns):
        raise SystemExit("the brokers cost more than they may")


if __name__ == "__main__":
    main()
