"""Leaders that were replaced find it out by themselves."""

from __future__ import annotations

import asyncio
from collections import ChainMap
from collections.abc import AsyncIterator, ItemsView, Sequence
from contextlib import asynccontextmanager

import pytest
from tests.replication.support import T0, Cluster, run

from barnabas.errors import ErrorCode
from barnabas.replication.deposed import DeposedLeaders, may_be_left
from barnabas.replication.partition import Partition
from barnabas.types import LeaderAndIsr, TopicPartition


class Looked(ChainMap[TopicPartition, Partition]):
    """Counts how often somebody looks at all of it."""

    looks = 0

    def items(self) -> ItemsView[TopicPartition, Partition]:
        self.looks += 1
        return super().items()


class ZooKeeper:
    """Holds what the cluster's controller has decided."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.is_reachable = True
        self.hosted = Looked()
        self.reads = 0

    async def read(self, partitions: Sequence[TopicPartition]) -> list[LeaderAndIsr | None]:
        assert list(partitions) == [T0]
        self.reads += 1
        return [self.state() if self.is_reachable else None]

    def state(self, leader: int | None = None, leader_epoch: int | None = None) -> LeaderAndIsr:
        cluster = self.cluster
        return LeaderAndIsr(
            leader=cluster.leader if leader is None else leader,
            leader_epoch=cluster.leader_epoch if leader_epoch is None else leader_epoch,
            isr=cluster.isr,
            partition_epoch=cluster.partition_epoch,
            controller_epoch=cluster.controller_epoch,
        )


@asynccontextmanager
async def looking(cluster: Cluster, broker: int) -> AsyncIterator[ZooKeeper]:
    """One broker looks after its leaderships."""
    zookeeper, manager = ZooKeeper(cluster), cluster.nodes[broker].manager
    zookeeper.hosted = Looked(manager.partitions)
    deposed = DeposedLeaders(
        manager.context,
        zookeeper.hosted,
        manager.follower_fetches,
        manager.takes_orders,
        zookeeper.read,
        manager.resign,
    )
    task = asyncio.ensure_future(deposed.run())
    try:
        yield zookeeper
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_a_leader_that_its_followers_have_left_finds_out_who_leads() -> None:
    async def main() -> None:
        async with Cluster(1, 2, 3) as cluster, looking(cluster, 1) as zookeeper:
            await cluster.announce()
            assert (await cluster.produced("a")).error is ErrorCode.NONE
            cluster.elect(2, (2, 3))
            await cluster.announce(2, 3)
            waiting = cluster.produce("b", broker=1)
            assert isinstance(waiting, asyncio.Future)
            async with asyncio.timeout(3):
                (result,) = await waiting
            assert result.error is ErrorCode.NOT_LEADER_OR_FOLLOWER
            old = cluster.nodes[1]
            assert old.metadata.current_leader(T0) == (2, 1)
            assert not old.partition.is_leader
            assert old.recorder.of("leader_deposed")
            (again,) = [cluster.produce("c", broker=1)]
            assert isinstance(again, list)
            assert again[0].error is ErrorCode.NOT_LEADER_OR_FOLLOWER
            reads = zookeeper.reads
            await asyncio.sleep(20)
            assert zookeeper.reads == reads, "it leads nothing"
            assert (await cluster.produced("d")).error is ErrorCode.NONE
            await cluster.announce(1)
            async with asyncio.timeout(10):
                while old.values() != ["a", "d"]:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)

    run(main())


def test_where_followers_ask_nobody_reads() -> None:
    async def main() -> None:
        async with Cluster(1, 2, 3) as cluster, looking(cluster, 1) as zookeeper:
            await cluster.announce()
            for _ in range(20):
                await asyncio.sleep(1)
                await cluster.produced("a")
            cluster.isolate(3)
            await asyncio.sleep(20)
            assert zookeeper.reads == 0, "one of them is enough"
            assert cluster.nodes[1].partition.is_leader

    run(main())


@pytest.mark.parametrize(
    ("left_ms", "fetches", "expected"),
    [
        pytest.param(900, [2100, 2500], False, id="all sessions go on"),
        pytest.param(900, [], False, id="nobody follows"),
        pytest.param(900, [2100, 1999], True, id="a session has stopped"),
        pytest.param(900, [2100, 999], False, id="it had stopped before"),
        pytest.param(1000, [2100], True, id="a follower has left a partition"),
    ],
)
def test_when_partitions_may_have_been_left(
    left_ms: int, fetches: list[int], expected: bool
) -> None:
    assert may_be_left(2000, 1000, left_ms, fetches) is expected


def test_partitions_are_looked_at_only_when_a_follower_may_have_left() -> None:
    async def main() -> None:
        async with Cluster(1, 2, 3) as cluster, looking(cluster, 1) as zookeeper:
            await cluster.announce()
            await asyncio.sleep(5)
            looks = zookeeper.hosted.looks
            await asyncio.sleep(20)
            assert zookeeper.hosted.looks == looks
            cluster.nodes[3].manager.fetchers.remove(T0)
            await asyncio.sleep(5)
            assert looks < zookeeper.hosted.looks <= looks + 3
            assert zookeeper.reads == 0

    run(main())


@pytest.mark.parametrize("is_reachable", [True, False])
def test_a_leader_whose_followers_are_dead_leads_on(is_reachable: bool) -> None:
    async def main() -> None:
        async with Cluster(1, 2, 3) as cluster, looking(cluster, 1) as zookeeper:
            cluster.controller_open.clear()  # the ISR stays
            await cluster.announce()
            zookeeper.is_reachable = is_reachable
            cluster.isolate(2)
            cluster.isolate(3)
            await asyncio.sleep(100)
            assert cluster.nodes[1].partition.is_leader
            assert 5 < zookeeper.reads < 25, "it asks less and less often"

    run(main())


def test_only_another_leader_in_a_newer_epoch_counts() -> None:
    async def main() -> None:
        async with Cluster(1, 2, 3) as cluster:
            await cluster.announce()
            zookeeper, manager = ZooKeeper(cluster), cluster.nodes[1].manager
            assert not manager.resign(T0, zookeeper.state(leader=2))
            assert not manager.resign(T0, zookeeper.state(leader=1, leader_epoch=1))
            assert not manager.resign(TopicPartition("t", 7), zookeeper.state(2, 1))
            assert not cluster.nodes[2].manager.resign(T0, zookeeper.state(3, 1))
            assert cluster.nodes[1].partition.is_leader
            assert manager.metadata.current_leader(T0) == (1, 0)
            assert manager.resign(T0, zookeeper.state(leader=-1, leader_epoch=1))
            assert manager.metadata.current_leader(T0) == (-1, 1)
            assert not manager.resign(T0, zookeeper.state(leader=2, leader_epoch=2)), "no more"

    run(main())
