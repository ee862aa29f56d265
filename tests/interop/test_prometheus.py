"""Prometheus reads a running cluster, and says what admin client and commands say."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from tests.monitor.support import get, until

from barnabas.cluster.ports import Ports
from barnabas.testing import Cluster

pytestmark = pytest.mark.foreign

CONFIG = """
global: {{scrape_interval: 250ms, scrape_timeout: 250ms}}
scrape_configs:
  - job_name: kafka-broker
    static_configs: [{{targets: [{targets}]}}]
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not installed")
    with Cluster(brokers=3, http=True) as running:
        running.create_topic("orders", partitions=4, replicas=3, min_isr=2)
        for partition in range(4):
            running.produce("orders", [b"x"] * (partition + 1), partition=partition)
        yield running


Query = Callable[[str], dict[str, float]]


@pytest.fixture(scope="module")
def query(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Query]:
    """Values by their labels ``topic/partition`` (or "") of an expression, asked of Prometheus."""
    directory = tmp_path_factory.mktemp("prometheus")
    targets = ", ".join(f'"{cluster.http_url(b).removeprefix("http://")}"' for b in cluster.brokers)
    config = directory / "prometheus.yml"
    config.write_text(CONFIG.format(targets=targets))
    ports = Ports("127.0.0.1", [0])
    address = f"127.0.0.1:{ports.numbers[0]}"
    ports.close()
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={config}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address={address}",
            ],
            stdout=log,
            stderr=log,
        )

    def ask(expression: str) -> dict[str, float]:
        text = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"http://{address}/api/v1/query?{text}", timeout=10) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return {_label(each["metric"]): float(each["value"][1]) for each in found}

    def scraped() -> bool:
        try:
            return ask("sum(up)") == {"": 3}
        except OSError:
            return False

    try:
        until(scraped, (directory / "log").read_text())
        yield ask
    finally:
        process.terminate()
        process.wait()


def _label(metric: dict[str, str]) -> str:
    return "/".join(metric[name] for name in ("topic", "partition") if name in metric)


def test_it_takes_all_that_brokers_tell(cluster: Cluster, query: Query) -> None:
    assert query("count(up == 0)") == {}
    assert query("sum(kafka_controller_kafkacontroller_activecontrollercount)") == {"": 1}
    if shutil.which("promtool") is not None:
        for broker in cluster.brokers:
            text = get(f"{cluster.http_url(broker)}/metrics").text
            done = subprocess.run(
                ["promtool", "check", "metrics"],
                input=text,
                capture_output=True,
                text=True,
                check=False,
            )
            # What it says of style (exit code 3) is about names, which are Kafka's.
            assert done.returncode in (0, 3), done.stderr


def test_the_end_of_a_log_is_what_a_consumer_is_told(cluster: Cluster, query: Query) -> None:
    consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "g"})
    ends = {
        f"orders/{n}": float(consumer.get_watermark_offsets(TopicPartition("orders", n), 10)[1])
        for n in range(4)
    }
    consumer.close()
    assert ends == {f"orders/{n}": n + 1 for n in range(4)}
    expression = 'max by (topic, partition) (kafka_log_log_logendoffset{topic="orders"})'
    until(lambda: query(expression) == ends, f"{expression} is {ends}")


def test_leaders_are_counted_as_the_admin_client_counts_them(
    cluster: Cluster, query: Query
) -> None:
    topics = AdminClient({"bootstrap.servers": cluster.bootstrap}).list_topics(timeout=10).topics
    partitions = [p for topic in topics.values() for p in topic.partitions.values()]
    assert all(p.leader >= 0 for p in partitions)
    expression = "sum(kafka_server_replicamanager_leadercount)"
    until(lambda: query(expression) == {"": len(partitions)}, expression)


def test_a_broker_that_dies_is_seen_as_the_command_sees_it(cluster: Cluster, query: Query) -> None:
    everybody = "sum(kafka_controller_kafkacontroller_activebrokercount)"
    until(lambda: query(everybody) == {"": 3}, everybody)
    gone = next(b for b in cluster.brokers if b != cluster.controller())
    cluster.kill(gone)
    for partition in range(4):
        cluster.wait_for_isr("orders", partition, 2)
    command = [sys.executable, "-m", "barnabas.cli.main", "cluster", "status", "-o", "json"]
    command += ["--bootstrap-server", cluster.bootstrap]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    under = sum(len(p["isr"]) < len(p["replicas"]) for p in json.loads(shown.stdout)["partitions"])
    assert under >= 4
    expression = "sum(kafka_server_replicamanager_underreplicatedpartitions)"
    until(lambda: query(expression) == {"": under}, f"{expression} is {under}")
    until(lambda: query(everybody) == {"": 2}, everybody)
    assert query("count(up == 0)") == {"": 1}
