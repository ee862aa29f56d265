"""The command chaos."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.kit import fails, ok
from tests.cluster_kit import Cluster, barnabas, free_ports

pytestmark = pytest.mark.processes


def test_a_target_that_is_not_there(cluster: Cluster) -> None:
    fails(cluster.cli("chaos", "kill", "broker:9"), 1, "broker:9")


def test_chaos_without_a_cluster_is_1() -> None:
    port = free_ports(1)
    done = barnabas("chaos", "kill", "broker:1", "-b", f"127.0.0.1:{port}")
    fails(done, 1, str(port))


def test_what_a_plain_cluster_does_not_have(cluster: Cluster) -> None:
    fails(cluster.cli("chaos", "isolate", "1"), 1, "--profile test")


def test_every_verb_at_a_cluster_for_tests(tmp_path: Path) -> None:
    with Cluster(directory=tmp_path, options=["--profile", "test"]) as cluster:
        cluster.create_topic("orders")

        def done(*arguments: str) -> str:
            return ok(cluster, "chaos", *arguments).removesuffix("\n")

        old = done("kill", "leader:orders/0").split()[1]
        assert done("restart", old) == f"restart {old} pid={cluster.pid(old)}"
        assert done("wait-for-isr", "orders/0") == "wait-for-isr isr=1,2,3"
        assert done("pause", "1").startswith("pause broker:1 pid=")
        assert done("resume", "broker:1").startswith("resume broker:1 pid=")
        assert done("stop", "1").startswith("stop broker:1 pid=")
        assert done("wait-for-brokers", "--brokers", "2,3") == "wait-for-brokers"
        assert done("restart", "1").startswith("restart broker:1 pid=")
        killed = done("kill-controller").split()[1]
        assert done("wait-for-controller", "--not-on", killed.removeprefix("broker:"))
        done("restart", killed)
        done("stop-coordinator")
        done("restart-coordinator")
        done("wait-for-brokers", "--brokers", "1,2,3")
        assert done(
            "isolate", "1", "--from", "2,clients", "--direction", "out", "--delay-ms", "1"
        ) == ("isolate node=broker:1 broker=1")
        assert done("heal", "1") == "heal"
        assert done("heal") == "heal"
        assert json.loads(done("fill-disk", "2", "-o", "json")) == {"node": "broker:2", "broker": 2}
        assert done("free-disk", "2")
        assert done("wait-for-isr", "orders/0", "--size", "3", "--timeout-s", "20")
        assert done("shrink-isr", "orders/0", "--to", "2").startswith("shrink-isr isr=")
        assert done("restore-isr", "orders/0") == "restore-isr isr=1,2,3"
        assert done("expire-session", "controller").startswith("expire-session node=broker:")
        assert done("wait-for-leader", "orders/0").startswith("wait-for-leader leader=")
        fault = done("fault", "Produce", "--topic", "orders", "--error", "NOT_ENOUGH_REPLICAS")
        assert fault == "fault id=1 api=PRODUCE count=0"
        assert done("fault", "Fetch", "--disconnect", "--times", "1").startswith("fault id=2")
        assert done("faults").splitlines()[0] == fault
        assert done("clear-faults", "1") == "clear-faults id=1 api=PRODUCE count=0"
        assert done("clear-faults") == "clear-faults"
        assert any(" killed node=" in line for line in done("events").splitlines())
        for arguments in (["kill", "broker:9"], ["wait-for-hits", "7"], ["fault", "Nothing"]):
            fails(cluster.cli("chaos", *arguments), 1)
        fails(cluster.cli("chaos", "wait-for-leader", "orders"), 2, "TOPIC/PARTITION")
