"""A follower that has heard of a leader epoch, or a topic, before its leader has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.replication.fetching import alone, in_session, listed, only
from tests.replication.support import Cluster, settle
from tests.virtual_time import run

from barnabas.errors import ErrorCode
from barnabas.replication.fetch import EARLY_WAIT_MS
from barnabas.replication.fetch_reader import FetchReader
from barnabas.replication.fetch_session import SessionPartition
from barnabas.replication.partition import Partition
from barnabas.replication.results import FetchResult
from barnabas.replication.watches import Watched
from barnabas.types import TopicPartition


def _position(cluster: Cluster, partition: int = 0) -> int:
    leadership = cluster.nodes[1].manager.partitions[TopicPartition("t", partition)].leadership
    assert leadership is not None
    return leadership.remotes[2].log_end_offset


@asynccontextmanager
async def early_follower() -> AsyncIterator[tuple[Cluster, dict[str, Any], int]]:
    """Broker 1 leads t-0 in epoch 0. What a follower asks with, and its session's id."""
    async with Cluster(1, 2) as cluster:
        await cluster.announce()
        alone(cluster, 2)
        asking: dict[str, Any] = {
            "replica_id": 2,
            "broker_epoch": cluster.nodes[2].epoch,
            "max_wait_ms": 500,
        }
        first = in_session(cluster, 0, 0, {0: 0}, leader_epoch=0, **asking)
        assert isinstance(first, FetchResult)
        yield cluster, asking, first.session_id


def test_an_early_follower_waits_for_our_leader_and_isr() -> None:
    """Its error would be a back-off, and that most of a failover."""

    async def main() -> None:
        async with early_follower() as (cluster, asking, session):
            waiting = in_session(cluster, session, 1, {0: 0}, leader_epoch=1, **asking)
            cluster.elect(1)
            await cluster.announce(1)
            assert isinstance(waiting, asyncio.Future)
            assert not waiting.done()
            assert _position(cluster) == 0, "counted when the partition was looked at first"
            cluster.produce("a")
            await settle()
            assert only(waiting.result()).size > 0

    run(main())


def test_an_early_follower_hears_of_it_only_when_it_has_waited() -> None:
    async def main() -> None:
        async with early_follower() as (cluster, asking, session):
            cluster.partitions = [0, 1]
            cluster.leader_epoch += 1
            await cluster.announce(1)
            named = in_session(cluster, session, 1, {0: 0}, leader_epoch=2, **asking)
            beside = in_session(cluster, session, 2, {1: 0}, leader_epoch=1, **asking)
            assert isinstance(named, asyncio.Future)
            assert isinstance(beside, asyncio.Future)
            cluster.produce("a", partition=1)
            await settle()
            assert listed(named.result()) == []
            assert listed(beside.result()) == [1], "no word of the other"
            started = asyncio.get_running_loop().time()
            late = in_session(cluster, session, 3, {1: 1}, leader_epoch=1, **asking)
            assert isinstance(late, asyncio.Future)
            assert (await late).partitions[-1].error == ErrorCode.UNKNOWN_LEADER_EPOCH
            assert asyncio.get_running_loop().time() - started >= 0.5

    run(main())


def test_what_is_early_is_looked_at_once_and_when_we_hear_of_the_role(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And not with each fetch that comes meanwhile: there may be thousands of both."""
    looks: list[int] = []
    partition_for = FetchReader.partition_for

    def counted(reader: FetchReader, entry: SessionPartition, place: Watched | None) -> Partition:
        looks.append(entry.partition)
        return partition_for(reader, entry, place)

    async def main() -> None:
        async with early_follower() as (cluster, asking, session):
            cluster.partitions = [0, 1, 2]
            await cluster.announce(1)
            monkeypatch.setattr(FetchReader, "partition_for", counted)
            epochs = {0: 1, 1: 1, 2: 0, 3: 0}
            waiting: object = None
            for number, (partition, epoch) in enumerate(epochs.items(), start=1):
                waiting = in_session(
                    cluster, session, number, {partition: 0}, leader_epoch=epoch, **asking
                )
                assert isinstance(waiting, asyncio.Future)
                await settle()
            assert [number for number in looks if number != 2] == [0, 1, 3]
            looks.clear()
            cluster.elect(1)
            cluster.partitions = [1]
            await cluster.announce(1)
            await settle()
            assert looks.count(1) == looks.count(3) == 1, "t-1 has told; it may know t-3 now"
            assert 0 not in looks
            assert _position(cluster, 1) == 0
            assert isinstance(waiting, asyncio.Future)
            assert not waiting.done()
            cluster.produce("a", partition=1)
            await settle()
            assert [(p.partition, p.error) for p in waiting.result().partitions] == [
                (1, ErrorCode.NONE)
            ]

    run(main())


def test_nobody_is_told_that_he_is_early_while_we_change_our_roles() -> None:
    async def main() -> None:
        async with early_follower() as (cluster, asking, session):
            early = cluster.nodes[1].manager._fetch.early
            with early.roles_changing():
                waiting = in_session(cluster, session, 1, {0: 0}, leader_epoch=1, **asking)
                assert isinstance(waiting, asyncio.Future)
                assert listed(await waiting) == []
            again = in_session(cluster, session, 2, {}, **asking)
            assert isinstance(again, asyncio.Future)
            assert only(await again).error == ErrorCode.UNKNOWN_LEADER_EPOCH

    run(main())


def test_an_early_followers_request_for_a_session_waits_a_little() -> None:
    async def main() -> None:
        async with early_follower() as (cluster, asking, _):
            loop = asyncio.get_running_loop()
            in_time = in_session(cluster, 0, 0, {0: 0}, leader_epoch=1, **asking)
            cluster.elect(1)
            await cluster.announce(1)
            assert isinstance(in_time, asyncio.Future)
            assert only(in_time.result()).error == ErrorCode.NONE
            assert _position(cluster) == 0
            started = loop.time()
            never = in_session(cluster, 0, 0, {0: 0}, leader_epoch=2, **asking)
            assert isinstance(never, asyncio.Future)
            assert only(await never).error == ErrorCode.UNKNOWN_LEADER_EPOCH
            assert EARLY_WAIT_MS <= (loop.time() - started) * 1000 < EARLY_WAIT_MS + 50

    run(main())


def test_a_follower_of_a_partition_that_is_new_to_us_is_woken() -> None:
    async def main() -> None:
        async with early_follower() as (cluster, asking, session):
            waiting = in_session(cluster, session, 1, {1: 0}, leader_epoch=0, **asking)
            cluster.partitions = [0, 1]
            await cluster.nodes[1].manager.become_leader_or_follower(cluster.leader_and_isr())
            await settle()
            assert isinstance(waiting, asyncio.Future)
            assert not waiting.done()
            assert _position(cluster, 1) == 0
            cluster.produce("a", partition=1)
            await settle()
            assert only(waiting.result()).size > 0

    run(main())


def test_an_early_consumer_is_told_at_once() -> None:
    async def main() -> None:
        async with Cluster(1) as cluster:
            await cluster.announce()
            answer = only(in_session(cluster, 0, 0, {0: 0}, leader_epoch=1, max_wait_ms=500))
            assert answer.error == ErrorCode.UNKNOWN_LEADER_EPOCH

    run(main())
