"""The original's consumers and group command with the next-generation protocol (KIP-848)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.cluster_kit import Cluster
from tests.coordinator.group.consumer.test_clients import SETTINGS
from tests.interop.original import output
from tests.interop.original_groups import group_command

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def cluster(original: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(directory=tmp_path_factory.mktemp("next"), overrides=SETTINGS) as running:
        yield running


@pytest.mark.parametrize("assignor", ["uniform", "range"])
def test_console_consumer_and_group_command(cluster: Cluster, assignor: str) -> None:
    topic = f"read-{assignor}"
    cluster.create_topic(topic, 2)
    lines = "".join(f"{number}\n" for number in range(50))
    for partition in ("0", "1"):
        assert cluster.cli("produce", topic, "-p", partition, stdin=lines).returncode == 0
    bootstrap = ("--bootstrap-server", cluster.bootstrap)
    found = output(
        "org.apache.kafka.tools.consumer.ConsoleConsumer",
        *bootstrap,
        *("--topic", topic, "--group", topic, "--from-beginning"),
        *("--consumer-property", "group.protocol=consumer"),
        *("--consumer-property", f"group.remote.assignor={assignor}"),
        *("--max-messages", "100", "--timeout-ms", "30000"),
    )
    assert sorted(found.split(), key=int) == [str(n) for n in range(50) for _ in range(2)]
    listed = group_command(cluster.bootstrap, "--list", "--type").splitlines()
    assert any(line.split() == [topic, "Consumer"] for line in listed)
    shown = group_command(cluster.bootstrap, "--describe", "--group", topic).splitlines()
    rows = [line.split() for line in shown if line.startswith(topic)]
    # Group, topic, partition, position, end, lag.
    assert sorted(row[2:6] for row in rows) == [["0", "50", "50", "0"], ["1", "50", "50", "0"]]
    state = group_command(cluster.bootstrap, "--describe", "--state", "--group", topic)
    assert "Empty" in state
    deleted = group_command(cluster.bootstrap, "--delete", "--group", topic)
    assert "was successful" in deleted, deleted
    assert topic not in group_command(cluster.bootstrap, "--list").split()
