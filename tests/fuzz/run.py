"""A broker and its coordinator under hostile frames, beside real traffic; ``make fuzz SECONDS=60``.

Frames are hostile messages made from the schemas (``messages.py``) and recorded frames with some
bytes changed, of every API of clients and of brokers, and of ZooKeeper's; listeners of SASL and of
TLS get logins, half logins and what is none (``strangers.py``). The traffic goes to a
topic whose name no frame has, on connections of its own; every record acknowledged must be read
back. The last line is the verdict.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
import shutil
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests import places
from tests.cluster_kit import Cluster, free_ports, wait_for
from tests.fuzz.messages import Hostile, Known, mutated
from tests.fuzz.strangers import Strangers, settings
from tests.protocol import recorded
from tests.raw_client import RawConnection

from barnabas.protocol.api import API_TABLE, CONTROLLER_APIS, ApiKey
from barnabas.protocol.message import Message
from barnabas.records.batch import Record, build_batch, iterate_records
from barnabas.records.header import iterate_batches

BROKER = "broker:1"
SETTLE_S = 10.0
"""After it memory must have been given back."""
PATIENCE_S = 0.15
PER_CONNECTION = 8
TOPICS = ("fuzz-a", "flights")
"""The second is in the recorded frames."""
BETWEEN_BROKERS = frozenset(
    {*CONTROLLER_APIS, ApiKey.ALTER_PARTITION, ApiKey.ALLOCATE_PRODUCER_IDS, ApiKey.ENVELOPE}
)
CLIENTS = tuple(api for api in API_TABLE if api not in BETWEEN_BROKERS)
ZOOKEEPER = places.GOLDEN / "zookeeper-wire.jsonl.gz"


_FAILED = re.compile(r" (WARNING|ERROR) [A-Z_]+ v\d+ from .* failed: ")
"""A request that its handler could not answer; told without a traceback from the second time on."""


@dataclass(slots=True)
class Verdict:
    """What a run has come to."""

    frames: int = 0
    deaths: int = 0
    tracebacks: int = 0
    probe_ms_max: float = 0.0
    rss_ratio: float = 0.0
    acknowledged: int = 0
    lost: int = 0
    faults: list[str] = field(default_factory=list)
    """First lines of what failed, for whoever mends it."""

    def __str__(self) -> str:
        return (
            f"fuzz: frames={self.frames} deaths={self.deaths} tracebacks={self.tracebacks}"
            f" probe_ms_max={self.probe_ms_max:.0f} rss_ratio={self.rss_ratio:.2f}"
            f" lost={self.lost}"
        )

    @property
    def is_good(self) -> bool:
        """Nothing died, failed or got lost."""
        return not (self.deaths or self.tracebacks or self.lost) and self.acknowledged > 0


class Traffic:
    """A producer and a consumer of one partition, and a probe, each on a thread of its own."""

    def __init__(self, port: int, topic: str) -> None:
        self._port, self._topic = port, topic
        self._stop = threading.Event()
        self.sent: list[int] = []
        """Offsets acknowledged; the record at each has its own number as value."""
        self.probe_ms_max = 0.0
        self.read: dict[int, bytes] = {}
        self._threads = [
            threading.Thread(target=self._forever, args=(step,), daemon=True)
            for step in (self._produce, self._consume, self._probe)
        ]

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _forever(self, step: Callable[[RawConnection], None]) -> None:
        while not self._stop.is_set():
            try:
                with RawConnection(self._port, 30.0) as connection:
                    while not self._stop.is_set():
                        step(connection)
                        self._stop.wait(0.02)
            except OSError:
                self._stop.wait(0.1)  # a death is counted by whoever looks at the processes

    def _produce(self, connection: RawConnection) -> None:
        number = len(self.sent)
        value, now_ms = b"%d" % number, time.time_ns() // 1_000_000
        batch = build_batch([Record(offset=0, timestamp=now_ms, key=None, value=value)])
        answer = connection.produce(self._topic, 0, bytes(batch))
        if answer.error_code == 0:
            self.sent.append(answer.base_offset)

    def _consume(self, connection: RawConnection) -> None:
        for offset, value in fetched(connection, self._topic, max(self.read, default=-1) + 1):
            self.read[offset] = value

    def _probe(self, connection: RawConnection) -> None:
        begin = time.monotonic()
        connection.ask(ApiKey.METADATA, 9, Message(topics=[]))
        took = (time.monotonic() - begin) * 1000
        self.probe_ms_max = max(self.probe_ms_max, took)

    def lost(self) -> int:
        """How many acknowledged records are not there; to be asked after the end."""
        found: dict[int, bytes] = {}
        with RawConnection(self._port, 30.0) as connection:
            while more := list(fetched(connection, self._topic, len(found))):
                found.update(more)
        wrong = sum(found.get(offset) != b"%d" % number for number, offset in enumerate(self.sent))
        return wrong + sum(found.get(offset) != value for offset, value in self.read.items())


def fetched(connection: RawConnection, topic: str, offset: int) -> Iterator[tuple[int, bytes]]:
    """(offset, value) of the records from there on."""
    part = Message(
        partition=0,
        current_leader_epoch=-1,
        fetch_offset=offset,
        log_start_offset=-1,
        partition_max_bytes=1 << 20,
    )
    asked = Message(
        replica_id=-1,
        max_wait=100,
        min_bytes=1,
        max_bytes=1 << 20,
        isolation_level=0,
        topics=[Message(topic=topic, partitions=[part])],
    )
    answer = connection.ask(ApiKey.FETCH, 4, asked)
    data = answer.responses[0].partitions[0].records
    for _, at, _ in iterate_batches(data or b""):
        for record in iterate_records(data, at):
            if record.offset >= offset:
                yield record.offset, bytes(record.value or b"")


class Attack:
    """Sends hostile frames to a cluster of one broker."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self._cluster = cluster
        self._chance = random.Random(seed)
        self.frames = 0
        with RawConnection(cluster.port) as connection:
            view = connection.ask(ApiKey.METADATA, 12, Message(topics=None))
        ids = [topic.topic_id for topic in view.topics if topic.name in TOPICS]
        strings = (*TOPICS, "group", "transaction", "1")
        self._hostile = Hostile(seed, Known(strings=strings, ids=ids))
        self._kafka = [row for row in recorded.frames() if row.is_request]
        with gzip.open(ZOOKEEPER, "rt") as lines:
            rows = [json.loads(line) for line in lines]
        requests = [row for row in rows if row["dir"] == "request"]
        self._connects = [bytes.fromhex(r["hex"]) for r in requests if r["op"] == "connect"]
        self._zookeeper = [bytes.fromhex(r["hex"]) for r in requests if r["op"] != "connect"]
        self._strangers = Strangers(self._chance, self._some_requests)

    def everything_once(self) -> None:
        """One frame of each API of clients and version: codecs are made on first use, and stay."""
        frames = [
            self._hostile.request(api, version)
            for api in CLIENTS
            for version in range(API_TABLE[api].max_version + 1)
        ]
        for frame in frames:
            self._send(self._cluster.port, [frame])

    def clients(self) -> None:
        """One connection of a client."""
        frames = [self._hostile.any_request(CLIENTS)[2] for _ in range(PER_CONNECTION)]
        self._send(self._cluster.port, [*frames, *self._changed(between_brokers=False)])

    def strangers(self) -> None:
        """One connection to the listener of SASL, and one to that of TLS."""
        first = self._cluster.zookeeper_port + 1
        self.frames += self._strangers.sasl(first) + self._strangers.tls(first + 1)

    def is_strangers_turn(self) -> bool:
        """One in eight: they have to be waited for."""
        return self._chance.random() < 1 / 8

    def _some_requests(self) -> list[bytes]:
        return [self._hostile.any_request(CLIENTS)[2] for _ in range(2)]

    def brokers(self, *, at_their_place: bool) -> None:
        """One connection of what says that it is a broker: to the listener for brokers, or to that
        for clients, where nobody may say so."""
        apis = sorted(BETWEEN_BROKERS)
        frames = [self._hostile.any_request(apis)[2] for _ in range(PER_CONNECTION)]
        port = self._cluster.zookeeper_port + 3 if at_their_place else self._cluster.port
        self._send(port, [*frames, *self._changed(between_brokers=True)])

    def coordinator(self) -> None:
        """One connection to the coordinator: a session, or what is none."""
        chance = self._chance
        hello = chance.choice(self._connects)
        if chance.random() < 0.2:
            hello = mutated(hello, chance)
        bodies = [hello]
        for _ in range(PER_CONNECTION):
            body = chance.choice(self._zookeeper)
            bodies.append(mutated(body, chance) if chance.random() < 0.9 else body)
        frames = [struct.pack(">i", len(body)) + body for body in bodies]
        self._send(self._cluster.zookeeper_port, frames)

    def _changed(self, *, between_brokers: bool) -> Iterator[bytes]:
        """Recorded frames, with some bytes changed behind the header."""
        rows = [row for row in self._kafka if (row.api in BETWEEN_BROKERS) is between_brokers]
        kinds = list({(row.api, row.version): None for row in rows})
        for turn in range(PER_CONNECTION):
            kind = self._chance.choice(kinds)
            row = self._chance.choice([r for r in rows if (r.api, r.version) == kind])
            if turn % 2:
                yield self._hostile.varied(row.api, row.version, row.frame)
                continue
            frame = row.frame[:8] + mutated(row.frame[8:], self._chance)
            yield struct.pack(">i", len(frame)) + frame

    def _send(self, port: int, frames: list[bytes]) -> None:
        """Until it is closed or an answer does not come soon: some requests wait for others."""
        try:
            with RawConnection(port, PATIENCE_S) as connection:
                for frame in frames:
                    connection.send(frame)
                    self.frames += 1
                for _ in frames:
                    if connection.receive_frame() is None:
                        return
        except OSError:
            return


