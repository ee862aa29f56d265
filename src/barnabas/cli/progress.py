"""Shows what a command waits for, in one line of the terminal that is rewritten."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self, TextIO

from barnabas.logs import visible

ERASE = "\r\x1b[K"


class ProgressLine:
    """A line on standard error during a ``with`` block. It shows nothing if that is no terminal."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._shown = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._shown:
            self._write(ERASE)

    def show(self, line: str) -> None:
        """Replace the line shown before by ``line``."""
        if line != self._shown and self._stream.isatty():
            self._shown = line
            self._write(ERASE + visible(line))

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
