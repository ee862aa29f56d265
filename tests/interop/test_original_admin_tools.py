"""The original's tools for settings, deleted records, log directories and ACLs on our cluster."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.clients.drivers import How, Row, write_confluent
from tests.cluster_kit import Cluster, no_traceback
from tests.interop.original import output, tool

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(300)]

CONFIGS = "kafka.admin.ConfigCommand"
LOG_DIRS = "org.apache.kafka.tools.LogDirsCommand"


@pytest.fixture(scope="module")
def cluster(original: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(directory=tmp_path_factory.mktemp("admin")) as running:
        yield running
        for broker in (1, 2, 3):
            assert no_traceback(running.log(f"broker:{broker}"))


def _configs(cluster: Cluster, *arguments: str) -> str:
    return output(CONFIGS, "--bootstrap-server", cluster.bootstrap, *arguments)


def test_settings_of_a_topic(cluster: Cluster) -> None:
    cluster.create_topic("set", 1)
    entity = ("--entity-type", "topics", "--entity-name", "set")
    changes = "retention.ms=5000,cleanup.policy=[compact,delete]"
    done = _configs(cluster, "--alter", *entity, "--add-config", changes)
    assert "Completed updating config for topic set." in done
    shown = _configs(cluster, "--describe", *entity)
    assert "retention.ms=5000 sensitive=false" in shown
    assert "DYNAMIC_TOPIC_CONFIG:cleanup.policy=compact,delete" in shown
    _configs(cluster, "--alter", *entity, "--delete-config", "retention.ms,cleanup.policy")
    shown = _configs(cluster, "--describe", *entity)
    assert re.findall(r"^  (\S+?)=", shown, re.MULTILINE) == ["min.insync.replicas"]
    everything = _configs(cluster, "--describe", "--all", *entity)
    assert "retention.ms=604800000 sensitive=false synonyms={}" in everything
    refused = tool(
        *(CONFIGS, "--bootstrap-server", cluster.bootstrap, "--alter", *entity),
        *("--add-config", "segment.bytes=few"),
    )
    assert refused.returncode != 0
    assert "InvalidConfigurationException" in refused.stdout + refused.stderr


def test_settings_of_brokers(cluster: Cluster) -> None:
    brokers = ("--entity-type", "brokers")
    one, every = (*brokers, "--entity-name", "2"), (*brokers, "--entity-default")
    done = _configs(cluster, "--alter", *every, "--add-config", "log.segment.bytes=30000")
    assert "Completed updating default config for brokers in the cluster." in done
    done = _configs(cluster, "--alter", *one, "--add-config", "log.segment.bytes=40000")
    assert "Completed updating config for broker 2." in done
    assert "log.segment.bytes=30000 sensitive=false" in _configs(cluster, "--describe", *every)
    shown = _configs(cluster, "--describe", *one)
    sources = (
        "DYNAMIC_BROKER_CONFIG:log.segment.bytes=40000",
        "DYNAMIC_DEFAULT_BROKER_CONFIG:log.segment.bytes=30000",
        "DEFAULT_CONFIG:log.segment.bytes=1073741824",
    )
    assert f"synonyms={{{', '.join(sources)}}}" in shown
    for entity in (one, every):
        _configs(cluster, "--alter", *entity, "--delete-config", "log.segment.bytes")
        assert "log.segment.bytes" not in _configs(cluster, "--describe", *entity)
    refused = tool(
        *(CONFIGS, "--bootstrap-server", cluster.bootstrap, "--alter", *one),
        *("--add-config", "broker.rack=r"),
    )
    assert "Cannot update these configs dynamically" in refused.stdout + refused.stderr


def test_levels_of_loggers(cluster: Cluster) -> None:
    entity = ("--entity-type", "broker-loggers", "--entity-name", "1")
    _configs(cluster, "--alter", *entity, "--add-config", "kafka.server=DEBUG")
    assert "kafka.server=DEBUG" in _configs(cluster, "--describe", *entity)
    _configs(cluster, "--alter", *entity, "--delete-config", "kafka.server")
    assert "kafka.server=INFO" in _configs(cluster, "--describe", *entity)


def test_records_are_deleted(cluster: Cluster, tmp_path: Path) -> None:
    cluster.create_topic("shorter", 3)
    rows = [Row(partition=n % 2, key=None, value=b"%d" % n) for n in range(100)]
    write_confluent(cluster.bootstrap, "shorter", rows, How())
    wanted = [
        {"topic": "shorter", "partition": partition, "offset": offset}
        for partition, offset in ((0, 20), (1, -1), (2, 999))
    ]
    path = tmp_path / "offsets.json"
    path.write_text(json.dumps({"version": 1, "partitions": wanted}))
    shown = output(
        "org.apache.kafka.tools.DeleteRecordsCommand",
        *("--bootstrap-server", cluster.bootstrap, "--offset-json-file", str(path)),
    )
    assert "partition: shorter-0\tlow_watermark: 20" in shown
    assert "partition: shorter-1\tlow_watermark: 50" in shown
    assert "partition: shorter-2\terror: " in shown
    earliest = output(
        "org.apache.kafka.tools.GetOffsetShell",
        *("--bootstrap-server", cluster.bootstrap, "--topic", "shorter", "--time", "-2"),
    )
    assert earliest.splitlines() == ["shorter:0:20", "shorter:1:50", "shorter:2:0"]


def test_log_directories(cluster: Cluster) -> None:
    cluster.create_topic("placed", 1)
    shown = output(
        *(LOG_DIRS, "--bootstrap-server", cluster.bootstrap, "--describe"),
        *("--topic-list", "placed", "--broker-list", "1,3"),
    )
    described = json.loads(shown.splitlines()[-1])
    assert [b["broker"] for b in described["brokers"]] == [1, 3]
    for broker in described["brokers"]:
        (directory,) = broker["logDirs"]
        assert directory["error"] is None
        assert directory["logDir"] == str(cluster.log_dir(broker["broker"]))
        expected = {"partition": "placed-0", "size": 0, "offsetLag": 0, "isFuture": False}
        assert directory["partitions"] == [expected]


def test_no_acls(cluster: Cluster) -> None:
    for arguments in (
        ["--list"],
        ["--add", "--allow-principal", "User:a", "--operation", "Read", "--topic", "t"],
    ):
        refused = tool(
            "kafka.admin.AclCommand", "--bootstrap-server", cluster.bootstrap, *arguments
        )
        assert "SecurityDisabledException" in refused.stdout + refused.stderr