def prepare(cluster: Cluster, traffic: str) -> None:
    """Topics, a group's coordinator, a transactional id."""
    for name in (*TOPICS, traffic):
        cluster.create_topic(name, 1, 1)
    with RawConnection(cluster.port) as connection:
        for kind, key in ((0, "group"), (1, "transaction")):
            asked = Message(key=key, key_type=kind)

            def is_found(asked: Message = asked) -> bool:
                return bool(connection.ask(ApiKey.FIND_COORDINATOR, 3, asked).error_code == 0)

            wait_for(is_found, 30, f"coordinator of {key}")


def resident(pid: int) -> int:
    """Memory of a process in use, in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def run(directory: Path, *, seed: int, frames: int, seconds: float) -> Verdict:
    """Attack until so many frames are sent or the time is up."""
    verdict = Verdict()
    topic = f"traffic-{seed:08x}"
    cluster = Cluster(directory=directory, brokers=1)
    cluster.port = free_ports(5)
    cluster.zookeeper_port = cluster.port + 1
    # Below a path of its own: whoever may write the cluster's own nodes may end it.
    cluster.overrides = {
        "zookeeper.connect": f"127.0.0.1:{cluster.zookeeper_port}/fuzzed",
        **settings(directory, cluster.port, *range(cluster.port + 2, cluster.port + 5)),
    }
    with cluster:
        prepare(cluster, topic)
        names = (BROKER, "coordinator")
        pids = {name: cluster.pid(name) for name in names}
        attack = Attack(cluster, seed)
        with Traffic(cluster.port, topic) as traffic:
            attack.everything_once()
            before = resident(pids[BROKER])
            _attack(attack, frames=frames, until=time.monotonic() + seconds)
        verdict.frames = attack.frames
        verdict.probe_ms_max = traffic.probe_ms_max
        verdict.acknowledged = len(traffic.sent)
        verdict.deaths = sum(cluster.state(name) != "running" for name in names)
        if not verdict.deaths:
            verdict.rss_ratio = _settled(pids[BROKER], before)
            assert cluster.stop() == 0, "not a clean stop"
            # What says that it is a broker may have taken a partition's leader away, but no record;
            # and nothing that was sent may be in the way of the next start.
            cluster.start()
            wait_for(lambda: cluster.whole(topic, 1, 1), 30, "the traffic's partition is led")
            verdict.lost = traffic.lost()
        verdict.faults = faults(cluster)
        verdict.tracebacks = len(verdict.faults)
    return verdict


def _attack(attack: Attack, *, frames: int, until: float) -> None:
    """Clients and ZooKeeper first: after what brokers may say, little of the cluster is left."""
    begin = time.monotonic()
    while attack.frames < frames and time.monotonic() < until:
        done = max(attack.frames / frames, (time.monotonic() - begin) / (until - begin))
        if done < 0.5:
            attack.clients()
        else:
            attack.brokers(at_their_place=done >= 0.7)
        attack.coordinator()
        if attack.is_strangers_turn():
            attack.strangers()


def _settled(pid: int, before: int) -> float:
    """Memory against what it was, once it is given back, or ten seconds later."""
    deadline = time.monotonic() + SETTLE_S
    while (ratio := resident(pid) / before) > 1.3 and time.monotonic() < deadline:
        time.sleep(0.5)
    return ratio


def faults(cluster: Cluster) -> list[str]:
    """Of each traceback in the logs the line before it."""
    found = []
    for path in sorted(cluster.directory.glob("*.log")):
        lines = path.read_text(errors="replace").splitlines()
        for i, line in enumerate(lines):
            if line.strip().startswith("Traceback (most recent call last)"):
                found.append(f"{path.name}: {lines[i - 1][:300]}")
            elif _FAILED.search(line) and "Traceback" not in "".join(lines[i + 1 : i + 2]):
                found.append(f"{path.name}: {line[:300]}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--frames", type=int, default=10**9)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    directory = Path(tempfile.mkdtemp(prefix="barnabas-fuzz-"))
    verdict = run(directory, seed=options.seed, frames=options.frames, seconds=options.seconds)
    for fault in verdict.faults:
        print(fault)
    if verdict.is_good:
        shutil.rmtree(directory)
    else:
        print(f"the logs are in {directory}")
    print(verdict)
    return 0 if verdict.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
