"""The fetch path: reference 5.6, 5.10 and 14; traps 4, 5, 14, 15, 16, 20, 21, 23."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.replication.fetching import alone, follow, in_session, listed, only, written
from tests.replication.support import Cluster, records, settle
from tests.virtual_time import run

from barnabas.errors import ErrorCode
from barnabas.replication.append_request import AppendRequest
from barnabas.replication.fetch_params import FetchParams
from barnabas.replication.fetch_session import SessionPartition
from barnabas.replication.results import FetchResult
from barnabas.replication.truncation import EpochEnd


def test_consumers_see_the_high_watermark_followers_the_end() -> None:
    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            await cluster.announce()
            await written(cluster, "a")
            alone(cluster, 2)
            cluster.produce("b")
            seen = only(cluster.consume(0))
            whole = only(follow(cluster, 0))
            assert 0 < seen.size < whole.size
            assert (seen.high_watermark, seen.aborted_transactions) == (1, None)
            assert only(cluster.consume(1)).size == 0, "between watermark and end: empty, no error"
            committed = only(cluster.consume(0, read_committed=True))
            assert committed.aborted_transactions == []

    run(main())


@pytest.mark.parametrize(
    ("offset", "fields", "error"),
    [
        (9, {}, ErrorCode.OFFSET_OUT_OF_RANGE),
        (-5, {}, ErrorCode.OFFSET_OUT_OF_RANGE),
        (0, {"epoch": 1}, ErrorCode.UNKNOWN_LEADER_EPOCH),
        (0, {"last_epoch": 7}, ErrorCode.OFFSET_OUT_OF_RANGE),
    ],
)
def test_read_errors_answer_at_once(offset: int, fields: Any, error: ErrorCode) -> None:
    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            await cluster.announce()
            await written(cluster, "a")
            answer = only(cluster.consume(offset, max_wait_ms=500, **fields))
            assert answer.error == error
            assert (answer.high_watermark, answer.log_start_offset) == (-1, -1)

    run(main())


def test_an_old_epoch_is_fenced_with_a_hint() -> None:
    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            cluster.leader_epoch = 3
            await cluster.announce()
            answer = only(cluster.consume(0, epoch=2))
            assert answer.error == ErrorCode.FENCED_LEADER_EPOCH
            assert answer.current_leader == (1, 3)

    run(main())


def test_who_serves_whom() -> None:
    """Trap 21: a follower serves consumers from v11 on, up to its own watermark, nobody else."""

    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            await cluster.announce()
            await written(cluster, "a")
            await asyncio.sleep(1.5)
            assert only(cluster.consume(0, broker=2)).size > 0
            hosted = SessionPartition(
                topic="t", topic_id=None, partition=0, fetch_offset=0, max_bytes=1000
            )
            old = FetchParams(version=10, partitions=[hosted])
            answer = only(cluster.nodes[2].manager.fetch(old))
            assert answer.error == ErrorCode.NOT_LEADER_OR_FOLLOWER
            assert answer.current_leader == (1, 0)

    run(main())


def test_membership_is_checked_after_the_epoch() -> None:
    """Trap 15: a replica we do not know may have a newer assignment than we have."""

    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            await cluster.announce()
            for epoch, error in (
                (0, ErrorCode.UNKNOWN_LEADER_EPOCH),
                (-1, ErrorCode.NOT_LEADER_OR_FOLLOWER),
            ):
                answer = only(
                    cluster.consume(0, replica_id=7, broker_epoch=5, epoch=epoch, max_wait_ms=0)
                )
                assert answer.error == error

    run(main())


def test_divergence_is_told_and_moves_nothing() -> None:
    """Traps 9 and 14: no records, real watermark, and the follower's position is not touched."""

    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            await cluster.announce()
            await written(cluster, "a", "b")
            cluster.elect(1)
            await cluster.announce()
            await written(cluster, "c")
            alone(cluster, 2)
            leadership = cluster.nodes[1].partition.leadership
            assert leadership is not None
            remote = leadership.remotes[2]
            before = (remote.log_end_offset, remote.last_fetch_ms)
            await asyncio.sleep(1)
            answer = only(follow(cluster, 3, epoch=1, last_epoch=0, max_wait_ms=500))
            assert answer.diverging == EpochEnd(0, 2)
            assert (answer.size, answer.high_watermark) == (0, 3)
            assert (remote.log_end_offset, remote.last_fetch_ms) == before
            assert only(follow(cluster, 99, epoch=1)).error == ErrorCode.OFFSET_OUT_OF_RANGE
            assert (remote.log_end_offset, remote.last_fetch_ms) == before

    run(main())


