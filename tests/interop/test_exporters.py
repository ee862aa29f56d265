"""Monitors of others read a running cluster: their numbers are those of command and admin client.

Each is looked for on the PATH, or under the path in a variable. kafka_exporter (danielqsj) and
kminion are Go programs that their makers publish as source and as images. Burrow is a package of
Debian (``apt-get install burrow``), an old one, which needs ZooKeeper too.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from tests.monitor.support import Series, get

from barnabas.cluster.ports import Ports
from barnabas.testing import Cluster

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(300)]
PARTITIONS = range(4)
GROUP = "billing"
WAIT_S = 90.0

Values = dict[int, float]
"""By partition of the topic."""


def program(name: str) -> str:
    """Its path; skips the test if it is not there."""
    if (found := _found(name)) is None:
        pytest.skip(f"{name} is not installed (BARNABAS_{name.upper()})")
    return found


def _found(name: str) -> str | None:
    named = os.environ.get(f"BARNABAS_{name.upper()}")
    return named or shutil.which(name) or shutil.which(name.capitalize())  # Debian's is Burrow


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Partition n has n + 1 records, of which the group has read one."""
    if not any(map(_found, ("kafka_exporter", "kminion", "burrow"))):
        pytest.skip("kafka_exporter, kminion, burrow: none of them is installed")
    settings = {"barnabas.metrics.exporter.names": "true"}
    with Cluster(brokers=3, http=True, settings=settings) as running:
        running.create_topic("orders", partitions=len(PARTITIONS), replicas=3, min_isr=2)
        for partition in PARTITIONS:
            running.produce("orders", [b"x"] * (partition + 1), partition=partition)
        yield running


