"""A compacted topic on real brokers."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cluster.compaction import OVERRIDES, Compaction
from tests.cluster_kit import Cluster

pytestmark = pytest.mark.processes


def test_each_read_ends_with_the_last_values(tmp_path: Path) -> None:
    # So slow that there is a middle to be killed in.
    slowly = {"log.cleaner.io.max.bytes.per.second": "1500000"}
    with Cluster(directory=tmp_path, overrides=OVERRIDES | slowly) as cluster:
        Compaction(cluster, updates=24_000, keys=100, segment_bytes=1 << 17).run()
