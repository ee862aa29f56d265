"""Groups and brokers of the original: coordinators change sides, or each other's directories."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer
from confluent_kafka import TopicPartition as Position
from confluent_kafka.admin import AdminClient, NewTopic
from tests.cluster_kit import Cluster, barnabas, wait_for
from tests.coordinator.group.libraries import (
    ALL_PYTHON,
    PARTITIONS,
    TOPIC,
    Members,
    Watcher,
    produce,
)
from tests.interop.original import java_broker, our_broker
from tests.interop.original_groups import (
    fill,
    group_command,
    member,
    our_description,
    our_positions,
    positions,
    read_in_group,
    table,
)

from barnabas.coordinator.group.placement import OFFSETS_TOPIC
from barnabas.coordinator.placement import partition_for

pytestmark = [
    pytest.mark.foreign,
    pytest.mark.timeout(400),
    pytest.mark.usefixtures("original"),
]


OFFSETS = {"offsets.topic.num.partitions": "2", "group.initial.rebalance.delay.ms": "0"}
JAVA_OFFSETS: dict[str, Any] = {key.replace(".", "_"): value for key, value in OFFSETS.items()}


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Cluster]:
    """Two brokers of ours, 1 and 2, and our coordinator."""
    overrides = {"zookeeper.session.timeout.ms": "6000", **OFFSETS}
    with Cluster(directory=tmp_path / "ours", brokers=2, overrides=overrides) as running:
        yield running


def create(bootstrap: str, topic: str, assignment: list[list[int]], **config: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    new = NewTopic(topic, len(assignment), replica_assignment=assignment, config=config)
    admin.create_topics([new])[topic].result(20)


def create_offsets(cluster: Cluster, assignment: list[list[int]]) -> None:
    create(cluster.bootstrap, OFFSETS_TOPIC, assignment, **{"cleanup.policy": "compact"})
    size = len(assignment)
    wait_for(lambda: cluster.whole(OFFSETS_TOPIC, size, len(assignment[0])), 20, "all in sync")


def group_on(number: int, prefix: str) -> str:
    """A name that starts so and belongs to this one of two partitions."""
    return next(f"{prefix}{n}" for n in range(99) if partition_for(f"{prefix}{n}", 2) == number)


class Left:
    """Groups of three kinds as one coordinator left them: with a static member that is away,
    without members, and with positions only."""

    def __init__(self, cluster: Cluster, number: int) -> None:
        self.bootstrap = cluster.bootstrap
        self.static, self.empty, self.simple = (
            group_on(number, f"{kind}-") for kind in ("static", "empty", "simple")
        )
        self.away = read_in_group(
            self.bootstrap,
            self.static,
            "orders",
            200,
            group_instance_id="i",
            session_timeout_ms=120_000,
        )
        read_in_group(self.bootstrap, self.empty, "orders", 150).close()
        simple = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": self.simple,
                "enable.auto.commit": False,
            }
        )
        simple.commit(offsets=[Position("orders", 1, 17, "noted")], asynchronous=False)
        simple.close()
        self.before = {
            name: our_positions(self.bootstrap, name)
            for name in (self.static, self.empty, self.simple)
        }
        assert sum(int(n) for n in self.before[self.static].values()) == 200
        assert sum(int(n) for n in self.before[self.empty].values()) == 150
        self.away.close()  # a static member does not say that it leaves

    def check(self, coordinator: int) -> None:
        """Another kind of coordinator tells the same, and goes on from there."""
        bootstrap = self.bootstrap
        names = [part for name in self.before for part in ("--group", name)]
        rows = table(group_command(bootstrap, "--describe", *names))
        for name, expected in self.before.items():
            assert our_description(bootstrap, name)["coordinator"] == coordinator
            assert our_positions(bootstrap, name) == expected
            assert positions([row for row in rows if row["GROUP"] == name]) == expected
        states = {row["GROUP"]: row["STATE"] for row in self._states()}
        expected_states = {self.static: "Stable", self.empty: "Empty", self.simple: "Empty"}
        assert expected_states.items() <= states.items()
        (shown,) = table(
            group_command(bootstrap, "--describe", "--group", self.static, "--members", "--verbose")
        )
        assert shown["GROUP-INSTANCE-ID"] == "i"
        assert shown["CLIENT-ID"] == f"client-of-{self.static}"
        assert shown["#PARTITIONS"] == "2"
        # The static member returns to what it had, and what the others had is set and read anew.
        self._return()
        group_command(
            bootstrap,
            *("--reset-offsets", "--group", self.empty, "--all-topics", "--to-earliest"),
            "--execute",
        )
        done = barnabas(
            *("group", "reset-offsets", self.simple, "-t", "orders:1", "--to-offset", "90"),
            "--execute",
            bootstrap=bootstrap,
        )
        assert done.returncode == 0, done.stderr
        assert our_positions(bootstrap, self.simple) == {("orders", 1): "90"}
        read_in_group(bootstrap, self.empty, "orders", 200).close()
        assert "successful" in group_command(bootstrap, "--delete", "--group", self.empty)

    def _return(self) -> None:
        before = our_description(self.bootstrap, self.static)["members"]
        consumer = member(self.bootstrap, self.static, "orders", group_instance_id="i")
        try:

            def returned() -> bool:
                assert not consumer.consume(1, 0.1)  # it had read everything
                return len(consumer.assignment()) == 2

            wait_for(returned, 20, "the static member has its partitions again")
            after = our_description(self.bootstrap, self.static)["members"]
        finally:
            consumer.close()
        assert [m["instance"] for m in after] == ["i"]
        assert after[0]["member"] != before[0]["member"]
        assert after[0]["partitions"] == before[0]["partitions"]

    def _states(self) -> list[dict[str, str]]:
        return table(group_command(self.bootstrap, "--list", "--state"))


def test_each_reads_the_groups_in_the_directory_of_the_other(two: Cluster, tmp_path: Path) -> None:
    """Broker 1 of ours and the original's broker 3 each coordinate groups, then change directories:
    a copy of each is opened by the other kind of broker under the same id."""
    bootstrap = two.bootstrap
    with java_broker(two, tmp_path / "java", **JAVA_OFFSETS) as java:
        wait_for(lambda: len(two.metadata().brokers) == 3, 20, "the original is in the cluster")
        create_offsets(two, [[1], [3]])
        create(bootstrap, "orders", [[2], [2]])
        wait_for(lambda: two.whole("orders", 2, 1), 20, "orders is led")
        fill(bootstrap, "orders", 2)
        ours, theirs = Left(two, 0), Left(two, 1)
        swapped = java_broker(two, tmp_path / "swapped", 1, **JAVA_OFFSETS)
        assert our_description(bootstrap, ours.static)["coordinator"] == 1
        assert our_description(bootstrap, theirs.static)["coordinator"] == 3
        java.stop()
    two.ask("stop", "broker:1")
    shutil.copytree(two.log_dir(1), tmp_path / "swapped" / "life" / "data-1")
    shutil.copytree(java.log_dir, tmp_path / "their-directory")
    settings = {
        "broker.id": "3",
        "listeners": f"PLAINTEXT://127.0.0.1:{java.port}",
        "zookeeper.connect": f"127.0.0.1:{two.zookeeper_port}",
        "log.dirs": str(tmp_path / "their-directory"),
        **OFFSETS,
    }
    with (
        our_broker(tmp_path / "our-3.log", settings),
        swapped,
    ):
        wait_for(lambda: two.whole(OFFSETS_TOPIC, 2, 1), 30, "the offsets are led")
        ours.check(1)
        theirs.check(3)


def test_a_live_group_goes_to_the_original_and_comes_back(two: Cluster, tmp_path: Path) -> None:
    with java_broker(two, tmp_path / "java", **JAVA_OFFSETS) as java:
        wait_for(lambda: len(two.metadata().brokers) == 3, 20, "the original is in the cluster")
        create_offsets(two, [[1, 3, 2], [1, 3, 2]])
        two.create_topic(TOPIC, PARTITIONS)
        bootstrap = f"{two.bootstrap},127.0.0.1:{java.port}"
        members, watcher = Members(bootstrap), Watcher(bootstrap)
        stop, count = threading.Event(), 0

        def stream() -> None:
            nonlocal count
            while not stop.wait(0.05):
                produce(bootstrap, 120)
                count += 120

        streaming = threading.Thread(target=stream)
        members.start()
        try:
            watcher.wait_until_shared(3)
            streaming.start()
            watcher.wait_until_committed(600)
            assert watcher.coordinator == 1
            two.ask("kill", "broker:1")
            for_more(watcher)
            assert watcher.coordinator == 3
            two.ask("restart", "broker:1")
            wait_for(lambda: two.whole(OFFSETS_TOPIC, 2), 40, "1 is in sync again")
            wait_for(lambda: two.whole(TOPIC, PARTITIONS), 40, "1 is in sync again")
            java.kill()
            for_more(watcher)
            assert watcher.coordinator == 1
            stop.set()
            streaming.join(90)
            watcher.wait_until_committed(count, 60)
        finally:
            stop.set()
            members.join()
        assert not members.faults
        assert not watcher.complaints
        assert set(members.readers) == set(ALL_PYTHON)
        assert len(members.read) == count


def for_more(watcher: Watcher) -> None:
    """Until the group has committed more than it had."""
    watcher.wait_until_committed(sum(watcher.positions.values()) + 600, 90)