def test_a_second_look_does_not_count_as_a_fetch() -> None:
    """Trap 14 (KAFKA-8400): the follower sent one request, not two."""

    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            await cluster.announce()
            await written(cluster, "a")
            alone(cluster, 2)
            leadership = cluster.nodes[1].partition.leadership
            assert leadership is not None
            outcome = follow(cluster, 1, max_wait_ms=500)
            assert isinstance(outcome, asyncio.Future)
            noted = leadership.remotes[2].last_fetch_ms
            await asyncio.sleep(0.3)
            cluster.produce("b")
            result = await outcome
            assert only(result).size > 0
            assert leadership.remotes[2].last_fetch_ms == noted
            assert leadership.remotes[2].log_end_offset == 1

    run(main())


def test_waiting_consumers_wake_on_the_watermark_and_only_then() -> None:
    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            await cluster.announce()
            await written(cluster, "a")
            alone(cluster, 2)
            outcome = cluster.consume(1, max_wait_ms=10_000)
            assert isinstance(outcome, asyncio.Future)
            cluster.produce("b")
            await settle()
            assert not outcome.done()
            follow(cluster, 2)
            await settle()
            assert outcome.done()
            assert only(outcome.result()).high_watermark == 2

    run(main())


def test_min_bytes_is_waited_for() -> None:
    async def main() -> None:
        async with Cluster(1) as cluster:
            await cluster.announce()
            outcome = cluster.consume(0, max_wait_ms=10_000, min_bytes=250)
            assert isinstance(outcome, asyncio.Future)
            for _ in range(4):
                assert not outcome.done()
                await cluster.produced("x")
                await settle()
            assert outcome.done()
            assert only(outcome.result()).size >= 250

    run(main())


@pytest.mark.parametrize("session_epoch", [-1, 0], ids=["alone", "in a session"])
def test_what_is_too_little_is_told_when_time_is_up(session_epoch: int) -> None:
    async def main() -> None:
        async with Cluster(1) as cluster:
            await cluster.announce()
            await cluster.produced("a")
            outcome = cluster.consume(
                0, min_bytes=1000, max_wait_ms=300, session_epoch=session_epoch
            )
            assert isinstance(outcome, asyncio.Future)
            answer = only(await outcome)
            assert 0 < answer.size < 1000
            assert sum(map(len, answer.records)) == answer.size

    run(main())


def test_a_waiting_fetch_ends_when_time_is_up() -> None:
    async def main() -> None:
        async with Cluster(1) as cluster:
            await cluster.announce()
            loop = asyncio.get_running_loop()
            before = loop.time()
            outcome = cluster.consume(0, max_wait_ms=300)
            assert isinstance(outcome, asyncio.Future)
            assert only(await outcome).size == 0
            assert 0.299 < loop.time() - before < 0.35

    run(main())


def test_a_change_of_role_wakes_everybody() -> None:
    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            await cluster.announce()
            waiting = cluster.consume(0, max_wait_ms=10_000, epoch=0)
            assert isinstance(waiting, asyncio.Future)
            cluster.elect(1)
            await cluster.announce(1)
            assert only(await waiting).error == ErrorCode.FENCED_LEADER_EPOCH
            waiting = cluster.consume(0, max_wait_ms=10_000, version=17)
            assert isinstance(waiting, asyncio.Future)
            cluster.nodes[1].partition.stop()
            assert only(await waiting).error == ErrorCode.NOT_LEADER_OR_FOLLOWER

    run(main())


def test_deletion_is_seen_as_unknown() -> None:
    async def main() -> None:
        async with Cluster(1) as cluster:
            await cluster.announce()
            node = cluster.nodes[1]
            update = cluster.update_metadata()
            update.topic_states[0].partition_states[0].leader = -2
            await node.manager.update_metadata(update)
            node.manager.partitions.clear()
            assert only(cluster.consume(0)).error == ErrorCode.UNKNOWN_TOPIC_ID
            assert (await cluster.produced("a")).error == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION

    run(main())


