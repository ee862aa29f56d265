"""Commands that succeed, and commands that fail in one line."""

from __future__ import annotations

import subprocess

from tests.cluster_kit import Cluster, no_traceback


def ok(cluster: Cluster, *arguments: str, stdin: str = "") -> str:
    done = cluster.cli(*arguments, stdin=stdin)
    assert done.returncode == 0, done
    return done.stdout


def fails(done: subprocess.CompletedProcess[str], code: int, *named: str) -> None:
    """With its exit code and, but for wrong usage, one line."""
    assert done.returncode == code, done
    assert no_traceback(done.stderr)
    if code != 2:
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert done.stderr.startswith("barnabas: ")
    for name in named:
        assert name in done.stderr


def refused(done: subprocess.CompletedProcess[str], *named: str) -> None:
    """A start that fails in one line and has said nothing on standard output."""
    assert done.returncode == 1, done
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("barnabas: ")
    for name in named:
        assert name in done.stderr
