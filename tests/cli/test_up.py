"""What barnabas up cannot start with: exit code 1 and one line that names the setting."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from tests.cli.kit import refused
from tests.cluster_kit import BARNABAS, Cluster, barnabas, free_ports

pytestmark = pytest.mark.processes


def test_up_on_a_port_in_use(tmp_path: Path) -> None:
    port = free_ports(4)
    with socket.create_server(("127.0.0.1", port + 1)):
        done = barnabas(
            "up",
            *("--port", str(port), "--zookeeper-port", str(port + 3), "--data", str(tmp_path)),
        )
    refused(done, "listeners", str(port + 1))


def test_up_where_the_coordinator_cannot_listen(tmp_path: Path) -> None:
    port = free_ports(4)
    with socket.create_server(("127.0.0.1", port + 3)):
        done = barnabas(
            "up",
            *("--port", str(port), "--zookeeper-port", str(port + 3), "--data", str(tmp_path)),
        )
    refused(done, str(port + 3))


def test_up_says_what_it_refuses_and_what_changes_nothing(cluster: Cluster, tmp_path: Path) -> None:
    options = ("up", "--data", str(tmp_path), "--port", str(cluster.port))
    refused(barnabas(*options, "-X", "super.users=User:a"), "super.users")
    done = barnabas(*options, "-X", "log.retentoin.ms=1")
    warning, error = done.stderr.splitlines()
    assert warning.endswith("no effect here; did you mean log.retention.ms?")
    assert "--port" in error


def test_up_twice_on_one_port(cluster: Cluster, tmp_path: Path) -> None:
    refused(barnabas("up", "--port", str(cluster.port), "--data", str(tmp_path)), "--port")


def test_up_in_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    port = free_ports(4)
    done = barnabas(
        "up",
        *("--port", str(port), "--zookeeper-port", str(port + 3)),
        *("--data", str(tmp_path / "file/below")),
    )
    refused(done, "--data")


def test_up_tells_programs_in_one_line_that_it_is_ready(tmp_path: Path) -> None:
    port = free_ports(2)
    options = ["--brokers", "1", "--port", str(port), "--zookeeper-port", str(port + 1)]
    options += ["--profile", "test", "--data", str(tmp_path), "--ready-json"]
    with subprocess.Popen([*BARNABAS, "up", *options], stdout=subprocess.PIPE) as up:
        assert up.stdout is not None
        try:
            ready = json.loads(up.stdout.readline())
            os.kill(ready["pids"]["broker:1"], 0)
        finally:
            up.send_signal(signal.SIGINT)
        assert up.stdout.read() == b""
        assert up.wait(30) == 0
    assert ready["bootstrap"] == f"127.0.0.1:{port}"
    assert ready["zookeeper"] == f"127.0.0.1:{port + 1}"
    assert (ready["profile"], ready["supervisor"]) == ("test", up.pid)
    assert sorted(ready["pids"]) == ["broker:1", "coordinator"]
