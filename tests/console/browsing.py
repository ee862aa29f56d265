"""A browser for tests of the page: Playwright drives Debian's Chromium."""

from __future__ import annotations

import importlib.resources
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

CHROMIUM = os.environ.get("BARNABAS_CHROMIUM") or shutil.which("chromium")
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="needs chromium: apt-get install chromium"
)
SCREENSHOTS = os.environ.get("BARNABAS_SCREENSHOTS")
"""A directory: pictures for the documentation go there."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright_api = pytest.importorskip("playwright.sync_api", reason="needs make browser")
    with playwright_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"] if os.getuid() == 0 else []
        )
        yield chromium
        chromium.close()


@contextmanager
def opened(browser: Any, link: str, place: str = "overview", **options: Any) -> Iterator[Any]:
    """A page of the console. What its console or its errors say fails the test."""
    with browser.new_context(**options) as context:
        page = context.new_page()
        page.set_default_timeout(30_000)
        said: list[str] = []
        page.on("console", lambda m: said.append(f"{m.type}: {m.text}"))
        page.on("pageerror", lambda e: said.append(f"error: {e}"))
        page.goto(link)
        go(page, place)
        yield page
        assert said == []


def go(page: Any, place: str) -> None:
    """Another page of the console."""
    page.evaluate("place => { window.location.hash = '#/' + place }", place)
    name = place.partition("?")[0].partition("/")[0]
    page.wait_for_selector(f"nav a[aria-current=page][href='#/{name}']")
    page.wait_for_selector("main :is(h1, h2)", state="attached")


def see(page: Any, text: str, *, press: str = "") -> None:
    """Wait for a text; if it does not come, say what the page shows instead. ``press``: the button
    that brings it, pressed again by whoever was told of a passing trouble."""
    for timeout_ms in (10_000, 10_000, 30_000):
        if press:
            page.get_by_role("button", name=press).click()
        try:
            page.get_by_text(text).first.wait_for(timeout=timeout_ms)
        except Exception:
            shown = page.locator("main").inner_text()
        else:
            return
    raise AssertionError(f"no {text!r} in: {shown}")


def check_accessible(page: Any, place: str) -> None:
    """Nothing serious for axe, and nothing wider than the window."""
    axe = importlib.resources.files("axe_playwright_python").joinpath("axe.min.js").read_text()
    page.evaluate(axe)
    found = page.evaluate("async () => (await axe.run(document)).violations")
    serious = [
        (place, v["id"], [n["html"][:160] for n in v["nodes"][:3]])
        for v in found
        if v["impact"] in ("serious", "critical")
    ]
    assert serious == [], serious
    width = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert width <= 0, f"{place} is wider than the window by {width}"


def picture(page: Any, name: str) -> None:
    """Keep how the page looks, where somebody wants it."""
    if SCREENSHOTS:
        page.screenshot(path=os.path.join(SCREENSHOTS, f"{name}.png"))
