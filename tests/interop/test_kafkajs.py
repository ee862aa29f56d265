"""kafkajs (npm) as a producer; what it wrote is read with confluent-kafka."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.clients.drivers import Row, read_confluent
from tests.cluster_kit import Cluster

SCRIPT = Path(__file__).parent / "kafkajs_producer.js"

pytestmark = pytest.mark.foreign


@pytest.fixture(scope="module")
def cluster(kafkajs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(directory=tmp_path_factory.mktemp("kafkajs")) as running:
        yield running


@pytest.mark.parametrize("codec", ["None", "GZIP"])
def test_kafkajs_produces(kafkajs: Path, cluster: Cluster, codec: str) -> None:
    """Further codecs are packages of their own in kafkajs."""
    topic = f"js-{codec}"
    cluster.create_topic(topic, 2)
    done = subprocess.run(
        ["node", str(SCRIPT), cluster.bootstrap, topic, codec],
        env={**os.environ, "NODE_PATH": str(kafkajs)},
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