@pytest.fixture(scope="module")
def group(cluster: Cluster) -> Iterator[Consumer]:
    """A member of the group, which has all partitions and has committed 1 in each."""
    consumer = Consumer(
        {
            "bootstrap.servers": cluster.bootstrap,
            "group.id": GROUP,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe(["orders"])
    deadline = time.monotonic() + WAIT_S
    while len(consumer.assignment()) < len(PARTITIONS):
        consumer.poll(0.1)
        assert time.monotonic() < deadline, "the group got no partitions"
    read = [TopicPartition("orders", n, 1) for n in PARTITIONS]
    consumer.commit(offsets=read, asynchronous=False)
    yield consumer
    consumer.close()


@contextmanager
def running(command: list[str], log: Path, **environment: str) -> Iterator[None]:
    with log.open("w") as said:
        process = subprocess.Popen(
            command, stdout=said, stderr=said, env={**os.environ, **environment}
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def until(look: Callable[[], object], wanted: object, log: Path) -> None:
    """Ask until the answer is as it should be. What is there instead, and what the program said,
    is in the failure."""
    deadline, found = time.monotonic() + WAIT_S, None
    while found != wanted:
        try:
            found = look()
        except (OSError, KeyError, ValueError) as error:
            found = repr(error)
        if time.monotonic() > deadline:
            raise AssertionError(f"{found!r}, not {wanted!r}\n{log.read_text()[-2000:]}")
        time.sleep(0.1)


def free_address() -> str:
    ports = Ports("127.0.0.1", [0])
    ports.close()
    return f"127.0.0.1:{ports.numbers[0]}"


def values(address: str, name: str, **labels: str) -> Values:
    """The values of a series by partition."""
    found = Series(get(f"http://{address}/metrics").text).all(name, **labels)
    return {
        int(dict(labels).get("partition") or dict(labels)["partition_id"]): value
        for labels, value in found.items()
    }


# --- what is true ---------------------------------------------------------------------------------


def ends(cluster: Cluster, consumer: Consumer) -> Values:
    """Where the logs end, as the client is told."""
    marks = {
        n: consumer.get_watermark_offsets(TopicPartition("orders", n), timeout=30)
        for n in PARTITIONS
    }
    return {n: float(high) for n, (_, high) in marks.items()}


def leaders(cluster: Cluster) -> Values:
    """Who leads, as the admin client is told."""
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    found = admin.list_topics("orders", timeout=30).topics["orders"].partitions
    return {n: float(found[n].leader) for n in found}


def lag(cluster: Cluster) -> Values:
    """How many records the group has not read, as the command says."""
    command = [sys.executable, "-m", "barnabas.cli.main", "group", "describe", GROUP, "-o", "json"]
    command += ["-b", cluster.bootstrap]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    return {int(p["partition"]): float(p["lag"]) for p in json.loads(shown.stdout)["partitions"]}


def test_kafka_exporter(cluster: Cluster, group: Consumer, tmp_path: Path) -> None:
    address, log = free_address(), tmp_path / "log"
    command = [program("kafka_exporter"), f"--web.listen-address={address}"]
    command += [f"--kafka.server={server}" for server in cluster.bootstrap.split(",")]
    command += ["--kafka.version=3.9.0", "--refresh.metadata=1s"]
    orders = {"topic": "orders"}
    with running(command, log):
        until(
            lambda: Series(get(f"http://{address}/metrics").text).all("kafka_brokers"),
            {(): 3.0},
            log,
        )
        for name, wanted in (
            ("kafka_topic_partition_current_offset", ends(cluster, group)),
            ("kafka_topic_partition_leader", leaders(cluster)),
            ("kafka_topic_partition_in_sync_replica", dict.fromkeys(PARTITIONS, 3.0)),
            ("kafka_consumergroup_current_offset", dict.fromkeys(PARTITIONS, 1.0)),
            ("kafka_consumergroup_lag", lag(cluster)),
        ):
            until(lambda name=name: values(address, name, **orders), wanted, log)  # type: ignore[misc]
            # With barnabas.metrics.exporter.names brokers tell the same, each its part.
            until(lambda name=name: _of_brokers(cluster, name), wanted, log)  # type: ignore[misc]


def _of_brokers(cluster: Cluster, name: str) -> Values:
    found: Values = {}
    for broker in cluster.brokers:
        address = cluster.http_url(broker).removeprefix("http://")
        found.update(values(address, name, topic="orders"))
    return found


def test_kminion(cluster: Cluster, group: Consumer, tmp_path: Path) -> None:
    address, log = free_address(), tmp_path / "log"
    host, _, port = address.rpartition(":")
    config = tmp_path / "kminion.json"  # JSON is YAML
    config.write_text(
        json.dumps(
            {
                "kafka": {"brokers": cluster.bootstrap.split(",")},
                "exporter": {"host": host, "port": int(port)},
                "minion": {
                    "endToEnd": {"enabled": True, "topicManagement": {"replicationFactor": 3}}
                },
            }
        )
    )
    orders = {"topic_name": "orders"}
    with running([program("kminion")], log, CONFIG_FILEPATH=str(config)):
        for name, wanted in (
            ("kminion_kafka_topic_partition_high_water_mark", ends(cluster, group)),
            ("kminion_kafka_consumer_group_topic_partition_lag", lag(cluster)),
        ):
            until(lambda name=name: values(address, name, **orders), wanted, log)  # type: ignore[misc]

        def told() -> tuple[object, ...]:
            series = Series(get(f"http://{address}/metrics").text)
            info = dict(next(iter(series.all("kminion_kafka_cluster_info"))))
            received = series.all("kminion_end_to_end_messages_received_total")
            return info["broker_count"], info["controller_id"], sum(received.values()) > 0

        # It also writes records of its own, and reads them.
        until(told, ("3", str(cluster.controller()), True), log)


def test_burrow(cluster: Cluster, group: Consumer, tmp_path: Path) -> None:
    address, log = free_address(), tmp_path / "log"
    servers = json.dumps(cluster.bootstrap.split(","))
    (tmp_path / "burrow.toml").write_text(
        f"""
[general]
pidfile="{tmp_path / "burrow.pid"}"
[zookeeper]
servers=["{cluster.zookeeper}"]
[client-profile.ours]
kafka-version="2.0.0"
client-id="burrow"
[cluster.local]
class-name="kafka"
client-profile="ours"
servers={servers}
topic-refresh=1
offset-refresh=1
[consumer.local]
class-name="kafka"
cluster="local"
client-profile="ours"
servers={servers}
start-latest=false
[httpserver.default]
address="{address}"
"""
    )

    def ask(path: str) -> Any:
        with urllib.request.urlopen(f"http://{address}/v3/kafka/local/{path}", timeout=10) as told:
            return json.load(told)

    def positions() -> dict[int, tuple[float, float]]:
        partitions = ask(f"consumer/{GROUP}")["topics"]["orders"]
        return {n: (p["offsets"][-1]["offset"], p["current-lag"]) for n, p in enumerate(partitions)}

    with running([program("burrow"), f"--config-dir={tmp_path}"], log):
        until(
            lambda: dict(enumerate(map(float, ask("topic/orders")["offsets"]))),
            ends(cluster, group),
            log,
        )
        until(positions, {n: (1, behind) for n, behind in lag(cluster).items()}, log)
        behind = sum(lag(cluster).values())
        until(lambda: ask(f"consumer/{GROUP}/lag")["status"]["totallag"], behind, log)
