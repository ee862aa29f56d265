"""When a fetch is answered: each rule of ``fetch_completion.py``, as Kafka 3.9.1 answered the same
requests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from tests.defaults import log_config
from tests.replication.support import T0, TOPIC_ID, Cluster, records, settle
from tests.virtual_time import run

from barnabas.errors import ErrorCode
from barnabas.replication.append_request import AppendRequest
from barnabas.replication.fetch_completion import Tally
from barnabas.replication.fetch_params import FetchParams
from barnabas.replication.fetch_session import SessionPartition
from barnabas.replication.results import FetchedPartition, FetchResult
from barnabas.types import TopicPartition

MIB = 1 << 20
WAIT_MS = 5000
VALUE = "v" * 500
BATCH = len(records(VALUE))

Outcome = FetchResult | asyncio.Future[FetchResult]
"""Of so few partitions there are no steps."""


class World:
    """One or two brokers; broker 1 leads t-0, t-1 and t-2. t-0 and t-1 hold three batches each;
    in t-0 only the last one is in the active segment."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.manager = cluster.nodes[1].manager

    async def put(self, partition: int, *, roll: bool = False, **fields: Any) -> None:
        log = self.manager.partitions[TopicPartition("t", partition)].log_or_raise()
        if roll:
            log.roll()
        outcome = self.manager.append(
            AppendRequest(-1, 1000, [("t", partition, records(VALUE, **fields))])
        )
        results = outcome if isinstance(outcome, list) else await outcome
        assert results[0].error == ErrorCode.NONE

    def fetch(self, *wanted: SessionPartition, broker: int = 1, **fields: Any) -> Outcome:
        values = {"version": 12, "max_wait_ms": WAIT_MS, "partitions": list(wanted), **fields}
        outcome = self.cluster.nodes[broker].manager.fetch(FetchParams(**values))
        return cast("Outcome", outcome)


def ask(
    partition: int, offset: int, max_bytes: int = MIB, topic: str = "t", **fields: Any
) -> SessionPartition:
    return SessionPartition(
        topic=topic,
        topic_id=None,
        partition=partition,
        fetch_offset=offset,
        max_bytes=max_bytes,
        **fields,
    )


def in_world(scenario: Callable[[World], Awaitable[None]], *brokers: int) -> None:
    async def main() -> None:
        async with Cluster(*(brokers or (1,))) as cluster:
            cluster.partitions = [0, 1, 2]
            await cluster.announce()
            world = World(cluster)
            for number in range(3):
                await world.put(0, roll=number > 0)
                await world.put(1)
            await settle()
            await scenario(world)

    run(main())


def sizes(outcome: Outcome) -> list[tuple[ErrorCode, int]]:
    assert isinstance(outcome, FetchResult), "answered at once"
    return [(p.error, p.size) for p in outcome.partitions]


NONE = ErrorCode.NONE


@pytest.mark.parametrize(
    ("wanted", "fields", "expected"),
    [
        pytest.param([], {}, [], id="1: nothing is asked for"),
        pytest.param(
            [ask(0, 0, topic="u"), ask(9, 0)],
            {},
            [(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 0)] * 2,
            id="2: nothing but refusals",
        ),
        pytest.param([ask(1, 3)], {"max_wait_ms": 0}, [(NONE, 0)], id="3: no wait wanted"),
        pytest.param([ask(1, 3)], {"max_wait_ms": -7}, [(NONE, 0)], id="3: a negative wait"),
        pytest.param([ask(1, 3)], {"min_bytes": 0}, [(NONE, 0)], id="4: no bytes wanted"),
        pytest.param([ask(1, 3)], {"min_bytes": -1}, [(NONE, 0)], id="4: negative minimum"),
        pytest.param([ask(1, 3)], {"max_bytes": 0}, [(NONE, 0)], id="4: minimum above maximum 0"),
        pytest.param(
            [ask(1, 0)], {"min_bytes": 3 * BATCH}, [(NONE, 3 * BATCH)], id="4: just enough"
        ),
        pytest.param(
            [ask(1, 0)],
            {"min_bytes": 9 * BATCH, "max_bytes": 2 * BATCH},
            [(NONE, 2 * BATCH)],
            id="4: minimum above maximum",
        ),
        pytest.param(
            [ask(1, 9), ask(2, 0)],
            {},
            [(ErrorCode.OFFSET_OUT_OF_RANGE, 0), (NONE, 0)],
            id="9: out of range beside an idle one",
        ),
        pytest.param(
            [ask(1, 3, current_leader_epoch=7)],
            {},
            [(ErrorCode.UNKNOWN_LEADER_EPOCH, 0)],
            id="8: a newer epoch",
        ),
        pytest.param([ask(0, 0)], {"min_bytes": MIB}, [(NONE, BATCH)], id="11: older segment"),
        pytest.param(
            [ask(0, 0, 10)],
            {"min_bytes": MIB},
            [(NONE, BATCH)],
            id="11: older segment, small partition maximum",
        ),
        pytest.param(
            [ask(2, 0), ask(0, 1)],
            {"min_bytes": MIB},
            [(NONE, 0), (NONE, BATCH)],
            id="11: older segment beside an idle one",
        ),
        pytest.param(
            [ask(1, 2), ask(0, 2)],
            {"min_bytes": 2 * BATCH, "max_bytes": 2 * BATCH - 1},
            [(NONE, BATCH), (NONE, 0)],
            id="13: the second does not fit",
        ),
        pytest.param(
            [ask(1, 0, BATCH + 1), ask(0, 2, BATCH - 1)],
            {"min_bytes": 2 * BATCH},
            [(NONE, BATCH + 1), (NONE, 0)],
            id="13: each up to its own maximum",
        ),
        pytest.param(
            [ask(1, 0, -1)], {}, [(ErrorCode.UNKNOWN_SERVER_ERROR, 0)], id="9: a negative size"
        ),
        pytest.param(
            [ask(1, 0)],
            {"max_bytes": -1, "min_bytes": 1},
            [(ErrorCode.UNKNOWN_SERVER_ERROR, 0)],
            id="9: a negative maximum",
        ),
        pytest.param(
            [ask(0, 0, topic="u"), ask(1, 0)],
            {},
            [(NONE, 3 * BATCH), (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 0)],
            id="refusals come last",
        ),
    ],
)
def test_answered_at_once(
    wanted: list[SessionPartition], fields: dict[str, Any], expected: list[tuple[ErrorCode, int]]
) -> None:
    async def scenario(world: World) -> None:
        # Positions are remembered in what is asked: each run needs its own.
        fresh = [
            ask(w.partition, w.fetch_offset, w.max_bytes, w.topic or "", **_epochs(w))
            for w in wanted
        ]
        assert sizes(world.fetch(*fresh, **fields)) == expected

    in_world(scenario)


