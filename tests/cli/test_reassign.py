"""``barnabas cluster reassign`` and ``elect`` against a real cluster."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cluster_kit import BARNABAS, Cluster, no_traceback, wait_for

from barnabas.client.cluster import ClusterClient
from barnabas.client.throttles import Throttles, find_throttles

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


def test_partitions_move_with_their_records_and_leaders_follow(
    cluster: Cluster, tmp_path: Path
) -> None:
    created = cluster.cli("topic", "create", "orders", "-p", "2", "-r", "2")
    assert created.returncode == 0, created
    lines = "".join(f"{n}\n" for n in range(50))
    assert cluster.cli("produce", "orders", "-p", "0", stdin=lines).returncode == 0
    before = _partitions(cluster, "orders")
    spread = ("reassign", "--plan", "-t", "orders", "--brokers", "3")
    shown = _ok(cluster, *spread, "-r", "1")
    assert "Nothing is changed. --execute begins the moves." in shown
    assert _partitions(cluster, "orders") == before, "only shown"
    plan = json.loads(_ok(cluster, *spread, "-r", "1", "-o", "json"))
    assert plan["version"] == 1
    assert [(p["replicas"], p["log_dirs"]) for p in plan["partitions"]] == [([3], ["any"])] * 2
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    back = str(tmp_path / "back.json")
    done = _ok(cluster, "reassign", "--execute", str(tmp_path / "plan.json"), "--rollback", back)
    assert done.count("moved") == 2
    assert _ok(cluster, "reassign") == _ok(cluster, "reassign", "--list") == "nothing moves\n"
    assert _partitions(cluster, "orders") == [([3], 3)] * 2
    assert "moved" in _ok(cluster, "reassign", "--verify", str(tmp_path / "plan.json"))
    assert _ok(cluster, *spread, "-r", "1", "--execute") == "nothing to do\n"
    assert _ok(cluster, "reassign", "--execute", back, "-o", "json").count("moved") == 2
    assert [replicas for replicas, _ in _partitions(cluster, "orders")] == [r for r, _ in before]
    cluster.cli("cluster", "elect")
    assert _partitions(cluster, "orders") == before
    assert _ok(cluster, "elect") == "nothing to do\n"
    assert "ELECTION_NOT_NEEDED" in _ok(cluster, "elect", "-t", "orders", "-p", "1", "--unclean")
    read = cluster.cli("consume", "orders", "-p", "0", "-o", "beginning", "-e")
    assert read.stdout.split() == [str(n) for n in range(50)]


def _throttles(cluster: Cluster) -> Throttles:
    async def find() -> Throttles:
        async with ClusterClient(cluster.bootstrap, "test") as client:
            return await find_throttles(client)

    return asyncio.run(find())


NOTHING = Throttles(brokers=(), topics=())
SLOW = "1000"
"""Bytes/s: after the first fetch of a megabyte nothing goes on for some seconds."""


def _big(cluster: Cluster, topic: str) -> int:
    """A topic of some megabytes on one broker; returns another broker."""
    assert cluster.cli("topic", "create", topic, "-p", "1", "-r", "1").returncode == 0
    lines = ("x" * 1000 + "\n") * 6000
    assert cluster.cli("produce", topic, "-p", "0", stdin=lines).returncode == 0
    ((replicas, _),) = _partitions(cluster, topic)
    return replicas[0] % 3 + 1


def test_a_throttle_stays_with_its_moves_and_goes_with_them(cluster: Cluster) -> None:
    other = str(_big(cluster, "big"))
    began = ("reassign", "--plan", "-t", "big", "--brokers", other, "--execute")
    command = [*BARNABAS, "cluster", *began, "--throttle", SLOW, "-b", cluster.bootstrap]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        wait_for(lambda: _moves(cluster), 20, "the move has begun")
        assert _throttles(cluster).topics == ("big",)
        assert len(_throttles(cluster).brokers) == 2
        running.send_signal(signal.SIGINT)
        _, said = running.communicate()
    assert running.returncode == 130
    assert said.splitlines()[:2] == [
        "barnabas: 1 move goes on without this command",
        "barnabas: so does their throttle of 1.0 kB/s: barnabas cluster reassign --verify removes"
        " it later",
    ]
    verified = cluster.cli("cluster", "reassign", "--verify")
    assert (verified.returncode, "in progress" in verified.stdout) == (1, True), verified
    assert _throttles(cluster).topics == ("big",), "the move goes on"
    refused = cluster.cli("cluster", *began)
    assert (refused.returncode, "REASSIGNMENT_IN_PROGRESS" in refused.stderr) == (1, True), refused
    assert "throttled to 900.0 MB/s" in _ok(cluster, "reassign", "--throttle", "900000000")
    wait_for(lambda: not _moves(cluster), 30, "nothing moves")
    assert _throttles(cluster) != NOTHING
    assert "removed the throttle of brokers" in _ok(cluster, "reassign", "--verify")
    assert _throttles(cluster) == NOTHING
    # Without an interruption nothing is left to remove.
    back = str(int(other) % 3 + 1)
    asked = ("reassign", "-t", "big", "--brokers", back, "--execute", "--throttle", "900000000")
    assert "moved" in _ok(cluster, *asked)
    assert _throttles(cluster) == NOTHING


def test_moves_are_cancelled(cluster: Cluster) -> None:
    before = _partitions(cluster, "big")
    other = str(before[0][0][0] % 3 + 1)
    asked = ("reassign", "-t", "big", "--brokers", other, "--execute", "--throttle", SLOW)
    begun = cluster.cli("cluster", *asked, "--no-wait")
    assert (begun.returncode, "begun" in begun.stdout) == (0, True), begun
    assert "goes on without this command" in begun.stderr
    assert "--execute cancels the moves" in _ok(cluster, "reassign", "--cancel")
    assert _moves(cluster)
    assert "cancelled" in _ok(cluster, "reassign", "--cancel", "--execute")
    assert _moves(cluster) == []
    assert _partitions(cluster, "big") == before
    assert _throttles(cluster) == NOTHING
    assert _ok(cluster, "reassign", "--cancel", "--execute") == "nothing moves\n"


def test_refusals(cluster: Cluster) -> None:
    assert cluster.cli("topic", "create", "still", "-p", "1", "-r", "1").returncode == 0
    for arguments, code, said in (
        (("reassign", "--plan", "--cancel"), 2, "exclude"),
        (("reassign", "-t", "still", "-p", "0"), 2, "--brokers"),
        (("reassign", "-t", "still", "-p", "0", "--brokers", "1", "-r", "1"), 2, "--replicas"),
        (("reassign", "--execute"), 2, "--plan"),
        (("reassign", "--execute", "plan", "-t", "still"), 2, "nothing else"),
        (("reassign", "-r", "1"), 2, "--plan"),
        (("reassign", "-t", "still", "--brokers", "1,x"), 2, "1,2,3"),
        (("reassign", "-t", "still", "--brokers", "1,1"), 2, "1,2,3"),
        (("reassign", "-t", "nobody", "--brokers", "1"), 1, "UNKNOWN_TOPIC_OR_PARTITION"),
        (("reassign", "-t", "still", "--brokers", "1,9"), 1, "broker 9"),
        (("reassign", "-t", "still", "-r", "4"), 1, "4 replicas need 4 brokers; 3"),
        (("reassign", "-t", "still", "-p", "7", "--cancel"), 1, "UNKNOWN_TOPIC_OR_PARTITION"),
        (("reassign", "--execute", "/nowhere/plan.json"), 1, "/nowhere/plan.json: No such file"),
        (("reassign", "--execute", "/dev/null"), 1, "/dev/null: not JSON"),
        (("reassign", "--throttle", "1000"), 1, "nothing moves"),
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
