"""The floor: what moving and writing the same bytes costs without any protocol.

    python bench/floor.py [--rounds 3]

A leader and two followers are processes, as three brokers are. The leader receives what clients
send, writes it to its file and passes it on; each follower writes it to its own file and answers
with how much it has; then the leader answers the client. There are no topics, no records, no
checks and no copies but those of the system: uvloop, one write to a file and one to each socket for
all that a turn of the loop has brought. A broker cannot be cheaper than this, in this language, on
this machine.

A client sends frames (a length of four bytes, then as many bytes), so many without an answer, on so
many connections. An answer is four bytes. Prints what ``bench/suite.py`` compares with.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import uvloop

BUFFER_BYTES = 1 << 20
LENGTH = struct.Struct(">I")
POSITION = struct.Struct(">Q")
ANSWER = b"\0\0\0\0"


class Received(asyncio.BufferedProtocol):
    """A connection whose bytes go through a buffer of its own."""

    def __init__(self) -> None:
        self.buffer = bytearray(BUFFER_BYTES)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's has no such base class
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.came(bytes(memoryview(self.buffer)[:nbytes]))

    def came(self, data: bytes) -> None:
        raise NotImplementedError


class Follower(Received):
    """Writes what comes and answers with how much it has."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.length = 0

    def came(self, data: bytes) -> None:
        self.length += os.write(self.file, data)
        self.transport.write(POSITION.pack(self.length))


class Leader:
    """Gathers what one turn of the loop brings: one write for all of it."""

    def __init__(self, path: str) -> None:
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.loop = asyncio.get_running_loop()
        self.followers: list[FollowerLink] = []
        self.gathered: list[bytes] = []
        self.length = 0
        self.waiting: deque[tuple[int, asyncio.Transport, int]] = deque()
        """Position in the file, connection, how many frames end there."""

    def take(self, data: bytes, transport: asyncio.Transport, frames: int) -> None:
        if not self.gathered:
            self.loop.call_soon(self.flush)
        self.gathered.append(data)
        self.length += len(data)
        if frames:
            self.waiting.append((self.length, transport, frames))

    def flush(self) -> None:
        pieces, self.gathered = self.gathered, []
        for start in range(0, len(pieces), 1000):  # IOV_MAX is 1,024
            os.writev(self.file, pieces[start : start + 1000])
        for link in self.followers:
            link.transport.writelines(pieces)

    def acknowledged(self) -> None:
        position = min(link.position for link in self.followers)
        answers: dict[asyncio.Transport, int] = {}
        while self.waiting and self.waiting[0][0] <= position:
            _, transport, frames = self.waiting.popleft()
            answers[transport] = answers.get(transport, 0) + frames
        for transport, frames in answers.items():
            transport.write(ANSWER * frames)


class FollowerLink(Received):
    """The leader's connection to a follower."""

    def __init__(self, leader: Leader) -> None:
        super().__init__()
        self.leader = leader
        self.position = 0

    def came(self, data: bytes) -> None:
        (self.position,) = POSITION.unpack(data[-POSITION.size :])
        self.leader.acknowledged()


class ClientLink(Received):
    """The leader's connection to a client."""

    def __init__(self, leader: Leader) -> None:
        super().__init__()
        self.leader = leader
        self.missing = 0
        """Bytes of the frame that has begun."""
        self.head = b""

    def came(self, data: bytes) -> None:
        frames = at = 0
        while at < len(data):
            if self.missing:
                used = min(self.missing, len(data) - at)
                self.missing -= used
                at += used
                frames += not self.missing
            else:
                self.head += data[at : at + LENGTH.size - len(self.head)]
                at += LENGTH.size  # beyond the end if the length is not there yet
                if len(self.head) == LENGTH.size:
                    (self.missing,) = LENGTH.unpack(self.head)
                    self.head = b""
        self.leader.take(data, self.transport, frames)


class Client(Received):
    """Sends frames of one size, ``depth`` of them without an answer."""

    def __init__(self, frame: bytes, depth: int, frames: int, done: asyncio.Future[None]) -> None:
        super().__init__()
        self.frame, self.depth, self.left, self.done = frame, depth, frames, done
        self.sent: deque[float] = deque()
        self.latencies: list[float] = []
        self.answered = 0

    def start(self) -> None:
        for _ in range(min(self.depth, self.left)):
            self.send()

    def send(self) -> None:
        self.left -= 1
        self.sent.append(time.perf_counter())
        self.transport.write(self.frame)

    def came(self, data: bytes) -> None:
        self.answered += len(data)
        now = time.perf_counter()
        while self.answered >= len(ANSWER):
            self.answered -= len(ANSWER)
            self.latencies.append(now - self.sent.popleft())
            if self.left:
                self.send()
        if not self.sent and not self.done.done():
            self.done.set_result(None)