def _epochs(wanted: SessionPartition) -> dict[str, int]:
    return {"current_leader_epoch": wanted.current_leader_epoch}


@pytest.mark.parametrize(
    ("wanted", "fields"),
    [
        pytest.param([(1, 3)], {}, id="at the end"),
        pytest.param([(1, 0)], {"min_bytes": 3 * BATCH + 1}, id="too little in one segment"),
        pytest.param([(0, 2)], {"min_bytes": BATCH + 1}, id="too little in the active segment"),
        pytest.param([(9, 0), (2, 0)], {}, id="a refusal beside an idle one"),
        pytest.param([(9, 0)], {"replica_id": 2}, id="a follower that is too early"),
    ],
)
def test_waits(wanted: list[tuple[int, int]], fields: dict[str, Any]) -> None:
    async def scenario(world: World) -> None:
        loop = asyncio.get_running_loop()
        before = loop.time()
        outcome = world.fetch(*(ask(p, o) for p, o in wanted), **fields)
        assert isinstance(outcome, asyncio.Future)
        await outcome
        assert WAIT_MS - 1 <= (loop.time() - before) * 1000 <= WAIT_MS + 20

    in_world(scenario)


async def ended(waiting: Outcome) -> FetchedPartition:
    assert isinstance(waiting, asyncio.Future)
    before = asyncio.get_running_loop().time()
    answer = (await waiting).partitions[0]
    assert asyncio.get_running_loop().time() - before < 1, "long before its time is up"
    return answer


def test_a_role_or_a_disk_that_goes_ends_the_wait() -> None:
    async def scenario(world: World) -> None:
        waiting = world.fetch(ask(1, 3))
        world.manager.partitions[TopicPartition("t", 1)].stop()
        assert (await ended(waiting)).error == ErrorCode.NOT_LEADER_OR_FOLLOWER
        waiting = world.fetch(ask(0, 3))
        world.manager.partitions[T0].go_offline()
        assert (await ended(waiting)).error == ErrorCode.KAFKA_STORAGE_ERROR

    in_world(scenario)


@pytest.mark.parametrize("version", [12, 17])
def test_a_deleted_topic_ends_the_wait(version: int) -> None:
    async def scenario(world: World) -> None:
        wanted = ask(1, 3)
        if version >= 13:
            wanted.topic, wanted.topic_id = None, TOPIC_ID
        waiting = world.fetch(wanted, version=version)
        update = world.cluster.update_metadata()
        for state in update.topic_states[0].partition_states:
            state.leader = -2
        await world.manager.update_metadata(update)
        world.manager.partitions.pop(TopicPartition("t", 1)).stop()
        answer = await ended(waiting)
        unknown = ErrorCode.UNKNOWN_TOPIC_ID, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        assert answer.error == unknown[version == 12]

    in_world(scenario)


