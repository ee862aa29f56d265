"""Idle connections between brokers: whose is watched, what a break says, signs of life, and how
long a successor is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.replication.support import settle
from tests.virtual_time import run

from barnabas.metadata_cache import MetadataCache
from barnabas.protocol.messages.update_metadata import UpdateMetadataRequest
from barnabas.replication.neighbours import SUCCESSOR_S, Neighbours, Standing, _Idle, standing
from barnabas.types import Endpoint


def test_a_successor_is_waited_for_half_a_second() -> None:
    assert standing(10.0, None) is Standing.NAMED
    assert standing(10.0, 10.0) is Standing.AWAITED
    assert standing(10.0 + SUCCESSOR_S - 0.001, 10.0) is Standing.AWAITED
    assert standing(10.0 + SUCCESSOR_S, 10.0) is Standing.UNNAMED


# Who is watched


def announcement(**brokers: int) -> UpdateMetadataRequest:
    """An UpdateMetadata: ``b2=9092`` is broker 2 with that port, ``x3=9093`` one that has only
    another listener."""
    return UpdateMetadataRequest(
        controller_id=1,
        controller_epoch=1,
        broker_epoch=-1,
        topic_states=[],
        live_brokers=[
            UpdateMetadataRequest.Broker(
                id=int(name[1:]),
                rack=None,
                endpoints=[
                    UpdateMetadataRequest.Endpoint(
                        port=port,
                        host="h",
                        listener="INSIDE" if name[0] == "b" else "OUTSIDE",
                        security_protocol=0,
                    )
                ],
            )
            for name, port in brokers.items()
        ],
    )


class Watched(Neighbours):
    """What happens to its connections is told by the test."""

    def __init__(self, metadata: MetadataCache) -> None:
        super().__init__(1, metadata, "INSIDE")
        self.metadata = metadata
        self.now: dict[int, int] = {}
        """Broker -> port that is watched."""

    async def _watch(self, broker_id: int, endpoint: Endpoint) -> None:
        self.now[broker_id] = endpoint.port
        try:
            await asyncio.Event().wait()
        finally:
            if self.now[broker_id] == endpoint.port:
                del self.now[broker_id]

    async def announce(self, **brokers: int) -> None:
        self.metadata.apply(announcement(**brokers))
        await settle()


@asynccontextmanager
async def watching(**brokers: int) -> AsyncIterator[Watched]:
    """Broker 1, told of these brokers."""
    watched = Watched(MetadataCache())
    task = asyncio.create_task(watched.run())
    await settle()
    await watched.announce(**brokers)
    try:
        yield watched
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert not watched.now, "none outlives its broker"


def test_every_other_broker_is_watched_where_brokers_talk() -> None:
    async def main() -> None:
        async with watching(b1=1, b2=2, b3=3, x4=4) as watched:
            assert watched.now == {2: 2, 3: 3}
            assert {watched.standing(b) for b in (1, 2, 3, 4)} == {Standing.NAMED}

    run(main())


def test_a_broker_with_a_new_address_is_watched_there_and_has_not_gone() -> None:
    async def main() -> None:
        async with watching(b1=1, b2=2) as watched:
            await watched.announce(b1=1, b2=22)
            assert watched.now == {2: 22}
            assert watched.standing(2) is Standing.NAMED

    run(main())


def test_a_broker_that_is_no_longer_announced_has_gone_from_then_on() -> None:
    """A new controller says who is there before it says who leads."""

    async def main() -> None:
        async with watching(b1=1, b2=2, b3=3) as watched:
            await watched.announce(b1=1, b3=3)
            assert watched.now == {3: 3}
            assert watched.awaited([2, 3]) == {2}
            await asyncio.sleep(SUCCESSOR_S / 2)
            await watched.announce(b1=1)
            assert watched.awaited([2, 3]) == {2, 3}
            await asyncio.sleep(SUCCESSOR_S / 2)
            assert watched.standing(2) is Standing.UNNAMED
            assert watched.awaited([2, 3]) == {3}

    run(main())


def test_who_broke_first_and_goes_then_has_gone_since_the_break() -> None:
    async def main() -> None:
        async with watching(b1=1, b2=2) as watched:
            watched._gone(2)
            await asyncio.sleep(SUCCESSOR_S / 2)
            await watched.announce(b1=1)
            await asyncio.sleep(SUCCESSOR_S / 2)
            assert watched.standing(2) is Standing.UNNAMED

    run(main())


def test_a_broker_that_is_announced_again_is_watched_anew() -> None:
    async def main() -> None:
        async with watching(b1=1, b2=2) as watched:
            await watched.announce(b1=1)
            await watched.announce(b1=1, b2=2)
            assert watched.now == {2: 2}
            assert watched.standing(2) is Standing.NAMED

    run(main())


def test_an_announcement_of_the_same_brokers_changes_no_watch() -> None:
    async def main() -> None:
        async with watching(b1=1, b2=2) as watched:
            before = dict(watched._watches)
            watched._gone(2)
            await watched.announce(b1=1, b2=2)
            assert watched._watches == before
            assert watched.standing(2) is Standing.AWAITED, "only its connection tells"

    run(main())


# Who waits


async def waiting(watched: Watched, leaders: list[int]) -> asyncio.Task[None]:
    """A question about these leaders, which the test may change."""
    task = asyncio.create_task(watched.successors(lambda: leaders))
    await settle()
    assert not task.done()
    return task


@pytest.mark.parametrize("again", [False, True], ids=["one goes", "its successor goes too"])
def test_no_question_waits_longer_than_half_a_second(again: bool) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with watching(b1=1, b2=2, b3=3) as watched:
            watched._gone(2)
            leaders, started = [2], loop.time()
            task = await waiting(watched, leaders)
            await asyncio.sleep(SUCCESSOR_S * 0.9)
            if again:
                leaders[:] = [3]
                watched._gone(3)
            await task
            assert loop.time() - started == pytest.approx(SUCCESSOR_S)

    run(main())


def test_a_wait_ends_with_the_announcement_or_with_who_is_back() -> None:
    async def main() -> None:
        async with watching(b1=1, b2=2, b3=3) as watched:
            watched._gone(2)
            leaders = [2]
            first = await waiting(watched, leaders)
            leaders[:] = [3]
            await watched.announce(b1=1, b2=2, b3=3)
            assert first.done()
            second = await waiting(watched, [2])
            watched._back(2)
            await settle()
            assert second.done()
            assert not watched._listeners

    run(main())


# The idle connection


class Wire(asyncio.Transport):
    """What an idle connection sends, and whether it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = 0
        self.closed = False

    def write(self, data: object) -> None:
        self.sent += 1

    def close(self) -> None:
        self.closed = True


