"""kafka-python's own integration tests (written for the original) against one broker of ours.

Its source distribution leaves out three modules that these tests import; what they need of them
is written here. With ``KAFKA_PYTHON_CHECKOUT`` set to a checkout of its repository (tag 3.0.11),
the repository's own are taken.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.cluster_kit import free_ports, wait_for
from tests.interop.pip import pip

BAD = ("skipped", "failure", "error")
VERSION = "3.0.12"
CODECS = ("python-snappy", "lz4", "zstandard")
SETTINGS = {
    "broker.id": "0",
    "num.partitions": "4",
    "group.min.session.timeout.ms": "1000",
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
}
HELPERS = {
    "__init__.py": "from kafka.future import Future\n\nFuture.error_on_callbacks = True\n",
    "conftest.py": "",
    # Of a service that runs already, tests use nothing but its address; they start none.
    "service.py": (
        "class ExternalService:\n"
        "    def __init__(self, host, port):\n"
        "        self.host, self.port = host, port\n"
        "    def open(self): pass\n"
        "    def close(self): pass\n"
        "    def dump_logs(self): pass\n\n\n"
        "class SpawnedService:\n"
        "    def __init__(self, *arguments, **options):\n"
        "        raise AssertionError('these tests use the broker that KAFKA_URI names')\n"
    ),
}

NOT_PASSED: Mapping[str, str] = {
    "test_admin_integration.py::test_create_describe_delete_acls": "needs an authorizer",
    "test_admin_integration.py::test_describe_metadata_quorum": "KRaft",
    "test_admin_integration.py::test_describe_topic_partitions": "expects 4.0",
    "test_admin_integration.py::test_describe_topic_partitions_pagination": "expects 4.0",
    "test_admin_integration.py::test_list_config_resources": "expects 4.1",
    "test_consumer_integration.py::test_kafka_consumer_offsets_for_time_old": "before 0.10.1",
}
"""What the original (3.9.1, ZooKeeper mode, no authorizer) does not pass either, and why."""

TLS_AND_SASL = ("test_sasl_integration.py", "test_ssl_integration.py")
"""These want to start brokers of their own; 11 tests."""

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(600)]


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """The sources (the wheel comes without tests), whole, and the codecs that they want."""
    pip("install", "--target", str(tmp_path / "site"), *CODECS)
    pip(
        *("download", "--no-binary", "kafka-python", "--no-deps", f"kafka-python=={VERSION}"),
        *("-d", str(tmp_path)),
    )
    with tarfile.open(next(tmp_path.glob("kafka_python-*.tar.gz"))) as archive:
        archive.extractall(tmp_path, filter="data")
    directory = tmp_path / f"kafka_python-{VERSION}"
    checkout = os.environ.get("KAFKA_PYTHON_CHECKOUT")
    if checkout is not None:
        for path in (Path(checkout) / "test").glob("*.py"):
            if not (directory / "test" / path.name).exists():
                shutil.copy(path, directory / "test")
    for name, text in HELPERS.items():
        path = directory / "test" / name
        if not path.exists():
            path.write_text(text)
    return directory


def _run(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    with open(log, "wb") as out:
        return subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """Of one broker, with an embedded coordinator."""
    first = free_ports(2)
    python = (sys.executable, "-m")
    logs = [tmp_path / "coordinator.log", tmp_path / "broker.log"]
    coordinator = _run(
        [
            *(*python, "barnabas.zookeeper.server.main", "--port", str(first + 1)),
            *("--data", str(tmp_path / "zookeeper")),
        ],
        logs[0],
    )
    settings = {
        **SETTINGS,
        "listeners": f"PLAINTEXT://127.0.0.1:{first}",
        "zookeeper.connect": f"127.0.0.1:{first + 1}",
        "log.dirs": str(tmp_path / "data"),
    }
    broker = None
    try:
        wait_for(lambda: "ready" in logs[0].read_text(), 20, "the coordinator")
        command = [*python, "barnabas.cli.main", "broker"]
        for key, value in settings.items():
            command += ["-X", f"{key}={value}"]
        broker = _run(command, logs[1])
        wait_for(lambda: "serves" in logs[1].read_text(), 30, "the broker")
        yield first
        assert "Traceback" not in logs[1].read_text(), logs[1].read_text()[-3000:]
    finally:
        for process in (broker, coordinator):
            if process is not None:
                process.terminate()
                process.wait(30)


def _outcomes(report: Path) -> dict[str, str]:
    """Test -> "passed", or how it did not, from a JUnit report."""
    found = {}
    for case in ElementTree.parse(report).iter("testcase"):
        module, _, group = case.attrib["classname"].removeprefix("test.integration.").partition(".")
        name = "::".join(part for part in (f"{module}.py", group, case.attrib["name"]) if part)
        # Where both the test and its end went wrong it has two children; the first counts.
        found[name] = next((e.tag for e in case if e.tag in BAD), "passed")
    return found


def test_kafka_python_cannot_tell_the_difference(suite: Path, port: int) -> None:
    (suite / "root").mkdir()
    report = suite / "report.xml"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("-o", "log_level=WARNING", "--timeout", "60", "--timeout-method", "signal"),
            *("--junitxml", str(report), "test/integration"),
        ],
        cwd=suite,
        env={
            **os.environ,
            "KAFKA_VERSION": "3.9.1",
            "KAFKA_ROOT": str(suite / "root"),
            "KAFKA_URI": f"kafka://127.0.0.1:{port}",
            "PYTHONPATH": f"{suite}:{suite.parent / 'site'}",
        },
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    outcomes = _outcomes(report)
    assert len(outcomes) == 67, done.stdout[-6000:] + done.stderr[-2000:]
    others = {name for name, outcome in outcomes.items() if outcome != "passed"}
    expected = {*NOT_PASSED, *(n for n in outcomes if n.startswith(TLS_AND_SASL))}
    assert others == expected, done.stdout[-12000:]
    assert len(outcomes) - len(others) == 50
