"""Nothing that came from outside forges a line of the log, or steers a terminal."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest

from barnabas.logs import LOG_FORMAT, MESSAGE_LENGTH_MAX, LineFormatter, log_handler, visible

ENTRY = re.compile(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\] [A-Z]+ ")
FORGED = "g\n[2026-01-01 00:00:00,000] INFO all is well (kafka.server)"
HOSTILE = [
    FORGED,
    "a\r\nb",
    "nul\0l",
    "\x1b[2J\x1b]0;title\x07",
    "\x85next",
    "\u2028line\u2029paragraph",
    "\u202eright to left",
    "\x0bvertical\x0cform",
    "\x9b31m",
    "lone \ud800 surrogate",
    "\ufeffmark\u200bnothing",
    "\x7f\b\b\b",
]


def written(text: str, *args: object, exc_info: Any = None) -> str:
    """What stands in the log; nothing is logged, as not every text can be in a test's report."""
    place = ("kafka.server", logging.ERROR, __file__, 1)
    record = logging.LogRecord(*place, text, args, exc_info)
    return LineFormatter(LOG_FORMAT).format(record)


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_a_message_is_one_printable_line(text: str) -> None:
    said = written("group %s of %r", text, text)
    assert said.isprintable()
    assert ENTRY.match(said)
    said.encode()


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_a_traceback_has_many_lines_and_no_entry(text: str) -> None:
    def fail() -> None:
        try:
            raise KeyError(text)
        except KeyError as error:
            problem = ValueError(f"no such thing: {text}")
            problem.add_note(f"asked by {text}")
            raise problem from error

    try:
        fail()
    except ValueError as error:
        plain = written("handling %s", text, exc_info=(type(error), error, error.__traceback__))
        group = ExceptionGroup(f"several of {text}", [error, OSError(text)])
        several = written("handling %s", text, exc_info=(type(group), group, None))
    for said in (plain, several):
        first, *others = said.split("\n")
        assert ENTRY.match(first)
        assert len(others) > 10
        for line in others:
            assert line == "" or line.startswith("  ")
            assert line.isprintable()
        assert any("fail()" in line for line in others), "our own lines are there"
    assert f"  ValueError: no such thing: {visible(text)}" in plain.split("\n")


def test_an_endless_message_is_cut() -> None:
    said = written("client %s", "x" * 10_000_000)
    assert len(said) < MESSAGE_LENGTH_MAX + 200
    assert "more characters)" in said


def test_the_process_logs_so() -> None:
    assert isinstance(log_handler().formatter, LineFormatter)


def test_visible() -> None:
    assert visible("orders-0 ä 日本") == "orders-0 ä 日本"
    assert visible("a\nb\x1b\u2028\u00e4") == "a\\nb\\x1b\\u2028\u00e4"
    assert visible(17) == "17"
