"""``barnabas cluster reassign`` and ``elect`` against a real cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.cluster_kit import Cluster, no_traceback, wait_for

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    overrides = {"auto.leader.rebalance.enable": "false"}
    with Cluster(directory=tmp_path_factory.mktemp("moves"), overrides=overrides) as running:
        yield running


def _ok(cluster: Cluster, *arguments: str) -> str:
    done = cluster.cli("cluster", *arguments)
    assert done.returncode == 0, done
    return done.stdout


def _moves(cluster: Cluster) -> Any:
    return json.loads(_ok(cluster, "reassign", "-o", "json"))


def _partitions(cluster: Cluster, topic: str) -> list[tuple[list[int], int]]:
    """Replicas in order and leader of each partition."""
    done = cluster.cli("cluster", "status", "-o", "json")
    listed = [p for p in json.loads(done.stdout)["partitions"] if p["topic"] == topic]
    return [([int(r) for r in p["replicas"]], p["leader"]) for p in listed]


def test_partitions_move_with_their_records_and_leaders_follow(cluster: Cluster) -> None:
    created = cluster.cli("topic", "create", "orders", "-p", "2", "-r", "2")
    assert created.returncode == 0, created
    lines = "".join(f"{n}\n" for n in range(50))
    assert cluster.cli("produce", "orders", "-p", "0", stdin=lines).returncode == 0
    before = _partitions(cluster, "orders")
    shown = _ok(cluster, "reassign", "-t", "orders", "--brokers", "3,1,2")
    assert "--execute" in shown
    assert _partitions(cluster, "orders") == before, "only shown"
    plan = json.loads(_ok(cluster, "reassign", "-t", "orders", "--brokers", "3,1,2", "-o", "json"))
    assert [p["to"] for p in plan] == [[3, 1], [1, 2]]
    done = _ok(cluster, "reassign", "-t", "orders", "--brokers", "3,1,2", "--execute")
    assert done.count("begun") == 2
    wait_for(lambda: not _moves(cluster), 20, "nothing moves")
    assert _ok(cluster, "reassign") == "nothing moves\n"
    assert [replicas for replicas, _ in _partitions(cluster, "orders")] == [[3, 1], [1, 2]]
    cluster.cli("cluster", "elect")
    assert [leader for _, leader in _partitions(cluster, "orders")] == [3, 1]
    assert _ok(cluster, "elect") == "nothing to do\n"
    assert "ELECTION_NOT_NEEDED" in _ok(cluster, "elect", "-t", "orders", "-p", "1", "--unclean")
    read = cluster.cli("consume", "orders", "-p", "0", "-o", "beginning", "-e")
    assert read.stdout.split() == [str(n) for n in range(50)]


def test_refusals(cluster: Cluster) -> None:
    assert cluster.cli("topic", "create", "still", "-p", "1", "-r", "1").returncode == 0
    for arguments, code, said in (
        (("reassign", "--brokers", "1"), 2, "--topic"),
        (("reassign", "-t", "still"), 2, "--brokers"),
        (("reassign", "-t", "still", "--brokers", "1,x"), 2, "1,2,3"),
        (("reassign", "-t", "still", "--brokers", "1,1"), 2, "1,2,3"),
        (("reassign", "-t", "nobody", "--brokers", "1"), 1, "UNKNOWN_TOPIC_OR_PARTITION"),
        (("reassign", "-t", "still", "-p", "7", "--cancel"), 1, "UNKNOWN_TOPIC_OR_PARTITION"),
        (("elect", "-p", "1"), 2, "--topic"),
        (("elect", "--unclean"), 2, "--topic"),
    ):
        done = cluster.cli("cluster", *arguments)
        assert done.returncode == code, done
        assert said in done.stderr
        assert no_traceback(done.stderr)
    for change, said in (
        ("--brokers 9 -p 0", "INVALID_REPLICA_ASSIGNMENT"),
        ("--cancel", "NO_REASSIGNMENT_IN_PROGRESS"),
    ):
        done = cluster.cli("cluster", "reassign", "-t", "still", *change.split(), "--execute")
        assert done.returncode == 1, done
        assert said in done.stdout