ANSWER = b"\x00\x00\x00\x0a" + bytes(10)


def test_signs_of_life_are_younger_than_the_question_and_shared() -> None:
    async def main() -> None:
        broken: list[int] = []
        idle, wire = _Idle(lambda: broken.append(1)), Wire()
        idle.connection_made(wire)
        first = idle.ask()
        second, third = idle.ask(), idle.ask()
        assert wire.sent == 1
        idle.data_received(ANSWER[:3])
        idle.data_received(ANSWER[3:9])
        assert not first.done()
        idle.data_received(ANSWER[9:])
        assert first.done()
        assert not second.done()
        assert wire.sent == 2
        idle.data_received(ANSWER)
        assert second.done()
        assert third.done()
        assert wire.sent == 2
        last, behind = idle.ask(), idle.ask()
        idle.connection_lost(None)
        assert last.done()
        assert behind.done()
        assert idle.ask().done()
        assert not broken  # it had not lasted

    asyncio.run(main())


def test_a_peer_that_talks_unasked_or_for_ever_is_left() -> None:
    async def main() -> None:
        for asked, said in ((False, ANSWER), (True, b"\xff\xff\xff\xff"), (True, b"HTTP/1.1")):
            idle, wire = _Idle(lambda: None), Wire()
            idle.connection_made(wire)
            sign = idle.ask() if asked else None
            idle.data_received(said)
            assert wire.closed
            assert idle.ended.is_set()
            assert sign is None or sign.done()

    asyncio.run(main())
