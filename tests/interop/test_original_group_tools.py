"""The original's tools for groups against our cluster."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster_kit import Cluster
from tests.interop.original import output, tool
from tests.interop.original_groups import (
    ROWS,
    fill,
    group_command,
    new_positions,
    our_positions,
    positions,
    read_in_group,
    refused,
    table,
)

pytestmark = [
    pytest.mark.foreign,
    pytest.mark.timeout(400),
    pytest.mark.usefixtures("original"),
]


@pytest.fixture(scope="module")
def cluster(original: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    overrides = {"group.initial.rebalance.delay.ms": "0"}
    with Cluster(directory=tmp_path_factory.mktemp("groups"), overrides=overrides) as running:
        running.create_topic("orders", 3)
        fill(running.bootstrap, "orders", 3)
        yield running


def test_console_consumer_in_a_group(cluster: Cluster) -> None:
    arguments = (
        *("--bootstrap-server", cluster.bootstrap, "--topic", "orders", "--group", "console"),
        *("--timeout-ms", "8000"),
    )
    console = "org.apache.kafka.tools.consumer.ConsoleConsumer"
    shown = output(console, *arguments, "--from-beginning", "--max-messages", "250")
    assert len(set(shown.splitlines())) == 250
    rest = tool(console, *arguments)
    assert len(set(rest.stdout.splitlines())) == 50
    assert not set(shown.splitlines()) & set(rest.stdout.splitlines())
    expected = {("orders", n): str(ROWS) for n in range(3)}
    assert our_positions(cluster.bootstrap, "console") == expected


def test_verifiable_consumer(cluster: Cluster) -> None:
    shown = output(
        "org.apache.kafka.tools.VerifiableConsumer",
        *("--bootstrap-server", cluster.bootstrap, "--topic", "orders"),
        *("--group-id", "verifiable", "--group-instance-id", "first", "--max-messages", "300"),
        *("--reset-policy", "earliest", "--session-timeout", "6000"),
    )
    events = [json.loads(line) for line in shown.splitlines()]
    names = [event["name"] for event in events]
    assert names[0] == "startup_complete"
    assert names[-1] == "shutdown_complete"
    (assigned,) = [e for e in events if e["name"] == "partitions_assigned"]
    assert sorted(p["partition"] for p in assigned["partitions"]) == [0, 1, 2]
    assert sum(e["count"] for e in events if e["name"] == "records_consumed") == 300
    commits = [e for e in events if e["name"] == "offsets_committed"]
    assert commits
    assert all(e["success"] for e in commits)
    last = {o["partition"]: o["offset"] for e in commits for o in e["offsets"]}
    assert last == {0: ROWS, 1: ROWS, 2: ROWS}


def test_consumer_performance(cluster: Cluster) -> None:
    shown = output(
        "org.apache.kafka.tools.ConsumerPerformance",
        *("--bootstrap-server", cluster.bootstrap, "--topic", "orders"),
        *("--messages", "300", "--group", "measured", "--timeout", "20000"),
    )
    header, values = shown.splitlines()[-2:]
    measured = dict(zip(header.split(", "), values.split(", "), strict=True))
    assert measured["data.consumed.in.nMsg"] == "300"
    expected = {("orders", n): str(ROWS) for n in range(3)}
    assert our_positions(cluster.bootstrap, "measured") == expected


def test_consumer_group_command_on_a_live_group(cluster: Cluster) -> None:
    consumer = read_in_group(cluster.bootstrap, "live", "orders", 300, group_instance_id="till-1")
    try:
        name = ("--group", "live")
        assert "live" in group_command(cluster.bootstrap, "--list").splitlines()
        for state in ((), ("Stable",), ("stable,Empty",)):
            listed = table(group_command(cluster.bootstrap, "--list", "--state", *state))
            assert {"GROUP": "live", "STATE": "Stable"} in listed
        none = group_command(cluster.bootstrap, "--list", "--state", "Empty")
        assert "live" not in none.split()
        kinds = table(group_command(cluster.bootstrap, "--list", "--type", "--state"))
        assert {"GROUP": "live", "TYPE": "Classic", "STATE": "Stable"} in kinds
        for more in ((), ("--offsets",), ("--verbose",)):
            rows = table(group_command(cluster.bootstrap, "--describe", *name, *more))
            assert len(rows) == 3
            for row in rows:
                assert row["CURRENT-OFFSET"] == row["LOG-END-OFFSET"] == str(ROWS)
                assert row["LAG"] == "0"
                assert row["CONSUMER-ID"].startswith("till-1-")
                assert row["HOST"] == "/127.0.0.1"
                assert row["CLIENT-ID"] == "client-of-live"
        described = group_command(cluster.bootstrap, "--describe", *name, "--members", "--verbose")
        (found,) = table(described)
        assert found["GROUP-INSTANCE-ID"] == "till-1"
        assert found["#PARTITIONS"] == "3"
        assert found["ASSIGNMENT"] == "(0,1,2)"
        (state_row,) = table(group_command(cluster.bootstrap, "--describe", *name, "--state"))
        assert state_row["COORDINATOR"].startswith("127.0.0.1:")
        assert re.search(r"range\s+Stable\s+1", " ".join(state_row.values()))
        for arguments in (
            ("--delete", *name),
            ("--delete-offsets", *name, "--topic", "orders"),
            ("--reset-offsets", *name, "--all-topics", "--to-earliest", "--execute"),
        ):
            said = refused(cluster.bootstrap, *arguments)
            assert re.search(
                "not empty|subscribed to|can only be reset if the group '.*' is inactive", said
            ), said
        expected = {("orders", n): str(ROWS) for n in range(3)}
        assert our_positions(cluster.bootstrap, "live") == expected
    finally:
        consumer.close()


def test_consumer_group_command_resets_and_deletes(cluster: Cluster, tmp_path: Path) -> None:
    bootstrap = cluster.bootstrap
    read_in_group(bootstrap, "idle", "orders", 300).close()
    name = ("--group", "idle")
    described = table(group_command(bootstrap, "--describe", *name))
    assert positions(described) == {("orders", n): str(ROWS) for n in range(3)}
    assert {row["CONSUMER-ID"] for row in described} == {"-"}

    def reset(*how: str) -> dict[tuple[str, int], str]:
        return new_positions(group_command(bootstrap, "--reset-offsets", *name, *how))

    everything = ("--all-topics",)
    before = our_positions(bootstrap, "idle")
    assert set(reset(*everything, "--to-earliest", "--dry-run").values()) == {"0"}
    assert our_positions(bootstrap, "idle") == before
    steps = (
        (("--topic", "orders:0,2", "--to-earliest"), ("0", "100", "0")),
        ((*everything, "--shift-by", "7"), ("7", "100", "7")),
        ((*everything, "--shift-by", "-3"), ("4", "97", "4")),
        (("--topic", "orders:1", "--to-offset", "12"), ("4", "12", "4")),
        ((*everything, "--to-current"), ("4", "12", "4")),
        ((*everything, "--by-duration", "P1D"), ("0", "0", "0")),
        ((*everything, "--to-datetime", "2000-01-01T00:00:00.000"), ("0", "0", "0")),
        ((*everything, "--to-latest"), ("100", "100", "100")),
    )
    for how, expected in steps:
        shown = reset(*how, "--execute")
        found = our_positions(bootstrap, "idle")
        assert found == {("orders", n): expected[n] for n in range(3)}, how
        assert shown.items() <= found.items()
    plan = tmp_path / "plan.csv"
    how = ("--to-offset", "50", "--export", "--dry-run")
    exported = group_command(bootstrap, "--reset-offsets", *name, *everything, *how)
    assert sorted(csv.reader(exported.split())) == [["orders", str(n), "50"] for n in range(3)]
    with plan.open("w", newline="") as lines:
        csv.writer(lines).writerows([("orders", n, 20 + n) for n in range(3)])
    assert sorted(reset("--from-file", str(plan)).values()) == ["20", "21", "22"]
    reset("--from-file", str(plan), "--execute")
    assert our_positions(bootstrap, "idle") == {("orders", n): str(20 + n) for n in range(3)}
    forgotten = group_command(bootstrap, "--delete-offsets", *name, "--topic", "orders:1")
    assert "Successful" in forgotten
    assert our_positions(bootstrap, "idle") == {("orders", 0): "20", ("orders", 2): "22"}
    said = refused(bootstrap, "--delete-offsets", *name, "--topic", "nothing")
    assert "UnknownTopicOrPartitionException" in said
    deleted = group_command(bootstrap, "--delete", *name)
    assert "successful" in deleted
    assert "idle" not in group_command(bootstrap, "--list").splitlines()
    assert "does not exist" in refused(bootstrap, "--describe", *name)
    assert "does not exist" in refused(bootstrap, "--delete", *name)
