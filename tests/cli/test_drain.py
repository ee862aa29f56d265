"""``barnabas broker drain`` and ``undrain`` against a real cluster."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from tests.cli.kit import fails, ok
from tests.cluster_kit import Cluster

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(directory=tmp_path_factory.mktemp("drain"), brokers=3) as running:
        yield running


def _replicas(cluster: Cluster) -> list[set[int]]:
    done = cluster.cli("cluster", "status", "-o", "json")
    return [set(map(int, p["replicas"])) for p in json.loads(done.stdout)["partitions"]]


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
