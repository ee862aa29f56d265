"""``barnabas tour``: seven lessons on a live local cluster, in a browser or in the terminal."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import sys
import tempfile
import time
import webbrowser
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Any, Final
from urllib.parse import parse_qs, quote, urlsplit

import click

from barnabas.cluster.profiles import DEV, PROFILES
from barnabas.errors import ConfigError

STOP_S: Final = 60.0
WIDTHS: Final = (60, 110)
"""The narrowest and the widest text in a terminal."""
POSSIBLE_S: Final = 30.0
ANSWER_S: Final = 300.0
"""A lesson tells something more often than this."""


@click.command()
@click.argument("lessons", metavar="[LESSON]...", nargs=-1)
@click.option("--terminal", is_flag=True, help="In this terminal instead of a browser.")
@click.option("--yes", is_flag=True, help="In the terminal: do not ask before each lesson.")
@click.option("--open", "open_page", is_flag=True, help="Open it in your browser.")
@click.option(
    "--port",
    default=0,
    type=click.IntRange(0, 65_500),
    help="Port of the first broker. Default: free ports for all.",
)
@click.option(
    "--zookeeper-port",
    type=click.IntRange(1, 65_535),
    help="Port of the coordinator, with --port.",
)
@click.option(
    "--console-port",
    type=click.IntRange(0, 65_535),
    help="Port of the page. Default: 9021, or a free one.",
)
@click.option(
    "--profile",
    default=DEV.name,
    show_default=True,
    type=click.Choice(list(PROFILES)),
    help="A set of settings, as of 'barnabas up'.",
)
def command(
    lessons: tuple[str, ...],
    terminal: bool,
    yes: bool,
    open_page: bool,
    port: int,
    zookeeper_port: int | None,
    console_port: int | None,
    profile: str,
) -> None:
    """Learn how replication works, on a cluster of three brokers that this command starts.

    \b
    barnabas tour                       print a link; the lessons are a page of the console
    barnabas tour --terminal            the same in this terminal
    barnabas tour --terminal 3 6        lessons 3 and 6

    Each lesson says what is about to happen, does it, and shows what happened. In the terminal the
    exit code is 0 if each lesson saw what it says.
    """
    from barnabas.console.tour.lessons.all import LESSONS, lesson_named

    for name in lessons:
        if lesson_named(name) is None:
            raise click.UsageError(f"'{name}' is no lesson: there are 1 to {len(LESSONS)}")
    options = ["--port", str(port), "--profile", profile, "--console"]
    options += ["--console-port", str(console_port)] if console_port is not None else []
    options += ["--zookeeper-port", str(zookeeper_port)] if zookeeper_port is not None else []
    with _cluster(options) as (ready, process):
        place = f"/tour/{lesson_named(lessons[0]).name}" if lessons else "/tour"  # type: ignore[union-attr]
        link = f"{ready['console']}#{place}"
        if not terminal:
            click.echo(f"tour: {link}")
            click.echo("The lessons are there; Ctrl-C here ends the cluster.", err=True)
            if open_page:
                webbrowser.open(link)
            process.wait()
            raise ConfigError("the cluster has ended")
        asked = not yes and sys.stdin.isatty() and sys.stdout.isatty()
        wanted = [found.name for n in lessons if (found := lesson_named(n))]
        held = _in_terminal(str(ready["console"]), wanted, asked=asked)
    sys.exit(0 if held else 1)


# --- the cluster ----------------------------------------------------------------------------------


@contextmanager
def _cluster(options: Sequence[str]) -> Iterator[tuple[dict[str, Any], subprocess.Popen[bytes]]]:
    """A cluster of ``barnabas up`` that ends with this process. Raises ConfigError."""
    line = [sys.executable, "-m", "barnabas.cli.main", "up", "--ready-json", "--stop-with-stdin"]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [*line, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            start_new_session=True,  # Ctrl-C ends this command, which ends the cluster
        )
        try:
            assert process.stdout is not None
            ready = process.stdout.readline()
            if not ready:
                process.wait()
                raise ConfigError(_last_line(said))
            yield json.loads(ready), process
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _last_line(said: IO[bytes]) -> str:
    said.seek(0)
    lines = said.read().decode(errors="replace").strip().splitlines()
    return lines[-1].removeprefix("barnabas: ") if lines else "the cluster did not start"


# --- the terminal ---------------------------------------------------------------------------------


class _Page:
    """What the console of the cluster answers, with the token of its link."""

    def __init__(self, link: str) -> None:
        parts = urlsplit(link)
        self._address = (str(parts.hostname), int(parts.port or 0))
        token = parse_qs(parts.query)["token"][0]
        self._headers = {"Authorization": f"Bearer {token}"}

    def _asked(self, method: str, path: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(*self._address, timeout=ANSWER_S)
        connection.request(method, path, headers=self._headers)
        return connection.getresponse()

    def ask(self, method: str, path: str) -> dict[str, Any]:
        """Raises ConfigError with the text of a refusal."""
        try:
            response = self._asked(method, path)
            answer: dict[str, Any] = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ConfigError(f"the console does not answer: {error}") from None
        if response.status >= 400:
            raise ConfigError(str(answer["error"]))
        return answer

    def runs(self, lesson: str) -> Iterator[dict[str, Any]]:
        """The last run of a lesson, again whenever it has changed."""
        try:
            for line in self._asked("GET", "/api/tour/changes"):
                if line.startswith(b"data: "):
                    told = json.loads(line.removeprefix(b"data: "))["runs"]
                    yield from (run for run in told if run["lesson"] == lesson)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ConfigError(f"the console does not answer: {error}") from None


def _in_terminal(link: str, wanted: Sequence[str], *, asked: bool) -> bool:
    """Take the lessons, all if none is named. Whether each saw what it says."""
    from barnabas.console.tour.text import lesson_text

    page = _Page(link)
    tour = _possible(page)
    width = min(max(shutil.get_terminal_size((112, 40)).columns - 2, WIDTHS[0]), WIDTHS[1])
    lessons = [one for one in tour["lessons"] if not wanted or one["name"] in wanted]
    held = []
    for lesson in lessons:
        click.echo(f"\n{lesson_text(lesson, len(tour['lessons']), width)}\n")
        if asked:
            answer = click.prompt(
                "Enter: do it, s: skip, q: end", default="", show_default=False, type=str
            )
            if answer.strip().lower() == "q":
                break
            if answer.strip().lower() == "s":
                continue
        held.append(_taken(page, lesson, width))
    missed = held.count(False)
    click.echo(
        f"\ntour: {len(held)} of {len(tour['lessons'])} lessons taken,"
        f" {missed} did not see what they say"
    )
    return missed == 0


def _possible(page: _Page) -> dict[str, Any]:
    """The tour, once lessons can be run: the console starts after the cluster. ConfigError."""
    deadline = time.monotonic() + POSSIBLE_S
    while True:
        tour = page.ask("GET", "/api/tour")
        if tour["why_not"] is None:
            return tour
        if time.monotonic() > deadline:
            raise ConfigError(str(tour["why_not"]))
        time.sleep(0.05)


def _taken(page: _Page, lesson: Mapping[str, Any], width: int) -> bool:
    """Run a lesson, and print what it does as it does it."""
    from barnabas.console.tour.text import result_text, step_text

    page.ask("POST", f"/api/tour/{quote(lesson['name'])}")
    told = 0
    for run in page.runs(lesson["name"]):
        over = run["state"] == "done"
        while told < len(run["steps"]) and (over or run["steps"][told]["state"] == "done"):
            click.echo(step_text(lesson, run, told, width))
            told += 1
        if over:
            click.echo(result_text(run, width))
            return bool(run["holds"])
    raise ConfigError("the console has ended")
