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
