"""Progress: one line on a terminal, and nothing in a pipe."""

from __future__ import annotations

import io

from barnabas.cli.progress import ERASE, ProgressLine


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
