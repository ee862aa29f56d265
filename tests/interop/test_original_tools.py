"""The original's own tools against our cluster and on our files."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.clients.drivers import CODECS, How, Row, read_confluent, write_confluent
from tests.cluster_kit import Cluster, wait_for
from tests.interop.original import SCRIPT, output, tool

pytestmark = [
    pytest.mark.foreign,
    pytest.mark.timeout(300),
    pytest.mark.usefixtures("original"),
]

TOPIC_COMMAND = "org.apache.kafka.tools.TopicCommand"
GET_OFFSETS = "org.apache.kafka.tools.GetOffsetShell"
DUMP = "kafka.tools.DumpLogSegments"
REPORTS_S = 90.0
"""A tool of Java's takes half a minute to start on a busy machine."""


@pytest.fixture(scope="module")
def cluster(original: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(directory=tmp_path_factory.mktemp("tools")) as running:
        yield running


def test_console_producer_and_consumer(cluster: Cluster) -> None:
    cluster.create_topic("console", 1)
    for codec in CODECS:
        output(
            "kafka.tools.ConsoleProducer",
            *("--bootstrap-server", cluster.bootstrap, "--topic", "console"),
            *("--compression-codec", codec, "--request-required-acks", "all"),
            stdin="".join(f"{codec}-{n}\n" for n in range(20)),
        )
    expected = [f"{codec}-{n}" for codec in CODECS for n in range(20)]
    found = output(
        "org.apache.kafka.tools.consumer.ConsoleConsumer",
        *("--bootstrap-server", cluster.bootstrap, "--topic", "console", "--partition", "0"),
        *("--offset", "earliest", "--max-messages", "100", "--timeout-ms", "20000"),
    )
    assert found.splitlines() == expected
    rows = read_confluent(cluster.bootstrap, "console", {0: 100})[0]
    assert [row.value for row in rows] == [line.encode() for line in expected]


def test_verifiable_producer_and_offsets(cluster: Cluster) -> None:
    cluster.create_topic("verifiable", 3)
    printed = output(
        "org.apache.kafka.tools.VerifiableProducer",
        *("--bootstrap-server", cluster.bootstrap, "--topic", "verifiable"),
        *("--max-messages", "500", "--acks", "-1", "--repeating-keys", "7"),
    )
    events = [json.loads(line) for line in printed.splitlines()]
    sent = [e for e in events if e["name"] == "producer_send_success"]
    assert len(sent) == 500
    ends = dict.fromkeys(range(3), 0)
    for event in sent:
        ends[event["partition"]] = max(ends[event["partition"]], event["offset"] + 1)
    for time, expected in (("-1", ends), ("-2", dict.fromkeys(range(3), 0))):
        shown = output(
            GET_OFFSETS,
            *("--bootstrap-server", cluster.bootstrap, "--topic", "verifiable", "--time", time),
        )
        assert shown.splitlines() == [f"verifiable:{p}:{o}" for p, o in sorted(expected.items())]


def test_topic_command(cluster: Cluster) -> None:
    def command(*arguments: str) -> str:
        return output(TOPIC_COMMAND, "--bootstrap-server", cluster.bootstrap, *arguments)

    name = ("--topic", "commanded")
    created = command(
        "--create",
        *name,
        *("--partitions", "2", "--replication-factor", "3", "--config", "retention.ms=5000"),
    )
    assert "Created topic commanded." in created
    assert "commanded" in command("--list").splitlines()
    wait_for(lambda: cluster.whole("commanded", 2), 10, "whole")
    described = command("--describe", *name)
    assert re.search(r"PartitionCount: 2\s+ReplicationFactor: 3\s.*retention.ms=5000", described)
    assert len(re.findall(r"Isr: \d,\d,\d", described)) == 2
    command("--alter", *name, "--partitions", "4")
    wait_for(lambda: cluster.whole("commanded", 4), 10, "whole")
    assert "PartitionCount: 4" in command("--describe", *name)
    assert command("--describe", "--under-replicated-partitions").strip() == ""
    command("--delete", *name)
    wait_for(lambda: not cluster.partitions("commanded"), 10, "gone")
    assert "commanded" not in command("--list").splitlines()
    refused = tool(
        TOPIC_COMMAND,
        *("--bootstrap-server", cluster.bootstrap, "--create", "--topic", "x"),
        *("--replication-factor", "9"),
    )
    assert "InvalidReplicationFactorException" in refused.stdout + refused.stderr


def test_broker_api_versions(cluster: Cluster) -> None:
    shown = output("kafka.admin.BrokerApiVersionsCommand", "--bootstrap-server", cluster.bootstrap)
    for broker in (1, 2, 3):
        assert f"127.0.0.1:{cluster.broker_port(broker)} (id: {broker} rack: null)" in shown
    for api in ("Produce(0): 0 to 11", "Fetch(1): 0 to 17", "Metadata(3): 0 to 12"):
        assert api in shown


def test_replica_verification(cluster: Cluster) -> None:
    """It runs for ever; it must report that no replica lags, again and again, until stopped."""
    cluster.create_topic("verified", 2)
    rows = [Row(partition=n % 2, key=None, value=b"%d" % n) for n in range(1000)]
    write_confluent(cluster.bootstrap, "verified", rows, How(codec="lz4"))
    reports: list[str] = []
    with subprocess.Popen(
        [
            *(str(SCRIPT), "run", "org.apache.kafka.tools.ReplicaVerificationTool"),
            *("--broker-list", cluster.bootstrap, "--topics-include", "verified"),
            *("--report-interval-ms", "500"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        too_late = threading.Timer(REPORTS_S, process.kill)
        too_late.start()
        assert process.stdout is not None
        for line in process.stdout:
            reports += re.findall(r"max lag is (\d+) for", line)
            if len(reports) >= 3:
                break
        too_late.cancel()
        process.kill()
    assert len(reports) >= 3
    assert set(reports[1:]) == {"0"}


def test_performance_tools(cluster: Cluster) -> None:
    cluster.create_topic("fast", 1)
    shown = output(
        "org.apache.kafka.tools.ProducerPerformance",
        *("--topic", "fast", "--num-records", "5000", "--record-size", "100"),
        *("--throughput", "-1", "--producer-props"),
        f"bootstrap.servers={cluster.bootstrap}",
        "acks=all",
    )
    assert "5000 records sent" in shown
    rows = read_confluent(cluster.bootstrap, "fast", {0: 5000})
    assert len(rows[0]) == 5000


@pytest.fixture(scope="module")
def stopped(original: None, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """A cluster after a clean stop; ``dumped`` holds 300 records in every codec, many segments."""
    cluster = Cluster(directory=tmp_path_factory.mktemp("stopped"), brokers=1)
    with cluster:
        small: dict[str, Any] = {"segment_bytes": "16384", "index_interval_bytes": "512"}
        cluster.create_topic("dumped", 1, 1, retention_ms="-1", **small)
        for number, codec in enumerate(CODECS):
            rows = [
                Row(partition=0, key=b"k%d" % n, value=b"%d " % n * 40, timestamp=10**12 + n)
                for n in range(number * 300, number * 300 + 300)
            ]
            for at in range(0, 300, 60):
                how = How(codec=codec, idempotent=True)
                write_confluent(cluster.bootstrap, "dumped", rows[at : at + 60], how)
        assert cluster.stop() == 0
    return cluster


def test_dump_log_segments(stopped: Cluster) -> None:
    directory = stopped.log_dir(1) / "dumped-0"
    logs = sorted(directory.glob("*.log"))
    assert len(logs) > 3
    shown = output(DUMP, "--deep-iteration", "--print-data-log", "--files", _files(logs))
    offsets = [int(n) for n in re.findall(r"^\| offset: (\d+) ", shown, re.MULTILINE)]
    assert offsets == list(range(1500))
    assert "isvalid: false" not in shown
    assert set(re.findall(r"compresscodec: (\w+)", shown)) == set(CODECS)
    indexes = sorted([*directory.glob("*.index"), *directory.glob("*.timeindex")])
    shown = output(DUMP, "--index-sanity-check", "--files", _files(indexes))
    assert len(re.findall(r"passed sanity check|index is empty", shown)) == len(indexes)
    assert "passed sanity check" in shown
    shown = output(DUMP, "--verify-index-only", "--files", _files(indexes))
    assert "Mismatches" not in shown
    assert "Misses" not in shown
    assert "Found timestamp mismatch" not in shown
    snapshots = sorted(directory.glob("*.snapshot"))
    assert snapshots
    assert "producerId: " in output(DUMP, "--files", _files(snapshots[-1:]))


def _files(paths: list[Path]) -> str:
    return ",".join(map(str, paths))
