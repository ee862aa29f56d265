"""What barnabas coordinator cannot start with: exit code 1 and one line that names the setting."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest
from tests.cli.kit import refused
from tests.cluster_kit import BARNABAS, barnabas, free_ports, wait_for

pytestmark = pytest.mark.processes


def test_a_coordinator_on_a_port_in_use(tmp_path: Path) -> None:
    port = free_ports(1)
    with socket.create_server(("127.0.0.1", port)):
        done = barnabas("coordinator", "--data", str(tmp_path), "--port", str(port))
    refused(done, f"port {port}")


def test_a_coordinator_without_its_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = barnabas("coordinator", "--data", str(tmp_path / "file/below"), "--port", "0")
    refused(done, "--data")


def test_a_coordinator_with_a_spoilt_file(tmp_path: Path) -> None:
    (tmp_path / "coordinator.sqlite3").write_bytes(os.urandom(8192))
    done = barnabas("coordinator", "--data", str(tmp_path), "--port", str(free_ports(1)))
    refused(done, "coordinator.sqlite3")


def test_two_coordinators_in_one_directory(tmp_path: Path) -> None:
    port = free_ports(2)
    command = [*BARNABAS, "coordinator", "--data", str(tmp_path), "--port"]
    with subprocess.Popen([*command, str(port)], stderr=subprocess.DEVNULL) as first:
        try:
            wait_for(lambda: _listens(port), 10, "the first one listens")
            done = barnabas("coordinator", "--data", str(tmp_path), "--port", str(port + 1))
            refused(done, "coordinator.sqlite3")
        finally:
            first.terminate()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
