"""Packages that a test needs and the project does not: fetched by pip, skipped without it."""

from __future__ import annotations

import subprocess
import sys

import pytest


def pip(*arguments: str) -> None:
    """Run it; skip the test where it fails, as without a network."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"pip {arguments[0]}: {done.stderr[-200:]}")