def test_an_offset_above_the_limit_does_not_wait_and_at_the_limit_it_does() -> None:
    async def scenario(world: World) -> None:
        world.cluster.isolate(2)
        for _ in range(2):
            world.manager.append(AppendRequest(1, 1000, [("t", 1, records(VALUE))]))
        waiting = world.fetch(ask(1, 3))
        assert isinstance(waiting, asyncio.Future), "at the high watermark"
        for above in (4, 5):
            assert sizes(world.fetch(ask(1, above))) == [(NONE, 0)]
        assert isinstance(world.fetch(ask(1, 5), replica_id=-3), asyncio.Future), "at the log end"

    in_world(scenario, 1, 2)


@pytest.mark.parametrize("replica", [-1, 2], ids=["consumer", "follower"])
def test_a_log_that_rolls_ends_the_wait(replica: int) -> None:
    async def scenario(world: World) -> None:
        if replica == 2:
            world.cluster.nodes[2].manager.fetchers.remove(T0)
        waiting = world.fetch(ask(0, 2), min_bytes=MIB, replica_id=replica)
        await world.put(1)
        await settle()
        assert isinstance(waiting, asyncio.Future)
        assert not waiting.done()
        log = world.manager.partitions[T0].log_or_raise()
        log.roll()
        world.manager.append(AppendRequest(1, 1000, [("t", 0, records(VALUE))]))
        assert (await ended(waiting)).size == BATCH

    in_world(scenario, *((1, 2) if replica == 2 else (1,)))


def test_what_is_ahead_counts_while_waiting() -> None:
    """Two partitions together have enough, one of them more than may be read of it."""

    async def scenario(world: World) -> None:
        waiting = world.fetch(ask(1, 2, BATCH), ask(2, 0, BATCH), min_bytes=2 * BATCH)
        assert isinstance(waiting, asyncio.Future)
        await world.put(1)
        await settle()
        assert not waiting.done(), "no more than one batch of it counts"
        await world.put(2)
        await ended(waiting)
        assert [p.size for p in waiting.result().partitions] == [BATCH, BATCH]

    in_world(scenario)


def test_a_reader_at_a_follower_hears_of_what_is_copied() -> None:
    async def scenario(world: World) -> None:
        await asyncio.sleep(1.5)
        for offset, replica in ((3, -1), (4, -3)):
            waiting = world.fetch(ask(1, offset), broker=2, replica_id=replica, max_wait_ms=60_000)
            assert isinstance(waiting, asyncio.Future)
            await world.put(1)
            answer = await asyncio.wait_for(waiting, 2)
            assert answer.partitions[0].size == BATCH
            await asyncio.sleep(1.5)

    in_world(scenario, 1, 2)


def test_sessions_follow_the_same_rules() -> None:
    async def scenario(world: World) -> None:
        nothing = world.fetch(session_epoch=0)
        assert isinstance(nothing, FetchResult)
        assert nothing.session_id > 0, "an empty full fetch opens a session"
        named = world.fetch(ask(1, 0), session_id=nothing.session_id, session_epoch=1)
        assert sizes(named) == [(NONE, 3 * BATCH)]
        last = world.fetch(
            ask(1, 2),
            session_id=nothing.session_id,
            session_epoch=2,
            forgotten=[("t", 1)],
        )
        assert sizes(last) == [(NONE, BATCH)], "named and forgotten at once: served a last time"
        assert isinstance(last, FetchResult)
        assert (last.session_id, world.manager.fetch_session_count) == (0, 0)
        mixed = world.fetch(ask(9, 0), ask(2, 0), session_epoch=0)
        assert isinstance(mixed, asyncio.Future), "one can still have data"
        session = (await mixed).session_id
        left = world.fetch(session_id=session, session_epoch=1, forgotten=[("t", 2)])
        assert sizes(left) == [(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 0)]
        empty = world.fetch(session_id=session, session_epoch=2, forgotten=[("t", 9)])
        assert sizes(empty) == []

    in_world(scenario)


def test_the_tally_takes_back_what_is_looked_at_again() -> None:
    tally = Tally(min_bytes=10, asked=2, from_follower=False)
    refused = FetchedPartition(topic="t", topic_id=None, partition=0, refused=True)
    found = FetchedPartition(topic="t", topic_id=None, partition=1, size=4, ahead=12)
    tally.add(refused)
    assert not tally.is_complete
    tally.add(found)
    assert tally.is_complete
    tally.remove(found)
    assert not tally.is_complete
    found.ahead, found.ends_wait = 0, True
    tally.add(found)
    assert tally.is_complete
    tally.remove(found)
    tally.add(refused)
    assert tally.is_complete, "nothing but refusals"


def test_fetch_max_bytes_bounds_followers_and_minimums() -> None:
    async def main() -> None:
        async with Cluster(1, fetch_max_bytes=BATCH) as cluster:
            await cluster.announce()
            world = World(cluster)
            await world.put(0)
            await world.put(0)
            for replica in (-1, -3):
                answer = world.fetch(ask(0, 0), min_bytes=MIB, replica_id=replica)
                assert sizes(answer) == [(NONE, BATCH)]

    assert log_config().segment_bytes > MIB
    run(main())
