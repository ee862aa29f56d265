"""Partition: three replicas on real logs: acks=all, a failover with an unreplicated tail, ISRs."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.replication.support import T0, Cluster, Node, records, settle
from tests.virtual_time import run

from barnabas.api.request import at_once
from barnabas.errors import ErrorCode
from barnabas.replication.append_request import AppendRequest
from barnabas.replication.isr import Committed, PendingExpand, PendingShrink
from barnabas.storage.log import Log


def ends(cluster: Cluster) -> list[int]:
    logs = [node.partition.log for node in cluster.nodes.values()]
    return [log.log_end_offset for log in logs if log is not None]


def test_acks_all_is_answered_without_waiting_for_any_timer() -> None:
    async def main() -> None:
        async with Cluster(1, 2, 3) as cluster:
            await cluster.announce()
            loop = asyncio.get_running_loop()
            before = loop.time()
            for i in range(5):
                result = await cluster.produced(f"v{i}")
                assert (result.error, result.base_offset) == (ErrorCode.NONE, i)
            assert loop.time() == before, "no time passed"
            await settle()
            assert ends(cluster) == [5, 5, 5]
            for node in cluster.nodes.values():
                assert node.values() == ["v0", "v1", "v2", "v3", "v4"]

    run(main())


def test_a_new_partition_is_copied_although_the_fetch_of_another_waits() -> None:
    """The fetcher pipelines its next fetch: no half second until a new topic takes acks=all."""

    async def main() -> None:
        async with Cluster(1, 2, 3) as cluster:
            await cluster.announce()
            await cluster.produced("a")
            cluster.partitions = [1]
            await cluster.announce()
            loop = asyncio.get_running_loop()
            before = loop.time()
            outcome = cluster.nodes[1].manager.append(
                AppendRequest(-1, 1000, [("t", 1, records("x"))])
            )
            assert isinstance(outcome, asyncio.Future)
            assert (await outcome)[0].error == ErrorCode.NONE
            assert loop.time() == before

    run(main())


def test_leader_change_truncates_the_unreplicated_tail_by_epoch() -> None:
    async def main() -> None:
        async with Cluster(1, 2, 3) as cluster:
            await cluster.announce()
            await cluster.produced("a")
            await settle()
            cluster.isolate(1)
            tail = cluster.produce("lost1", "lost2", broker=1)
            assert isinstance(tail, asyncio.Future)
            cluster.elect(2, (2, 3))
            await cluster.announce(2, 3)
            assert (await cluster.produced("b")).error == ErrorCode.NONE
            assert cluster.nodes[1].values() == ["a", "lost1", "lost2"]
            cluster.heal()
            await cluster.announce(1)
            assert (await tail)[0].error == ErrorCode.NOT_LEADER_OR_FOLLOWER
            await asyncio.sleep(5)
            assert cluster.nodes[1].values() == ["a", "b"]
            assert cluster.isr == (2, 3, 1), "it has joined again, at the end"
            assert [c["offset"] for c in cluster.nodes[1].recorder.of("truncated")] == [1]
            assert cluster.nodes[1].partition.log is not None
            epochs = cluster.nodes[1].partition.log.epochs.entries
            assert [tuple(e) for e in epochs] == [(0, 0), (1, 1)]

    run(main())


def test_double_leader_change_with_tails_converges() -> None:
    """KIP-101 and KIP-279: two fast failovers, each leaving a tail; never cut to the watermark."""

    async def main() -> None:
        async with Cluster(1, 2, 3) as cluster:
            await cluster.announce()
            await cluster.produced("a")
            await settle()
            cluster.isolate(1)
            cluster.produce("x1", "x2", broker=1)
            cluster.elect(2, (2, 3))
            await cluster.announce(2)  # 3 misses it
            cluster.isolate(2)
            cluster.produce("y1", broker=2)
            cluster.elect(3, (3,))
            cluster.alive.pop(2)
            await cluster.announce(3)
            assert (await cluster.produced("c")).error == ErrorCode.NONE
            cluster.heal()
            cluster.alive[2] = None
            await cluster.announce()
            await asyncio.sleep(5)
            for node in cluster.nodes.values():
                assert node.values() == ["a", "c"]
            assert sorted(cluster.isr) == [1, 2, 3]

    run(main())


def test_an_idle_leader_epoch_is_visible_to_followers() -> None:
    """Trap 3: a leader that wrote nothing still has its epoch in the cache, its successor truncates
    nothing that is committed, and an old tail is found out."""

    async def main() -> None:
        async with Cluster(1, 2, 3) as cluster:
            await cluster.announce()
            await cluster.produced("a")
            await settle()
            cluster.isolate(1)
            cluster.produce("lost", broker=1)
            cluster.elect(2, (2, 3))
            await cluster.announce(2, 3)  # writes nothing in epoch 1
            log = cluster.nodes[2].partition.log
            assert log is not None
            assert log.epochs.latest_epoch == 1
            cluster.heal()
            await cluster.announce(1)
            await asyncio.sleep(5)
            assert cluster.nodes[1].values() == ["a"]

    run(main())


def test_shrink_after_the_lag_time_then_expand() -> None:
    async def main() -> None:
        async with Cluster(1, 2, 3, replica_lag_time_max_ms=10_000) as cluster:
            await cluster.announce()
            await cluster.produced("a")
            loop = asyncio.get_running_loop()
            cluster.isolate(3)
            began = loop.time()
            result = await cluster.produced("b")
            assert result.error == ErrorCode.NONE
            assert 9.0 <= loop.time() - began <= 16.0, "1 to 1.5 times the lag time"
            assert cluster.isr == (1, 2)
            cluster.heal()
            await asyncio.sleep(3)
            await settle()
            assert cluster.isr == (1, 2, 3)
            assert cluster.nodes[3].values() == ["a", "b"]
            names = cluster.nodes[1].recorder.names()
            assert names.index("isr_shrink_proposed") < names.index("isr_expand_proposed")
            assert names.count("isr_changed") == 2

    run(main())


def test_idle_followers_never_fall_out_of_the_isr() -> None:
    """Their sessions name nothing for an hour; the first write after that must not evict them."""

    async def main() -> None:
        async with Cluster(1, 2, 3, replica_lag_time_max_ms=2_000) as cluster:
            await cluster.announce()
            await cluster.produced("a")
            await asyncio.sleep(120)
            outcome = cluster.produce("b")
            cluster.nodes[1].manager.shrink_isrs()
            assert isinstance(outcome, asyncio.Future)
            await outcome
            assert cluster.isr == (1, 2, 3)
            assert not cluster.alter_requests

    run(main())


def test_idle_fetches_look_at_nothing() -> None:
    """An unnamed, unchanged partition costs no read, and two a second."""

    async def main() -> None:
        async with Cluster(1, 2, 3) as cluster:
            await cluster.announce()
            await cluster.produced("a")
            await asyncio.sleep(3)
            cluster.fetches.clear()
            watches = cluster.nodes[1].manager._fetch._watches
            assert len(watches) == 2
            for watch in watches.values():
                assert not watch.dirty
            await asyncio.sleep(10)
            assert all(18 <= count <= 21 for count in cluster.fetches.values())

    run(main())


def test_high_watermark_reaches_followers_with_the_next_record_or_poll() -> None:
    async def main() -> None:
        async with Cluster(1, 2, 3) as cluster:
            await cluster.announce()
            await cluster.produced("a")
            await asyncio.sleep(1.2)
            for node in cluster.nodes.values():
                assert node.partition.log is not None
                assert node.partition.log.high_watermark == 1

    run(main())


def test_min_isr_refuses_before_the_append_and_freezes_the_watermark() -> None:
    """Trap 6 (KAFKA-15583): not even what the leader has already becomes visible."""

    async def main() -> None:
        async with Cluster(1, 2, 3) as cluster:
            cluster.configs.min_isr = 2
            await cluster.announce()
            await cluster.produced("a")
            cluster.isolate(1)
            cluster.isr = (1,)
            cluster.elect(1)
            await cluster.announce(1)
            result = await cluster.produced("b", broker=1)
            assert result.error == ErrorCode.NOT_ENOUGH_REPLICAS
            assert cluster.nodes[1].values() == ["a"]
            weak = await cluster.produced("c", broker=1, acks=1)
            assert weak.error == ErrorCode.NONE
            log = cluster.nodes[1].partition.log
            assert log is not None
            assert (log.high_watermark, log.log_end_offset) == (1, 2)

    run(main())


def test_shrink_below_min_isr_after_the_append() -> None:
    """The record stays in the log, the producer hears error 20 as soon as it is known."""

    async def main() -> None:
        async with Cluster(1, 2, replica_lag_time_max_ms=2_000) as cluster:
            await cluster.announce()
            await cluster.produced("a")
            await settle()
            cluster.isolate(2)
            cluster.configs.min_isr = 1
            outcome = cluster.produce("b", timeout_ms=60_000)
            assert isinstance(outcome, asyncio.Future)
            await asyncio.sleep(0)
            leadership = cluster.nodes[1].partition.leadership
            assert leadership is not None
            result = (await outcome)[0]
            assert result.error == ErrorCode.NONE
            assert cluster.isr == (1,)
            cluster.configs.min_isr = 2
            assert (await cluster.produced("c")).error == ErrorCode.NOT_ENOUGH_REPLICAS

    run(main())


def test_produce_times_out_and_the_record_stays() -> None:
    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            await cluster.announce()
            cluster.isolate(2)
            loop = asyncio.get_running_loop()
            before = loop.time()
            result = await cluster.produced("a", timeout_ms=1000)
            assert result.error == ErrorCode.REQUEST_TIMED_OUT
            assert result.base_offset == -1
            assert 1.0 <= loop.time() - before <= 1.05
            assert cluster.nodes[1].values() == ["a"]

    run(main())


def test_maximal_isr_guards_acks_until_the_controller_has_answered() -> None:
    """Traps 7 and 8: a pending shrink does not free the watermark, its answer does, at once."""

    async def main() -> None:
        async with Cluster(1, 2, 3, replica_lag_time_max_ms=2_000) as cluster:
            await cluster.announce()
            await cluster.produced("a")
            cluster.controller_open.clear()
            cluster.isolate(3)
            outcome = cluster.produce("b")
            assert isinstance(outcome, asyncio.Future)
            await asyncio.sleep(10)
            leadership = cluster.nodes[1].partition.leadership
            assert leadership is not None
            assert isinstance(leadership.state, PendingShrink)
            assert len(cluster.alter_requests) == 1, "one in flight"
            assert not outcome.done()
            cluster.controller_open.set()
            await settle()
            assert outcome.done()
            assert leadership.state == Committed(isr=(1, 2))

    run(main())


def test_a_pending_expand_counts_for_the_watermark() -> None:
    """Trap 7, the other way: a newcomer that stops copying holds back acks until it is out."""

    async def main() -> None:
        async with Cluster(1, 2, 3, replica_lag_time_max_ms=2_000) as cluster:
            cluster.isr = (1, 2)
            cluster.controller_open.clear()
            await cluster.announce()
            await settle()
            leadership = cluster.nodes[1].partition.leadership
            assert leadership is not None
            assert isinstance(leadership.state, PendingExpand)
            cluster.isolate(3)
            outcome = cluster.produce("a", timeout_ms=60_000)
            await asyncio.sleep(20)
            assert isinstance(outcome, asyncio.Future)
            assert not outcome.done()
            cluster.controller_open.set()
            await asyncio.sleep(6)
            assert outcome.done()
            assert cluster.isr == (1, 2), "joined, then left again"

    run(main())


def test_flush_before_ack_waits_for_every_disk() -> None:
    async def main() -> None:
        async with Cluster(1, 2, 3, log_flush_before_ack=True) as cluster:
            await cluster.announce()
            for acks in (1, -1):
                result = await cluster.produced("a", acks=acks)
                assert result.error == ErrorCode.NONE
            flushed = [
                n.partition.log.flushed_offset for n in cluster.nodes.values() if n.partition.log
            ]
            assert flushed == [2, 2, 2]

    run(main())


def test_deleted_records_reach_followers() -> None:
    async def main() -> None:
        async with Cluster(1, 2, 3) as cluster:
            await cluster.announce()
            for i in range(4):
                await cluster.produced(f"v{i}")
            leader = cluster.nodes[1].manager
            results = await at_once(leader.delete_records([(T0, 3)], 5000))
            assert results[0].error == ErrorCode.NONE
            assert results[0].low_watermark == 3
            for node in cluster.nodes.values():
                assert node.partition.log is not None
                assert node.partition.log.log_start_offset == 3
            bad = await at_once(leader.delete_records([(T0, 9)], 5000))
            assert bad[0].error == ErrorCode.OFFSET_OUT_OF_RANGE

    run(main())


def test_a_follower_below_the_leaders_start_begins_anew() -> None:
    async def main() -> None:
        async with Cluster(1, 2, 3) as cluster:
            await cluster.announce()
            await cluster.produced("a")
            await settle()
            cluster.isolate(3)
            cluster.elect(1, (1, 2))
            cluster.alive.pop(3)
            await cluster.announce(1, 2)
            for i in range(4):
                await cluster.produced(f"v{i}")
            results = await at_once(cluster.nodes[1].manager.delete_records([(T0, 4)], 5000))
            assert results[0].error == ErrorCode.NONE
            cluster.heal()
            cluster.alive[3] = None
            await cluster.announce()
            await asyncio.sleep(5)
            log = cluster.nodes[3].partition.log
            assert log is not None
            assert (log.log_start_offset, log.log_end_offset, log.high_watermark) == (4, 5, 5)
            assert cluster.isr == (1, 2, 3)

    run(main())


@asynccontextmanager
async def with_one_record() -> AsyncIterator[tuple[Cluster, Node, Log]]:
    """A cluster of three, its leader and the leader's log, with a record that all have."""
    async with Cluster(1, 2, 3) as cluster:
        await cluster.announce()
        await cluster.produced("first")
        await settle()
        leader = cluster.nodes[1]
        log = leader.partition.log
        assert log is not None
        yield cluster, leader, log