async def serve(role: str, path: str, followers: list[int]) -> None:
    """One process: ``leader`` or ``follower``. Prints its port; runs until it is killed."""
    loop = asyncio.get_running_loop()
    if role == "follower":
        server = await loop.create_server(lambda: Follower(path), "127.0.0.1", 0)
    else:
        leader = Leader(path)
        for port in followers:
            _, link = await loop.create_connection(lambda: FollowerLink(leader), "127.0.0.1", port)
            leader.followers.append(link)
        server = await loop.create_server(lambda: ClientLink(leader), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """Three running processes."""

    port: int
    pids: list[int]


@contextmanager
def floor() -> Iterator[Floor]:
    """A leader and two followers, with files in a temporary directory."""
    with tempfile.TemporaryDirectory(prefix="barnabas-floor-") as directory:
        started: list[subprocess.Popen[str]] = []

        def start(role: str, number: int, *ports: int) -> int:
            path = str(Path(directory) / f"{role}-{number}")
            command = [sys.executable, __file__, "--serve", role, path, *map(str, ports)]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            started.append(process)
            assert process.stdout is not None
            return int(process.stdout.readline())

        try:
            port = start("leader", 0, start("follower", 1), start("follower", 2))
            yield Floor(port=port, pids=[process.pid for process in started])
        finally:
            for process in started:
                process.kill()
                process.communicate()


def cpu_s(pids: list[int]) -> float:
    """CPU time of these processes so far, user and system."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


async def drive(port: int, size: int, connections: int, depth: int, frames: int) -> list[float]:
    """``frames`` frames of ``size`` bytes in all, over ``connections``. Seconds each, sorted."""
    loop = asyncio.get_running_loop()
    frame = LENGTH.pack(size) + os.urandom(size)
    clients = []
    for _ in range(connections):
        done = loop.create_future()
        _, client = await loop.create_connection(
            lambda done=done: Client(frame, depth, frames // connections, done), "127.0.0.1", port
        )
        clients.append(client)
    for client in clients:
        client.start()
    await asyncio.gather(*(client.done for client in clients))
    for client in clients:
        client.transport.close()
    return sorted(latency for client in clients for latency in client.latencies)


LOADS = {
    # The batches that librdkafka makes for three partitions.
    "produce 1 kB": {"size": 1_000_000, "connections": 3, "depth": 2, "frames": 300},
    "one at a time": {"size": 100, "connections": 1, "depth": 1, "frames": 5_000},
    "100 clients": {"size": 100, "connections": 100, "depth": 1, "frames": 60_000},
    "500 clients": {"size": 100, "connections": 500, "depth": 1, "frames": 60_000},
}


def measure(running: Floor, load: dict[str, int]) -> dict[str, float]:
    """MB_s, cpu_s_per_GB, requests_s, cpu_us (a frame), p50_us and p99_us."""
    cpu, began = cpu_s(running.pids), time.perf_counter()
    latencies = uvloop.run(drive(running.port, **load))
    seconds, cpu = time.perf_counter() - began, cpu_s(running.pids) - cpu
    megabytes = load["frames"] * load["size"] / 1e6
    return {
        "MB_s": megabytes / seconds,
        "cpu_s_per_GB": cpu / megabytes * 1000,
        "requests_s": len(latencies) / seconds,
        "cpu_us": cpu / len(latencies) * 1e6,
        "p50_us": latencies[len(latencies) // 2] * 1e6,
        "p99_us": latencies[len(latencies) * 99 // 100] * 1e6,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", nargs="+", metavar="ROLE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        role, path, *followers = options.serve
        uvloop.run(serve(role, path, [int(port) for port in followers]))
        return
    for _ in range(options.rounds):
        for name, load in LOADS.items():
            with floor() as running:
                found = measure(running, load)
            print(json.dumps({"load": name, **{k: round(v, 2) for k, v in found.items()}}))


if __name__ == "__main__":
    main()
