"""Who follows hears of everything once, and keeps nothing for others."""

from __future__ import annotations

import asyncio

from tests.console.kit import cluster, partition

from barnabas.console.hub import Hub


def test_the_first_snapshot_is_no_event() -> None:
    hub = Hub()
    hub.publish(cluster("12", partition("12", 1, "12")), 5)
    assert hub.is_complete
    assert hub.events() == []


def test_events_are_numbered_and_the_oldest_go() -> None:
    hub = Hub(events_max=3)
    hub.publish(cluster("1"), 1)
    for at in range(5):
        hub.publish(cluster("12" if at % 2 == 0 else "1"), at)
    assert hub.noted == 5
    assert [number for number, _ in hub.events()] == [2, 3, 4]
    assert [number for number, _ in hub.events(4)] == [4]
    assert hub.events(5) == []
    assert hub.events(99) == []


def test_a_change_between_two_looks_is_not_missed() -> None:
    async def run() -> None:
        hub = Hub()
        seen = hub.version
        hub.publish(cluster("1"), 1)
        async with asyncio.timeout(5):
            await hub.after(seen)
        waiting = asyncio.ensure_future(hub.after(hub.version))
        await asyncio.sleep(0)
        assert not waiting.done()
        hub.say_trouble("gone")
        await waiting
        seen = hub.version
        hub.say_trouble("gone")
        assert hub.version == seen, "nothing new"

    asyncio.run(run())
