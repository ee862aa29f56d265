"""The command cluster: its status, and that it is never said to be better than it is."""

from __future__ import annotations

import json
import re

import pytest
from tests.cli.kit import ok
from tests.cluster_kit import Cluster, wait_for

from barnabas.cli import cluster as command
from barnabas.client.metadata import BrokerView, ClusterView, PartitionView, TopicView


@pytest.mark.processes
def test_status(cluster: Cluster) -> None:
    ok(cluster, "topic", "create", "matrix", "-p", "2", "-r", "2")
    wait_for(lambda: cluster.cli("cluster", "status").returncode == 0, 10, "the cluster is healthy")
    shown = ok(cluster, "cluster", "status")
    assert "controller" in shown
    assert re.search(r"^matrix/1 +0 +[Ls] +[Ls]$", shown, re.MULTILINE), shown
    document = json.loads(ok(cluster, "cluster", "status", "-o", "json"))
    assert [b["id"] for b in document["brokers"]] == [1, 2]
    assert document["healthy"] is True
    states = [p["replicas"] for p in document["partitions"] if p["topic"] == "matrix"]
    assert [sorted(s.values()) for s in states] == [["in sync", "leader"]] * 2


def partition(leader: int, replicas: tuple[int, ...], **others: tuple[int, ...]) -> PartitionView:
    return PartitionView(
        partition=0,
        error=0,
        leader=leader,
        leader_epoch=4,
        replicas=replicas,
        isr=others.get("isr", replicas),
        offline=others.get("offline", ()),
    )


def view(*partitions: PartitionView, brokers: tuple[int, ...], controller: int = 1) -> ClusterView:
    topic = TopicView(name="t", topic_id=None, error=0, internal=False, partitions=partitions)
    return ClusterView(
        cluster_id="c",
        controller_id=controller,
        brokers={b: BrokerView(id=b, host="h", port=b, rack=None) for b in brokers},
        topics={"t": topic},
    )


@pytest.mark.parametrize(
    ("seen", "sentence"),
    [
        (
            view(partition(1, (1, 2)), partition(2, (2, 1)), brokers=(1, 2)),
            "healthy: 2 brokers, 2 partitions, all in sync",
        ),
        (view(brokers=(1, 2, 3)), "healthy: 3 brokers, 0 partitions, all in sync"),
        (
            view(partition(1, (1, 2, 3)), partition(3, (3, 2, 1)), brokers=(1, 2)),
            "degraded: 2 brokers, 2 partitions, 1 leaderless, 2 under-replicated, missing: 3",
        ),
        (
            view(partition(3, (3,)), brokers=(1, 2)),
            "degraded: 2 brokers, 1 partitions, 1 leaderless, 1 under-replicated, missing: 3",
        ),
        (
            view(partition(1, (1, 2), isr=(1,)), brokers=(1, 2)),
            "degraded: 2 brokers, 1 partitions, 0 leaderless, 1 under-replicated",
        ),
        (
            view(partition(1, (1, 2), offline=(2,)), brokers=(1, 2)),
            "degraded: 2 brokers, 1 partitions, 0 leaderless, 1 under-replicated",
        ),
        (
            view(partition(-1, (1, 2)), brokers=(1, 2)),
            "degraded: 2 brokers, 1 partitions, 1 leaderless, 0 under-replicated",
        ),
        (
            view(partition(1, (1, 2)), brokers=(1, 2), controller=3),
            "degraded: 2 brokers, 1 partitions, 0 leaderless, 0 under-replicated, no controller",
        ),
        (
            view(partition(1, (1, 2)), brokers=(1, 2), controller=-1),
            "degraded: 2 brokers, 1 partitions, 0 leaderless, 0 under-replicated, no controller",
        ),
    ],
)
def test_the_sentence_is_not_happier_than_the_cluster(seen: ClusterView, sentence: str) -> None:
    assert command._sentence(seen) == sentence
    document = command._document(seen)
    assert document["healthy"] is sentence.startswith("healthy")
    assert document["missing"] == ([3] if "missing: 3" in sentence else [])


def test_who_is_not_there_is_offline_whatever_the_state_says() -> None:
    seen = view(partition(3, (1, 2, 3), isr=(1, 3)), brokers=(1, 2, 4))
    (only,) = seen.topics["t"].partitions
    assert [seen.replica_state(only, b) for b in (1, 2, 3, 4)] == [
        "in sync",
        "lagging",
        "offline",
        "",
    ]
