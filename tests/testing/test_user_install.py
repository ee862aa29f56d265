"""What ``pip install barnabas[test]`` brings is enough for a user's tests, and is not our tools."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

OURS = {"hypothesis", "kazoo", "confluent-kafka", "aiokafka", "kafka-python", "pytest-xdist"}

BLOCKED = """
import sys

class Blocked:
    names = {names!r}

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"a user has no {{name}}", name=name)

sys.meta_path.insert(0, Blocked())
"""

TEST = """
import pytest
from barnabas.testing.containers import KafkaContainer

@pytest.mark.kafka(in_process=False)
def test_processes(kafka_cluster):
    topic = kafka_cluster.create_topic("orders", min_isr=2)
    kafka_cluster.produce(topic, ["a"])
    old = kafka_cluster.kill(f"leader:{topic}/0")
    kafka_cluster.wait_for_leader(topic, not_on=old)
    kafka_cluster.assert_records(topic, ["a"])

def test_in_process(kafka_session_cluster, kafka_topic):
    kafka_session_cluster.faults.on("Produce").error("NOT_LEADER_OR_FOLLOWER").times(1)
    kafka_session_cluster.produce(kafka_topic, ["a"])

def test_container():
    with KafkaContainer() as kafka:
        assert kafka.status == "running"
"""


def closure(distribution: str, extras: set[str]) -> set[str]:
    """The distributions that pip installs for one, by their names in one spelling."""
    found: set[str] = set()
    left = [(distribution, frozenset(extras))]
    seen = set(left)
    while left:
        name, wanted = left.pop()
        found.add(plain(name))
        for text in metadata.requires(name) or ():
            required = Requirement(text)
            marker = required.marker
            if marker is None or any(marker.evaluate({"extra": e}) for e in ("", *wanted)):
                item = (required.name, frozenset(required.extras))
                if item not in seen:
                    seen.add(item)
                    left.append(item)
    return found


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_extra_for_tests_brings_no_tool_of_ours() -> None:
    installed = closure("barnabas", {"test"})
    assert "pytest" in installed
    assert not installed & OURS
    assert closure("barnabas", {"test", "dev"}) >= OURS


@pytest.mark.processes
def test_nothing_else_is_imported(tmp_path: Path) -> None:
    installed = closure("barnabas", {"test"})
    packages = metadata.packages_distributions()
    names = {
        module
        for module, distributions in packages.items()
        if not {plain(name) for name in distributions} & installed
    }
    assert "confluent_kafka" in names
    (tmp_path / "sitecustomize.py").write_text(BLOCKED.format(names=names))
    (tmp_path / "test_it.py").write_text(TEST)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "error"),
            *("-p", "barnabas.testing.plugin"),  # those of our tools are not loaded
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert "3 passed" in done.stdout, done.stdout + done.stderr
