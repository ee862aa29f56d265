"""Leaders that were replaced find it out by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from tests.replication.support import T0, Cluster, run

from barnabas.errors import ErrorCode
from barnabas.replication.deposed import DeposedLeaders
from barnabas.types import LeaderAndIsr, TopicPartition


class ZooKeeper:
    """Holds what the cluster's controller has decided."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.is_reachable = True
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
    deposed = DeposedLeaders(manager.context, manager.partitions, zookeeper.read, manager.resign)
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
