"""What idle partitions cost: nothing that grows with their number. Work is counted, not timed."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections import Counter
from typing import Any

import pytest
from tests.replication.support import T0, Cluster, settle
from tests.virtual_time import run

from barnabas.errors import ErrorCode
from barnabas.replication.delayed_fetch import DelayedFetch
from barnabas.replication.fetch_reader import FetchReader
from barnabas.replication.leadership import Leadership
from barnabas.replication.partition import Partition
from barnabas.replication.results import FetchedPartition
from barnabas.replication.watches import NOBODY
from barnabas.types import TopicPartition

COUNT = 50


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Counter[TopicPartition]:
    """How often each partition was looked at for members of the ISR that are behind."""
    counted: Counter[TopicPartition] = Counter()
    original = Partition.maybe_shrink_isr

    def look(partition: Partition) -> bool:
        counted[partition.topic_partition] += 1
        return original(partition)

    monkeypatch.setattr(Partition, "maybe_shrink_isr", look)
    return counted


def test_partitions_that_are_copied_are_not_looked_at(looks: Counter[TopicPartition]) -> None:
    async def main() -> None:
        async with Cluster(1, 2, 3, replica_lag_time_max_ms=2_000) as cluster:
            cluster.partitions = list(range(COUNT))
            await cluster.announce()
            await asyncio.sleep(5)
            assert set(looks) == {TopicPartition("t", number) for number in range(COUNT)}
            looks.clear()
            await asyncio.sleep(60.5)  # not at the moment of a look
            assert not looks
            assert (await cluster.produced("a")).error == ErrorCode.NONE
            await asyncio.sleep(60)
            assert looks == {T0: 1}
            assert not cluster.alter_requests

    run(main())


def test_only_the_partition_that_a_follower_does_not_copy_is_looked_at(
    looks: Counter[TopicPartition],
) -> None:
    async def main() -> None:
        async with Cluster(1, 2, 3, replica_lag_time_max_ms=2_000) as cluster:
            cluster.partitions = list(range(COUNT))
            await cluster.announce()
            await asyncio.sleep(5)
            cluster.isolate(3)
            await settle()
            looks.clear()
            assert (await cluster.produced("a")).error == ErrorCode.NONE, "it left the ISR"
            assert cluster.isr == (1, 2)
            assert set(looks) == {T0}
            await asyncio.sleep(10)
            looks.clear()
            await asyncio.sleep(60)
            assert not looks, "the others have copied all"
            cluster.heal()
            await asyncio.sleep(5)
            assert cluster.isr == (1, 2, 3)
            cluster.isolate(2)
            assert (await cluster.produced("b")).error == ErrorCode.NONE
            assert cluster.isr == (1, 3)

    run(main())


def test_a_member_that_has_lost_records_is_looked_at(looks: Counter[TopicPartition]) -> None:
    """Nothing is appended: its fetch from an earlier offset says so."""

    async def main() -> None:
        async with Cluster(1, 2, replica_lag_time_max_ms=2_000) as cluster:
            await cluster.announce()
            await cluster.produced("a", "b")
            await asyncio.sleep(5)
            cluster.nodes[2].manager.fetchers.remove(T0)
            cluster.isolate(2)
            looks.clear()
            epoch = cluster.nodes[2].epoch
            cluster.consume(1, broker=1, replica_id=2, broker_epoch=epoch, epoch=0)
            await asyncio.sleep(5)
            assert looks[T0] > 0
            assert cluster.isr == (1,)

    run(main())


def test_a_broker_that_leads_no_more_looks_at_nothing(looks: Counter[TopicPartition]) -> None:
    async def main() -> None:
        async with Cluster(1, 2, replica_lag_time_max_ms=2_000) as cluster:
            await cluster.announce()
            assert cluster.nodes[1].manager.context.lagging
            cluster.elect(2)
            await cluster.announce()
            assert not cluster.nodes[1].manager.context.lagging
            assert cluster.nodes[2].manager.context.lagging

    run(main())


def test_an_idle_partition_holds_little_memory() -> None:
    """2.5 kB with the half kilobyte that events and files in memory take here; 3.8 before its parts
    were made when they are needed. The bound leaves room for other versions of Python."""

    async def main() -> None:
        async with Cluster(1) as cluster:
            await cluster.announce()
            cluster.partitions = list(range(1, 501))
            gc.collect()
            tracemalloc.start()
            await cluster.announce()
            gc.collect()
            held, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert held / 500 < 3_000
            partition = cluster.nodes[1].manager.partitions[TopicPartition("t", 1)]
            assert partition.waiting is None
            assert partition.watches.followers is NOBODY
            await cluster.produced("a")

    run(main())


def test_a_death_concerns_partitions_with_replicas_outside_of_the_isr(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those alone are looked at again by fetches, and for their watermarks."""
    looks: Counter[str] = Counter()
    original, read = Leadership.high_watermark, FetchReader.read

    def high_watermark(leadership: Leadership, **fields: Any) -> int | None:
        looks["watermarks"] += 1
        return original(leadership, **fields)

    def counted(reader: FetchReader, *args: Any, **fields: Any) -> FetchedPartition:
        looks["reads"] += 1
        return read(reader, *args, **fields)

    async def main() -> None:
        async with Cluster(1, 2, 3) as cluster:
            cluster.partitions = list(range(COUNT))
            await cluster.announce()
            await asyncio.sleep(5)
            monkeypatch.setattr(Leadership, "high_watermark", high_watermark)
            monkeypatch.setattr(FetchReader, "read", counted)
            cluster.isolate(3)
            del cluster.alive[3]
            await cluster.nodes[1].manager.update_metadata(cluster.update_metadata())
            await asyncio.sleep(5)
            assert not looks
            cluster.elect(1, (1, 2))
            cluster.partitions = [0]
            await cluster.announce(1, 2)
            await asyncio.sleep(5)
            looks.clear()
            cluster.alive[3] = None
            await cluster.nodes[1].manager.update_metadata(cluster.update_metadata())
            await asyncio.sleep(5)
            assert 1 <= looks["watermarks"] <= 4
            assert 1 <= looks["reads"] <= 2

    run(main())


def test_the_waits_of_followers_end_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice a second, whenever they have begun to follow."""
    ended: list[float] = []
    original = DelayedFetch.expire

    def expire(fetch: DelayedFetch) -> None:
        ended.append(asyncio.get_running_loop().time())
        original(fetch)

    monkeypatch.setattr(DelayedFetch, "expire", expire)

    async def main() -> None:
        async with Cluster(1, 2, 3) as cluster:
            await cluster.announce(1, 2)
            await asyncio.sleep(0.13)
            await cluster.announce(3)
            await asyncio.sleep(2)
            ended.clear()
            await asyncio.sleep(10)
            assert 38 <= len(ended) <= 42, "of both, two a second"
            assert len({round(time, 1) for time in ended}) <= len(ended) / 2 + 1

    run(main())
