"""A new user's path, as README.md has it: install, start, write, open the console, kill a leader
there, and read in the timeline what happened."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cluster_kit import free_ports
from tests.console.browsing import browser, go, needs_chromium, opened
from tests.interop.test_fresh_install import SCRIPT, UNREACHABLE

README = SCRIPT.parents[1] / "README.md"
READY = r"ready: brokers (\S+), zookeeper \S+, .*console (http://\S+?),"

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(600), needs_chromium]
__all__ = ["browser"]


def commands() -> list[str]:
    """The commands of README.md under "Start a cluster, write and read", without its comments."""
    section = README.read_text().partition("## Start a cluster, write and read")[2]
    section = section.partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("$ ")]
    return [re.sub(r"\s+#.*", "", line.removeprefix("$ ")) for line in lines]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands of a fresh environment are that has only the wheel."""
    into = tmp_path_factory.mktemp("fresh") / "venv"
    done = subprocess.run(
        [str(SCRIPT), "--into", str(into)], capture_output=True, text=True, check=False, timeout=300
    )
    if done.returncode and any(word in done.stderr for word in UNREACHABLE):
        pytest.skip(f"no package index: {done.stderr[-200:]}")
    assert done.returncode == 0, done.stderr
    assert "pytest" not in done.stdout
    return into / "bin"


@pytest.fixture(scope="module")
def environment(programs: Path) -> dict[str, str]:
    path = f"{programs}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "BARNABAS_TEST_PORT": str(free_ports(4))}


@pytest.fixture(scope="module")
def link(environment: dict[str, str]) -> Iterator[str]:
    """The console's link in the line that the first command prints. Its ports are not the usual
    ones, which something else on this machine may have."""
    assert commands()[0] == "barnabas up"
    port = int(environment["BARNABAS_TEST_PORT"])
    ports = ["--port", str(port), "--zookeeper-port", str(port + 3), "--console-port", "0"]
    with subprocess.Popen(
        ["barnabas", "up", *ports], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            found = re.search(READY, line)
            assert found is not None, line
            environment["BARNABAS_BOOTSTRAP_SERVER"] = found[1].split(",")[0]
            yield found[2]
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


def test_the_path_of_the_readme(link: str, environment: dict[str, str], browser: Any) -> None:
    def run(start: str) -> str:
        line = next(line for line in commands() if start in line)
        done = subprocess.run(
            ["bash", "-c", line], capture_output=True, text=True, env=environment, timeout=60
        )
        assert done.returncode == 0, (line, done.stderr)
        return done.stdout

    run("topic create orders")
    run("barnabas produce orders")
    consumed = run("barnabas consume orders").splitlines()
    assert all(re.fullmatch(r"\d:\d+ \d+", line) for line in consumed), consumed
    assert "1000" in [line.partition(" ")[2] for line in consumed]

    with opened(browser, link) as page:
        page.get_by_role("heading", name="Healthy: 3 brokers").wait_for()
        go(page, "partitions?text=orders/0")
        row = page.get_by_role("row").filter(has_text="orders/0")
        title = row.locator(".cell.leader").get_attribute("title")
        leader = re.match(r"broker (\d+)", title)
        assert leader is not None, title
        go(page, "brokers")
        process = page.get_by_role("row", name=f"broker:{leader[1]}")
        process.get_by_role("button", name="kill").click()
        go(page, "timeline")
        page.get_by_text(f"Broker {leader[1]} is gone", exact=True).wait_for()
        page.get_by_label("Find").fill("orders/0 leader")
        moved = page.get_by_role("listitem").filter(has_text=f"orders/0 leader {leader[1]} →")
        moved.get_by_text("is the first in-sync replica that is there").wait_for()
        assert " ms" in moved.inner_text()
        go(page, "overview")
        page.get_by_role("heading", name=f"Degraded: broker {leader[1]} is gone").wait_for()
        go(page, "brokers")
        process.get_by_role("button", name="start").click()
        go(page, "overview")
        page.get_by_role("heading", name="Healthy: 3 brokers").wait_for()

    # The other way to break it, in the second terminal.
    assert run("chaos kill leader:orders/0").startswith("kill broker:")
