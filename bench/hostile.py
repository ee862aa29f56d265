"""Attacks on a running broker, one after the other, beside a connection that only asks.

    python -m bench.hostile HOST:PORT [--only NAME,...] [--connections N] [--list]

HOST:PORT may be a broker of ours or of the original; it must be on this machine, because its memory
is read from /proc. Use a cluster made for it: a topic ``hostile`` is created and filled with 96 MB,
with ``--topics N`` (300) more beside it. For each attack one line:

    attack                    silence ms  before MB  peak MB  later MB  deaths  moved
    pipelined metadata                41         62       70        64       0      0

silence: the longest time that another connection waited for the answer to a Metadata request
without topics. peak: the most memory that any broker had. later: that broker's, ten seconds after.
moved: leaderships that changed. A busy machine makes silences longer; the first line is without an
attack.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import socket
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.synchronize import Event
from typing import Any

from barnabas.protocol.api import ApiKey
from barnabas.protocol.codec import decode_response, encode_request
from barnabas.protocol.header import parse_response_header
from barnabas.protocol.message import Message
from barnabas.records.batch import Record, build_batch

TOPIC = "hostile"
FILL_BYTES = 96 * 1024 * 1024
PROBE_PAUSE_S = 0.005
LATER_S = 10.0
ATTACK_S = 6.0
PATIENCE_S = 200.0


def connect(port: int, receive_bytes: int | None = None) -> socket.socket:
    connection = socket.socket()
    if receive_bytes is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    connection.settimeout(PATIENCE_S)
    connection.connect(("127.0.0.1", port))
    return connection


def receive(connection: socket.socket) -> bytes:
    (size,) = struct.unpack(">i", _exactly(connection, 4))
    return _exactly(connection, size)


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        piece = connection.recv(min(count - len(data), 1 << 20))
        if not piece:
            raise ConnectionError("closed by the broker")
        data += piece
    return bytes(data)


def ask(port: int, api: ApiKey, version: int, message: Message) -> Any:
    with connect(port) as connection:
        connection.sendall(encode_request(api, version, 7, "bench", message))
        frame = receive(connection)
    _, offset = parse_response_header(api, version, frame)
    return decode_response(api, version, frame, offset)


# What is sent


def metadata(names: Sequence[str] | None) -> bytes:
    topics = None if names is None else [Message(name=name) for name in names]
    message = Message(topics=topics, allow_auto_topic_creation=False)
    return encode_request(ApiKey.METADATA, 9, 1, "hostile", message)


def fetch(*, max_wait: int = 0, min_bytes: int = 1, partitions: int = 1) -> bytes:
    wanted = [
        Message(
            partition=number,
            current_leader_epoch=-1,
            fetch_offset=0,
            last_fetched_epoch=-1,
            log_start_offset=-1,
            partition_max_bytes=2**31 - 1,
        )
        for number in range(partitions)
    ]
    message = Message(
        cluster_id=None,
        replica_id=-1,
        max_wait=max_wait,
        min_bytes=min_bytes,
        max_bytes=2**31 - 1,
        isolation_level=0,
        session_id=0,
        session_epoch=-1,
        topics=[Message(topic=TOPIC, partitions=wanted)],
        forgotten_topics_data=[],
        rack_id="",
    )
    return encode_request(ApiKey.FETCH, 12, 1, "hostile", message)


def describe(resources: Sequence[tuple[int, str]]) -> bytes:
    asked = [
        Message(resource_type=kind, resource_name=name, configuration_keys=None)
        for kind, name in resources
    ]
    message = Message(resources=asked, include_synonyms=True, include_documentation=True)
    return encode_request(ApiKey.DESCRIBE_CONFIGS, 4, 1, "hostile", message)


def create(count: int) -> bytes:
    topics = [
        Message(
            name=f"absurd-{number}",
            num_partitions=1,
            replication_factor=1,
            assignments=[],
            configs=[],
        )
        for number in range(count)
    ]
    message = Message(topics=topics, timeout=1000, validate_only=True)
    return encode_request(ApiKey.CREATE_TOPICS, 7, 1, "hostile", message)


def list_offsets(count: int) -> bytes:
    partitions = [
        Message(partition_index=number, current_leader_epoch=-1, timestamp=-1)
        for number in range(count)
    ]
    message = Message(
        replica_id=-1, isolation_level=0, topics=[Message(name=TOPIC, partitions=partitions)]
    )
    return encode_request(ApiKey.LIST_OFFSETS, 7, 1, "hostile", message)


def offset_fetch(count: int) -> bytes:
    topics = [Message(name=TOPIC, partition_indexes=list(range(count)))]
    message = Message(group_id="hostile", topics=topics, require_stable=False)
    return encode_request(ApiKey.OFFSET_FETCH, 7, 1, "hostile", message)


def offset_commit(count: int) -> bytes:
    partitions = [
        Message(
            partition_index=number,
            committed_offset=1,
            committed_leader_epoch=-1,
            committed_metadata="",
        )
        for number in range(count)
    ]
    message = Message(
        group_id="hostile",
        generation_id_or_member_epoch=-1,
        member_id="",
        group_instance_id=None,
        topics=[Message(name=TOPIC, partitions=partitions)],
    )
    return encode_request(ApiKey.OFFSET_COMMIT, 8, 1, "hostile", message)


def epochs(count: int) -> bytes:
    partitions = [
        Message(partition=number, current_leader_epoch=-1, leader_epoch=0)
        for number in range(count)
    ]
    message = Message(replica_id=-1, topics=[Message(topic=TOPIC, partitions=partitions)])
    return encode_request(ApiKey.OFFSET_FOR_LEADER_EPOCH, 4, 1, "hostile", message)


def produce(count: int, size: int = 10, acks: int = -1) -> bytes:
    now_ms = int(time.time() * 1000)  # older ones would soon be deleted
    batch = bytes(build_batch([Record(offset=0, timestamp=now_ms, key=None, value=bytes(size))]))
    data = [Message(index=number, records=batch) for number in range(count)]
    message = Message(
        transactional_id=None,
        acks=acks,
        timeout=2000,
        topic_data=[Message(name=TOPIC, partition_data=data)],
    )
    return encode_request(ApiKey.PRODUCE, 9, 1, "hostile", message)


# Attacks: each takes (port, connections, when to stop)


def deaf(data: bytes, *, of: int | None = None) -> Callable[[int, int, Event], None]:
    """Send to each connection, read nothing."""

    def attack(port: int, connections: int, stop: Event) -> None:
        opened = [connect(port, 4096) for _ in range(of or connections)]
        for connection in opened:
            connection.setblocking(False)
        rest = [memoryview(data)] * len(opened)
        while not stop.is_set():
            for number, connection in enumerate(opened):
                with suppress(OSError):
                    if rest[number]:
                        rest[number] = rest[number][connection.send(rest[number]) :]
            stop.wait(0.01)
        for connection in opened:
            connection.close()

    return attack


def again_and_again(data: bytes) -> Callable[[int, int, Event], None]:
    """Send, read everything, send again; on every connection."""

    def attack(port: int, connections: int, stop: Event) -> None:
        opened: list[socket.socket] = []
        while not stop.is_set():
            with suppress(OSError):
                while len(opened) < min(connections, 20):
                    opened.append(connect(port))
                for connection in opened:
                    connection.settimeout(1)
                    connection.sendall(data)
                for connection in opened:
                    connection.settimeout(PATIENCE_S)
                    while not stop.is_set():
                        receive(connection)
                        break
                continue
            for connection in opened:
                connection.close()
            opened.clear()

    return attack


def send_and_close(data: bytes) -> Callable[[int, int, Event], None]:
    """Send to each connection and close it at once."""

    def attack(port: int, connections: int, stop: Event) -> None:
        opened = [connect(port, 4096) for _ in range(connections)]
        for connection in opened:
            connection.settimeout(0.5)
            with suppress(OSError):
                connection.sendall(data)
        for connection in opened:
            connection.close()
        stop.wait()

    return attack


def storm(port: int, connections: int, stop: Event) -> None:
    """Connections that come and go, some with half a frame."""
    while not stop.is_set():
        opened: list[socket.socket] = []
        with suppress(OSError):
            for number in range(connections):
                opened.append(connect(port))
                if number % 2:
                    opened[-1].send(b"\0\0\1")
        for connection in opened:
            connection.close()


def noise(port: int, connections: int, stop: Event) -> None:
    """Bytes of chance."""
    chance = random.Random(1)
    while not stop.is_set():
        with suppress(OSError), connect(port) as connection:
            body = chance.randbytes(chance.randrange(8, 2000))
            connection.sendall(struct.pack(">i", len(body)) + body)
            connection.settimeout(0.2)
            connection.recv(1)


def _claim(size: int, come: int) -> bytes:
    return struct.pack(">i", size) + b"\0" * come


_MEGABYTE = 1024 * 1024


def nothing(port: int, connections: int, stop: Event) -> None:
    """The other traffic alone, to compare with."""
    stop.wait()


ATTACKS: dict[str, Callable[[], Callable[[int, int, Event], None]]] = {
    "nothing": lambda: nothing,
    "metadata, closed at once": lambda: send_and_close(metadata(None) * 3000),
    "metadata, read": lambda: again_and_again(metadata(None) * 50),
    "metadata, unread": lambda: deaf(metadata(None) * 3000),
    "1,000,000 names": lambda: again_and_again(metadata([f"n{i}" for i in range(1_000_000)])),
    "1,000,000 times one name": lambda: again_and_again(metadata(["n"] * 1_000_000)),
    "90,000 names": lambda: again_and_again(metadata([f"n{i}" for i in range(90_000)])),
    "describe one broker 2,000 times": lambda: deaf(describe([(4, "1")] * 2000) * 6),
    "describe 2,000 topics": lambda: again_and_again(describe([(2, f"n{i}") for i in range(2000)])),
    "create 10,000 topics": lambda: again_and_again(create(10_000)),
    "60 fetches on one, unread": lambda: deaf(fetch() * 60, of=1),
    "a fetch on each, unread": lambda: deaf(fetch()),
    "waiting fetches": lambda: deaf(fetch(max_wait=5000, min_bytes=2**31 - 1) * 200),
    "fetch of 20,000 partitions": lambda: again_and_again(fetch(partitions=20_000)),
    "20,000 partitions, waiting": lambda: deaf(
        fetch(partitions=20_000, max_wait=2000, min_bytes=2**31 - 1) * 20
    ),
    "produce to 20,000 partitions": lambda: again_and_again(produce(20_000)),
    "fetch of 50,000 partitions": lambda: again_and_again(fetch(partitions=50_000)),
    "produce to 50,000 partitions": lambda: again_and_again(produce(50_000)),
    "list offsets of 90,000": lambda: again_and_again(list_offsets(90_000)),
    "offset fetch of 90,000": lambda: again_and_again(offset_fetch(90_000)),
    "offset commit of 90,000": lambda: again_and_again(offset_commit(90_000)),
    "epochs of 90,000": lambda: again_and_again(epochs(90_000)),
    "small requests": lambda: again_and_again(metadata([]) * 3000),
    "100 MB claimed, a byte sent": lambda: deaf(_claim(100 * _MEGABYTE, 1)),
    "100 MB claimed, 2 MB sent": lambda: deaf(_claim(100 * _MEGABYTE, 2 * _MEGABYTE)),
    "large produce": lambda: again_and_again(produce(1, 900_000)),
    "connections": lambda: storm,
    "noise": lambda: noise,
}


# Watching


def process_of(port: int) -> int:
    """The process that listens on the port."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(table) as lines:
            for line in list(lines)[1:]:
                fields = line.split()
                if fields[1].endswith(f":{port:04X}") and fields[3] == "0A":
                    inodes.add(f"socket:[{fields[9]}]")
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            for descriptor in os.listdir(f"/proc/{name}/fd"):
                if os.readlink(f"/proc/{name}/fd/{descriptor}") in inodes:
                    return int(name)
    raise SystemExit(f"nobody listens on {port}")


