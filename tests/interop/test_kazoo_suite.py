"""Kazoo's own test suite (written for the real ZooKeeper) against the embedded coordinator."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.interop.pip import pip

PLUGIN = Path(__file__).parent.parent / "zookeeper"
VERSION = "2.10.0"
RACY = "kazoo/tests/test_lock.py::KazooLockTests::test_rw_lock"
"""Starts two threads and expects the first to be the first at the server."""

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(900)]


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """The sources (the wheel comes without tests), and what the tests need besides."""
    pip("install", "--target", str(tmp_path / "site"), "objgraph", "gevent", "eventlet")
    pip("download", "--no-binary", ":all:", "--no-deps", f"kazoo=={VERSION}", "-d", str(tmp_path))
    with tarfile.open(tmp_path / f"kazoo-{VERSION}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / f"kazoo-{VERSION}"


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "barnabas.zookeeper.server.main", "--port", "0"]
    # One test expects that 2 MiB are too much, as they are for a real server by default.
    command += ["--data", str(tmp_path / "data"), "--jute-maxbuffer", "1048575"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = re.search(r"ready on (\S+)", process.stdout.readline())
        assert ready is not None
        yield ready[1]
        process.terminate()


def test_kazoo_cannot_tell_the_difference(suite: Path, address: str) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "kazoo_external_plugin", "-q"),
            *("-p", "no:cacheprovider", "--timeout", "90", "--deselect", RACY, "kazoo/tests"),
        ],
        cwd=suite,
        env={
            **os.environ,
            "KAZOO_EXTERNAL_HOSTS": address,
            "PYTHONPATH": f"{suite}:{suite.parent / 'site'}:{PLUGIN}",
        },
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    summary = done.stdout.strip().splitlines()[-1]
    assert done.returncode == 0, done.stdout[-6000:]
    passed = re.search(r"(\d+) passed", summary)
    assert passed is not None
    # As with a real server (468), but for the racy one.
    assert int(passed[1]) == 467, summary
