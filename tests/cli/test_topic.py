"""The command topic."""

from __future__ import annotations

import json

import pytest
from tests.cli.kit import fails, ok
from tests.cluster_kit import Cluster, barnabas, wait_for

pytestmark = pytest.mark.processes


def test_a_setting_without_a_value() -> None:
    fails(barnabas("topic", "create", "t", "-c", "retention.ms"), 1, "--config: 'retention.ms'")


def test_topics_from_creation_to_deletion(cluster: Cluster) -> None:
    assert ok(cluster, "topic", "create", "t1", "-p", "2", "-r", "2") == "created t1\n"
    listed = json.loads(ok(cluster, "topic", "list", "-o", "json"))
    assert {
        key: next(t for t in listed if t["name"] == "t1")[key]
        for key in ("name", "partitions", "replicas")
    } == {"name": "t1", "partitions": 2, "replicas": 2}
    described = json.loads(ok(cluster, "topic", "describe", "t1", "-o", "json"))
    assert [p["partition"] for p in described["partitions"]] == [0, 1]
    assert all(sorted(p["replicas"]) == [1, 2] for p in described["partitions"])
    assert "LEADER" in ok(cluster, "topic", "describe", "t1")
    assert "t1" in ok(cluster, "topic", "list")
    change = ("-c", "retention.ms=5000", "--delete-config", "segment.bytes")
    assert ok(cluster, "topic", "alter", "t1", *change) == "altered t1\n"
    assert ok(cluster, "topic", "delete", "t1") == "deleted t1\n"
    wait_for(
        lambda: "t1" not in ok(cluster, "topic", "list"), 10, "the deleted topic is not listed"
    )


def test_topics_that_are_refused(cluster: Cluster) -> None:
    ok(cluster, "topic", "create", "taken", "-p", "1", "-r", "1")
    for arguments, named in [
        (("topic", "create", "taken"), "TOPIC_ALREADY_EXISTS"),
        (("topic", "create", "a/b"), "INVALID_TOPIC_EXCEPTION"),
        (("topic", "alter", "taken", "-c", "retention.ms=x"), "INVALID_CONFIG"),
        (("topic", "alter", "nobody", "-c", "retention.ms=1"), "UNKNOWN_TOPIC_OR_PARTITION"),
        (("topic", "create", "wide", "-r", "3"), "INVALID_REPLICATION_FACTOR"),
        (("topic", "create", "odd", "-c", "no.such=1"), "INVALID_CONFIG"),
        (("topic", "create", "odd", "-c", "novalue"), "novalue"),
        (("topic", "describe", "nowhere"), "UNKNOWN_TOPIC_OR_PARTITION"),
        (("topic", "delete", "nowhere"), "UNKNOWN_TOPIC_OR_PARTITION"),
    ]:
        fails(cluster.cli(*arguments), 1, named)


def test_the_oldest_records_are_deleted(cluster: Cluster) -> None:
    ok(cluster, "topic", "create", "old", "-p", "2", "-r", "2")
    for partition in ("0", "1"):
        lines = "".join(f"{n}\n" for n in range(10))
        ok(cluster, "produce", "old", "-p", partition, stdin=lines)
    shown = ok(cluster, "topic", "delete-records", "old", "-p", "0", "--before", "4")
    assert "Nothing is deleted. --execute deletes" in shown
    read = ("consume", "old", "-p", "0", "-o", "beginning", "-e")
    assert len(ok(cluster, *read).split()) == 10
    asked = ("topic", "delete-records", "old", "-p", "0", "--before", "4", "--execute")
    (row,) = json.loads(ok(cluster, *asked, "-o", "json"))["partitions"]
    expected = {"first": 0, "new_first": 4, "offsets": 4, "result": "deleted"}
    assert row == {"partition": "old-0", **expected}
    assert ok(cluster, *read).split() == ["4", "5", "6", "7", "8", "9"]
    ok(cluster, "topic", "delete-records", "old", "--all", "--execute")
    assert (
        ok(cluster, *read)
        == ok(cluster, "consume", "old", "-p", "1", "-o", "beginning", "-e")
        == ""
    )
    ok(cluster, "topic", "delete-records", "old", "--before-time", "2020-01-01", "--execute")
    for arguments, code, said in (
        (("old",), 2, "--before"),
        (("old", "--all", "--before", "1"), 2, "--before"),
        (("old", "--before-time", "soon"), 2, "'soon'"),
        (("nobody", "--all"), 1, "UNKNOWN_TOPIC_OR_PARTITION"),
        (("old", "--all", "-p", "7"), 1, "UNKNOWN_TOPIC_OR_PARTITION"),
    ):
        fails(cluster.cli("topic", "delete-records", *arguments), code, said)
    ok(cluster, "topic", "create", "keyed", "-c", "cleanup.policy=compact")
    refused = cluster.cli("topic", "delete-records", "keyed", "--all", "--execute")
    assert (refused.returncode, "POLICY_VIOLATION" in refused.stdout) == (1, True), refused
