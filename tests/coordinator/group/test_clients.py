"""Real clients in one group, real brokers, and a coordinator that is killed under them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests.cluster_kit import Cluster
from tests.coordinator.group.libraries import (
    ALL_PYTHON,
    PARTITIONS,
    TOPIC,
    Members,
    Watcher,
    produce,
)

pytestmark = pytest.mark.processes


def test_three_libraries_in_one_group_outlive_their_coordinator(tmp_path: Path) -> None:
    with Cluster(directory=tmp_path) as cluster:
        cluster.create_topic(TOPIC, PARTITIONS)
        members, watcher = Members(cluster.bootstrap), Watcher(cluster.bootstrap)
        members.start()
        try:
            watcher.wait_until_shared(3)
            produce(cluster.bootstrap, 1200)
            watcher.wait_until_committed(1200)
            assert set(members.readers) == set(ALL_PYTHON)
            killed = time.monotonic()
            cluster.ask("kill", f"broker:{watcher.coordinator}")
            produce(cluster.bootstrap, 1200)
            watcher.wait_until_committed(2400)
            print(f"committed again {time.monotonic() - killed:.2f} s after the kill")
        finally:
            members.join()
        assert not members.faults
        assert not watcher.complaints
        assert len(members.read) == 2400
