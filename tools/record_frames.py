"""Stand between Kafka brokers, their clients and ZooKeeper, and record every frame.

    python tools/record_frames.py DIRECTORY LISTEN:TARGET LISTEN:TARGET[,LISTEN:TARGET...]

The first pair of ports is ZooKeeper's, the others are those of brokers 1, 2, 3... (which have to
advertise the port we listen on). Both protocols put a 4-byte big-endian length before each message.
DIRECTORY gets ``kafka-wire.jsonl`` and ``zookeeper-wire.jsonl``, one frame a line, in the form that
tests/golden/README.md describes; ``DIRECTORY/step`` says what is being done (one line, may change
at any time). Needs nothing but Python; stops at SIGTERM.
"""

from __future__ import annotations

import asyncio
import json
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, Any

HOST = "127.0.0.1"
NUMEROUS_APIS = (0, 1, 12)
"""Produce, Fetch, Heartbeat: a few of each kind in every step say everything."""
NUMEROUS_MAX, KAFKA_MAX, PING_MAX, ZOOKEEPER_MAX = 40, 400, 15, 4000
PING = 11

OnFrame = Callable[[bytes], None]


class Recording:
    """The two files, and how many frames of each kind each step has."""

    def __init__(self, directory: Path) -> None:
        self._step = directory / "step"
        self._start = time.monotonic()
        self._files: dict[str, IO[str]] = {
            kind: (directory / f"{kind}-wire.jsonl").open("w") for kind in ("kafka", "zookeeper")
        }
        self._seen: Counter[tuple[Any, ...]] = Counter()
        self._connections = 0

    def next_connection(self) -> int:
        """A number for a new connection."""
        self._connections += 1
        return self._connections

    def kafka(self, **row: Any) -> None:
        """Write a Kafka frame."""
        kind = (row["broker"], row["api"], row["version"], row["dir"])
        self._write("kafka", kind, NUMEROUS_MAX if row["api"] in NUMEROUS_APIS else KAFKA_MAX, row)

    def zookeeper(self, **row: Any) -> None:
        """Write a ZooKeeper frame."""
        kind = (row["op"], row["dir"])
        self._write("zookeeper", kind, PING_MAX if row["op"] == PING else ZOOKEEPER_MAX, row)

    def _write(self, name: str, kind: tuple[Any, ...], limit: int, row: dict[str, Any]) -> None:
        try:
            step = self._step.read_text().strip()
        except OSError:
            step = ""
        self._seen[name, step, kind] += 1
        if self._seen[name, step, kind] <= limit:
            time_ms = round((time.monotonic() - self._start) * 1000, 1)
            print(json.dumps({"t": time_ms, "step": step, **row}), file=self._files[name])
            self._files[name].flush()


class KafkaTap:
    """Names the frames of one connection to a broker."""

    def __init__(self, recording: Recording, broker: int) -> None:
        self._recording = recording
        self._fixed = {"broker": broker, "conn": recording.next_connection()}
        self._asked: dict[int, tuple[int | None, int | None, str | None]] = {}

    def request(self, frame: bytes) -> None:
        """The header tells everything."""
        api, version, correlation, size = struct.unpack_from(">hhih", frame)
        client = frame[10 : 10 + size].decode() if size > 0 else None
        self._asked[correlation] = (api, version, client)
        self._note("request", correlation, (api, version, client), frame)

    def response(self, frame: bytes) -> None:
        """Only the correlation id tells what it answers."""
        (correlation,) = struct.unpack_from(">i", frame)
        asked = self._asked.pop(correlation, (None, None, None))
        self._note("response", correlation, asked, frame)

    def _note(
        self,
        direction: str,
        correlation: int,
        asked: tuple[int | None, int | None, str | None],
        frame: bytes,
    ) -> None:
        api, version, client = asked
        self._recording.kafka(
            **self._fixed,
            client=client,
            dir=direction,
            api=api,
            version=version,
            correlation=correlation,
            hex=frame.hex(),
        )


class ZooKeeperTap:
    """Names the frames of one connection to ZooKeeper."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._connection = recording.next_connection()
        self._asked: dict[int, int] = {}
        self._connecting = {"request", "response"}

    def request(self, frame: bytes) -> None:
        """The first has no header."""
        if self._first("request", frame):
            return
        xid, op = struct.unpack_from(">ii", frame)
        self._asked[xid] = op
        self._note("request", xid, op, frame)

    def response(self, frame: bytes) -> None:
        """xid -1 is a watch event; other negative ones (pings) are used again and again."""
        if self._first("response", frame):
            return
        (xid,) = struct.unpack_from(">i", frame)
        op: int | str | None = "event"
        if xid != -1:
            op = self._asked.get(xid) if xid < 0 else self._asked.pop(xid, None)
        self._note("response", xid, op, frame)

    def _first(self, direction: str, frame: bytes) -> bool:
        if direction not in self._connecting:
            return False
        self._connecting.remove(direction)
        self._note(direction, 0, "connect", frame)
        return True

    def _note(self, direction: str, xid: int, op: int | str | None, frame: bytes) -> None:
        self._recording.zookeeper(
            conn=self._connection, dir=direction, xid=xid, op=op, hex=frame.hex()
        )


async def copy(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, on_frame: OnFrame
) -> None:
    """Pass frames on until one side closes; then close the other."""
    try:
        while True:
            head = await reader.readexactly(4)
            body = await reader.readexactly(struct.unpack(">i", head)[0])
            on_frame(body)
            writer.write(head + body)
            await writer.drain()
    except (asyncio.IncompleteReadError, OSError):
        pass
    finally:
        writer.close()


async def listen(port: int, target: int, tap: Callable[[], KafkaTap | ZooKeeperTap]) -> None:
    """Serve one port. Who comes while the target is away is reset, which is near to refused."""

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(HOST, target, limit=1 << 20)
        except OSError:
            writer.transport.abort()
            return
        frames = tap()
        await asyncio.gather(
            copy(reader, far_writer, frames.request), copy(far_reader, writer, frames.response)
        )

    await asyncio.start_server(accepted, HOST, port, limit=1 << 20)


async def main(directory: str, zookeeper: str, brokers: str) -> None:
    """Listen on every port, say so, and record until stopped."""
    recording = Recording(Path(directory))
    port, target = map(int, zookeeper.split(":"))
    await listen(port, target, lambda: ZooKeeperTap(recording))
    for number, pair in enumerate(brokers.split(","), 1):
        port, target = map(int, pair.split(":"))
        await listen(port, target, partial(KafkaTap, recording, number))
    print("recording", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    asyncio.run(main(*sys.argv[1:]))