def memory_mb(pid: int, which: str) -> int:
    """``VmRSS`` or ``VmHWM``; 0 if the process is gone."""
    with suppress(OSError), open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith(which):
                return int(line.split()[1]) // 1024
    return 0


def probe(port: int, stop: Event, longest: Any) -> None:
    """Ask all the time; the longest wait, and when it began."""
    request = encode_request(
        ApiKey.METADATA, 9, 1, "probe", Message(topics=[], allow_auto_topic_creation=False)
    )
    connection: socket.socket | None = None
    began = time.monotonic()
    while not stop.is_set():
        began = time.monotonic()
        try:
            connection = connection or connect(port)
            connection.sendall(request)
            receive(connection)
        except OSError:
            connection = None
            time.sleep(0.01)
            continue
        if (took := time.monotonic() - began) > longest[0]:
            longest[:] = (took, began)
        time.sleep(PROBE_PAUSE_S)


class Cluster:
    """The brokers behind one port."""

    def __init__(self, port: int) -> None:
        view = ask(port, ApiKey.METADATA, 9, Message(topics=None))
        self.ports = {broker.node_id: broker.port for broker in view.brokers}
        self.pids = {broker: process_of(port) for broker, port in self.ports.items()}

    def leaders(self) -> dict[tuple[str, int], int]:
        for port in self.ports.values():
            with suppress(OSError):
                view = ask(port, ApiKey.METADATA, 9, Message(topics=None))
                return {
                    (topic.name, p.partition_index): p.leader_id
                    for topic in view.topics
                    for p in topic.partitions
                }
        return {}

    def leader_port(self) -> int:
        return int(self.ports[self.leaders()[TOPIC, 0]])


