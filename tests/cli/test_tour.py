"""``barnabas tour`` in the terminal, as a user starts it."""

from __future__ import annotations

import signal
import socket
import subprocess

import pytest
from tests.cli.kit import refused
from tests.cluster_kit import BARNABAS, barnabas

pytestmark = pytest.mark.processes


def test_lessons_run_through_without_a_terminal() -> None:
    options = ("--terminal", "--profile", "test", "--console-port", "0")
    done = barnabas("tour", *options, "1", "leader-dies", timeout_s=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Lesson 1 of 7: Leaders and followers" in done.stdout
    assert "Lesson 3 of 7: A leader dies" in done.stdout
    assert "Lesson 2" not in done.stdout
    assert "NO " not in done.stdout
    last = done.stdout.splitlines()[-1]
    assert last == "tour: 2 of 7 lessons taken, 0 did not see what they say"


def test_the_page_has_a_link_and_ctrl_c_ends_the_cluster() -> None:
    command = [*BARNABAS, "tour", "--profile", "test", "--console-port", "0", "6"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        link = process.stdout.readline().decode()
        assert link.startswith("tour: http://127.0.0.1:")
        assert link.endswith("#/tour/last-replica\n")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130


def test_what_is_wrong_is_one_line() -> None:
    done = barnabas("tour", "8")
    assert done.returncode == 2
    assert "'8' is no lesson: there are 1 to 7" in done.stderr
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = barnabas("tour", "--console-port", port)
    refused(done, "--console-port", port)