# Sessions


def test_sessions_list_only_changes_and_rotate() -> None:
    async def main() -> None:
        async with Cluster(1) as cluster:
            cluster.partitions = [0, 1, 2]
            await cluster.announce()
            manager = cluster.nodes[1].manager

            def put(partition: int) -> None:
                manager.append(AppendRequest(1, 1000, [("t", partition, records("x"))]))

            first = in_session(cluster, 0, 0, {0: 0, 1: 0, 2: 0})
            assert isinstance(first, FetchResult)
            assert listed(first) == [0, 1, 2], "a full answer lists everything"
            put(1)
            session = first.session_id
            assert listed(in_session(cluster, session, 1, {})) == [1]
            assert listed(in_session(cluster, session, 2, {1: 1})) == []
            put(0)
            put(1)
            assert listed(in_session(cluster, session, 3, {})) == [0, 1], "1 had data: at the end"
            put(2)
            assert listed(in_session(cluster, session, 4, {0: 1, 1: 2})) == [2]
            assert manager.fetch_session_count == 1

    run(main())


def test_sessions_keep_the_leader_epoch_of_the_request() -> None:
    """Trap 20 (KAFKA-9338): an unnamed partition is fenced as well."""

    async def main() -> None:
        async with Cluster(1) as cluster:
            await cluster.announce()
            first = in_session(cluster, 0, 0, {0: 0}, leader_epoch=0)
            assert isinstance(first, FetchResult)
            cluster.elect(1)
            await cluster.announce()
            answer = only(in_session(cluster, first.session_id, 1, {}))
            assert answer.error == ErrorCode.FENCED_LEADER_EPOCH
            answer = only(in_session(cluster, first.session_id, 2, {}))
            assert answer.error == ErrorCode.FENCED_LEADER_EPOCH, "and stays so"
            answer = only(in_session(cluster, first.session_id, 3, {0: 0}, leader_epoch=1))
            assert answer.error == ErrorCode.NONE

    run(main())


def test_a_followers_request_for_a_session_does_not_wait() -> None:
    """It can send nothing before the answer: what it is told to copy meanwhile would wait too."""

    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            cluster.partitions = [0, 1]
            await cluster.announce()
            asking: dict[str, Any] = {"replica_id": 2, "max_wait_ms": 500}
            first = in_session(cluster, 0, 0, {0: 0}, **asking)
            assert isinstance(first, FetchResult), "although there is nothing to tell"
            waiting = in_session(cluster, first.session_id, 1, {}, **asking)
            assert isinstance(waiting, asyncio.Future)
            following = in_session(cluster, first.session_id, 2, {1: 0}, **asking)
            await settle()
            assert waiting.done()
            assert isinstance(following, asyncio.Future)
            consumer = in_session(cluster, 0, 0, {0: 0}, max_wait_ms=500)
            assert isinstance(consumer, asyncio.Future), "a consumer has nothing to add"

    run(main())


def test_session_errors_and_pipelining() -> None:
    async def main() -> None:
        async with Cluster(1) as cluster:
            await cluster.announce()
            unknown = in_session(cluster, 99, 1, {})
            assert isinstance(unknown, FetchResult)
            assert unknown.error == ErrorCode.FETCH_SESSION_ID_NOT_FOUND
            first = in_session(cluster, 0, 0, {0: 0})
            assert isinstance(first, FetchResult)
            waiting = in_session(cluster, first.session_id, 1, {}, max_wait_ms=60_000)
            assert isinstance(waiting, asyncio.Future)
            second = in_session(cluster, first.session_id, 2, {}, max_wait_ms=60_000)
            await settle()
            assert waiting.done(), "the next request of a session ends the wait of the one before"
            closing = in_session(cluster, first.session_id, -1, {})
            assert isinstance(closing, FetchResult)
            await settle()
            assert isinstance(second, asyncio.Future)
            assert second.done()
            assert cluster.nodes[1].manager.fetch_session_count == 0

    run(main())
