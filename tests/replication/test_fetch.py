"""The fetch path: reference 5.6, 5.10 and 14; traps 4, 5, 14, 15, 16, 20, 21, 23."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.replication.support import T0, TOPIC_ID, Cluster, records, settle
from tests.virtual_time import run

from barnabas.errors import ErrorCode
from barnabas.replication.append_request import AppendRequest
from barnabas.replication.fetch import EARLY_WAIT_MS
from barnabas.replication.fetch_params import FetchParams
from barnabas.replication.fetch_session import SessionPartition
from barnabas.replication.results import FetchedPartition, FetchResult
from barnabas.replication.truncation import EpochEnd
from barnabas.types import TopicPartition


def only(result: object) -> FetchedPartition:
    assert isinstance(result, FetchResult), "answered at once"
    assert result.error == ErrorCode.NONE
    assert len(result.partitions) == 1
    return result.partitions[0]


def alone(cluster: Cluster, follower: int) -> None:
    """Take a follower's own fetcher out of the way."""
    cluster.nodes[follower].manager.fetchers.remove(T0)
    cluster.isolate(follower)


def follow(cluster: Cluster, offset: int, *, replica: int = 2, **fields: Any) -> object:
    node_epoch = cluster.nodes[replica].epoch
    values: dict[str, Any] = {
        "broker": 1,
        "replica_id": replica,
        "broker_epoch": node_epoch,
        "epoch": 0,
        **fields,
    }
    return cluster.consume(offset, **values)


async def written(cluster: Cluster, *values: str) -> None:
    for value in values:
        assert (await cluster.produced(value)).error == ErrorCode.NONE
    await settle()


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


def in_session(
    cluster: Cluster, session_id: int, epoch: int, offsets: dict[int, int], **fields: Any
) -> object:
    entries = [
        SessionPartition(
            topic=None,
            topic_id=TOPIC_ID,
            partition=p,
            fetch_offset=o,
            max_bytes=1 << 20,
            current_leader_epoch=fields.get("leader_epoch", -1),
        )
        for p, o in offsets.items()
    ]
    fields.pop("leader_epoch", None)
    values: dict[str, Any] = {"version": 17, "max_wait_ms": 0, **fields}
    return cluster.nodes[1].manager.fetch(
        FetchParams(session_id=session_id, session_epoch=epoch, partitions=entries, **values)
    )


def listed(result: object) -> list[int]:
    assert isinstance(result, FetchResult)
    return [p.partition for p in result.partitions]


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


# A follower that has heard of a leader epoch, or a topic, before its leader has


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


# KIP-903


def test_a_fetch_of_an_older_incarnation_is_refused() -> None:
    """Trap 23: its log may be gone; it neither counts nor joins."""

    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            cluster.isr = (1,)
            cluster.elect(1, (1,))
            await cluster.announce(1)
            await written(cluster, "a")
            alone(cluster, 2)
            follow(cluster, 0, broker_epoch=500, epoch=1)
            answer = only(follow(cluster, 1, broker_epoch=499, epoch=1))
            assert answer.error == ErrorCode.NOT_LEADER_OR_FOLLOWER
            leadership = cluster.nodes[1].partition.leadership
            assert leadership is not None
            assert leadership.remotes[2].log_end_offset == 0
            await settle()
            assert not cluster.alter_requests
            assert cluster.isr == (1,)

    run(main())


def test_a_proposal_carries_the_epoch_of_the_fetch_that_caught_up() -> None:
    """The follower restarts between its fetch and the controller's decision: refused, reverted."""

    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            cluster.elect(1, (1,))
            await cluster.announce(1)
            await written(cluster, "a")
            alone(cluster, 2)
            cluster.controller_open.clear()
            follow(cluster, 1, epoch=1)
            await settle()
            request = cluster.alter_requests[0]
            members = request.topics[0].partitions[0].new_isr_with_epochs
            assert [(m.broker_id, m.broker_epoch) for m in members] == [(1, 101), (2, 102)]
            cluster.broker_epochs[2] = 777  # it is back, with an empty log
            cluster.controller_open.set()
            await settle()
            leadership = cluster.nodes[1].partition.leadership
            assert leadership is not None
            assert leadership.state.committed == (1,)
            assert not leadership.state.in_flight
            assert cluster.isr == (1,)
            follow(cluster, 0, epoch=1, broker_epoch=777)
            await settle()
            assert len(cluster.alter_requests) == 1, "an empty log is not in sync"

    run(main())


def test_joining_needs_the_start_of_the_leaders_epoch() -> None:
    """Trap 4 (KAFKA-7128): the watermark of a fresh leader may lag behind."""

    async def main() -> None:
        async with Cluster(1, 2, 3) as cluster:
            await cluster.announce()
            cluster.isolate(3)
            cluster.isolate(2)
            await cluster.produced("a", acks=1)
            cluster.elect(1, (1, 3))
            await cluster.announce(1)
            log = cluster.nodes[1].partition.log
            assert log is not None
            assert (log.high_watermark, log.log_end_offset) == (0, 1)
            alone(cluster, 2)
            follow(cluster, 0, epoch=1)
            await settle()
            assert not cluster.alter_requests
            follow(cluster, 1, epoch=1)
            await settle()
            assert len(cluster.alter_requests) == 1

    run(main())


def test_a_dead_replica_does_not_join() -> None:
    """Trap 22 (KIP-841): only brokers alive in the metadata cache are eligible."""

    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            cluster.elect(1, (1,))
            cluster.alive.pop(2)
            await cluster.announce(1)
            follow(cluster, 0, epoch=1)
            await settle()
            assert not cluster.alter_requests
            cluster.alive[2] = None
            await cluster.nodes[1].manager.update_metadata(cluster.update_metadata())
            follow(cluster, 0, epoch=1)
            await settle()
            assert len(cluster.alter_requests) == 1

    run(main())
