"""Clients that want too much, or harm: faults of the simulator, each on a host of its own.

``greedy`` asks for more than its share, in requests that are right: hundreds at once, on many
connections, for large answers that it does not read. ``malicious`` sends what is no request, or one
that nobody means: mutated frames, lengths that do not come, names that are no names, orders of no
controller. Neither has a right to anything that would hurt others: no request here that is valid
changes a topic, a setting or a leader, or names one that is there.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import struct
from collections.abc import Callable, Sequence
from functools import cache
from typing import Final

from tests import places
from tests.fuzz.messages import Hostile, Known, mutated
from tests.protocol import recorded
from tests.simulation.nemesis import Fault, Nemesis
from tests.simulation.nodes import Main, Process

from barnabas.api.listener_rules import BETWEEN_BROKERS
from barnabas.protocol.api import API_TABLE, ApiKey
from barnabas.protocol.codec import decode_request, encode_request
from barnabas.protocol.header import parse_request_header
from barnabas.protocol.message import Message
from barnabas.seams import Env

HOST_PREFIX: Final = "hostile"
AT_ONCE: Final = 2
"""So many of them at the same time."""
BETWEEN_PORT: Final = 100
"""Above the port of a broker's clients: that of other brokers, where they have their own."""
HUGE: Final = 2**31 - 1
PATIENCE_S: Final = 0.5
"""For a connection, and for its answers."""

NO_NAMES: Final = (
    *("", ".", "..", "../escape", "a/b", "nul\0l", "line\nbreak", "\x1b[2J", "\u202e", "ü"),
    *("x" * 250, "y" * 5000, "%s%n", "a b", "*", "a:b"),
)
POWERS: Final = frozenset(
    {
        ApiKey.CREATE_TOPICS, ApiKey.DELETE_TOPICS, ApiKey.CREATE_PARTITIONS,
        ApiKey.DELETE_RECORDS, ApiKey.ALTER_CONFIGS, ApiKey.INCREMENTAL_ALTER_CONFIGS,
        ApiKey.ALTER_PARTITION_REASSIGNMENTS, ApiKey.ALTER_REPLICA_LOG_DIRS,
        ApiKey.ELECT_LEADERS, ApiKey.UPDATE_FEATURES, ApiKey.ALTER_CLIENT_QUOTAS,
        ApiKey.CREATE_ACLS, ApiKey.DELETE_ACLS,
    }
)  # fmt: skip
"""What a client may do to others by its rights. Of these only such as name nothing are sent."""
_CLIENTS: Final = tuple(
    api for api in API_TABLE if api not in BETWEEN_BROKERS and api is not ApiKey.ELECT_LEADERS
)
_ORDERS: Final = (
    *(ApiKey.LEADER_AND_ISR, ApiKey.STOP_REPLICA, ApiKey.UPDATE_METADATA),
    *(ApiKey.CONTROLLED_SHUTDOWN, ApiKey.ALTER_PARTITION, ApiKey.ALLOCATE_PRODUCER_IDS),
    ApiKey.WRITE_TXN_MARKERS,
)
NOBODY: Final = 77
"""A broker that is not there."""


