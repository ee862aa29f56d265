"""Shows what a command waits for, in one line of the terminal that is rewritten."""

from __future__ import annotations

import shutil
import sys
import time
from collections import deque
from types import TracebackType
from typing import Self, TextIO

from barnabas.logs import visible

ERASE = "\r\x1b[K"
BAR_WIDTH = 24
RATE_OVER_S = 10.0
"""Rates, and so the time left, are those of the last seconds."""
PLAIN_EVERY_S = 10.0
UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


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

    def warn(self, text: str) -> None:
        """A line that stays, above the one that is rewritten."""
        shown, self._shown = self._shown, ""
        self._write(f"{ERASE if shown else ''}barnabas: {visible(text)}\n")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


class CopyProgress(ProgressLine):
    """A bar with the bytes that are copied, the rate and the time left. On a terminal it is one
    line that is rewritten; elsewhere a line every ten seconds."""

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self._total = 0
        self._samples: deque[tuple[float, int]] = deque()
        self._told_at = time.monotonic()

    def begin(self, begun: int, count: int) -> None:
        """``begun``: moves that have begun, or are refused, of ``count``."""
        columns = shutil.get_terminal_size().columns
        text = bar_text(begun / max(count, 1), f"{begun} of {count} moves begun", columns)
        self._tell(text, columns)

    def update(self, remaining: int, done: int, count: int) -> None:
        """``remaining``: bytes; ``done``: moves that have ended, of ``count``."""
        now = time.monotonic()
        self._samples.append((now, remaining))
        while now - self._samples[0][0] > RATE_OVER_S and len(self._samples) > 2:
            self._samples.popleft()
        self._total = max(self._total, remaining)
        columns = shutil.get_terminal_size().columns
        text = copy_text(remaining, self._total, self._rate(), done, count, columns)
        self._tell(text, columns)

    def _tell(self, text: str, columns: int) -> None:
        now = time.monotonic()
        if self._stream.isatty():
            self.show(text[: columns - 1])
        elif now - self._told_at >= PLAIN_EVERY_S:
            self._told_at = now
            self._write(visible(text) + "\n")

    def _rate(self) -> float:
        (began, before), (now, remaining) = self._samples[0], self._samples[-1]
        return max(before - remaining, 0) / (now - began) if now > began else 0.0


def copy_text(
    remaining: int, total: int, rate: float, done: int, count: int, columns: int = 120
) -> str:
    """One line: a bar, bytes, moves, rate in bytes/s and the time left. In few columns the bar is
    short."""
    share = 1 - remaining / total if total else done / max(count, 1)
    parts = [f"{bytes_text(total - remaining)} of {bytes_text(total)}", f"{done} of {count} moves"]
    if rate > 0:
        parts += [f"{bytes_text(rate)}/s", f"{time_text(remaining / rate)} left"]
    return bar_text(share, ", ".join(parts), columns)


def bar_text(share: float, what: str, columns: int = 120) -> str:
    """A bar of which ``share`` is filled, the share in percent, and ``what`` behind it."""
    text = f"{int(share * 100):3} %  {what}"
    width = max(min(BAR_WIDTH, columns - len(text) - 4), 0)
    filled = round(width * share)
    return f"[{'#' * filled}{'.' * (width - filled)}] {text}"


def bytes_text(number: float) -> str:
    """A number of bytes with a unit: 999 bytes, 1.5 kB, 2.0 GB."""
    unit = 0
    while number >= 1000 and unit < len(UNITS) - 1:
        number /= 1000
        unit += 1
    return f"{number:.1f} {UNITS[unit]}" if unit else f"{int(number)} {UNITS[0]}"


def time_text(seconds: float) -> str:
    """A time as 0:09, 12:34 or 1:02:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
