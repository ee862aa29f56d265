"""Completion: what a shell asks for, and how long it waits."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from click.shell_completion import ShellComplete
from tests.cli.kit import fails, here
from tests.cluster_kit import BARNABAS

from barnabas.cli.completion import PROGRAM, VARIABLE
from barnabas.cli.main import cli
from barnabas.testing import Cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(2, in_process=True) as running:
        for name in ("orders", "orders-dlq", "payments"):
            running.create_topic(name, 1)
        running.wait_for_leader("payments")
        yield running


def completed(*words: str) -> list[str]:
    """What the last of ``words`` may become."""
    shell = ShellComplete(cli, {}, PROGRAM, VARIABLE)
    return [item.value for item in shell.get_completions(list(words[:-1]), words[-1])]


def test_commands_and_options_are_completed_without_a_cluster() -> None:
    assert {"topic", "token"} <= set(completed("to"))
    assert {"delete", "describe"} <= set(completed("topic", "de"))
    assert not {"create", "list"} & set(completed("topic", "de"))
    assert "--bootstrap-server" in completed("topic", "list", "--")
    assert completed("topic", "list", "-o", "") == ["table", "json", "jsonl", "yaml"]
    assert completed("completion", "") == ["bash", "zsh", "fish"]


def test_names_are_those_of_the_cluster_that_the_line_names(cluster: Cluster) -> None:
    where = ("-b", cluster.bootstrap)
    assert completed("topic", "describe", *where, "") == ["orders", "orders-dlq", "payments"]
    assert completed("consume", *where, "or") == ["orders", "orders-dlq"]
    assert completed("tx", "find-hanging", *where, "--topic", "p") == ["payments"]
    assert completed("tx", "describe-producers", *where, "pay") == ["payments/0"]
    assert completed("tx", "describe-producers", *where, "--broker-id", "") == ["1", "2"]
    assert completed("group", "describe", *where, "") == []
    assert completed("topic", "create", *where, "o") == []


def test_contexts_are_completed_and_used(cluster: Cluster, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'[contexts.dev]\nbootstrap-server = "{cluster.bootstrap}"\n')
    with mock.patch.dict(os.environ, {"BARNABAS_CONFIG": str(config)}):
        assert completed("--context", "d") == ["dev"]
        assert completed("context", "use", "") == ["dev"]
        assert completed("--context", "dev", "topic", "delete", "pay") == ["payments"]
        config.write_text("broken")
        assert completed("context", "use", "") == []
        assert completed("--context", "dev", "topic", "delete", "pay") == []


def test_a_cluster_that_does_not_answer_has_no_names() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        assert completed("topic", "describe", "-b", address, "") == []
    assert completed("topic", "describe", "-b", address, "") == []
    assert completed("topic", "describe", "-b", "nonsense", "") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(shell: str, tmp_path: Path) -> None:
    script = here("completion", shell).stdout
    assert f"{VARIABLE}={shell}_complete" in script
    if shutil.which(shell):
        path = tmp_path / "script"
        path.write_text(script)
        subprocess.run([shell, "-n", str(path)], check=True)


@pytest.mark.processes
def test_bash_gets_the_names(cluster: Cluster, tmp_path: Path) -> None:
    program = tmp_path / "barnabas"
    program.write_text(f'#!/bin/sh\nexec {" ".join(BARNABAS)} "$@"\n')
    program.chmod(0o755)
    line = f"barnabas topic describe -b {cluster.bootstrap} pay"
    asked = (
        'eval "$(barnabas completion bash)"; '
        f"COMP_WORDS=({line.replace(':', ' : ')}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); "
        f"COMP_LINE='{line}'; COMP_POINT={len(line)}; "
        '_barnabas_completion barnabas; echo "${COMPREPLY[@]}"'
    )
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", asked], env=environment, capture_output=True, text=True, timeout=60
    )
    assert (done.stdout.strip(), done.stderr) == ("payments", "")


def test_another_shell_is_refused() -> None:
    fails(here("completion", "tcsh"), 2, "tcsh")
