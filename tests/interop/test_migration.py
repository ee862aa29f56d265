"""A running cluster of the original moves to brokers of ours and back, broker by broker, under
load: the same broker.id, port and log.dirs. In every mixed state each side is controller once.
The ZooKeeper is that of the release: 3.8.4 of Kafka 3.9.1, 3.5.9 of 2.8.2."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic
from kazoo.client import KazooClient
from tests.chaos.members import GroupTraffic
from tests.cluster_kit import BARNABAS, free_ports, wait_for
from tests.interop import original
from tests.interop.ledger import Ledger
from tests.real_clients import IMPATIENT, Traffic
from tests.zookeeper.real_zookeeper import RealZooKeeper

from barnabas.client.metadata import ClusterView

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(3000)]

BROKERS = (1, 2, 3)
ORDERS, LEDGER = "orders", "ledger"
PARTITIONS = 6
WHOLE_S = 120.0
"""Generous: several JVMs share a machine that may be busy."""
SETTINGS = {
    "zookeeper.session.timeout.ms": "6000",
    "offsets.topic.replication.factor": "3",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.min.isr": "2",
    "group.initial.rebalance.delay.ms": "0",
    "min.insync.replicas": "2",
}


def _asked(bootstrap: str, call: Callable[[AdminClient], object]) -> None:
    """Call it again while the client takes another broker for the controller; each time with a new
    client, since librdkafka remembers the controller."""
    for _ in range(30):
        admin = AdminClient({"bootstrap.servers": bootstrap, **IMPATIENT})
        try:
            call(admin)
            return
        except KafkaException as error:
            if error.args[0].name() != "NOT_CONTROLLER":
                raise
            time.sleep(0.5)
    raise AssertionError("nobody is controller")


class Seat:
    """The place of one broker in the cluster: whoever sits there has its id, port and logs."""

    def __init__(
        self, directory: Path, number: int, port: int, zookeeper: str, version: str, protocol: str
    ) -> None:
        self.number = number
        self.port = port
        self.settings = {
            **SETTINGS,
            "inter.broker.protocol.version": protocol,
            "listeners": f"PLAINTEXT://127.0.0.1:{port}",
            "zookeeper.connect": zookeeper,
        }
        plain = {key.replace(".", "_"): value for key, value in self.settings.items()}
        del plain["listeners"], plain["zookeeper_connect"]
        self.java = original.JavaBroker(directory, number, port, zookeeper, **plain)
        self.java.version = version
        self.our_log = directory / f"ours-{number}.log"
        self.ours: subprocess.Popen[bytes] | None = None

    @property
    def kind(self) -> str:
        return "java" if self.ours is None else "ours"

    @property
    def pid(self) -> int:
        return self.java.pid if self.ours is None else self.ours.pid

    def start_ours(self) -> None:
        given = {"broker.id": str(self.number), "log.dirs": str(self.java.log_dir), **self.settings}
        parts = [part for key, value in given.items() for part in ("-X", f"{key}={value}")]
        with self.our_log.open("ab") as log:
            self.ours = subprocess.Popen([*BARNABAS, "broker", *parts], stdout=log, stderr=log)

    def stop(self) -> None:
        """A controlled shutdown."""
        if self.ours is None:
            self.java.stop()
            return
        self.ours.terminate()
        assert self.ours.wait(60) == 0, self.our_log.read_text()[-2000:]
        self.ours = None

    def end(self) -> None:
        if self.ours is not None:
            self.ours.kill()
            self.ours.wait()
        self.java.kill()


class Move:
    """The cluster, its clients, and what is done to it."""

    def __init__(self, directory: Path, zookeeper: str, version: str, protocol: str) -> None:
        first = free_ports(len(BROKERS))
        self.zookeeper = zookeeper
        self.seats = [
            Seat(directory, number, first + number - 1, zookeeper, version, protocol)
            for number in BROKERS
        ]
        self.bootstrap = ",".join(f"127.0.0.1:{seat.port}" for seat in self.seats)
        self.states: list[str] = []
        self._made = 0

    def state(self) -> str:
        return "+".join(seat.kind for seat in self.seats)

    def create(self, name: str, partitions: int) -> None:
        new = NewTopic(name, partitions, 3)
        _asked(self.bootstrap, lambda admin: admin.create_topics([new])[name].result(60))
        wait_for(partial(self.whole, (name,)), WHOLE_S, f"{name} is whole")

    def whole(self, topics: Sequence[str] = ()) -> bool:
        """All brokers agree that all are there and every replica is in sync."""
        for seat in self.seats:
            view = self.view(seat)
            if view is None or len(view.brokers) != len(BROKERS):
                return False
            if any(topic not in view.topics for topic in topics):
                return False
            partitions = [p for t in view.topics.values() for p in t.partitions]
            if any(p.leader < 0 or len(p.isr) != len(p.replicas) for p in partitions):
                return False
        return True

    def view(self, seat: Seat) -> ClusterView | None:
        import asyncio

        from barnabas.client.cluster import ClusterClient

        async def look() -> ClusterView:
            where = f"127.0.0.1:{seat.port}"
            async with ClusterClient(where, "move", timeout_ms=2000) as client:
                return await client.metadata()

        try:
            return asyncio.run(look())
        except Exception:
            return None

    # Who is controller

    def controller(self) -> Seat | None:
        client = KazooClient(self.zookeeper)
        client.start()
        try:
            return self._controller(client)
        finally:
            client.stop()
            client.close()

    def _controller(self, client: KazooClient) -> Seat | None:
        if not client.exists("/controller"):
            return None
        body = client.get("/controller")[0]
        return next(s for s in self.seats if b'"brokerid":%d,' % s.number in body)

    def let_win(self, kind: str) -> None:
        """Delete /controller while brokers of the other kind are paused."""
        others = [seat for seat in self.seats if seat.kind != kind]
        client = KazooClient(self.zookeeper)
        client.start()
        try:
            found = self._controller(client)
            if found is not None and found.kind == kind:
                return
            for seat in others:
                os.kill(seat.pid, signal.SIGSTOP)
            client.delete("/controller")
            wait_for(lambda: self._controller(client), 15, f"a controller: {kind}")
        finally:
            for seat in others:
                os.kill(seat.pid, signal.SIGCONT)
            client.stop()
            client.close()
        wait_for(self.whole, WHOLE_S, f"whole under a controller of {kind}")

    # What is done

    def exercise(self) -> None:
        """What a controller does: a topic is made, grows, is deleted; leaders are elected."""
        name = f"made-{self._made}"
        self._made += 1
        self.create(name, 3)
        arguments = ("--bootstrap-server", self.bootstrap)
        tool = "org.apache.kafka.tools."
        self._told(
            f"{tool}TopicCommand", *arguments, "--alter", "--topic", name, "--partitions", "4"
        )
        wait_for(partial(self.whole, (name,)), WHOLE_S, "it has grown")
        told = self._told(f"{tool}TopicCommand", *arguments, "--describe", "--topic", name)
        assert told.count("Leader: ") == 4
        _asked(self.bootstrap, lambda admin: admin.delete_topics([name])[name].result(60))
        wait_for(lambda: self._gone(name), WHOLE_S, f"{name} is deleted")
        original.tool(
            f"{tool}LeaderElectionCommand",
            *(*arguments, "--election-type", "preferred", "--all-topic-partitions"),
        )

    def _told(self, *words: str) -> str:
        """What a tool prints; it gets more time than elsewhere, beside so many JVMs."""
        done = original.tool(*words, timeout_s=240)
        assert done.returncode == 0, f"{words}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def _gone(self, name: str) -> bool:
        views = [self.view(seat) for seat in self.seats]
        kept = [s for s in self.seats if list(s.java.log_dir.glob(f"{name}-[0-9]"))]
        return not kept and all(view is not None and name not in view.topics for view in views)

    def replace(self, seat: Seat, start: Callable[[], None]) -> None:
        """Stop one broker, let the other kind take its place, and wait until all is whole."""
        seat.stop()
        start()
        wait_for(self.whole, WHOLE_S, f"whole with broker {seat.number} replaced: {self.state()}")
        self.states.append(self.state())
        print(f"{time.strftime('%X')} {self.state()}", flush=True)

    def roll(self, to: str) -> None:
        for seat in self.seats:
            self.replace(seat, seat.start_ours if to == "ours" else seat.java.start)
            for kind in dict.fromkeys(s.kind for s in self.seats):
                self.let_win(kind)
                self.exercise()


@pytest.fixture(params=["3.9.1", "2.8.2"])
def version(request: pytest.FixtureRequest) -> str:
    found = str(request.param)
    for reason in (original.missing(), original.missing(found)):
        if reason is not None:
            pytest.skip(reason)
    return found


@pytest.fixture
def move(tmp_path: Path, version: str) -> Iterator[Move]:
    """Three running brokers of the original, and a ZooKeeper."""
    with ExitStack() as stack:
        zookeeper = stack.enter_context(
            RealZooKeeper(tmp_path / "zookeeper", jars=original.jars(version))
        )
        protocol = ".".join(version.split(".")[:2])
        made = Move(tmp_path, zookeeper.connect_string, version, protocol)
        for seat in made.seats:
            stack.callback(seat.end)
        for seat in made.seats:
            seat.java.start()
        wait_for(made.whole, WHOLE_S, "the cluster is there")
        yield made


def test_there_and_back_again(move: Move, capsys: pytest.CaptureFixture[str]) -> None:
    move.create(ORDERS, PARTITIONS)
    move.create(LEDGER, 2)
    orders = Traffic(move.bootstrap, ORDERS, PARTITIONS)
    group = GroupTraffic(move.bootstrap, ORDERS, PARTITIONS)
    ledger = Ledger(move.bootstrap, LEDGER)
    for each in (orders, group, ledger):
        each.start()
    orders.wait_for_more(100, 60)
    move.roll("ours")
    assert move.state() == "ours+ours+ours"
    orders.wait_for_more(100, 60)
    move.roll("java")
    assert move.state() == "java+java+java"
    orders.wait_for_more(100, 60)
    anomalies = orders.stop()
    read = [(int(s.key), s.offset) for s in orders.history.sends if s.offset is not None]
    positions = group.stop(orders.ends(), read)
    ledger.stop()
    lost = sum(a.kind in ("lost-write", "unseen") for a in anomalies)
    duplicated = sum(a.kind == "duplicate" for a in anomalies)
    reordered = len(anomalies) - lost - duplicated
    problems = [*orders.faults, *group.faults, *map(str, positions), *ledger.problems()]
    with capsys.disabled():
        print(
            f"\nmigration: records={orders.acknowledged} lost={lost} duplicated={duplicated}"
            f" reordered={reordered} positions={len(group.history.commits)}"
            f" transactions={len(ledger.committed)} aborted={len(ledger.aborted)}"
            f" unknown={len(ledger.unknown)} problems={len(problems)}"
        )
    assert not anomalies, "\n".join(map(str, anomalies[:10]))
    assert not problems, problems[:10]
