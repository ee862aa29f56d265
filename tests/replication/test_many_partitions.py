"""Produces and fetches of very many partitions: pauses, and what happens in them."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

import pytest
from tests.replication.support import TOPIC_ID, Cluster, records, settle
from tests.virtual_time import run

from barnabas.errors import ErrorCode
from barnabas.limits import PARTITIONS_AT_ONCE
from barnabas.replication import fetch_session_client
from barnabas.replication.append_request import AppendRequest
from barnabas.replication.fetch_params import FetchParams
from barnabas.replication.fetch_session import SessionPartition
from barnabas.replication.results import FetchResult, ProduceResult
from barnabas.types import TopicPartition

COUNT = PARTITIONS_AT_ONCE + 40


def _finish(steps: Generator[int, None, Any]) -> Any:
    try:
        while True:
            next(steps)
    except StopIteration as end:
        return end.value


async def _cluster(cluster: Cluster) -> None:
    cluster.partitions = list(range(COUNT))
    await cluster.announce()


def _produce(cluster: Cluster, acks: int = -1, timeout_ms: int = 1000) -> Generator[int, None, Any]:
    entries = [("t", number, records("a")) for number in range(COUNT)]
    manager = cluster.nodes[1].manager
    return manager.append_in_steps(AppendRequest(acks, timeout_ms, entries, internal_topics=False))


def _codes(results: list[ProduceResult]) -> list[ErrorCode]:
    return [result.error for result in results]


def test_a_produce_in_steps_is_answered_as_one_in_one_go() -> None:
    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            await _cluster(cluster)
            results = await _finish(_produce(cluster))
            assert _codes(results) == [ErrorCode.NONE] * COUNT
            assert {result.base_offset for result in results} == {0}
            assert _codes(_finish(_produce(cluster, acks=1))) == [ErrorCode.NONE] * COUNT
            refused = _finish(_produce(cluster, acks=3))
            assert _codes(refused) == [ErrorCode.INVALID_REQUIRED_ACKS] * COUNT

    run(main())


def test_a_role_that_ends_in_a_pause_is_told() -> None:
    """The leader loses its followers, so nothing is replicated; then a partition its leader, and
    gets it back: what was appended before was not acknowledged by anybody."""

    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            await _cluster(cluster)
            cluster.isolate(2)
            await settle()
            steps = _produce(cluster)
            for _ in range(COUNT // 2):
                next(steps)
            cluster.elect(2)
            cluster.partitions = [0, COUNT - 1]
            await cluster.announce(1)
            cluster.elect(1)
            await cluster.announce(1)
            outcome = _finish(steps)
            assert isinstance(outcome, asyncio.Future)
            codes = _codes(await outcome)
            assert codes[0] == ErrorCode.NOT_LEADER_OR_FOLLOWER
            assert codes[1] == ErrorCode.REQUEST_TIMED_OUT
            assert codes[-1] == ErrorCode.REQUEST_TIMED_OUT

    run(main())


def _params(**fields: Any) -> FetchParams:
    partitions = [
        SessionPartition(
            topic=None,
            topic_id=TOPIC_ID,
            partition=number,
            fetch_offset=fields.get("offset", 0),
            max_bytes=1000,
        )
        for number in range(fields.pop("count", COUNT))
    ]
    fields.pop("offset", None)
    return FetchParams(**{"version": 17, "partitions": partitions, **fields})


def test_a_fetch_in_steps_is_answered_as_one_in_one_go() -> None:
    async def main() -> None:
        async with Cluster(1) as cluster:
            await _cluster(cluster)
            _finish(_produce(cluster))
            manager = cluster.nodes[1].manager
            found = _finish(manager.fetch_in_steps(_params(count=COUNT + 5)))
            once = manager.fetch(_params(count=COUNT + 5))
            assert isinstance(found, FetchResult)
            assert isinstance(once, FetchResult)
            assert [(p.partition, p.error, p.size) for p in found.partitions] == [
                (p.partition, p.error, p.size) for p in once.partitions
            ]
            assert cluster.nodes[1].manager.context.answers.held >= 0
            await settle()
            assert cluster.nodes[1].manager.context.answers.held == 0

    run(main())


def test_what_changes_in_a_pause_ends_the_wait() -> None:
    async def main() -> None:
        async with Cluster(1) as cluster:
            await _cluster(cluster)
            manager = cluster.nodes[1].manager
            steps = manager.fetch_in_steps(_params(max_wait_ms=60_000, session_epoch=0))
            for _ in range(COUNT // 2):
                next(steps)
            assert (await cluster.produced("a", partition=3)).error == ErrorCode.NONE
            await settle()
            outcome = _finish(steps)
            assert isinstance(outcome, asyncio.Future)
            result = await asyncio.wait_for(outcome, 1)
            assert {p.partition for p in result.partitions if p.size} == {3}

    run(main())


def test_a_fetch_that_is_given_up_in_a_pause_leaves_the_rest_to_the_next() -> None:
    async def main() -> None:
        async with Cluster(1) as cluster:
            await _cluster(cluster)
            _finish(_produce(cluster))
            manager = cluster.nodes[1].manager
            full = manager.fetch(_params(session_epoch=0, offset=1))
            assert isinstance(full, FetchResult)
            await settle()
            session = {"session_id": full.session_id}
            steps = manager.fetch_in_steps(_params(**session, session_epoch=1, offset=0))
            for _ in range(5):
                next(steps)
            steps.close()
            assert manager.context.answers.held == 0
            assert manager.partitions[TopicPartition("t", 9)].log is not None
            after = manager.fetch(_params(**session, session_epoch=2, count=0))
            assert isinstance(after, FetchResult)
            assert len([p for p in after.partitions if p.size]) >= COUNT - 5

    run(main())


def test_a_session_that_ends_in_a_pause_watches_nothing_any_more() -> None:
    async def main() -> None:
        async with Cluster(1) as cluster:
            await _cluster(cluster)
            manager = cluster.nodes[1].manager
            steps = manager.fetch_in_steps(_params(max_wait_ms=100, session_epoch=0))
            for _ in range(COUNT // 2):
                next(steps)
            (session_id,) = manager._fetch.sessions._sessions
            manager._fetch.sessions.close(session_id)
            outcome = _finish(steps)
            assert isinstance(outcome, asyncio.Future)
            await outcome
            assert not any(p.watches.consumers for p in manager.partitions.values())

    run(main())


def test_a_fetch_that_nobody_waits_for_any_more_is_forgotten() -> None:
    async def main() -> None:
        async with Cluster(1) as cluster:
            await _cluster(cluster)
            manager = cluster.nodes[1].manager
            for count in (1, COUNT, COUNT + PARTITIONS_AT_ONCE + 5):
                steps = manager.fetch_in_steps(_params(max_wait_ms=2**31 - 1, count=count))
                outcome = _finish(steps)
                assert isinstance(outcome, asyncio.Future)
                watching = [p for p in manager.partitions.values() if p.watches.consumers]
                assert len(watching) == min(count, COUNT)
                outcome.cancel()
                await settle()
                assert not any(p.watches.consumers for p in manager.partitions.values())
                assert not any(manager._wheel._buckets.values())

    run(main())


def test_unknown_partitions_are_looked_at_again_at_the_end_of_the_wait() -> None:
    async def main() -> None:
        async with Cluster(1) as cluster:
            cluster.partitions = [0]
            await cluster.announce()
            manager = cluster.nodes[1].manager
            outcome = _finish(manager.fetch_in_steps(_params(max_wait_ms=500, min_bytes=9999)))
            assert isinstance(outcome, asyncio.Future)
            await cluster.produced("a")
            cluster.partitions = list(range(COUNT))
            await cluster.announce()
            assert not outcome.done()
            result = _finish(await outcome)
            assert {p.error for p in result.partitions} == {ErrorCode.NONE}
            assert sum(p.size > 0 for p in result.partitions) == 1

    run(main())


def test_records_are_deleted_in_steps_and_a_role_that_ends_in_a_pause_is_told() -> None:
    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            await _cluster(cluster)
            await _finish(_produce(cluster))
            await settle()
            cluster.isolate(2)
            await settle()
            targets = [(TopicPartition("t", number), 1) for number in range(COUNT)]
            targets.append((TopicPartition("t", COUNT), 1))
            steps = cluster.nodes[1].manager.delete_records(targets, 300)
            for _ in range(COUNT // 2):
                next(steps)
            cluster.elect(2)
            cluster.partitions = [0, COUNT - 1]
            await cluster.announce(1)
            done = _finish(steps)
            assert not done.done()
            results = await done
            codes = [result.error for result in results]
            assert codes[0] == ErrorCode.NOT_LEADER_OR_FOLLOWER
            assert codes[1] == ErrorCode.REQUEST_TIMED_OUT
            assert codes[-2] == ErrorCode.NOT_LEADER_OR_FOLLOWER
            assert codes[-1] == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            assert [result.partition for result in results] == [name for name, _ in targets]

    run(main())


def test_a_large_fetch_comes_to_its_end_in_steps() -> None:
    """Also one of a session: what it was told then is known to the session."""

    async def main() -> None:
        async with Cluster(1) as cluster:
            await _cluster(cluster)
            manager = cluster.nodes[1].manager
            fields: dict[str, Any] = {"max_wait_ms": 200, "min_bytes": 9999}
            waiting = _finish(manager.fetch_in_steps(_params(**fields)))
            first = _finish(manager.fetch_in_steps(_params(**fields, session_epoch=0)))
            assert (await cluster.produced("a", partition=3)).error == ErrorCode.NONE
            ending, begun = await waiting, await first
            assert isinstance(ending, Generator)
            assert len(list(ending)) >= 1
            found = _finish(begun)
            assert {p.partition for p in found.partitions if p.size} == {3}
            assert len(found.partitions) == COUNT
            session = {"session_id": found.session_id, "session_epoch": 1, "count": 0}
            again = manager.fetch(_params(**session))
            assert isinstance(again, FetchResult)
            assert {p.partition for p in again.partitions} == {3}

    run(main())


def test_a_follower_copies_more_partitions_than_a_request_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fetch_session_client, "NAMED_MAX", 25)

    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            await _cluster(cluster)
            for _ in range(2):
                results = await _finish(_produce(cluster))
                assert _codes(results) == [ErrorCode.NONE] * COUNT
                cluster.leader_epoch += 1  # all of them are named anew
                await cluster.announce()
            assert cluster.nodes[2].values(TopicPartition("t", COUNT - 1)) == ["a", "a"]

    run(main())
