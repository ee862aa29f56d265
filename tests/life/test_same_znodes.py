"""Our cluster lives the recorded life: same znodes after every step, same kinds of requests."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey

pytestmark = [pytest.mark.processes, pytest.mark.timeout(150)]

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "znodes"
STEPS = (
    "00-empty-zookeeper",
    "01-broker-1-started",
    "01-broker-2-started",
    "01-broker-3-started",
    "02-topics-created",
    "03-produced",
    "07-partitions-added",
    "08-reassigned",
    "09-preferred",
    "10-leader-killed",
    "11-leader-restarted",
    "12-controller-killed",
    "13-controller-restarted",
    "14-controlled-shutdown",
    "15-restarted",
    "16-topic-deleted",
    "17-all-stopped",
)

NOT_IN_OUR_LIFE = (
    "__consumer_offsets",  # the life has no consumer group (step 04)
    "__transaction_state",  # no transaction yet (step 05)
    "/config/brokers/1",  # no setting altered yet (step 06)
    "/config/changes/config_change_",  # likewise
)
IDS_AT_START = "/latest_producer_id_block"
"""Ours takes a block of producer ids when it starts, so that no producer meets error 14."""

# Field -> kinds of value that ours has and the recording has not, or the other way round.
ALLOWED_KINDS: dict[tuple[str, str], frozenset[str]] = {
    # The epochs of ISR members, which close KIP-903's hole; a Java leader in ZooKeeper mode sends
    # -1, and a Java controller takes either.
    (
        "AlterPartition v3 request",
        "topics[].partitions[].new_isr_with_epochs[].broker_epoch",
    ): frozenset({"number"}),
    # Refusals within an answer (no refusal was recorded): defaults stand beside the error.
    ("AlterPartition v3 response", "topics[].partitions[].error_code"): frozenset({"number"}),
    ("AlterPartition v3 response", "topics[].partitions[].isr"): frozenset({"[]"}),
    ("AlterPartition v3 response", "topics[].partitions[].leader_id"): frozenset({"0"}),
    ("AlterPartition v3 response", "topics[].partitions[].leader_epoch"): frozenset({"0"}),
    ("AlterPartition v3 response", "topics[].partitions[].partition_epoch"): frozenset({"0"}),
    # A follower that already knows the second epoch asks a leader that still has the first.
    (
        "Fetch v17 response",
        "responses[].partitions[].current_leader.leader_epoch",
    ): frozenset({"0"}),
    # FETCH_SESSION_ID_NOT_FOUND: a follower that pipelines has asked for a new partition before it
    # read that the leader closed the session, which had become empty. It asks again in a new one.
    ("Fetch v17 response", "error_code"): frozenset({"number"}),
}


def _tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recording of our life."""
    directory = tmp_path_factory.mktemp("life")
    command = [sys.executable, str(ROOT / "tools" / "record_life.py"), str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=140, check=False)
    assert done.returncode == 0, done.stderr
    return directory


def _shape(value: Any) -> Any:
    """Keys in their order, and types of values; how long a list is depends on who led what, and
    on the reassignment of step 08."""
    if isinstance(value, dict):
        return [(key, _shape(item)) for key, item in value.items()]
    if isinstance(value, list):
        return {str(_shape(item)) for item in value}
    return type(value).__name__


def _content(path: str, node: dict[str, Any]) -> Any:
    """The shape of a node's data; settings, which Java writes in the order of a hash table, sorted,
    and without what step 06 altered."""
    try:
        body = json.loads(node["data"])
    except (TypeError, ValueError):
        return _shape(node["data"])
    if path.startswith("/config/topics/"):
        body["config"] = dict(sorted(body["config"].items()))
        body["config"].pop("retention.ms", None)
    return _shape(body)


def _tree(directory: Path, step: str) -> dict[str, dict[str, Any]]:
    tree: dict[str, dict[str, Any]] = json.loads((directory / f"{step}.json").read_text())
    return {p: n for p, n in tree.items() if not any(left in p for left in NOT_IN_OUR_LIFE)}


@pytest.mark.parametrize("step", STEPS)
def test_same_paths_keys_and_types_after(step: str, life: Path) -> None:
    golden, ours = _tree(GOLDEN, step), _tree(life / "znodes", step)
    assert sorted(ours) == sorted(_renamed(golden, ours))
    for path, node in _renamed(golden, ours).items():
        if path == IDS_AT_START and node["data"] is None:
            continue
        assert _content(path, ours[path]) == _content(path, node), path
        assert ours[path]["ephemeral"] == node["ephemeral"], path
        if step < "04" and path != IDS_AT_START:
            assert ours[path]["version"] == node["version"], path
            assert ours[path]["cversion"] == node["cversion"], path


