"""The sentence about a cluster, and its counts."""

from __future__ import annotations

from tests.console.kit import cluster, partition

from barnabas.console.health import DEGRADED, HEALTHY, UNAVAILABLE, health_of, listed
from barnabas.console.model import Snapshot


def test_a_calm_cluster() -> None:
    health = health_of(cluster("123", partition("123", 1, "123"), min_isr=2))
    assert health.level == HEALTHY
    assert health.sentence == "Healthy: 3 brokers, 1 partition, every replica in sync."


def test_a_survived_failure() -> None:
    lacking, whole = partition("123", 2, "23", 1), partition("23", 2, "23")
    health = health_of(cluster("23", lacking, whole, controller=2, min_isr=2))
    assert health.level == DEGRADED
    assert health.sentence == (
        "Degraded: broker 1 is gone; 1 of 2 partitions lacks an in-sync replica;"
        " all can be written and read."
    )
    assert (health.missing, health.under_replicated, health.leaderless) == ((1,), 1, 0)
    assert health.not_preferred == 1


def test_too_few_in_sync_replicas_refuse_writes() -> None:
    health = health_of(cluster("123", partition("123", 1, "1"), min_isr=2))
    assert health.level == UNAVAILABLE
    assert "1 partition refuses writes with acks=all" in health.sentence
    assert "can be written" not in health.sentence


def test_no_leader_and_no_controller() -> None:
    gone = partition("12", 1, "1")
    health = health_of(cluster("2", gone, gone, controller=-1))
    assert health.level == UNAVAILABLE
    assert health.sentence.startswith(
        "Unavailable: broker 1 is gone; no broker is controller; 2 partitions have no leader;"
    )
    assert health.under_min_isr == 0, "a partition without a leader is counted once"


def test_nobody_there() -> None:
    assert health_of(Snapshot()).sentence == "Unavailable: no broker is registered."


def test_lists() -> None:
    assert [listed(n) for n in ([1], [1, 2], [1, 2, 3])] == ["1", "1 and 2", "1, 2 and 3"]
