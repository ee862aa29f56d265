"""A user's first minute: an environment of his own, the wheel, and the test of README.md."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "tools" / "fresh_install"
UNREACHABLE = ("No matching distribution", "Could not find a version", "Connection")

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(600)]


def test_the_test_of_the_readme_passes_in_a_fresh_environment() -> None:
    done = subprocess.run([str(SCRIPT)], capture_output=True, text=True, check=False, timeout=500)
    if done.returncode and any(word in done.stderr for word in UNREACHABLE):
        pytest.skip(f"no package index: {done.stderr[-200:]}")
    assert "1 passed" in done.stdout, done.stdout + done.stderr
    installed = done.stdout.splitlines()[0]
    assert "confluent-kafka==" in installed
    assert "hypothesis" not in installed
