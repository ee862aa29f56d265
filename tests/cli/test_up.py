"""What barnabas up cannot start with: exit code 1 and one line that names the setting."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import httpx
import pytest
from tests.cli.kit import refused
from tests.cluster_kit import BARNABAS, Cluster, barnabas, free_ports

from barnabas.cluster.control import ask

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
    assert sorted(ready["http"]) == ["token", "url"]
    assert ready["zookeeper"] == f"127.0.0.1:{port + 1}"
    assert (ready["profile"], ready["supervisor"]) == ("test", up.pid)
    assert sorted(ready["pids"]) == ["broker:1", "control", "coordinator"]


def test_up_lets_programs_call_failures(tmp_path: Path) -> None:
    options = ["--profile", "test", "--port", "0", "--data", str(tmp_path), "--ready-json"]
    with subprocess.Popen([*BARNABAS, "up", *options], stdout=subprocess.PIPE) as up:
        assert up.stdout is not None
        try:
            ready = json.loads(up.stdout.readline())
            headers = {"authorization": f"Bearer {ready['http']['token']}"}
            base_url = f"{ready['http']['url']}/v1"
            with httpx.Client(base_url=base_url, headers=headers, timeout=30) as http:
                http.post("/topics/orders", json={"min_isr": 2}).raise_for_status()
                old = http.post("/kill/leader:orders/0").json()["broker"]
                new = http.get("/wait_for_leader/orders/0", params={"not_on": old}).json()
                assert new["leader"] not in (old, None)
                # Somebody else may be at it as well: the console has buttons for that.
                ask(
                    int(ready["bootstrap"].split(":")[1].split(",")[0]),
                    {"verb": "restart", "process": f"broker:{old}"},
                )
                assert http.get("/wait_for_isr/orders/0").json() == {"isr": [1, 2, 3]}
                assert http.get("/cluster").json()["nodes"][f"broker:{old}"] == "running"
                fault = {"api": "Produce", "error": "NOT_LEADER_OR_FOLLOWER", "times": 1}
                assert http.post("/faults", json=fault).status_code == 201
        finally:
            up.send_signal(signal.SIGINT)
        assert up.wait(30) == 0
    assert (tmp_path / "control.log").read_text() == ""


def test_up_ends_with_the_program_that_has_started_it(tmp_path: Path) -> None:
    options = ["--profile", "test", "--brokers", "1", "--port", "0", "--stop-with-stdin"]
    with subprocess.Popen(
        [*BARNABAS, "up", *options, "--data", str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as up:
        assert up.stdout is not None
        assert up.stdin is not None
        assert up.stdout.readline().startswith(b"ready: ")
        up.stdin.write(b"what is said there does not count\n")
        up.stdin.flush()
        up.stdin.close()
        assert up.wait(30) == 0
    with open(tmp_path / "broker-1.log") as log:
        assert "broker stopped" in log.read()


def test_up_ends_with_the_process_that_gives_it_its_orders(tmp_path: Path) -> None:
    """Its nodes do, also where a command has ended one that might be started again."""
    options = ["--profile", "test", "--port", "0", "--data", str(tmp_path), "--ready-json"]
    with subprocess.Popen(
        [*BARNABAS, "up", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as up:
        assert up.stdout is not None
        assert up.stderr is not None
        ready = json.loads(up.stdout.readline())
        port = int(ready["bootstrap"].split(",")[0].rpartition(":")[2])
        ask(port, {"verb": "kill", "process": "broker:3"})
        os.kill(ready["pids"]["control"], signal.SIGKILL)
        assert up.wait(30) == 1
        assert b"barnabas: control has ended" in up.stderr.read()


def test_up_cannot_end_with_what_is_no_pipe() -> None:
    done = subprocess.run(
        [*BARNABAS, "up", "--port", "0", "--stop-with-stdin"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    refused(done, "--stop-with-stdin")


def test_up_refuses_control_where_others_could_reach_it(tmp_path: Path) -> None:
    for options in (["--secure"], ["--host", "0.0.0.0"]):
        done = barnabas("up", "--control", *options, "--data", str(tmp_path))
        assert done.returncode == 2
        assert options[0] in done.stderr
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused(
            barnabas("up", "--control", "--control-port", port, "--port", "0"),
            "--control-port",
            port,
        )


def test_up_starts_a_console_that_answers_once_it_is_asked(tmp_path: Path) -> None:
    options = ["--profile", "test", "--no-control", "--brokers", "1", "--port", "0"]
    options += ["--console", "--console-port", "0", "--data", str(tmp_path), "--ready-json"]
    with subprocess.Popen([*BARNABAS, "up", *options], stdout=subprocess.PIPE) as up:
        assert up.stdout is not None
        try:
            ready = json.loads(up.stdout.readline())
            url, _, token = ready["console"].partition("/?token=")
            assert "console" not in ready["pids"], "nobody waits for it"
            headers = {"authorization": f"Bearer {token}"}
            with httpx.Client(base_url=url, headers=headers, timeout=30) as http:
                # Its port was there before its process: the request waits in the backlog.
                assert http.get("/api/snapshot").json()["write"] is True
                assert http.post("/api/processes/nobody/kill").status_code == 409
            assert httpx.get(f"{url}/api/snapshot").status_code == 401
        finally:
            up.send_signal(signal.SIGINT)
        assert up.wait(30) == 0


def test_up_ends_well_while_its_console_starts(tmp_path: Path) -> None:
    options = ["--profile", "test", "--no-control", "--brokers", "1", "--port", "0"]
    options += ["--console", "--console-port", "0", "--data", str(tmp_path), "--ready-json"]
    with subprocess.Popen([*BARNABAS, "up", *options], stdout=subprocess.PIPE) as up:
        assert up.stdout is not None
        assert json.loads(up.stdout.readline())["console"]
        up.send_signal(signal.SIGINT)
        assert up.wait(30) == 0
