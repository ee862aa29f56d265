"""A history in a browser: simulated, with a planted bug, and made up by hand."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from tests.console.browsing import browser, check_accessible, go, needs_chromium, opened, picture
from tests.console.test_world import BEGAN, elected, event
from tests.simulation.kernel import SimulationFailure
from tests.simulation.mutants import MUTANTS, mutant_options, planted
from tests.simulation.scenario import Scenario

from barnabas.console.history import History
from barnabas.console.replay import serve_history
from barnabas.http.guard import Guard
from barnabas.observe.events import Event

pytestmark = [pytest.mark.processes, needs_chromium]
__all__ = ["browser"]


@contextmanager
def served(events: Sequence[Event]) -> Iterator[str]:
    """The link to a history, on a loop in a thread of its own."""
    links: list[str] = []
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
    ready = threading.Event()

    async def run() -> None:
        stop = asyncio.Event()
        loops.append((asyncio.get_running_loop(), stop))

        def told(link: str) -> None:
            links.append(link)
            ready.set()

        await serve_history(History(events), Guard(token="secret"), stop, port=0, on_ready=told)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        assert ready.wait(60)
        yield links[0]
    finally:
        loop, stop = loops[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join()


@pytest.fixture(scope="module")
def failed() -> Sequence[Event]:
    """A run with a planted bug: who was not in sync is elected. In a thread of its own, as both
    a browser and the simulator have loops that run."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_run).result()


def _run() -> Sequence[Event]:
    (mutant,) = (m for m in MUTANTS if m.name == "unclean-election")
    scenario = Scenario(mutant_options(mutant, 7000), timeline=0)
    recorder = scenario.record()
    logging.disable(logging.CRITICAL)
    try:
        with planted(mutant.name), pytest.raises(SimulationFailure):
            scenario.run()
    finally:
        logging.disable(logging.NOTSET)
    recorder.failed()
    return recorder.events


def at(page: Any, position: int) -> None:
    """Wait until the page has come to this position; its own state if it does not."""
    state = page.evaluate(COMES_TO, position)
    assert state is None, f"not at {position}: {state}"


COMES_TO = """async (position) => {
  const { history } = await import('/static/history.js');
  const until = performance.now() + 60000;
  while (history.position !== position) {
    if (performance.now() > until) return { ...history, outline: null };
    await new Promise(requestAnimationFrame);
  }
  return null;
}"""


def shown(page: Any) -> Any:
    """The snapshot that is shown."""
    return page.evaluate("async () => (await import('/static/store.js')).store.snapshot")


def test_a_violation_is_opened_and_stepped_through(browser: Any, failed: Sequence[Event]) -> None:
    history = History(failed)
    with served(failed) as link, opened(browser, link, "replay") as page:
        at(page, history.start)
        page.get_by_role("alert").get_by_text("LeaderComplete").wait_for()
        assert "LeaderComplete" in page.locator("[aria-current=step]").inner_text()
        picture(page, "replay")
        slider = page.get_by_role("slider", name="Time")
        slider.focus()
        for back in range(1, 30):
            page.keyboard.press("ArrowLeft")
            at(page, history.start - back)
            document = history.document(history.start - back)
            assert shown(page) == document["snapshot"]
        page.get_by_role("alert").wait_for(state="detached")
        page.get_by_role("button", name="Next event").click()
        at(page, history.start - 28)
        page.keyboard.press("Tab")
        slider.focus()
        page.keyboard.press("Home")
        at(page, 0)
        page.keyboard.press("End")
        at(page, len(failed))
        page.get_by_role("button", name="Previous event").click()
        at(page, len(failed) - 1)
        slider.focus()
        page.keyboard.press("Home")
        at(page, 0)
        page.get_by_label("Speed").select_option("100")
        page.get_by_role("button", name="Play").click()
        at(page, len(failed))
        page.get_by_role("button", name="Play").wait_for()
        page.get_by_role("button", name="Violation").click()
        at(page, history.start)