def prepare(port: int, topics: int) -> None:
    """A filled topic and many empty ones."""
    view = ask(port, ApiKey.METADATA, 9, Message(topics=None))
    controller = next(b.port for b in view.brokers if b.node_id == view.controller_id)
    known = {topic.name for topic in view.topics}
    copies = min(3, len(view.brokers))
    wanted = [(TOPIC, copies), *((f"beside-{number}", 1) for number in range(topics))]
    fresh = [
        Message(name=name, num_partitions=1, replication_factor=copies, assignments=[], configs=[])
        for name, copies in wanted
        if name not in known
    ]
    if fresh:
        message = Message(topics=fresh, timeout=60_000, validate_only=False)
        ask(controller, ApiKey.CREATE_TOPICS, 7, message)
        time.sleep(2)
    if TOPIC not in known:
        request = produce(1, 900_000, acks=1)
        with connect(Cluster(port).leader_port()) as connection:
            for _ in range(FILL_BYTES // 900_000):
                connection.sendall(request)
                receive(connection)


def measure(name: str, cluster: Cluster, connections: int) -> tuple[str, float]:
    """One attack; its line of the table, and when the silence began."""
    port = cluster.leader_port()
    before = cluster.leaders()
    start = {broker: memory_mb(pid, "VmRSS") for broker, pid in cluster.pids.items()}
    for pid in cluster.pids.values():
        with suppress(OSError), open(f"/proc/{pid}/clear_refs", "w") as file:
            file.write("5")
    stop_probe, stop = multiprocessing.Event(), multiprocessing.Event()
    longest = multiprocessing.Array("d", [0.0, 0.0])
    attack = ATTACKS[name]()
    asking = multiprocessing.Process(target=probe, args=(port, stop_probe, longest))
    attacker = multiprocessing.Process(target=attack, args=(port, connections, stop))
    asking.start()
    time.sleep(0.3)
    attacker.start()
    time.sleep(ATTACK_S)
    stop.set()
    attacker.join(10)
    attacker.kill()
    time.sleep(0.5)
    stop_probe.set()
    asking.join(PATIENCE_S)
    peaks = {broker: memory_mb(pid, "VmHWM") for broker, pid in cluster.pids.items()}
    time.sleep(LATER_S)
    worst = max(peaks, key=lambda broker: peaks[broker] - start[broker])
    later = memory_mb(cluster.pids[worst], "VmRSS")
    deaths = sum(memory_mb(pid, "VmRSS") == 0 for pid in cluster.pids.values())
    after = cluster.leaders()
    moved = sum(after.get(partition) != leader for partition, leader in before.items())
    return (
        f"{name:32} {longest[0] * 1000:10.0f} {start[worst]:10} {peaks[worst]:8} {later:9}"
        f" {deaths:7} {moved:6}"
    ), longest[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("bootstrap", metavar="HOST:PORT")
    parser.add_argument("--only", help="names of attacks, separated by semicolons")
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--topics", type=int, default=300)
    parser.add_argument(
        "--when", action="store_true", help="also when it began, on CLOCK_MONOTONIC"
    )
    options = parser.parse_args()
    port = int(options.bootstrap.rpartition(":")[2])
    prepare(port, options.topics)
    cluster = Cluster(port)
    print(
        f"{'attack':32} {'silence ms':>10} {'before MB':>10} {'peak MB':>8} {'later MB':>9}"
        f" {'deaths':>7} {'moved':>6}"
    )
    for name in options.only.split(";") if options.only else ATTACKS:
        line, began = measure(name, cluster, options.connections)
        print(f"{line} {began:.3f}" if options.when else line, flush=True)


if __name__ == "__main__":
    main()
