"""Live the life that tests/golden recorded from the original, with our own cluster, and record it.

    python tools/record_life.py DIRECTORY

Three brokers and the coordinator run as separate processes behind ``record_frames.py``. DIRECTORY
gets the frames (``kafka-wire.jsonl``, ``zookeeper-wire.jsonl``), the whole znode tree after each
step (``znodes/NN-step.json``), the brokers' data and their logs; names and forms are those of
tests/golden/README.md. Steps that need what is not served yet are left out (SKIPPED.md). It takes
about half a minute; ports are chosen by the system. ``compare_life.py`` tells the differences.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from confluent_kafka import ElectionType, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic
from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError

BARNABAS = Path(sys.executable).with_name("barnabas")
RECORDER = Path(__file__).with_name("record_frames.py")
BROKERS = (1, 2, 3)
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
FLIGHTS = {"segment.bytes": "16384", "index.interval.bytes": "512", "min.insync.replicas": "2"}
COMPACTED = {
    "cleanup.policy": "compact",
    "segment.ms": "1000",
    "min.cleanable.dirty.ratio": "0.01",
}
PATIENCE_S = 20.0
QUIET_S = 0.5
"""Announcements that follow a step are sent within this time."""
PREFERRED_S = 6.0
"""A new controller looks for preferred leaders 5 s after its election."""


class Life:
    """The processes of a recorded cluster, and what is done to them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        ports = free_ports(8)
        self.zookeeper_port, self._zookeeper_behind = ports[:2]
        self.broker_ports = dict(zip(BROKERS, ports[2:5], strict=True))
        self._behind = dict(zip(BROKERS, ports[5:], strict=True))
        (directory / "znodes").mkdir(parents=True, exist_ok=True)
        self.zookeeper = KazooClient(f"127.0.0.1:{self._zookeeper_behind}")
        self._dumps = 0

    @property
    def bootstrap(self) -> str:
        """Of the brokers that run."""
        running = [n for n in BROKERS if f"broker-{n}" in self.processes]
        return ",".join(f"127.0.0.1:{self.broker_ports[n]}" for n in running)

    # Processes

    def start_coordinator(self) -> None:
        """The coordinator, the recorder before it, and the connection that dumps the tree."""
        data, behind = str(self.directory / "coordinator"), str(self._zookeeper_behind)
        self._start("coordinator", [str(BARNABAS), "coordinator", "--data", data, "--port", behind])
        pairs = [f"{self.broker_ports[n]}:{self._behind[n]}" for n in BROKERS]
        command = [
            *(sys.executable, str(RECORDER), str(self.directory)),
            f"{self.zookeeper_port}:{behind}",
            ",".join(pairs),
        ]
        self._start("recorder", command)
        for port in (self._zookeeper_behind, self.zookeeper_port):
            wait(partial(listens, port), f"port {port}")
        self.zookeeper.start(PATIENCE_S)

    def start_broker(self, number: int) -> None:
        """Start a broker, and wait until its registration stands."""
        settings = {
            "broker.id": number,
            "broker.rack": f"r{number}",
            "listeners": f"PLAINTEXT://127.0.0.1:{self._behind[number]}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.broker_ports[number]}",
            "zookeeper.connect": f"127.0.0.1:{self.zookeeper_port}",
            "log.dirs": self.directory / f"broker-{number}",
            "offsets.topic.num.partitions": 3,
            "transaction.state.log.num.partitions": 3,
            "group.initial.rebalance.delay.ms": 0,
            # The last broker's leaderships have nowhere to go; it need not ask for ten seconds.
            "controlled.shutdown.retry.backoff.ms": 500,
        }
        overrides = [f"--override={name}={value}" for name, value in settings.items()]
        self._start(f"broker-{number}", [str(BARNABAS), "broker", *overrides])
        wait(lambda: self.data(f"/brokers/ids/{number}"), f"broker {number} to register")

    def _start(self, name: str, command: list[str]) -> None:
        with (self.directory / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(command, stdout=log, stderr=log)

    def end(self, name: str, how: signal.Signals) -> None:
        """Signal a process and wait for its end."""
        process = self.processes.pop(name)
        process.send_signal(how)
        process.wait(PATIENCE_S)

    def end_all(self) -> None:
        """What is left, after the life or after a failure."""
        self.zookeeper.stop()
        self.zookeeper.close()
        for name in list(self.processes):
            self.end(name, signal.SIGKILL)

    # Steps

    def begin(self, step: str) -> None:
        """Frames from now on belong to ``step``."""
        (self.directory / "step").write_text(step)

    def dump(self, name: str) -> None:
        """Let announcements settle, then write the whole tree."""
        time.sleep(QUIET_S)
        tree: dict[str, Any] = {}
        pending = ["/"]
        while pending:
            path = pending.pop(0)
            data, stat = self.zookeeper.get(path)
            tree[path] = {
                "data": None if data is None else data.decode(),
                "version": stat.version,
                "cversion": stat.cversion,
                "ephemeral": stat.ephemeralOwner != 0,
                "czxid": stat.czxid,
                "mzxid": stat.mzxid,
            }
            children = sorted(self.zookeeper.get_children(path))
            names = [f"{path.rstrip('/')}/{child}" for child in children]
            pending += [n for n in names if n != "/zookeeper"]
        text = json.dumps(dict(sorted(tree.items())), indent=1)
        (self.directory / "znodes" / f"{name}.json").write_text(text)

    # What the tree says

    def data(self, path: str) -> Any:
        """The JSON of a node, or None."""
        try:
            text = self.zookeeper.get(path)[0]
        except NoNodeError:
            return None
        return json.loads(text) if text else None

    def states(self) -> list[tuple[list[int], dict[str, Any]]]:
        """(replicas, state) of every partition; an empty state before the first election."""
        found = []
        for topic in self.zookeeper.get_children("/brokers/topics"):
            base = f"/brokers/topics/{topic}"
            for number, replicas in (self.data(base) or {"partitions": {}})["partitions"].items():
                found.append((replicas, self.data(f"{base}/partitions/{number}/state") or {}))
        return found

    def wait_for_whole_isr(self) -> None:
        """Every replica of every partition in sync."""
        wait(
            lambda: all(len(s.get("isr", ())) == len(r) for r, s in self.states()),
            "every replica in sync",
        )

    def wait_for_leaders_without(self, number: int) -> None:
        """Another leader for everything, and an ISR without the broker."""
        wait(
            lambda: all(
                s["leader"] not in (number, -1) and number not in s["isr"] for _, s in self.states()
            ),
            f"leaders without broker {number}",
        )


def wait(condition: Callable[[], Any], what: str) -> None:
    """Poll; AssertionError when patience ends."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {PATIENCE_S} s for {what}")
        time.sleep(0.02)


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def listens(port: int) -> bool:
    """Whether somebody accepts connections there."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def produce(bootstrap: str, name: str, count: int = 20, **settings: Any) -> None:
    """Send keyed records to ``flights`` as the client ``golden-NAME``."""
    errors: list[Any] = []
    producer = Producer(
        {"bootstrap.servers": bootstrap, "client.id": f"golden-{name}", "linger.ms": 20, **settings}
    )
    for number in range(count):
        text = f"{name} {number} " + "x" * 100
        producer.produce(
            "flights", text, f"key-{number}", on_delivery=lambda e, _: errors.append(e)
        )
    left = producer.flush(PATIENCE_S)
    if left or any(errors):
        raise AssertionError(f"producer {name}: {left} left, {[e for e in errors if e]}")


def first_half(life: Life) -> None:
    """Start, topics, records, partitions, a move, preferred leaders."""
    for number in BROKERS:
        life.begin(f"01-broker-{number}-starts")
        life.start_broker(number)
        wait(lambda: life.data("/controller"), "a controller")
        life.dump(f"01-broker-{number}-started")
    admin = AdminClient({"bootstrap.servers": life.bootstrap})
    life.begin("02-create-topics")
    topics = [
        NewTopic("flights", 3, 3, config=FLIGHTS),
        NewTopic("compacted", 1, 3, config=COMPACTED),
    ]
    settle(admin.create_topics(topics))
    life.dump("02-topics-created")

    life.begin("03-produce")
    for codec in CODECS:
        options: dict[str, Any] = {"enable.idempotence": True, "acks": "all"}
        produce(life.bootstrap, codec, **options | {"compression.type": codec})
    produce(life.bootstrap, "acks1", 3, acks="1")
    produce(life.bootstrap, "acks0", 3, acks="0")
    life.dump("03-produced")

    life.begin("07-add-partitions")
    settle(admin.create_partitions([NewPartitions("compacted", 2)]))
    life.dump("07-partitions-added")

    life.begin("08-reassign")
    leader, _, last = life.data("/brokers/topics/compacted")["partitions"]["0"]
    target = f"{last},{leader}"
    arguments = ["-t", "compacted", "-p", "0", "--brokers", target, "--execute"]
    command = [str(BARNABAS), "cluster", "reassign", "-b", life.bootstrap, *arguments]
    subprocess.run(command, check=True, capture_output=True)
    wait(lambda: not life.data("/brokers/topics/compacted")["removing_replicas"], "the move")
    life.dump("08-reassigned")

    life.begin("09-elect-preferred")
    partitions = [TopicPartition("flights", p) for p in range(3)]
    admin.elect_leaders(ElectionType.PREFERRED, partitions).result(PATIENCE_S)
    life.dump("09-preferred")


def second_half(life: Life) -> None:
    """Deaths, shutdowns, deletion."""
    leader = life.data("/brokers/topics/flights/partitions/0/state")["leader"]
    controller = life.data("/controller")["brokerid"]
    victim = leader if leader != controller else next(n for n in BROKERS if n != controller)
    life.begin("10-leader-killed")
    life.end(f"broker-{victim}", signal.SIGKILL)
    life.wait_for_leaders_without(victim)
    life.dump("10-leader-killed")
    life.begin("11-leader-restarted")
    life.start_broker(victim)
    life.wait_for_whole_isr()
    life.dump("11-leader-restarted")

    life.begin("12-controller-killed")
    life.end(f"broker-{controller}", signal.SIGKILL)
    life.wait_for_leaders_without(controller)
    elected = time.monotonic()
    life.dump("12-controller-killed")
    life.begin("13-controller-restarted")
    time.sleep(max(0.0, elected + PREFERRED_S - time.monotonic()))
    life.start_broker(controller)
    life.wait_for_whole_isr()
    life.dump("13-controller-restarted")

    life.begin("14-controlled-shutdown")
    life.end(f"broker-{controller}", signal.SIGTERM)
    life.dump("14-controlled-shutdown")
    life.begin("15-restart")
    life.start_broker(controller)
    life.wait_for_whole_isr()
    life.dump("15-restarted")

    life.begin("16-unclean-and-delete")
    admin = AdminClient({"bootstrap.servers": life.bootstrap})
    settle(admin.create_topics([NewTopic("doomed", 2, 2)]))
    settle(admin.delete_topics(["doomed"]))
    wait(lambda: life.data("/brokers/topics/doomed") is None, "the deletion")
    wait(lambda: not life.zookeeper.get_children("/admin/delete_topics"), "the deletion")
    life.dump("16-topic-deleted")

    life.begin("17-clean-shutdown")
    controller = life.data("/controller")["brokerid"]
    first, last = (number for number in BROKERS if number != controller)
    for number in (first, controller, last):
        life.end(f"broker-{number}", signal.SIGTERM)
    life.dump("17-all-stopped")


def settle(futures: dict[str, Any]) -> None:
    """Raise what went wrong with any of them."""
    for name, future in futures.items():
        try:
            future.result(PATIENCE_S)
        except KafkaException as error:
            raise AssertionError(f"{name}: {error}") from error


def main(directory: str) -> None:
    """The whole life."""
    life = Life(Path(directory))
    try:
        life.begin("00-start")
        life.start_coordinator()
        life.dump("00-empty-zookeeper")
        first_half(life)
        second_half(life)
    finally:
        life.end_all()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