class _Socket(asyncio.Protocol):
    """One connection of a hostile client."""

    def __init__(self, *, reads: bool) -> None:
        self._reads = reads
        self.transport: asyncio.Transport | None = None
        self.received = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        if not self._reads:
            # asyncio of Python 3.11.2 begins to read only after this, whatever was asked for here.
            asyncio.get_running_loop().call_soon(transport.pause_reading)

    def data_received(self, data: bytes) -> None:
        self.received += len(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None

    def send(self, data: bytes) -> None:
        """As much as the broker takes; the rest waits here."""
        if self.transport is not None:
            self.transport.write(data)


async def _open(address: tuple[str, int], *, reads: bool) -> _Socket | None:
    """A connection; None if there is none to be had."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(PATIENCE_S):
            _, made = await loop.create_connection(lambda: _Socket(reads=reads), *address)
    except (OSError, TimeoutError):
        return None
    return made


# Greedy


def _metadata() -> bytes:
    """Everything there is."""
    message = Message(topics=None, allow_auto_topic_creation=False)
    return encode_request(ApiKey.METADATA, 9, 1, "greedy", message)


def _fetch(*, wait_ms: int = 0, min_bytes: int = 1) -> bytes:
    """Everything of a partition."""
    wanted = Message(
        partition=0,
        current_leader_epoch=-1,
        fetch_offset=0,
        last_fetched_epoch=-1,
        log_start_offset=-1,
        partition_max_bytes=HUGE,
    )
    message = Message(
        cluster_id=None,
        replica_id=-1,
        max_wait=wait_ms,
        min_bytes=min_bytes,
        max_bytes=HUGE,
        isolation_level=0,
        session_id=0,
        session_epoch=-1,
        topics=[Message(topic="t", partitions=[wanted])],
        forgotten_topics_data=[],
        rack_id="",
    )
    return encode_request(ApiKey.FETCH, 12, 1, "greedy", message)


def _describe() -> bytes:
    """Every setting of each broker, with its documentation."""
    asked = [
        Message(resource_type=4, resource_name=str(number), configuration_keys=None)
        for number in (1, 2, 3)
    ]
    message = Message(resources=asked, include_synonyms=True, include_documentation=True)
    return encode_request(ApiKey.DESCRIBE_CONFIGS, 4, 1, "greedy", message)


def _names(count: int) -> bytes:
    """As many topics that are not there."""
    topics = [Message(name=f"n{number}") for number in range(count)]
    message = Message(topics=topics, allow_auto_topic_creation=False)
    return encode_request(ApiKey.METADATA, 9, 1, "greedy", message)


def _nothing() -> bytes:
    """The least that can be asked."""
    message = Message(topics=[], allow_auto_topic_creation=False)
    return encode_request(ApiKey.METADATA, 9, 1, "greedy", message)


class _Appetite:
    """What a greedy client asks for: so many requests on so many connections."""

    def __init__(
        self, connections: int, questions: Callable[[], bytes], count: int, *, reads: bool = False
    ) -> None:
        self.connections = connections
        self.questions = questions
        self.count = count
        self.reads = reads


_APPETITES: Final = {
    "questions": _Appetite(10, _nothing, 1500, reads=True),
    "everything": _Appetite(5, _metadata, 300, reads=True),
    "everything, unread": _Appetite(5, _metadata, 300),
    "settings, unread": _Appetite(20, _describe, 40),
    "records, unread": _Appetite(20, _fetch, 60),
    "waiting fetches": _Appetite(5, lambda: _fetch(wait_ms=5000, min_bytes=HUGE), 200),
    "names": _Appetite(4, lambda: _names(2000), 3, reads=True),
    "connections": _Appetite(100, _nothing, 1),
}


def _greedy_main(address: tuple[str, int], appetite: _Appetite) -> Main:
    async def main(env: Env) -> None:
        data = appetite.questions() * appetite.count
        opened = [await _open(address, reads=appetite.reads) for _ in range(appetite.connections)]
        for connection in opened:
            if connection is not None:
                connection.send(data)
        await asyncio.Event().wait()

    return main


# Malicious


class _Malice:
    """Makes what a malicious client sends."""

    def __init__(self, chance: random.Random, controller_epoch: int) -> None:
        self._chance = chance
        self._epochs = (-1, 0, controller_epoch)
        known = Known(strings=NO_NAMES, only=True)
        self._hostile = Hostile(chance.getrandbits(32), known)

    def client(self) -> bytes:
        """A request of a client: right in form, recorded and mutated, or none at all."""
        chance = self._chance
        kind = chance.randrange(4)
        if kind == 0:
            return self._nonsense()
        if kind == 1:
            return self._hostile.any_request(_CLIENTS)[2]
        row = chance.choice(_requests())
        frame = row.frame[:8] + mutated(row.frame[8:], chance)
        return struct.pack(">i", len(frame)) + frame

    def broker(self) -> bytes:
        """An order of a controller, or what one broker asks another: too old, or about nothing."""
        chance = self._chance
        api, version, frame = self._hostile.any_request(_ORDERS)
        data = memoryview(bytearray(frame[4:]))
        message = decode_request(api, version, data, parse_request_header(data)[1])
        # Who names no topic may be of today, but brokers and leaders are told by nobody else.
        epochs = self._epochs[:2] if api == ApiKey.UPDATE_METADATA else self._epochs
        for name, value in (
            ("controller_epoch", chance.choice(epochs)),
            ("broker_epoch", chance.choice((0, 1))),
            ("broker_id", NOBODY),
        ):
            if hasattr(message, name):
                setattr(message, name, value)
        frame = encode_request(api, version, 7, "malicious", message)
        return frame if chance.random() < 0.8 else frame[: chance.randrange(len(frame))]

    def coordinator(self) -> bytes:
        """A session with the coordinator that asks about nodes that are not there."""
        chance = self._chance
        hello, rows = _zookeeper()
        bodies = [chance.choice(hello), *(chance.choice(rows) for _ in range(5))]
        bodies = [mutated(body, chance) if chance.random() < 0.7 else body for body in bodies]
        return b"".join(struct.pack(">i", len(body)) + body for body in bodies)

    def _nonsense(self) -> bytes:
        """A length that does not come, half a frame, bytes of chance."""
        chance = self._chance
        size = chance.choice((-1, 0, 1, 1000, 100_000, 1_000_000, 100_000_000, HUGE))
        return struct.pack(">i", size) + chance.randbytes(chance.choice((0, 1, 7, 500, 20_000)))


@cache
def _requests() -> Sequence[recorded.Recorded]:
    """The recorded requests of clients that may be mutated."""
    return [
        row
        for row in recorded.frames()
        if row.is_request and row.api not in BETWEEN_BROKERS and row.api not in POWERS
    ]


@cache
def _zookeeper() -> tuple[list[bytes], list[bytes]]:
    """Connect records and requests that brokers sent, but of nodes that are not there."""
    with gzip.open(places.GOLDEN / "zookeeper-wire.jsonl.gz", "rt") as lines:
        rows = [json.loads(line) for line in lines]
    bodies: dict[bool, list[bytes]] = {True: [], False: []}
    for row in rows:
        if row["dir"] != "request":
            continue
        body = bytes.fromhex(row["hex"])
        for name in (b"admin", b"brokers", b"cluster", b"config", b"consumers", b"controller"):
            body = body.replace(b"/" + name, b"/" + name[:-1] + b"#")
        for name in (b"feature", b"isr_change", b"latest_producer", b"log_dir_event"):
            body = body.replace(b"/" + name, b"/" + name[:-1] + b"#")
        bodies[row["op"] == "connect"].append(body)
    return bodies[True], bodies[False]


def _malicious_main(address: tuple[str, int], make: Callable[[], bytes]) -> Main:
    async def main(env: Env) -> None:
        while True:
            connection = await _open(address, reads=True)
            if connection is not None:
                for _ in range(env.random.randint(1, 8)):
                    data = make()
                    cut = env.random.randrange(len(data) + 1)
                    connection.send(data[:cut])
                    await asyncio.sleep(env.random.choice((0.0, 0.0, 0.001, 0.1)))
                    if env.random.random() < 0.15:
                        break  # half a frame, then silence
                    connection.send(data[cut:])
                await asyncio.sleep(PATIENCE_S)
                if env.random.random() < 0.7 and connection.transport is not None:
                    connection.transport.close()
            await asyncio.sleep(env.random.expovariate(20))

    return main


# Faults


def _client_address(process: Process) -> tuple[str, int]:
    return process.host.name, 9091 + int(process.name[1:])


async def _greedy(nemesis: Nemesis) -> None:
    appetite = nemesis.stream.choice(sorted(_APPETITES))
    main = _greedy_main(_client_address(nemesis.target()), _APPETITES[appetite])
    await _attack(nemesis, f"greedy for {appetite}", main)


async def _malicious(nemesis: Nemesis) -> None:
    stream, target = nemesis.stream, nemesis.target()
    epoch = 0 if nemesis.invariants is None else nemesis.invariants.controller_epoch
    malice = _Malice(random.Random(stream.getrandbits(64)), epoch)
    host, port = _client_address(target)
    kind = stream.choice(("client", "client", "broker", "coordinator"))
    address = {
        "client": (host, port),
        "broker": (host, port + BETWEEN_PORT),
        "coordinator": ("zk", 2181),
    }[kind]
    if kind == "coordinator" and nemesis.options.together:
        return  # it listens on its own machine alone
    await _attack(nemesis, f"malicious as {kind}", _malicious_main(address, getattr(malice, kind)))


async def _attack(nemesis: Nemesis, what: str, main: Main) -> None:
    """It comes, and after a while it is killed, or its machine is gone without a word."""
    simulation = nemesis.simulation
    others = [p for n, p in simulation.processes.items() if n.startswith(HOST_PREFIX) and p.alive]
    if len(others) >= AT_ONCE:
        return
    simulation.life("attack", what)
    process = simulation.start(f"{HOST_PREFIX}{nemesis.count}", main)
    try:
        await nemesis.last()
    finally:
        if nemesis.stream.random() < 0.3:
            process.host.power_loss()
        else:
            process.kill()


HOSTILE_CLIENTS: dict[str, Fault] = {"greedy": _greedy, "malicious": _malicious}