def _renamed(
    golden: dict[str, dict[str, Any]], ours: dict[str, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """The recorded tree with our brokers' numbers: the one that is away may be another."""
    there = sorted(p for p in golden if p.startswith("/brokers/ids/"))
    here = sorted(p for p in ours if p.startswith("/brokers/ids/"))
    names = dict(zip(there, here, strict=True))
    return {names.get(path, path): node for path, node in golden.items()}


def test_settings_and_assignments_say_the_same(life: Path) -> None:
    golden, ours = (_tree(d, "02-topics-created") for d in (GOLDEN, life / "znodes"))
    for topic in ("flights", "compacted"):
        pair = [json.loads(t[f"/config/topics/{topic}"]["data"]) for t in (golden, ours)]
        assert pair[0] == pair[1]
        pair = [json.loads(t[f"/brokers/topics/{topic}"]["data"]) for t in (golden, ours)]
        for numbers in (found["partitions"] for found in pair):
            assert all(sorted(replicas) == [1, 2, 3] for replicas in numbers.values())


def test_a_reassignment_writes_as_often_as_recorded(life: Path) -> None:
    """One replica goes, the leader stays: two writes of the state, two of the assignment."""
    written = []
    for directory in (GOLDEN, life / "znodes"):
        before, after = (_tree(directory, s) for s in ("07-partitions-added", "08-reassigned"))
        written.append({p: n["version"] - before[p]["version"] for p, n in after.items()})
        assignment = json.loads(after["/brokers/topics/compacted"]["data"])
        assert (assignment["adding_replicas"], assignment["removing_replicas"]) == ({}, {})
        state = json.loads(after["/brokers/topics/compacted/partitions/0/state"]["data"])
        assert sorted(state["isr"]) == sorted(assignment["partitions"]["0"])
        assert state["leader"] == assignment["partitions"]["0"][1]
        assert state["leader_epoch"] == 2
    golden, ours = ({p: n for p, n in found.items() if p != IDS_AT_START} for found in written)
    assert ours == golden


def test_a_reassignment_is_told_as_often_as_recorded(life: Path) -> None:
    """Whoever is the controller and whoever goes: the same requests in number."""
    compare = _tool("compare_life")
    sums = []
    for directory in (GOLDEN.parent, life):
        counted = compare.counts(list(compare.rows(directory, "kafka")))["08-reassign"]
        told: Counter[str] = Counter()
        for name, count in counted.items():
            told[name.partition(" -> ")[2].partition(" ")[2]] += count
        sums.append(told)
    assert sums[0] == sums[1]


def test_requests_between_brokers_have_the_recorded_kinds_of_values(life: Path) -> None:
    """What a field never held in the recording, a Java broker may not expect."""
    compare = _tool("compare_life")
    golden, ours = (
        compare.structures(list(compare.rows(directory, "kafka")))
        for directory in (GOLDEN.parent, life)
    )
    strange = []
    for name in golden:
        assert name in ours or name.startswith("Fetch"), f"we never sent {name}"
        for path, kinds in ours[name].items():
            new = kinds - golden[name].get(path, set()) - ALLOWED_KINDS.get((name, path), set())
            if new:
                strange.append(f"{name} {path}: {sorted(new)}")
    assert strange == []


def test_followers_are_refused_only_in_a_session_just_closed(life: Path) -> None:
    compare = _tool("compare_life")
    errors = {
        compare.decode(row)["error_code"]
        for row in compare.rows(life, "kafka")
        if row["api"] == ApiKey.FETCH
        and row["dir"] == "response"
        and compare.sender(row) != "client"
    }
    assert errors <= {ErrorCode.NONE, ErrorCode.FETCH_SESSION_ID_NOT_FOUND}


def test_controller_sends_as_many_requests_as_recorded_for_a_creation(life: Path) -> None:
    compare = _tool("compare_life")
    golden, ours = (
        compare.counts(list(compare.rows(directory, "kafka")))
        for directory in (GOLDEN.parent, life)
    )
    assert ours["07-add-partitions"] == golden["07-add-partitions"]
    # The topics of one request are written side by side, so the controller tells of both together,
    # unless it looks in between.
    told, recorded = ours["02-create-topics"], golden["02-create-topics"]
    assert told.keys() == recorded.keys()
    assert all(recorded[name] <= 2 * count <= 2 * recorded[name] for name, count in told.items())
    # Elections and ISR shrinks are told together: each request once, in the recording twice.
    told, recorded = ours["10-leader-killed"], golden["10-leader-killed"]
    assert {name: 2 * count for name, count in told.items()} == recorded
