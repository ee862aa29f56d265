"""The command line as a whole: help, wrong usage, exit codes, addresses."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from contextlib import ExitStack

import pytest
from tests.cli.kit import fails, here, ok
from tests.cluster_kit import Cluster, barnabas, wait_for

COMMANDS = [
    (),
    ("up",),
    ("broker",),
    ("coordinator",),
    ("topic",),
    ("topic", "create"),
    ("topic", "list"),
    ("topic", "describe"),
    ("topic", "alter"),
    ("topic", "delete"),
    ("produce",),
    ("consume",),
    ("group",),
    ("group", "list"),
    ("group", "describe"),
    ("group", "reset-offsets"),
    ("group", "delete"),
    ("cluster",),
    ("cluster", "status"),
    ("chaos",),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: " ".join(c) or "barnabas")
def test_help_teaches(command: tuple[str, ...]) -> None:
    done = here(*command, "--help")
    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.startswith("Usage: ")
    assert "--help" in done.stdout


@pytest.mark.processes
def test_a_process_of_its_own_says_the_same() -> None:
    for arguments in (("--help",), ("nonsense",)):
        process, inside = barnabas(*arguments), here(*arguments)
        assert process.returncode == inside.returncode
        for mine, other in ((process.stdout, inside.stdout), (process.stderr, inside.stderr)):
            assert mine.splitlines()[-1:] == other.splitlines()[-1:]


def test_wrong_usage_is_2() -> None:
    for arguments in [
        ("nonsense",),
        ("topic", "create"),
        ("topic", "create", "x", "-p", "0"),
        ("topic", "alter", "x"),
        ("consume", "x", "-o", "sometimes"),
        ("consume", "x", "-f", "%q"),
        ("produce", "x", "-z", "rar"),
        ("chaos", "explode", "broker:1"),
        ("up", "--brokers", "0"),
    ]:
        fails(here(*arguments), 2)


@pytest.mark.processes
def test_nobody_there_is_3() -> None:
    with socket.socket() as held:  # bound, so that nobody else takes it; nobody listens
        held.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{held.getsockname()[1]}"
        done = barnabas("topic", "list", "-b", address)
        assert done.returncode == 3, done
        waiting, failed = done.stderr.splitlines()
        assert waiting == f"barnabas: {address} does not answer (connection refused); still trying"
        assert failed.startswith(f"barnabas: no broker of {address} answers")


@pytest.mark.parametrize("address", ["nonsense", "host:port", ":9092", "a:0", "a:70000", "a:²", ""])
def test_addresses_that_are_none(address: str) -> None:
    fails(here("topic", "list", "-b", address), 1, "--bootstrap-server")


@pytest.mark.parametrize(
    "arguments",
    [
        ("topic", "create", "t", "-p", "99999999999"),
        ("topic", "create", "t", "-r", "32768"),
        ("consume", "t", "-o", "9223372036854775808"),
        ("consume", "t", "-o", "@9223372036854775808"),
        ("consume", "t", "-o", "@-7"),
        ("consume", "t", "-o", "x"),
        ("cluster", "reassign", "-t", "t", "--brokers", "2147483648"),
        ("cluster", "reassign", "-t", "t", "--brokers", "\N{SUPERSCRIPT TWO}"),
    ],
)
def test_numbers_that_nothing_can_have_are_wrong_usage(arguments: tuple[str, ...]) -> None:
    fails(here(*arguments), 2, "Error: ")


@pytest.mark.processes
def test_the_default_address_reaches_the_cluster_when_its_first_broker_is_dead(
    cluster: Cluster,
) -> None:
    first = f"127.0.0.1:{cluster.port}"
    ok(cluster, "topic", "create", "on-both", "-r", "2")
    cluster.ask("kill", "broker:1")
    try:
        wait_for(
            lambda: cluster.cli("topic", "list", bootstrap=first).returncode == 0,
            10,
            "broker 2 answers instead",
        )
        done = cluster.cli("cluster", "status", "-o", "json", bootstrap=first)
        assert done.returncode == 1, "not healthy"
        assert [b["id"] for b in json.loads(done.stdout)["brokers"]] == [2]
        assert cluster.cli("chaos", "kill", "controller", bootstrap=first).returncode == 0
    finally:
        cluster.ask("restart", "broker:1")
        cluster.ask("restart", "broker:2")
    wait_for(lambda: cluster.cli("cluster", "status").returncode == 0, 20, "the cluster is healthy")


@pytest.mark.processes
def test_an_address_that_does_not_answer_is_named_soon_by_every_command() -> None:
    """It accepts connections, and says nothing: long before the command gives up."""
    with socket.create_server(("127.0.0.1", 0)) as mute, ExitStack() as running:
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        commands = (
            ("consume", "t"),
            ("produce", "t"),
            ("topic", "list"),
            ("topic", "create", "t"),
            ("group", "list"),
            ("group", "reset-offsets", "g", "-t", "t", "--to-earliest"),
            ("cluster", "status"),
            ("cluster", "elect"),
        )
        started = []
        for command in commands:
            process = subprocess.Popen(
                [sys.executable, "-m", "barnabas.cli.main", *command, "-b", address],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            running.enter_context(process)
            running.callback(process.kill)
            started.append(process)
        for process in started:
            assert process.stderr is not None
            said = process.stderr.readline()
            assert said == f"barnabas: {address} does not answer; still trying\n"
