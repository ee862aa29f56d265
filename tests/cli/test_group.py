"""``barnabas group`` against a real cluster."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer
from tests.cluster_kit import Cluster, no_traceback, wait_for

pytestmark = pytest.mark.processes

TOPIC = "orders"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two partitions of 20 records each, of which group ``billing`` has read all."""
    with Cluster(directory=tmp_path_factory.mktemp("group"), brokers=2) as running:
        running.create_topic(TOPIC, 2, 2)
        for partition in ("0", "1"):
            lines = "\n".join(map(str, range(20))) + "\n"
            assert running.cli("produce", TOPIC, "-p", partition, stdin=lines).returncode == 0
        yield running


def _ok(cluster: Cluster, *arguments: str) -> str:
    done = cluster.cli("group", *arguments)
    assert done.returncode == 0, done
    return done.stdout


def _describe(cluster: Cluster) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_ok(cluster, "describe", "billing", "-o", "json"))
    return found


def _refused(done: subprocess.CompletedProcess[str], code: int, text: str) -> None:
    assert done.returncode == code, done
    assert text in done.stderr
    assert no_traceback(done.stderr)


def test_a_group_s_life(cluster: Cluster) -> None:
    consumer = Consumer(
        {
            "bootstrap.servers": cluster.bootstrap,
            "group.id": "billing",
            "client.id": "till",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([TOPIC])
    read = 0

    def all_read() -> bool:
        nonlocal read
        read += len([m for m in consumer.consume(100, 0.1) if m.error() is None])
        return read == 40

    wait_for(all_read, 60, "40 records")
    consumer.commit(asynchronous=False)
    described = _describe(cluster)
    assert (described["state"], described["assignor"]) == ("Stable", "range")
    rows = [(p["partition"], p["committed"], p["end"], p["lag"]) for p in described["partitions"]]
    assert rows == [(0, 20, 20, 0), (1, 20, 20, 0)]
    assert {p["client"] for p in described["partitions"]} == {"till"}
    (member,) = described["members"]
    assert member["partitions"] == [f"{TOPIC}-0", f"{TOPIC}-1"]
    assert member["host"] == "127.0.0.1"
    assert f"{TOPIC}-0,{TOPIC}-1" in _ok(cluster, "describe", "billing")

    reset = ("reset-offsets", "billing", "--topic", TOPIC, "--to-earliest", "--execute")
    _refused(cluster.cli("group", *reset), 1, "NON_EMPTY_GROUP")
    _refused(cluster.cli("group", "delete", "billing"), 1, "NON_EMPTY_GROUP")
    consumer.close()
    assert [g["state"] for g in json.loads(_ok(cluster, "list", "-o", "json"))] == ["Empty"]

    dry = cluster.cli("group", *reset[:-1])
    assert "nothing is changed" in dry.stderr
    assert _describe(cluster)["partitions"][0]["committed"] == 20
    one = ("reset-offsets", "billing", "-t", f"{TOPIC}:1", "--shift-by", "-5", "--execute")
    _ok(cluster, *one)
    assert [p["lag"] for p in _describe(cluster)["partitions"]] == [0, 5]
    _ok(cluster, "reset-offsets", "billing", "--all-topics", "--to-offset", "0", "--execute")
    assert [p["lag"] for p in _describe(cluster)["partitions"]] == [20, 20]
    late = ("reset-offsets", "billing", "--all-topics", "--to-time", "2099-01-01", "-o", "json")
    assert [p["new"] for p in json.loads(_ok(cluster, *late))["partitions"]] == [20, 20]

    assert _ok(cluster, "delete", "billing") == "deleted billing\n"
    _refused(cluster.cli("group", "describe", "billing"), 1, "GROUP_ID_NOT_FOUND")
    assert json.loads(_ok(cluster, "list", "-o", "json")) == []


def test_odd_names_and_several_at_once(cluster: Cluster) -> None:
    names = ("two words", "--dashes", "line\nbreak\x1b[31m", "grüße🦉", "")
    for name in names:
        reset = ("-t", f"{TOPIC}:1", "--shift-by", "0", "--execute", "--", name)
        assert _ok(cluster, "reset-offsets", *reset).split()[-1] == "0"
    shown = _ok(cluster, "list").splitlines()
    assert len(shown) == len(names) + 1
    assert any(line.startswith("line\\nbreak\\x1b[31m ") for line in shown)
    assert {g["name"] for g in json.loads(_ok(cluster, "list", "-o", "json"))} == set(names)
    for name in names:
        described = json.loads(_ok(cluster, "describe", "-o", "json", "--", name))
        assert (described["name"], described["members"]) == (name, [])
        assert described["partitions"][0]["lag"] == 20
    nobody = cluster.cli("group", "reset-offsets", "nobody", "--all-topics", "--to-latest")
    _refused(nobody, 1, "group nobody: GROUP_ID_NOT_FOUND")
    done = cluster.cli("group", "delete", "nobody", "--", *names)
    _refused(done, 1, "barnabas: group nobody: GROUP_ID_NOT_FOUND\n")
    assert len(done.stdout.splitlines()) == len(names)
    assert json.loads(_ok(cluster, "list", "-o", "json")) == []


def test_wrong_usage(cluster: Cluster) -> None:
    for arguments in (
        ("reset-offsets", "g"),
        ("reset-offsets", "g", "--to-earliest"),
        ("reset-offsets", "g", "-t", TOPIC, "--to-earliest", "--to-latest"),
        ("reset-offsets", "g", "-t", TOPIC, "--to-time", "yesterday"),
        ("reset-offsets", "g", "-t", TOPIC, "--to-time", "9" * 30),
        ("reset-offsets", "g", "-t", f"{TOPIC}:x", "--to-latest"),
        ("reset-offsets", "g", "-t", f"{TOPIC}:0,", "--to-latest"),
        ("reset-offsets", "g", "-t", TOPIC, "--to-offset", str(2**63)),
        ("reset-offsets", "g", "-t", TOPIC, "--shift-by", str(2**63)),
        ("reset-offsets", "g", "-t", TOPIC, "--shift-by", str(-(2**63) - 1)),
    ):
        _refused(cluster.cli("group", *arguments), 2, "Error: ")
    missing = cluster.cli("group", "reset-offsets", "g", "-t", f"{TOPIC}:7", "--to-latest")
    _refused(missing, 1, "UNKNOWN_TOPIC_OR_PARTITION")
