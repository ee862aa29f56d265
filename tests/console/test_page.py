"""The page in a browser: Playwright drives Debian's Chromium. Skipped where either is missing."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from tests.console.browsing import browser, check_accessible, go, needs_chromium, opened
from tests.console.kit import cluster, partition

from barnabas.broker.main import system_env
from barnabas.client.cluster import ClusterClient
from barnabas.console.app import console_app
from barnabas.console.context import Console
from barnabas.console.documents import snapshot_document
from barnabas.console.hub import Hub
from barnabas.console.model import PartitionState, Snapshot, TopicState
from barnabas.http.guard import Guard
from barnabas.http.uvicorn_server import start

pytestmark = [pytest.mark.processes, needs_chromium]
__all__ = ["browser"]
TOKEN = "secret"
PAGES = ("overview", "partitions", "timeline", "brokers")


@dataclass
class Served:
    """A console with a made-up cluster, on a loop in a thread of its own."""

    loop: asyncio.AbstractEventLoop
    hub: Hub
    link: str

    def publish(self, snapshot: Snapshot) -> None:
        now_ms = time.time_ns() // 1_000_000
        self.loop.call_soon_threadsafe(self.hub.publish, snapshot, now_ms)


@contextmanager
def served(snapshot: Snapshot) -> Iterator[Served]:
    found: list[Served] = []
    ready, stop = threading.Event(), asyncio.Event()

    async def run() -> None:
        hub = Hub()
        hub.publish(snapshot, 0)
        hub.say_trouble(None)
        one = Console(
            env=system_env(),
            hub=hub,
            new_client=lambda: ClusterClient("127.0.0.1:1", "test", timeout_ms=1),
            write=True,
        )
        guard = Guard(token=TOKEN)
        async with await start(console_app(one), guard) as listener:
            found.append(Served(asyncio.get_running_loop(), hub, guard.link(listener.url)))
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        assert ready.wait(30)
        yield found[0]
    finally:
        found[0].loop.call_soon_threadsafe(stop.set)
        thread.join()


def page_snapshot(page: Any) -> Any:
    return page.evaluate("async () => (await import('/static/store.js')).store.snapshot")


WHOLE = cluster(
    "123",
    partition("123", 1, "123"),
    partition("231", 2, "231"),
    partition("312", 3, "312"),
    min_isr=2,
)
FAILED = cluster(
    "23",
    partition("123", 2, "23", 1, zxid=7, time_ms=1),
    partition("231", 2, "23", 1, zxid=7, time_ms=1),
    partition("312", 3, "32", 1, zxid=7, time_ms=1),
    controller=2,
    min_isr=2,
)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"color_scheme": "dark"},
        {"viewport": {"width": 390, "height": 844}},
    ],
    ids=["light", "dark", "phone"],
)
def test_every_page_opens_and_is_accessible(browser: Any, options: dict[str, Any]) -> None:
    with served(WHOLE) as console, opened(browser, console.link, **options) as page:
        console.publish(FAILED)
        for place in PAGES:
            go(page, place)
            check_accessible(page, place)


def test_a_failover_is_shown_as_it_happens(browser: Any) -> None:
    with served(WHOLE) as console, opened(browser, console.link, "partitions") as page:
        page.wait_for_selector("text=3 of 3 partitions")
        console.publish(FAILED)
        page.wait_for_selector(".cell.offline[title='broker 1: offline, preferred leader']")
        assert page_snapshot(page) == snapshot_document(FAILED)
        go(page, "overview")
        page.wait_for_selector("text=Degraded: broker 1 is gone")
        go(page, "timeline")
        page.wait_for_selector("text=orders/0 leader 1 → 2, epoch 1, in sync [2, 3]")
        page.wait_for_selector("text=Broker 1 is gone. Broker 2 is the first in-sync replica")
        console.publish(WHOLE)
        page.wait_for_selector("text=Broker 1 registered")
        assert page_snapshot(page) == snapshot_document(WHOLE)


def many(count: int) -> Snapshot:
    states = (partition("123", 1, "123"), partition("231", 2, "231"), partition("312", 3, "31"))
    one: dict[int, PartitionState] = {n: states[n % 3] for n in range(count)}
    whole = cluster("123", *states)
    return replace(whole, topics={"orders": TopicState(name="orders", partitions=one)})


def test_ten_thousand_partitions_are_scrolled(browser: Any) -> None:
    with served(many(10_000)) as console, opened(browser, console.link, "partitions") as page:
        page.wait_for_selector("text=10,000 of 10,000 partitions")
        table = page.locator(".vtable")
        table.focus()
        page.keyboard.press("End")
        page.wait_for_selector("text=orders/9999")
        assert page.locator(".vrow").count() < 100
        longest_ms = page.evaluate(SCROLL_ALL)
        print(f"\n10,000 partitions: the longest frame while scrolling took {longest_ms:.0f} ms")
        page.get_by_label("Find").fill("orders/77")
        page.wait_for_selector("text=111 of 10,000 partitions")
        page.get_by_role("button", name=re.compile("^Under-replicated")).click()
        page.wait_for_selector("text=39 of 10,000 partitions")


def test_rates_are_made_of_two_answers(browser: Any) -> None:
    """A broker that has begun anew counts from 0; one that is new has no rate yet; an hour without
    answers is a gap."""
    with served(WHOLE) as console, opened(browser, console.link, "partitions") as page:
        assert page.evaluate(RATES) == {
            "all": {"records_in": 5, "bytes_in": 50},
            "anew": {"records_in": 0},
            "other": None,
            "none": None,
            "columns": [[1, 3, 3.001, 3600], [1, 2, None, 4], [None, 8, None, None]],
            "kept": [700_000, 1_000_000],
        }


RATES = """async () => {
  const { rates, columns, added } = await import('/static/figures.js');
  const answer = (at_ms, counters, source = 'metrics') => ({ at_ms, counters, source });
  const before = answer(1000, { 1: { records_in: 10, bytes_in: 100 }, 2: { records_in: 0 } });
  return {
    all: rates(before, answer(3000, {
      1: { records_in: 20, bytes_in: 200 }, 3: { records_in: 99 },
    })),
    anew: rates(before, answer(3000, { 1: { records_in: 1 } })),
    other: rates(before, answer(3000, { 1: { records_in: 20 } }, 'offsets')),
    none: rates(before, answer(1000, before.counters)),
    columns: columns([
      { at_ms: 1000, values: { a: 1 } },
      { at_ms: 3000, values: { a: 2, b: 8 } },
      { at_ms: 3600000, values: { a: 4 } },
    ], ['a', 'b']),
    kept: added([{ at_ms: 1000 }, { at_ms: 700000 }], { at_ms: 1000000 }).map((p) => p.at_ms),
  };
}"""


SCROLL_ALL = """async () => {
  const box = document.querySelector('.vtable');
  let longest = 0;
  let before = performance.now();
  for (let top = 0; top < box.scrollHeight; top += box.scrollHeight / 100) {
    box.scrollTop = top;
    await new Promise(requestAnimationFrame);
    longest = Math.max(longest, performance.now() - before);
    before = performance.now();
  }
  return longest;
}"""
