"""The pytest plugin, in a pytest of its own each time, as a user has it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from barnabas.console.history import read_events

pytestmark = pytest.mark.processes

# pytest-asyncio warns where this is not said.
SCOPE = "asyncio_default_fixture_loop_scope = function\n"


def run(directory: Path, text: str, *options: str, ini: str = "") -> str:
    """Run ``text`` as a test file; what pytest says."""
    (directory / "test_it.py").write_text(text)
    (directory / "pytest.ini").write_text(f"[pytest]\n{SCOPE}{ini}")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-W", "error", "-p", "no:cacheprovider", *options],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    return done.stdout + done.stderr


def test_each_test_has_a_cluster_as_its_mark_wants_it(tmp_path: Path) -> None:
    told = run(
        tmp_path,
        """
import pytest

pytestmark = pytest.mark.kafka(settings={"num.partitions": 2})

def test_default(kafka_cluster):
    assert list(kafka_cluster.brokers) == [1, 2, 3]
    kafka_cluster.create_topic("orders", min_isr=2)
    kafka_cluster.produce("orders", ["a"])
    old = kafka_cluster.kill("leader:orders/0")
    kafka_cluster.wait_for_leader("orders", not_on=old)
    kafka_cluster.assert_records("orders", ["a"])

@pytest.mark.kafka(brokers=2, faults_seed=7, settings={"auto.create.topics.enable": False})
def test_marked(kafka_cluster):
    assert list(kafka_cluster.brokers) == [1, 2]
    fault = kafka_cluster.faults.on("Produce").error("NOT_LEADER_OR_FOLLOWER").times(1)
    kafka_cluster.create_topic("orders", partitions=-1)
    kafka_cluster.produce("orders", ["a"], partition=1)
    assert len(fault.hits) == 1

def test_one(kafka_broker):
    assert list(kafka_broker.brokers) == [1]

@pytest.mark.kafka(in_process=False, brokers=1)
def test_processes(kafka_cluster):
    kafka_cluster.create_topic("orders")
    kafka_cluster.kill(1)
    kafka_cluster.restart(1)
    kafka_cluster.produce("orders", ["a"])
""",
        ini="addopts = --strict-markers",
    )
    assert "4 passed" in told, told


def test_one_cluster_for_all_and_a_topic_for_each_also_under_xdist(tmp_path: Path) -> None:
    told = run(
        tmp_path,
        """
import pytest

@pytest.mark.kafka(partitions=2, topic_configs={"cleanup.policy": "compact"})
@pytest.mark.parametrize("name", ["a b/c", "é", "x" * 300])
def test_names(kafka_topic, kafka_session_cluster, name):
    assert kafka_session_cluster.records(kafka_topic, partition=1) == []
    kafka_session_cluster.produce(kafka_topic, [("k", "v")])
    kafka_session_cluster.assert_records(kafka_topic, [("k", "v")])

@pytest.mark.parametrize("number", range(8))
def test_many(kafka_topic, kafka_session_cluster, number):
    kafka_session_cluster.produce(kafka_topic, ["a"])
    kafka_session_cluster.assert_records(kafka_topic, ["a"])
    assert len(kafka_session_cluster.brokers) == 2
""",
        *("-n", "2"),
        ini="kafka_brokers = 2\nkafka_settings =\n    log.retention.hours=1\n",
    )
    assert "11 passed" in told, told


def test_the_report_of_a_failed_test_shows_the_events(tmp_path: Path) -> None:
    told = run(
        tmp_path,
        """
def test_it(kafka_broker):
    kafka_broker.create_topic("orders")
    assert False

def test_shared(kafka_session_cluster, kafka_topic):
    assert False

def test_good(kafka_broker):
    kafka_broker.create_topic("nobody-cares")

def test_with_many(kafka_broker):
    kafka_broker.create_topic("large", partitions=300)
    assert False
""",
        ini="kafka_events = histories\n",
    )
    assert "3 failed, 1 passed" in told, told
    assert re.search(r"^\(\d+ earlier events are left out\)$", told, re.MULTILINE), told
    assert "Kafka cluster events (call)" in told
    assert "topic_created topic=orders" in told
    assert "topic_created topic=test_shared-1" in told
    assert "nobody-cares" not in told
    files = sorted(path.name for path in (tmp_path / "histories").iterdir())
    assert files == [
        f"test_it.py-{name}.jsonl" for name in ("test_it", "test_shared", "test_with_many")
    ]
    assert f"barnabas console --events {tmp_path / 'histories' / files[0]}" in told
    with (tmp_path / "histories" / files[0]).open("rb") as lines:
        assert read_events(lines)[0].kind == "history_began"


def test_a_mark_that_means_nothing_is_told(tmp_path: Path) -> None:
    told = run(
        tmp_path,
        """
import pytest

@pytest.mark.kafka(broker=1)
def test_it(kafka_broker):
    pass
""",
    )
    assert "@pytest.mark.kafka: 'broker' means nothing" in told


def test_tests_with_a_loop_use_the_same_fixture(tmp_path: Path) -> None:
    told = run(
        tmp_path,
        """
import asyncio

async def failover(cluster):
    topic = await cluster.create_topic("orders")
    old = await cluster.kill(f"leader:{topic}/0")
    new = await cluster.wait_for_leader(topic, not_on=old)
    await asyncio.gather(cluster.restart(old), cluster.produce(topic, ["a"]))
    await cluster.assert_records(topic, ["a"])

def test_it(kafka_cluster):
    asyncio.run(failover(kafka_cluster.aio))
""",
    )
    assert "1 passed" in told, told


@pytest.mark.parametrize(
    ("plugin", "text"),
    [
        (
            "pytest_asyncio",
            "import pytest\npytestmark = pytest.mark.asyncio\n",
        ),
        (
            "anyio",
            "import pytest\npytestmark = pytest.mark.anyio\n"
            "@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n",
        ),
    ],
)
def test_beside_plugins_for_coroutines(tmp_path: Path, plugin: str, text: str) -> None:
    pytest.importorskip(plugin)
    told = run(
        tmp_path,
        text
        + """
async def test_it(kafka_cluster):
    cluster = kafka_cluster.aio
    await cluster.create_topic("orders")
    await cluster.produce("orders", ["a"])
    await cluster.assert_records("orders", ["a"])
""",
    )
    assert "1 passed" in told, told


def test_unittest(tmp_path: Path) -> None:
    told = run(
        tmp_path,
        """
from barnabas.testing import KafkaTestCase

class Shared(KafkaTestCase):
    kafka_options = {"brokers": 1, "in_process": True}

    def test_1(self):
        self.kafka.create_topic("orders")

    def test_2(self):
        assert self.kafka.leader_of("orders") == 1

class Own(KafkaTestCase):
    kafka_options = {"brokers": 1, "in_process": True}
    kafka_per_test = True

    def test_1(self):
        self.kafka.create_topic("orders")

    def test_2(self):
        self.kafka.create_topic("orders")
""",
        *("-p", "no:randomly"),
    )
    assert "4 passed" in told, told


def test_a_run_without_kafka_imports_nothing_of_it(tmp_path: Path) -> None:
    told = run(
        tmp_path,
        """
import sys

def test_it():
    ours = [name for name in sys.modules if name.startswith("barnabas")]
    assert sorted(ours) == ["barnabas", "barnabas.testing", "barnabas.testing.plugin"]
    assert "uvloop" not in sys.modules and "msgspec" not in sys.modules
""",
    )
    assert "1 passed" in told, told
