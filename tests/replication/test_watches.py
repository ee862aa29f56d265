"""Watches: who hears of which change, and when a fetch that waits looks again."""

from __future__ import annotations

import asyncio

from tests.replication.support import settle
from tests.virtual_time import run

from barnabas.pace import PacedCalls
from barnabas.replication.fetch_session import SessionPartition
from barnabas.replication.watches import FetchWatch, PartitionWatches
from barnabas.seams import no_time_passes
from barnabas.types import TopicPartition


class Place:
    """A partition that remembers whose silent fetches it was told of."""

    def __init__(self, number: int) -> None:
        self.topic_partition = TopicPartition("t", number)
        self.silent: list[tuple[int, int]] = []
        self.left: list[int] = []
        self.watches = PartitionWatches(self)

    def note_silent_fetch(self, replica: int, fetched_ms: int) -> None:
        self.silent.append((replica, fetched_ms))

    def no_longer_copied(self, replica: int) -> None:
        self.left.append(replica)


def wakes() -> PacedCalls:
    return PacedCalls(asyncio.get_running_loop().call_soon, no_time_passes)


def position() -> SessionPartition:
    return SessionPartition(topic="t", topic_id=None, partition=0, fetch_offset=0, max_bytes=1)


def test_one_wake_up_a_turn_and_only_when_it_may_be_enough() -> None:
    looks: list[int] = []

    class Parked:
        min_bytes = 100

        def wake(self) -> None:
            looks.append(1)

        def finish(self) -> None:
            raise AssertionError

        def make_way(self) -> None:
            raise AssertionError

        def look_at_all(self) -> None:
            raise AssertionError

    async def main() -> None:
        watch = FetchWatch(wakes(), 2)
        watch.wake(force=True)
        watch.parked = Parked()
        watch.bytes_seen = 50
        watch.wake()
        await settle()
        assert not looks
        watch.bytes_seen = 100
        for _ in range(5):
            watch.wake()
        await settle()
        assert len(looks) == 1
        watch.bytes_seen = 0
        watch.wake(force=True)
        watch.parked = None
        await settle()
        assert len(looks) == 1, "it was answered meanwhile"

    run(main())


def test_a_position_is_watched_where_its_partition_is_and_nowhere_else() -> None:
    async def main() -> None:
        watch, mine = FetchWatch(wakes(), -1), position()
        here, there = Place(0), Place(1)
        watch.move(mine, here, to_log_end=False)
        watch.move(mine, there, to_log_end=False)
        here.watches.tell_all()
        there.watches.tell_followers(7, wake=False)
        assert not watch.dirty, "it reads up to the high watermark"
        there.watches.tell_consumers(7, wake=False)
        assert (list(watch.dirty), watch.bytes_seen) == ([mine], 7)
        assert watch.places == {mine: there}
        watch.forget(mine)
        there.watches.tell_all()
        assert not watch.dirty
        assert not watch.places

    run(main())


def test_a_follower_that_was_silent_is_told_of_once() -> None:
    async def main() -> None:
        watch, place = FetchWatch(wakes(), 2), Place(0)
        consumer = FetchWatch(wakes(), -1)
        watch.move(position(), place, to_log_end=True)
        consumer.move(position(), place, to_log_end=True)
        watch.last_fetch_ms = 40
        place.watches.tell_followers(1, wake=False)
        place.watches.tell_followers(1, wake=False)
        assert place.silent == [(2, 40)]
        watch.dirty.clear()
        watch.last_fetch_ms = 50
        place.watches.tell_followers(1, wake=False)
        assert place.silent == [(2, 40), (2, 50)]

    run(main())


def test_a_partition_is_told_of_followers_that_leave_it_and_of_nobody_else() -> None:
    async def main() -> None:
        follower, consumer = FetchWatch(wakes(), 2), FetchWatch(wakes(), -1)
        place, one, other = Place(0), position(), position()
        follower.move(one, place, to_log_end=True)
        follower.move(other, place, to_log_end=True)
        consumer.move(one, place, to_log_end=True)
        consumer.drop(one)
        follower.forget(one)
        assert place.left == []
        follower.drop(other)
        assert place.left == [2]
        assert not follower.places

    run(main())