def test_what_comes_in_one_turn_is_written_at_once_and_before_its_answers() -> None:
    async def main() -> None:
        async with with_one_record() as (cluster, leader, log):
            answers = [cluster.produce(f"v{i}") for i in range(3)]
            assert log.is_unwritten
            await asyncio.sleep(0)
            assert not log.is_unwritten
            assert not any(isinstance(a, asyncio.Future) and a.done() for a in answers)
            await settle()
            for answer in answers:
                assert isinstance(answer, asyncio.Future)
                assert answer.result()[0].error == ErrorCode.NONE
            assert leader.values() == ["first", "v0", "v1", "v2"]

    run(main())


def test_nothing_is_acknowledged_before_it_is_written() -> None:
    """The followers leave while something is to be written: the leader alone must have it."""

    async def main() -> None:
        async with with_one_record() as (cluster, leader, log):
            partition = leader.partition
            leadership = partition.leadership
            assert leadership is not None
            answer = cluster.produce("second")
            assert isinstance(answer, asyncio.Future)
            leadership.state = Committed(isr=(1,))
            leadership.forget_caught_up((2, 3))
            leadership.remotes.clear()
            assert log.is_unwritten
            assert partition.advance_high_watermark()
            assert not log.is_unwritten
            assert answer.done()
            assert (await cluster.produced("third", acks=1)).error == ErrorCode.NONE
            assert not log.is_unwritten

    run(main())


def test_a_repeat_with_acks_1_of_what_is_to_be_written_is_answered_after_the_write() -> None:
    async def main() -> None:
        async with with_one_record() as (_cluster, leader, log):
            for acks, remains in ((-1, True), (1, False)):
                batch = records("v", producer_id=7, producer_epoch=0, base_sequence=0)
                leader.manager.append(AppendRequest(acks, 30_000, [("t", 0, batch)]))
                assert log.is_unwritten == remains
            assert log.log_end_offset == 2

    run(main())


def test_a_write_that_fails_answers_those_who_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with with_one_record() as (cluster, leader, _):
            answer = cluster.produce("second")
            assert isinstance(answer, asyncio.Future)
            assert not answer.done()

            def fail(log: Log) -> None:
                raise log.fence(OSError(errno.EIO, "injected"))

            monkeypatch.setattr(Log, "write", fail)
            await settle()
            assert leader.partition.offline
            assert answer.done()
            assert answer.result()[0].error == ErrorCode.KAFKA_STORAGE_ERROR

    run(main())
