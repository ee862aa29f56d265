"""The page of a cluster of ``barnabas up``, used as a person would use it."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.cluster_kit import BARNABAS, barnabas
from tests.console.browsing import (
    browser,
    check_accessible,
    go,
    needs_chromium,
    opened,
    picture,
    see,
)

pytestmark = [pytest.mark.processes, needs_chromium]
__all__ = ["browser"]


@dataclass
class Up:
    """A running cluster."""

    bootstrap: str
    link: str

    def run(self, *arguments: str, text: str = "") -> None:
        """A command of ours."""
        done = barnabas(*arguments, "-b", self.bootstrap, stdin=text)
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    directory = tmp_path_factory.mktemp("console")
    options = ["--port", "0", "--data", str(directory), "--ready-json", "--console-port", "0"]
    with subprocess.Popen([*BARNABAS, "up", *options], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        try:
            cluster = Up(ready["bootstrap"].split(",")[0], ready["console"])
            cluster.run("topic", "create", "orders", "-p", "6", "-r", "3", "--min-isr", "2")
            cluster.run("produce", "orders", "-K", ":", text='a:{"amount": 12}\nb:plain\n')
            yield cluster
        finally:
            process.send_signal(signal.SIGINT)
            log = (Path(directory) / "console.log").read_text()
        assert process.wait(60) == 0
    assert "Traceback" not in log


PAGES = {
    "topics": "Topics",
    "topics/orders": "min.insync.replicas",
    "records/orders": "plain",
    "groups": "There is no group yet",
    "moves": "Nothing moves",
    "coordinator": "controller_epoch",
    "coordinator?path=%2Fbrokers%2Fids%2F1": "listener_security_protocol_map",
    "access": "ACLs",
    "brokers": "Processes",
    "brokers/1": "Log directory",
    "tour": "The last replica and unclean election",
    "tour/in-sync": "min.insync.replicas",
}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"color_scheme": "dark", "viewport": {"width": 390, "height": 844}},
    ],
    ids=["light", "dark-phone"],
)
def test_every_page_opens_and_is_accessible(up: Up, browser: Any, options: dict[str, Any]) -> None:
    with opened(browser, up.link, **options) as page:
        for place, text in PAGES.items():
            go(page, place)
            page.locator("main").get_by_text(text).first.wait_for()
            check_accessible(page, place)
            if not options:
                picture(page, place.replace("/", "-").partition("?")[0])


def test_a_place_asked_for_while_the_page_starts_is_shown(up: Up, browser: Any) -> None:
    with opened(browser, up.link) as page:
        page.add_init_script(
            "document.addEventListener('DOMContentLoaded',"
            " () => { window.location.hash = '#/brokers' })"
        )
        page.reload()
        page.get_by_role("heading", name="Processes").wait_for()


def test_a_topic_is_created_and_its_settings_are_changed(up: Up, browser: Any) -> None:
    with opened(browser, up.link, "topics") as page:
        page.get_by_text("Create a topic").click()
        page.get_by_label("Name").fill("made")
        page.get_by_label("Partitions").fill("2")
        page.get_by_role("button", name="Create", exact=True).click()
        page.get_by_role("link", name="made").click()
        page.get_by_label("Setting").select_option("retention.ms")
        page.get_by_label("Value").fill("86400000")
        page.get_by_role("button", name="Set", exact=True).click()
        row = page.get_by_role("row", name="retention.ms")
        row.get_by_text("86400000").wait_for()
        assert row.get_by_text("topic").count() == 1
        page.on("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="Delete this topic").click()
        page.wait_for_url("**#/topics")
        page.get_by_role("link", name="made").wait_for(state="detached")


def test_records_are_produced_found_and_followed(up: Up, browser: Any) -> None:
    with opened(browser, up.link, "records/orders") as page:
        page.get_by_text('{"amount": 12}').wait_for()
        page.get_by_role("button", name="Live tail").click()
        page.get_by_text("Waiting for records").wait_for()
        page.get_by_text("Produce a record").click()
        page.get_by_role("textbox", name="Key").fill("c")
        page.get_by_role("textbox", name="Value").fill("<b>by hand</b>")
        page.get_by_role("textbox", name="Headers").fill("source=page")
        page.get_by_role("button", name="Produce with acks=all").click()
        page.get_by_text("Acknowledged:").wait_for()
        page.get_by_role("cell", name="<b>by hand</b>").wait_for()
        page.get_by_role("button", name="more").click()
        page.get_by_text("Header source").wait_for()
        page.get_by_role("button", name="Oldest").click()
        page.get_by_placeholder("in key, value, headers").fill("PLAIN")
        page.keyboard.press("Enter")
        page.get_by_text("1 records").wait_for()
        picture(page, "records")


def test_charts_say_their_last_values(up: Up, browser: Any) -> None:
    with opened(browser, up.link, "topics/orders") as page:
        rising(up, page, "/api/figures?topic=orders")
        assert page.locator("figure.chart canvas").count() == 2
        check_accessible(page, "topics/orders")
        picture(page, "charts")
        go(page, "overview")
        rising(up, page, "/api/figures")
        go(page, "brokers/1")
        page.locator("figure.chart", has_text="handler").wait_for()
        page.wait_for_function(
            "() => /handler .* ms/.test(document.querySelector('figcaption .unseen').textContent)"
        )
        check_accessible(page, "brokers/1")


def rising(up: Up, page: Any, figures: str) -> None:
    """Produce until a chart has risen."""
    deadline = time.monotonic() + 90
    while not page.evaluate(RISES, figures):
        assert time.monotonic() < deadline, page.locator("figcaption").all_inner_texts()
        up.run("produce", "orders", text="".join(f"{n}\n" for n in range(500)))


RISES = """async (figures) => {
  const { pointsOf } = await import('/static/figures.js');
  const caption = document.querySelector('figcaption .unseen');
  return pointsOf(figures).some((p) => p.values.records_in > 0 && p.values.bytes_in > 0)
    && caption !== null && caption.textContent.endsWith('/s, over the last ten minutes.');
}"""


def test_a_group_is_reset_only_when_told_twice(up: Up, browser: Any) -> None:
    confluent_kafka = pytest.importorskip("confluent_kafka")
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": up.bootstrap,
            "group.id": "billing",
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe(["orders"])
    deadline = time.monotonic() + 60
    while consumer.poll(1) is None:
        assert time.monotonic() < deadline
    consumer.commit(asynchronous=False)
    consumer.close()
    with opened(browser, up.link, "groups") as page:
        page.get_by_role("link", name="billing").click()
        page.get_by_text("Reset positions").click()
        page.get_by_role("button", name="Show what would happen").click()
        page.get_by_text("Nothing is changed yet:").wait_for()
        page.get_by_role("button", name="Do it").click()
        page.get_by_text("Done:").wait_for()


def test_a_kill_by_button_is_seen_in_matrix_and_timeline(up: Up, browser: Any) -> None:
    with opened(browser, up.link, "brokers") as buttons, opened(browser, up.link) as page:
        go(page, "partitions?text=orders")
        page.get_by_text("6 of").wait_for()
        buttons.get_by_role("row", name="broker:2").get_by_role("button", name="kill").click()
        began = time.monotonic()
        page.wait_for_selector(".cell.offline[title^='broker 2: offline']")
        matrix_ms = (time.monotonic() - began) * 1000
        picture(page, "partitions")
        go(page, "timeline")
        page.get_by_text("Broker 2 is gone", exact=True).first.wait_for()
        page.get_by_text("leader 2 →").first.wait_for()
        timeline_ms = (time.monotonic() - began) * 1000
        print(f"\nkill by button: in the matrix after {matrix_ms:.0f} ms, all {timeline_ms:.0f} ms")
        check_accessible(page, "timeline")
        picture(page, "timeline")
        go(page, "overview")
        page.get_by_role("heading", name="Degraded: broker 2 is gone").wait_for()
        check_accessible(page, "overview")
        picture(page, "overview")
        row = buttons.get_by_role("row", name="broker:2")
        row.get_by_role("button", name="start").click()
        page.get_by_role("heading", name="Healthy: 3 brokers").wait_for()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"color_scheme": "dark", "viewport": {"width": 390, "height": 844}},
    ],
    ids=["light", "dark-phone"],
)
def test_a_lesson_of_the_tour_is_taken(up: Up, browser: Any, options: dict[str, Any]) -> None:
    with opened(browser, up.link, "tour", **options) as page:
        page.get_by_role("link", name="3. A leader dies").click()
        page.get_by_role("button", name="Do it").click()
        status = page.get_by_role("status").filter(has_text="whole again")
        status.or_(page.get_by_text("could not be carried")).wait_for()
        assert status.inner_text().startswith("All 4 things were seen."), page.inner_text("main")
        page.get_by_text("became leader after").first.wait_for()
        for title in ("Before", "After the death", "The broker is back"):
            page.get_by_role("figure", name=title, exact=True).wait_for()
        page.get_by_role("listitem").filter(has_text="has caught up").first.wait_for()
        check_accessible(page, "tour/leader-dies")
        if not options:
            picture(page, "tour")
        page.get_by_role("link", name="4. The controller dies").click()
        page.get_by_role("heading", name="The controller dies").wait_for()


def test_partitions_are_moved_by_a_plan(up: Up, browser: Any) -> None:
    with opened(browser, up.link, "moves") as page:
        page.get_by_label("Topic").select_option("orders")
        page.get_by_label("to brokers").fill("1,3")
        see(page, "Nothing is changed yet:", press="Show the plan")
        page.get_by_role("button", name="Begin the move").click()
        see(page, "Begun:")
        go(page, "timeline")
        # Four alike in a row would be one line.
        page.get_by_label("Find").fill("orders/0 has moved")
        page.get_by_text("orders/0 has moved to").wait_for()
