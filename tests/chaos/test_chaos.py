"""A short run of real-process chaos, and that the network's faults are what they are said to be."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.chaos.members import GroupTraffic
from tests.chaos.network import Network, NotPermitted
from tests.simulation.history import Commit, Committed, Outcome

ROOT = Path(__file__).parents[2]
HOSTS = ["one", "other", "third"]

SEND = """
import socket, sys
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.sendto(b"x", (sys.argv[1], 4000))
"""
RECEIVE = """
import socket, sys
receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
receiver.bind((sys.argv[1], 4000))
print("bound", flush=True)
receiver.settimeout(float(sys.argv[2]))
try:
    print(receiver.recv(10), flush=True)
except TimeoutError:
    print("nothing", flush=True)
"""
CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], 4001), 2)
except OSError as error:
    print(type(error).__name__)
"""


@pytest.fixture
def network() -> Iterator[Network]:
    made = Network(250 + os.getpid() % 5, HOSTS)
    try:
        made.build()
    except NotPermitted as error:
        pytest.skip(f"no network namespaces: {error}")
    yield made
    made.remove()


def _python(network: Network, host: str, code: str, *arguments: str) -> subprocess.Popen[str]:
    command = [*network.command(host), sys.executable, "-c", code, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _arrives(network: Network, source: str, target: str, wait_s: float) -> bool:
    with _python(network, target, RECEIVE, network.address(target), str(wait_s)) as receiver:
        assert receiver.stdout is not None
        assert receiver.stdout.readline() == "bound\n"
        with _python(network, source, SEND, network.address(target)) as sender:
            sender.wait(10)
        return receiver.stdout.readline() == "b'x'\n"


@pytest.mark.processes
def test_one_direction_is_blocked_and_no_other(network: Network) -> None:
    assert _arrives(network, "one", "other", 5)
    network.block("one", "other")
    assert not _arrives(network, "one", "other", 0.5)
    assert _arrives(network, "other", "one", 5)
    assert _arrives(network, "one", "third", 5)
    network.heal()
    assert _arrives(network, "one", "other", 5)


@pytest.mark.processes
def test_refused_by_a_host_that_lives(network: Network) -> None:
    network.refuse("one", "other")
    with _python(network, "one", CONNECT, network.address("other")) as refused:
        assert refused.stdout is not None
        assert refused.stdout.read() == "ConnectionRefusedError\n"
    assert _arrives(network, "third", "other", 5)
    network.heal()
    assert _arrives(network, "one", "other", 5)


@pytest.mark.processes
@pytest.mark.parametrize(("where", "seed"), [("auto", 1), ("loopback", 2)])
def test_a_short_run(where: str, seed: int) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.chaos.run"),
            *("--seconds", "6", "--seed", str(seed), "--network", where),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(
        r"^chaos: seconds=6 faults=[1-9]\d* acknowledged=[1-9]\d*"
        r" stale=\d+ lost=0 duplicated=0 anomalies=0$",
        done.stdout,
        re.MULTILINE,
    )


@pytest.mark.parametrize(("at_the_end", "wrong"), [(5, 0), (4, 1)])
def test_positions_may_be_stale_while_there_are_faults_but_not_after(
    monkeypatch: pytest.MonkeyPatch, at_the_end: int, wrong: int
) -> None:
    members = GroupTraffic("", "t", 1)

    def read(offset: int, at: float) -> None:
        seen = Committed(
            group=members.group, key="0", offset=offset, invoked=at, completed=at + 1.0
        )
        members.history.committed.append(seen)

    members.history.commits.append(
        Commit(
            group=members.group,
            key="0",
            offset=5,
            outcome=Outcome.OK,
            invoked=1.0,
            completed=2.0,
        )
    )
    read(4, 3.0)

    def looked() -> dict[int, int]:
        read(at_the_end, 5.0)
        return {0: 5}

    monkeypatch.setattr(members, "_position", looked)
    assert len(members.stop({0: 5}, [])) == wrong * 2  # looked at twice
    assert members.stale == 1