@pytest.mark.parametrize(
    "options",
    [{}, {"color_scheme": "dark"}, {"viewport": {"width": 390, "height": 844}}],
    ids=["light", "dark", "phone"],
)
def test_every_page_opens_and_is_accessible(
    browser: Any, failed: Sequence[Event], options: dict[str, Any]
) -> None:
    with served(failed) as link, opened(browser, link, "replay", **options) as page:
        page.locator(".event.now").wait_for()
        for place in ("replay", "partitions", "timeline"):
            go(page, place)
            check_accessible(page, place)
        page.evaluate("() => { window.location.hash = '#/records/orders' }")
        page.get_by_role("heading", name="Not in a history").wait_for()
        page.get_by_text("it has no records").wait_for()
        check_accessible(page, "records")


def test_the_timeline_finds_and_leads_to_a_moment(browser: Any, failed: Sequence[Event]) -> None:
    with served(failed) as link, opened(browser, link, "timeline") as page:
        page.get_by_role("button", name="Faults").click()
        page.get_by_label("Find").fill("is killed")
        first = next(n for n, e in enumerate(failed) if e.kind == "process_killed")
        node = failed[first].fields["node"]
        page.get_by_role("link", name=f"{node} is killed").first.click()
        at(page, first + 1)
        go(page, "replay")
        page.get_by_role("row", name=node).get_by_text("killed").wait_for()
        go(page, "partitions")
        page.locator(f"[role=columnheader][title*='broker {node[-1]}'][title*=killed]").wait_for()


def test_what_is_not_told_is_shown_as_unknown(browser: Any) -> None:
    events = [elected(2, 5, "23", at=1), elected(3, 6, "3", at=9)]
    with served(events) as link, opened(browser, link, "replay") as page:
        at(page, 1)
        page.get_by_role("heading", name="Not told yet: whether brokers 2 and 3 live").wait_for()
        page.get_by_text("who is controller is not told").wait_for()
        assert page.get_by_role("row", name="broker:2").get_by_text("unknown").count() == 1
        page.locator(".cell.leader[title^='broker 2']").wait_for()
        page.get_by_role("button", name="Next event").click()
        at(page, 2)
        page.locator(".vtable .cell.unknown[title^='broker 2']").wait_for()


def test_a_long_history_jumps_at_once(browser: Any) -> None:
    """100,000 events; what a jump takes is printed."""
    count = 100_000
    topics = [f"t{n}" for n in range(50)]
    events = [BEGAN, *(event("registration_written", b, epoch=b) for b in (1, 2, 3))]
    for n in range(count):
        leader = n % 3 + 1
        fields = {"topic": topics[n % 50], "partition": n // 50 % 10, "partition_epoch": n}
        events.append(
            event(
                "leader_elected",
                leader,
                n,
                leader=leader,
                epoch=n // 500,
                isr=[1, 2, 3],
                replicas=[1, 2, 3],
                **fields,
            )
        )
    with served(events) as link, opened(browser, link, "replay") as page:
        at(page, 1)
        slider = page.get_by_role("slider", name="Time")
        slider.focus()
        page.keyboard.press("End")
        at(page, len(events))
        longest_ms = page.evaluate(JUMPS)
        print(f"\n100,000 events: the longest of 20 jumps took {longest_ms:.0f} ms")
        go(page, "timeline")
        page.get_by_text(f"{len(events):,} of {len(events):,} events").wait_for()
        assert page.locator(".vrow").count() < 100
        page.get_by_label("Find").fill("registration")
        page.get_by_text(f"3 of {len(events):,} events").wait_for()


JUMPS = """async () => {
  const { history, goTo } = await import('/static/history.js');
  let longest = 0;
  for (let i = 1; i <= 20; i += 1) {
    const to = (i * 37_501) % history.outline.count;
    const before = performance.now();
    goTo(to);
    while (history.position !== to) await new Promise(requestAnimationFrame);
    longest = Math.max(longest, performance.now() - before);
  }
  return longest;
}"""
