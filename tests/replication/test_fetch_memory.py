"""Fetches and the memory of answers: how much is read, who waits for room, whose is the reserve."""

from __future__ import annotations

import asyncio

from tests.replication.support import T0, TOPIC_ID, Cluster, settle
from tests.virtual_time import run

from barnabas.limits import FETCH_BYTES_AT_ONCE
from barnabas.replication.fetch_params import FetchParams
from barnabas.replication.fetch_reader import ROOM_LOOK_S
from barnabas.replication.fetch_session import SessionPartition
from barnabas.replication.results import Fetched, FetchedPartition, FetchResult

KB = 1024
BATCH = "x" * (64 * KB)


def only(result: object) -> FetchedPartition:
    assert isinstance(result, FetchResult), "answered"
    return result.partitions[0]


async def _cluster(cluster: Cluster, batches: int = 4) -> None:
    """Batches of a little more than 64 KiB; nobody copies them by itself."""
    await cluster.announce()
    cluster.nodes[2].manager.fetchers.remove(T0)
    cluster.isr = (1,)
    cluster.elect(1)
    await cluster.announce(1)
    for _ in range(batches):
        await cluster.produced(BATCH)
    await settle()


def _fetch(cluster: Cluster, **fields: object) -> FetchResult | asyncio.Future[Fetched]:
    return cluster.consume(0, broker=1, **fields)


def test_an_answer_has_what_is_taken_at_once_whatever_is_allowed() -> None:
    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            await cluster.announce(1)
            count = FETCH_BYTES_AT_ONCE // (900 * KB) + 3
            cluster.isr = (1,)
            cluster.elect(1)
            await cluster.announce(1)
            for _ in range(count):
                await cluster.produced("x" * (900 * KB))
            entry = SessionPartition(
                topic=None, topic_id=TOPIC_ID, partition=0, fetch_offset=0, max_bytes=2**31 - 1
            )
            for replica in (-1, 2):
                params = FetchParams(version=17, replica_id=replica, partitions=[entry])
                size = only(cluster.nodes[1].manager.fetch(params)).size
                assert FETCH_BYTES_AT_ONCE - 900 * KB - 200 < size <= FETCH_BYTES_AT_ONCE

    run(main())


def test_less_memory_means_less_is_read_and_one_batch_at_least() -> None:
    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            await _cluster(cluster)
            whole = only(_fetch(cluster)).size
            answers = cluster.nodes[1].manager.context.answers
            await settle()
            assert answers.held == 0
            answers.held = answers.bytes_max - answers.reserve - 300 * KB
            assert 64 * KB < only(_fetch(cluster)).size <= 150 * KB
            await settle()
            answers.held = answers.bytes_max - answers.reserve - 1
            least = only(_fetch(cluster)).size
            assert 64 * KB < least < 66 * KB < whole

    run(main())


def test_a_consumer_waits_for_memory_and_a_follower_has_its_own() -> None:
    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            await _cluster(cluster)
            answers = cluster.nodes[1].manager.context.answers
            full = answers.bytes_max - answers.reserve
            answers.held = full
            waiting = _fetch(cluster, max_wait_ms=1000)
            assert isinstance(waiting, asyncio.Future), "there is something to read, and no room"
            epoch = cluster.nodes[2].epoch
            copied = only(_fetch(cluster, replica_id=2, broker_epoch=epoch, max_wait_ms=500))
            assert copied.size > 3 * 64 * KB
            await settle()
            answers.held = answers.bytes_max + 1
            copied = only(_fetch(cluster, replica_id=2, broker_epoch=epoch, max_wait_ms=500))
            assert 64 * KB < copied.size < 66 * KB, "one batch, whatever there is"
            await asyncio.sleep(5 * ROOM_LOOK_S)
            assert not waiting.done()
            answers.held = 0
            await asyncio.sleep(2 * ROOM_LOOK_S)
            assert only(waiting.result()).size > 3 * 64 * KB

    run(main())


def test_who_waits_for_memory_in_vain_has_an_empty_answer() -> None:
    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            await _cluster(cluster)
            context = cluster.nodes[1].manager.context
            context.answers.held = context.answers.bytes_max
            assert only(_fetch(cluster)).size == 0, "it does not want to wait"
            waiting = _fetch(cluster, max_wait_ms=300)
            assert isinstance(waiting, asyncio.Future)
            given_up = _fetch(cluster, max_wait_ms=300)
            assert isinstance(given_up, asyncio.Future)
            given_up.cancel()
            assert only(await asyncio.wait_for(waiting, 1)).size == 0
            await asyncio.sleep(5 * ROOM_LOOK_S)
            reader = cluster.nodes[1].manager._fetch._reader
            assert not reader._hungry
            assert not reader._looks_for_room

    run(main())


def test_those_who_wait_for_memory_get_it_one_after_the_other() -> None:
    """What one has read is not there for the next: with room for little, all together never hold
    more than the bound and one batch."""

    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            await _cluster(cluster)
            answers = cluster.nodes[1].manager.context.answers
            answers.held = full = answers.bytes_max - answers.reserve
            waiting = [_fetch(cluster, max_wait_ms=10_000) for _ in range(20)]
            most = 0

            def taken(done: asyncio.Future[Fetched]) -> None:
                nonlocal most
                answers.held += only(done.result()).size  # nobody reads it
                most = max(most, answers.held)

            for each in waiting:
                assert isinstance(each, asyncio.Future)
                each.add_done_callback(taken)
            answers.held -= 200 * KB
            await asyncio.sleep(1)
            served = sum(isinstance(each, asyncio.Future) and each.done() for each in waiting)
            assert 1 <= served < 5
            assert most < full + 2 * 66 * KB, "counted twice until it is written"
            answers.held = full - 10_000 * KB
            await asyncio.sleep(1)
            assert all(isinstance(each, asyncio.Future) and each.done() for each in waiting)

    run(main())
