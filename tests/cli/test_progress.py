"""Progress: one line on a terminal, and nothing in a pipe."""

from __future__ import annotations

import io

import pytest

from barnabas.cli.progress import (
    ERASE,
    CopyProgress,
    ProgressLine,
    bytes_text,
    copy_text,
    time_text,
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_progress_in_one_line_and_a_pipe_nothing() -> None:
    for stream in (Terminal(), io.StringIO()):
        with ProgressLine(stream) as line:
            line.show("1 of 2")
            line.show("1 of 2")
            line.show("2 of 2")
        shown = f"{ERASE}1 of 2{ERASE}2 of 2{ERASE}" if stream.isatty() else ""
        assert stream.getvalue() == shown


def test_bytes_and_time_left() -> None:
    shown = copy_text(1_500_000, 6_000_000, 50_000.0, 3, 5)
    assert shown == (
        "[##################......]  75 %  4.5 MB of 6.0 MB, 3 of 5 moves, 50.0 kB/s, 0:30 left"
    )
    narrow = copy_text(1_500_000, 6_000_000, 50_000.0, 3, 5, columns=70)
    assert narrow.startswith("[#####..]  75 %  4.5 MB of")
    assert len(narrow) < 70
    assert copy_text(0, 0, 0.0, 1, 2) == (
        "[############............]  50 %  0 bytes of 0 bytes, 1 of 2 moves"
    )
    assert [bytes_text(n) for n in (999, 1000, 2_000_000_000)] == ["999 bytes", "1.0 kB", "2.0 GB"]
    assert [time_text(n) for n in (9.9, 754, 3723)] == ["0:09", "12:34", "1:02:03"]


def test_a_pipe_gets_plain_lines_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("barnabas.cli.progress.time.monotonic", lambda: now[0])
    for stream, count in ((Terminal(), 41), (io.StringIO(), 4)):
        now[0] = 0.0
        with CopyProgress(stream) as progress:
            for remaining in range(40_000, -1, -1000):
                progress.update(remaining, 0, 1)
                now[0] += 1.0
        text = stream.getvalue()
        assert text.count("moves") == count
        assert "1.0 kB/s, 0:" in text
        assert text.endswith(ERASE) == stream.isatty()
