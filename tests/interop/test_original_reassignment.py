"""The original's tools that move partitions and elect leaders, against our cluster."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from tests.cluster_kit import Cluster, wait_for
from tests.interop.original import output, tool

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(300)]

REASSIGN = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand"
ELECT = "org.apache.kafka.tools.LeaderElectionCommand"


@pytest.fixture(scope="module")
def cluster(original: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    # A broker that is paused must not be missed before a tool of the original has started.
    overrides = {"auto.leader.rebalance.enable": "false", "zookeeper.session.timeout.ms": "60000"}
    with Cluster(directory=tmp_path_factory.mktemp("moves"), overrides=overrides) as running:
        yield running


def _plan(path: Path, topic: str, targets: Mapping[int, Sequence[int]]) -> str:
    listed = [
        {"topic": topic, "partition": number, "replicas": list(replicas)}
        for number, replicas in targets.items()
    ]
    path.write_text(json.dumps({"version": 1, "partitions": listed}))
    return str(path)


def _reassign(cluster: Cluster, *arguments: str) -> str:
    return output(REASSIGN, "--bootstrap-server", cluster.bootstrap, *arguments)


def _view(cluster: Cluster, topic: str) -> list[tuple[list[int], int]]:
    """Replicas in order, and leader, of each partition."""
    shown = json.loads(cluster.cli("cluster", "status", "-o", "json").stdout)
    listed = [p for p in shown["partitions"] if p["topic"] == topic]
    return [([int(r) for r in p["replicas"]], p["leader"]) for p in listed]


def test_partitions_are_moved_verified_and_led(cluster: Cluster, tmp_path: Path) -> None:
    assert cluster.cli("topic", "create", "moved", "-p", "2", "-r", "2").returncode == 0
    lines = "".join(f"{n}\n" for n in range(500))
    assert cluster.cli("produce", "moved", "-p", "0", stdin=lines).returncode == 0
    before = dict(enumerate(replicas for replicas, _ in _view(cluster, "moved")))
    away = {n: [next(b for b in (1, 2, 3) if b not in r), r[1]] for n, r in before.items()}
    plan = _plan(tmp_path / "plan.json", "moved", away)
    done = _reassign(cluster, "--reassignment-json-file", plan, "--execute")
    assert "Successfully started partition reassignments for moved-0,moved-1" in done

    def verified() -> str:
        return _reassign(
            cluster, "--reassignment-json-file", plan, "--verify", "--preserve-throttles"
        )

    shown = ""
    for _ in range(10):
        shown = verified()
        if "still in progress" not in shown:
            break
    for number in before:
        assert f"Reassignment of partition moved-{number} is completed." in shown, shown
    assert dict(enumerate(r for r, _ in _view(cluster, "moved"))) == away
    assert "No partition reassignments found." in _reassign(cluster, "--list")
    elected = output(
        ELECT,
        *("--bootstrap-server", cluster.bootstrap),
        *("--election-type", "preferred", "--all-topic-partitions"),
    )
    assert "Error" not in elected, elected
    assert [leader for _, leader in _view(cluster, "moved")] == [r[0] for r in away.values()]
    read = cluster.cli("consume", "moved", "-p", "0", "-o", "beginning", "-e")
    assert read.stdout.split() == [str(n) for n in range(500)]


def test_a_move_that_waits_is_listed_and_cancelled(cluster: Cluster, tmp_path: Path) -> None:
    assert cluster.cli("topic", "create", "waits", "-p", "1", "-r", "1").returncode == 0
    (((held,), leader),) = _view(cluster, "waits")
    assert leader == held
    status = json.loads(cluster.cli("cluster", "status", "-o", "json").stdout)
    other = next(b for b in (1, 2, 3) if b not in (held, status["controller"]))
    assert cluster.cli("chaos", "pause", f"broker:{other}").returncode == 0
    plan = _plan(tmp_path / "plan.json", "waits", {0: [other]})
    bootstrap = cluster.bootstrap.split(",")[held - 1]
    try:
        done = output(
            REASSIGN,
            *("--bootstrap-server", bootstrap, "--reassignment-json-file", plan),
            "--execute",
        )
        assert "Successfully started" in done, done
        listed = output(REASSIGN, "--bootstrap-server", bootstrap, "--list")
        assert re.search(
            rf"waits-0: replicas: {other},{held}. adding: {other}. removing: {held}.", listed
        )
        cancelled = output(
            REASSIGN,
            *("--bootstrap-server", bootstrap, "--reassignment-json-file", plan),
            *("--cancel", "--preserve-throttles"),
        )
        assert "Successfully cancelled partition reassignment for: waits-0" in cancelled, cancelled
    finally:
        assert cluster.cli("chaos", "resume", f"broker:{other}").returncode == 0
    wait_for(lambda: _view(cluster, "waits") == [([held], held)], 20, "it is where it was")


def test_what_is_refused_is_said(cluster: Cluster, tmp_path: Path) -> None:
    assert cluster.cli("topic", "create", "stays", "-p", "1", "-r", "1").returncode == 0
    plan = _plan(tmp_path / "plan.json", "stays", {0: [9]})
    done = tool(
        REASSIGN,
        *("--bootstrap-server", cluster.bootstrap, "--reassignment-json-file", plan, "--execute"),
    )
    assert done.returncode != 0
    assert "9" in done.stdout + done.stderr
    needless = tool(
        ELECT,
        *("--bootstrap-server", cluster.bootstrap, "--election-type", "unclean"),
        *("--topic", "stays", "--partition", "0"),
    )
    assert "Valid replica already elected for partitions stays-0" in needless.stdout


def test_each_reads_the_plans_of_the_other_and_removes_its_throttles(
    cluster: Cluster, tmp_path: Path
) -> None:
    def ours(*arguments: str) -> str:
        done = cluster.cli("cluster", "reassign", *arguments)
        assert done.returncode == 0, done
        return done.stdout

    assert cluster.cli("topic", "create", "both", "-p", "3", "-r", "1").returncode == 0
    topics = tmp_path / "topics.json"
    topics.write_text(json.dumps({"version": 1, "topics": [{"topic": "both"}]}))
    wish = ("--topics-to-move-json-file", str(topics), "--broker-list", "1,2")
    shown = _reassign(cluster, *wish, "--generate")
    present, proposed = [line for line in shown.splitlines() if line.startswith("{")]
    (tmp_path / "theirs.json").write_text(proposed)
    back = tmp_path / "back.json"
    ours("--execute", str(tmp_path / "theirs.json"), "--rollback", str(back))
    replicas = [p["replicas"] for p in json.loads(proposed)["partitions"]]
    assert [r for r, _ in _view(cluster, "both")] == replicas
    moved_back = {p["partition"]: p["replicas"] for p in json.loads(back.read_text())["partitions"]}
    before = {p["partition"]: p["replicas"] for p in json.loads(present)["partitions"]}
    assert {n: before[n] for n in moved_back} == moved_back
    # Ours, carried out by the original; its throttle is removed by ours.
    plan = tmp_path / "ours.json"
    plan.write_text(ours("--plan", "-t", "both", "--brokers", "3", "-o", "json"))
    execute = ("--reassignment-json-file", str(plan), "--execute", "--throttle", "50000000")
    done = _reassign(cluster, *execute)
    assert "Successfully started partition reassignments for both-0,both-1,both-2" in done
    wait_for(lambda: json.loads(ours("-o", "json")) == [], 30, "nothing moves")
    assert "removed the throttle of brokers" in ours("--verify", str(plan))
    assert [r for r, _ in _view(cluster, "both")] == [[3]] * 3
    # A throttle of ours is removed by the original.
    ours("--execute", str(back), "--throttle", "50000000", "--no-wait")
    wait_for(lambda: json.loads(ours("-o", "json")) == [], 30, "nothing moves")
    verified = _reassign(cluster, "--reassignment-json-file", str(back), "--verify")
    assert "Clearing broker-level throttles on brokers 1,2,3" in verified
    assert "removed" not in ours("--verify")
