"""kafkajs (npm) as a producer; what it wrote is read with confluent-kafka."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.clients.drivers import Row, read_confluent
from tests.cluster_kit import Cluster

SCRIPT = Path(__file__).parent / "kafkajs_producer.js"
PACKAGE = "kafkajs@2.2.4"

pytestmark = [
    pytest.mark.interop,
    pytest.mark.process,
    pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed"),
    pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed"),
]


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("npm")
    command = ["npm", "install", "--silent", "--prefix", str(directory), PACKAGE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    if done.returncode != 0:
        pytest.skip(f"npm cannot install {PACKAGE}: {done.stderr[-200:]}")
    return directory / "node_modules"


@pytest.fixture(scope="module")
def cluster(modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(directory=tmp_path_factory.mktemp("kafkajs")) as running:
        yield running


@pytest.mark.parametrize("codec", ["None", "GZIP"])
def test_kafkajs_produces(modules: Path, cluster: Cluster, codec: str) -> None:
    """Further codecs are packages of their own in kafkajs."""
    topic = f"js-{codec}"
    cluster.create_topic(topic, 2)
    done = subprocess.run(
        ["node", str(SCRIPT), cluster.bootstrap, topic, codec],
        env={**os.environ, "NODE_PATH": str(modules)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["brokers"] == 3
    highs = {offset["partition"]: offset["high"] for offset in seen["offsets"]}
    assert highs == {0: "26", 1: "24"}
    expected: dict[int, list[Row]] = {0: [], 1: []}
    for idempotent in ("false", "true"):
        for n in range(25):
            row = Row(
                partition=n % 2,
                key=b"k%d" % n,
                value=None if n % 10 == 0 else f"{idempotent} {n}".encode(),
                headers=(("h", b"v%d" % n),),
                timestamp=1_700_000_000_000 + n,
            )
            expected[row.partition].append(row)
    assert read_confluent(cluster.bootstrap, topic, {0: 26, 1: 24}) == expected
