"""Files of events: their order, and what is wrong with a bad one."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.kit import fails, here

from barnabas.console import history
from barnabas.console.history import BadHistory, History, in_order, read_events
from barnabas.observe.events import Event, to_json


def event(at: int, source: str = "broker:1", epoch: int = 1, kind: str = "phase") -> Event:
    return Event(
        kind=kind,
        time_ms=at,
        source=source,
        sequence=at,
        controller_epoch=epoch,
        text=f"{source} at {at}",
    )


LINES = [to_json(event(at)) + b"\n" for at in (5, 6, 7)]


def test_a_file_is_read() -> None:
    assert [e.time_ms for e in read_events([*LINES, b"\n"])] == [5, 6, 7]


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([], "line 1: no event"),
        ([b"\n", b"\n"], "line 2: no event"),
        ([*LINES, b"kafka\n"], "line 4: not an event: "),
        ([LINES[0], b"[1]\n", LINES[1]], "line 2: not an event: Expected `object`, got `array`"),
        ([b'{"kind": "x"}\n'], "line 1: not an event: Object missing required field"),
        ([b"\xff\xfe\n"], "line 1: not an event: "),
        ([b"[" * 5_000 + b"\n"], "line 1: not an event: "),
        ([LINES[0].replace(b":5,", b":-5,", 1)], "line 1: not an event: time_ms is no time"),
        ([b" " * (history.LINE_BYTES_MAX + 1)], "line 1: more than 1,048,576 bytes"),
    ],
)
def test_a_bad_file_is_told_in_a_line(lines: list[bytes], why: str) -> None:
    with pytest.raises(BadHistory) as error:
        read_events(lines)
    assert str(error.value).startswith(why)
    assert str(error.value).isprintable()


def test_a_last_line_that_was_being_written_is_left_out() -> None:
    assert len(read_events([*LINES, LINES[0][:20]])) == 3


def test_no_more_than_can_be_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "EVENTS_MAX", 2)
    with pytest.raises(BadHistory, match="line 3: more than 2 events"):
        read_events(LINES)


def test_the_order_of_the_file_stays_where_it_is_an_order() -> None:
    late = [event(9, epoch=1), event(3, epoch=2)]
    assert in_order(late) == late, "one source knows the order of its events"
    true = [event(3, "broker:2", 7), event(3, "broker:1", 6), event(4, "broker:3", 5)]
    assert in_order(true) == true, "one clock"
    mixed = [event(9, "broker:1"), event(3, "broker:2")]
    assert [e.time_ms for e in in_order(mixed)] == [3, 9]


def test_time_never_goes_back() -> None:
    found = History([event(5), event(3), event(8)])
    assert found.times_ms == [5, 5, 8]
    assert found.outline()["ms"] == [0, 0, 3]


def test_one_begins_at_the_violation() -> None:
    events = [event(1), event(2, kind="violation"), event(3), event(4, kind="violation")]
    found = History(events)
    assert (found.violations, found.start) == ([1, 3], 2)
    assert History(events[:1]).start == 1


def test_the_command_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(LINES[0] + b"nonsense\n" + LINES[1])
    fails(here("console", "--events", str(path)), 1, "events.jsonl: line 2: not an event")
    fails(here("console", "--events", str(tmp_path / "none")), 2, "does not exist")
