"""Brokers of the original under our coordinator: alone, on each other's directories, mixed."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from kazoo.client import KazooClient
from tests.clients.drivers import CODECS, How, Row, digests, read_confluent, write_confluent
from tests.cluster_kit import Cluster, wait_for
from tests.interop.original import JavaBroker, java_broker, our_broker
from tests.real_clients import Traffic

pytestmark = [
    pytest.mark.foreign,
    pytest.mark.timeout(400),
    pytest.mark.usefixtures("original"),
]

SESSION = {"zookeeper.session.timeout.ms": "6000"}
"""Only so that the test does not wait long for the original's sessions to end."""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Two brokers of ours, 1 and 2, and our coordinator."""
    with Cluster(directory=tmp_path / "ours", brokers=2, overrides=SESSION) as running:
        yield running


def rows() -> list[Row]:
    return [
        Row(partition=0, key=b"k%d" % n, value=b"%d " % n * 30, timestamp=10**12 + n)
        for n in range(500)
    ]


def fill(bootstrap: str, topic: str) -> None:
    """A hundred records in every codec, one half of each by an idempotent producer."""
    for number, codec in enumerate(CODECS):
        part = rows()[number * 100 : number * 100 + 100]
        write_confluent(bootstrap, topic, part[:50], How(codec=codec, idempotent=True))
        write_confluent(bootstrap, topic, part[50:], How(codec=codec))


def create_on(bootstrap: str, topic: str, broker: int) -> None:
    """A topic of one partition with its only replica on ``broker``."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    config = {"segment.bytes": "20000", "retention.ms": "-1"}
    new = NewTopic(topic, 1, replica_assignment=[[broker]], config=config)
    admin.create_topics([new])[topic].result(20)


def test_each_opens_the_log_directory_of_the_other(cluster: Cluster, tmp_path: Path) -> None:
    """Broker 1 and the original's broker 3 each serve a topic of their own, then stop and change
    directories: a copy of each is opened by the other kind of broker under the same id."""
    bootstrap = cluster.bootstrap
    with java_broker(cluster, tmp_path / "java") as java:
        for topic, broker in (("from-java", 3), ("from-ours", 1)):
            create_on(bootstrap, topic, broker)
            wait_for(partial(cluster.whole, topic, 1, 1), 20, f"{topic} is led")
            fill(bootstrap, topic)
        before = {t: read_confluent(bootstrap, t, {0: 500}) for t in ("from-java", "from-ours")}
        swapped = java_broker(cluster, tmp_path / "swapped", 1)  # while the other's port is taken
        java.stop()
    cluster.ask("stop", "broker:1")
    ours, theirs = cluster.log_dir(1), tmp_path / "swapped" / "life" / "data-1"
    shutil.copytree(ours, theirs)
    shutil.copytree(java.log_dir, tmp_path / "their-directory")
    settings = {
        "broker.id": "3",
        "listeners": f"PLAINTEXT://127.0.0.1:{java.port}",
        "zookeeper.connect": f"127.0.0.1:{cluster.zookeeper_port}",
        "log.dirs": str(tmp_path / "their-directory"),
    }
    with (
        our_broker(tmp_path / "our-3.log", settings),
        swapped,
    ):
        for topic in before:
            wait_for(partial(cluster.whole, topic, 1, 1), 30, f"{topic} is led")
            found = read_confluent(bootstrap, topic, {0: 500})
            assert found[0] == rows()
            assert digests(found) == digests(before[topic])
            write_confluent(bootstrap, topic, rows()[:10], How(idempotent=True))
            assert read_confluent(bootstrap, topic, {0: 510})[0] == rows() + rows()[:10]


def test_mixed_cluster_loses_nothing(cluster: Cluster, tmp_path: Path) -> None:
    """Two of ours and one original, one topic with three replicas; each is killed and comes back,
    the original once under a controller of ours and once as the controller."""
    with java_broker(cluster, tmp_path / "java") as java:
        wait_for(
            lambda: len(cluster.metadata(cluster.bootstrap).brokers) == 3,
            20,
            "the original is in the cluster",
        )
        cluster.create_topic("mixed", 3)
        assert {p.leader for p in cluster.partitions("mixed").values()} == {1, 2, 3}
        theirs = f"127.0.0.1:{java.port}"
        wait_for(
            # It hears of its partitions before it hears of the topic.
            lambda: "mixed" in cluster.metadata(theirs).topics,
            60,
            "the original serves its partitions",
        )
        bootstrap = f"{cluster.bootstrap},{theirs}"
        traffic = Traffic(bootstrap, "mixed", 3)
        traffic.start()
        assert cluster.metadata(bootstrap).controller_id != 3
        kill_and_restart(cluster, java, traffic, 3)
        for broker in (1, 2):
            kill_and_restart(cluster, java, traffic, broker)
        let_the_original_win(cluster)
        wait_for(lambda: cluster.metadata(bootstrap).controller_id == 3, 10, "all know it")
        kill_and_restart(cluster, java, traffic, 1)
        assert cluster.metadata(bootstrap).controller_id == 3
        kill_and_restart(cluster, java, traffic, 3)
        traffic.assert_sound()


def kill_and_restart(cluster: Cluster, java: JavaBroker, traffic: Traffic, broker: int) -> None:
    traffic.wait_for_more(300, 60)
    bootstrap = traffic.bootstrap
    java.kill() if broker == 3 else cluster.ask("kill", f"broker:{broker}")
    wait_for(lambda: gone(cluster, bootstrap, broker), 40, f"{broker} leads nothing")
    traffic.wait_for_more(300, 60)
    java.start() if broker == 3 else cluster.ask("restart", f"broker:{broker}")
    wait_for(lambda: cluster.whole("mixed", 3), 60, f"{broker} is in sync again")


def let_the_original_win(cluster: Cluster) -> None:
    """Delete /controller while both of ours are paused."""
    zookeeper = KazooClient(f"127.0.0.1:{cluster.zookeeper_port}")
    zookeeper.start()
    try:
        for broker in (1, 2):
            cluster.ask("pause", f"broker:{broker}")
        zookeeper.delete("/controller")
        wait_for(lambda: zookeeper.exists("/controller"), 5, "the original is controller")
        assert b'"brokerid":3' in zookeeper.get("/controller")[0]
    finally:
        for broker in (1, 2):
            cluster.ask("resume", f"broker:{broker}")
        zookeeper.stop()
        zookeeper.close()


def gone(cluster: Cluster, bootstrap: str, broker: int) -> bool:
    """Whether the others know that ``broker`` is dead and lead everything."""
    for port in [int(server.rpartition(":")[2]) for server in bootstrap.split(",")]:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                continue
        view = cluster.metadata(f"127.0.0.1:{port}")
        leaders = [p.leader for p in view.topics["mixed"].partitions]
        if broker in view.brokers or broker in leaders or -1 in leaders:
            return False
    return True
