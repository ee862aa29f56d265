"""A foreign ZooKeeper client (Node's) against the embedded coordinator."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "node_zookeeper.js"
PACKAGE = "node-zookeeper-client@1.1.3"

pytestmark = [
    pytest.mark.foreign,
    pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed"),
    pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed"),
]


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    command = ["npm", "install", "--silent", "--prefix", str(tmp_path), PACKAGE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    if done.returncode != 0:
        pytest.skip(f"npm cannot install {PACKAGE}: {done.stderr[-200:]}")
    return tmp_path / "node_modules"


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "barnabas.zookeeper.server.main"]
    with subprocess.Popen(
        [*command, "--data", str(tmp_path / "data"), "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        ready = re.search(r"ready on (\S+)", process.stdout.readline())
        assert ready is not None
        yield ready[1]
        process.terminate()


def test_node_zookeeper_client(modules: Path, address: str) -> None:
    done = subprocess.run(
        ["node", str(SCRIPT), address],
        env={**os.environ, "NODE_PATH": str(modules)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "passed\n"), done.stderr
