"""What several tests need: packages of npm, and the original."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from tests.interop.original import missing

KAFKAJS = "kafkajs@2.2.4"


@pytest.fixture(scope="session")
def kafkajs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory for NODE_PATH; skips where node or npm or the registry is missing."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    directory = tmp_path_factory.mktemp("npm")
    command = ["npm", "install", "--silent", "--prefix", str(directory), KAFKAJS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    if done.returncode != 0:
        pytest.skip(f"npm cannot install {KAFKAJS}: {done.stderr[-200:]}")
    return directory / "node_modules"


@pytest.fixture(scope="session")
def original() -> None:
    """The original can be run; skips where something for it is missing."""
    if (reason := missing()) is not None:
        pytest.skip(reason)
