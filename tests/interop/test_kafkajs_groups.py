"""kafkajs consumers in groups, alone and with other libraries: members and coordinators die."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.cluster_kit import Cluster, no_traceback, wait_for
from tests.coordinator.group.libraries import PARTITIONS, TOPIC, Members, Watcher, produce

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(300)]

ALONE = ("kafkajs", "kafkajs", "kafkajs")
MIXED = ("kafkajs", "confluent", "aiokafka", "kafka-python")
PART = 300
"""Records of one go."""


class Stream:
    """Records all the time, so that somebody always commits."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self.count = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stop.wait(0.05):
            produce(self.bootstrap, PART)
            self.count += PART

    @contextmanager
    def flowing(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join(60)


@pytest.mark.parametrize("libraries", [ALONE, MIXED], ids=["alone", "mixed"])
def test_no_position_goes_back_whoever_dies(
    kafkajs: Path, tmp_path: Path, libraries: tuple[str, ...]
) -> None:
    """A member is killed and another comes; the coordinator is killed while the group rebalances,
    and once more while its members commit."""
    size = len(libraries)
    with Cluster(directory=tmp_path) as cluster:
        cluster.create_topic(TOPIC, PARTITIONS)
        members = Members(cluster.bootstrap, libraries, "roundrobin", node_path=kafkajs)
        watcher, stream = Watcher(cluster.bootstrap), Stream(cluster.bootstrap)
        members.start()
        try:
            watcher.wait_until_shared(size)
            with stream.flowing():
                watcher.wait_until_committed(PART)
                members.processes["kafkajs"][0].kill()
                watcher.wait_until_shared(size - 1)
                members.add("kafkajs")
                in_rebalance = watcher.wait_for_rebalance()
                cluster.ask("kill", f"broker:{in_rebalance}")
                watcher.wait_until_shared(size)
                restart(cluster, in_rebalance)
                watcher.wait_until_committed(sum(watcher.positions.values()) + PART)
                in_commits = watcher.coordinator
                cluster.ask("kill", f"broker:{in_commits}")
                watcher.wait_until_committed(sum(watcher.positions.values()) + PART)
                restart(cluster, in_commits)
                watcher.wait_until_shared(size)
            watcher.wait_until_committed(stream.count)
        finally:
            members.join()
        assert not members.faults
        assert not watcher.complaints
        assert set(members.readers) == set(libraries)
        assert len(members.read) == stream.count
        # kafkajs alone tells what it owns: the one that was killed and the one that came did.
        assert len({generation for generation, _ in members.owners}) > 1
        for broker in (1, 2, 3):
            assert no_traceback(cluster.log(f"broker:{broker}"))


def restart(cluster: Cluster, broker: int) -> None:
    cluster.ask("restart", f"broker:{broker}")
    wait_for(lambda: cluster.whole(TOPIC, PARTITIONS), 30, f"{broker} is in sync again")
