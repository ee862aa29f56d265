"""Commands that succeed, and commands that fail in one line."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from unittest import mock

from tests.cluster_kit import Cluster, no_traceback

from barnabas.cli.main import main


def here(*arguments: str) -> subprocess.CompletedProcess[str]:
    """``barnabas ARGUMENTS`` in this process: for what ends before it has done anything."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["barnabas", *arguments]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code
    assert isinstance(code, int)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


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
