"""``barnabas broker drain`` and ``undrain`` against a real cluster."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator

import pytest
from tests.cli.kit import fails, ok
from tests.cluster_kit import BARNABAS, Cluster, no_traceback, wait_for

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(directory=tmp_path_factory.mktemp("drain"), brokers=3) as running:
        yield running


def _replicas(cluster: Cluster) -> list[set[int]]:
    done = cluster.cli("cluster", "status", "-o", "json")
    return [set(map(int, p["replicas"])) for p in json.loads(done.stdout)["partitions"]]


def _replicas_of(cluster: Cluster, topic: str) -> set[int]:
    """Of partition 0."""
    done = cluster.cli("topic", "describe", topic, "-o", "json")
    return set(json.loads(done.stdout)["partitions"][0]["replicas"])


def test_a_broker_dies_while_another_is_drained(cluster: Cluster) -> None:
    """Its copy would wait for ever: the command ends, and once more it goes on with others."""
    ok(cluster, "topic", "create", "single", "-p", "1", "-r", "1")
    (leader,) = _replicas_of(cluster, "single")
    ok(cluster, "produce", "single", "-p", "0", stdin="".join(f"{n:09000}\n" for n in range(400)))
    drain = ("broker", "drain", str(leader), "--execute")
    moving = subprocess.Popen(
        [*BARNABAS, *drain, "--throttle", "100", "--timeout", "1", "-b", cluster.bootstrap],
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: len(_replicas_of(cluster, "single")) == 2, 30, "the move begins")
    (target,) = _replicas_of(cluster, "single") - {leader}
    ok(cluster, "chaos", "kill", str(target), "-b", cluster.bootstrap)
    _, said = moving.communicate(timeout=60)
    assert moving.returncode == 1
    assert no_traceback(said)
    assert f"broker {target} is not registered, for 1 s now" in said
    assert f"broker {leader} stays marked: the same command again goes on" in said
    shown = ok(cluster, *drain, "--throttle", "100000000")
    assert shown == f"broker {leader} is drained: it holds nothing\n"
    (other,) = _replicas_of(cluster, "single")
    assert other not in (leader, target)
    ok(cluster, "chaos", "restart", str(target), "-b", cluster.bootstrap)
    removed = f"removed the throttle of brokers {target}"
    verify = ("cluster", "reassign", "--verify")
    wait_for(lambda: removed in ok(cluster, *verify), 30, "it registers, and its rate goes")
    ok(cluster, "broker", "undrain", str(leader))
    ok(cluster, "topic", "delete", "single")


def test_a_drained_broker_holds_nothing_and_gets_nothing_until_it_is_undrained(
    cluster: Cluster,
) -> None:
    ok(cluster, "topic", "create", "orders", "-p", "6", "-r", "2")
    ok(cluster, "produce", "orders", "-p", "0", stdin="".join(f"{n}\n" for n in range(50)))
    before = _replicas(cluster)
    assert "Nothing is changed. --execute marks" in ok(cluster, "broker", "drain", "3")
    assert _replicas(cluster) == before
    said = ok(cluster, "broker", "drain", "3", "--execute")
    assert said == "broker 3 is drained: it holds nothing\n"
    assert _replicas(cluster) == [{1, 2}] * 6
    held = [path.name for path in (cluster.directory / "broker-3").glob("**/orders-*")]
    assert all(name.endswith("-delete") for name in held), held
    ok(cluster, "topic", "create", "later", "-p", "6", "-r", "2")
    assert _replicas(cluster) == [{1, 2}] * 12
    assert ok(cluster, "cluster", "reassign", "--plan") == "nothing to move\n"
    fails(cluster.cli("topic", "create", "wide", "-r", "3"), 1, "INVALID_REPLICATION_FACTOR")
    refused = cluster.cli("broker", "drain", "2", "--execute")
    fails(refused, 1, "broker 2 cannot be drained: 2 replicas of a partition, 1 other broker")
    assert "holds nothing. --execute marks it" in ok(cluster, "broker", "drain", "3")
    # Undrained it is as the others again.
    assert ok(cluster, "broker", "undrain", "3").startswith("broker 3 may have replicas")
    ok(cluster, "topic", "create", "wide", "-r", "3")
    shown = ok(cluster, "cluster", "reassign", "--plan", "-t", "orders")
    assert re.search(r"^ *3 +0 -> 4 ", shown, re.MULTILINE), shown
    read = ok(cluster, "consume", "orders", "-p", "0", "-o", "beginning", "-e")
    assert read.split() == [str(n) for n in range(50)]


def test_who_cannot_be_drained(cluster: Cluster) -> None:
    fails(cluster.cli("broker", "drain", "9"), 1, "broker 9")
    fails(cluster.cli("broker", "undrain", "9"), 1, "broker 9")
    fails(cluster.cli("broker", "drain", "3"), 1, "3 replicas")
