"""What reaches a log or a terminal: one line for each message, whatever stood in it.

Names of topics, groups and clients, texts of errors and bodies of znodes are anybody's choice. A
line break in one would forge a line of the log, an escape sequence would steer a terminal. So it is
here, at the edge, that everything unprintable is escaped; nobody who writes a message need think
of it.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from typing import Any, Final

LOG_FORMAT: Final = "[%(asctime)s] %(levelname)s %(message)s (%(name)s)"
MESSAGE_LENGTH_MAX: Final = 32_768
"""In characters: a client that is refused a thousand times a second must not fill the disk."""

_FRAME: Final = re.compile(r'[ |]*File "')


def visible(value: object) -> str:
    """For one line: whatever would end it, steer a terminal or show nothing, as an escape."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def shortened(text: str, length_max: int = MESSAGE_LENGTH_MAX) -> str:
    """``text``, or its beginning and how much more there was."""
    if len(text) <= length_max:
        return text
    return f"{text[:length_max]}... ({len(text) - length_max} more characters)"


class LineFormatter(logging.Formatter):
    """A message is one line. A traceback has many, but only of ours: the text of an error is one
    line as well, and each line is indented, so that none looks like the beginning of an entry."""

    def format(self, record: logging.LogRecord) -> str:
        record.message = shortened(visible(record.getMessage()))
        if self.usesTime():
            record.asctime = self.formatTime(record, self.datefmt)
        text = self.formatMessage(record)
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        if record.stack_info:
            text = f"{text}\n{self.formatStack(record.stack_info)}"
        return text

    def formatException(self, ei: Any) -> str:  # noqa: N802  (logging's name)
        lines: list[str] = []
        for piece in traceback.TracebackException(*ei).format():
            # A frame's piece has our own source line below it; any other piece is one line, but for
            # empty ones around it.
            whole = piece if _FRAME.match(piece) else _one_line(piece)
            lines += whole.splitlines()
        return "\n".join(f"  {shortened(visible(line))}".rstrip() for line in lines)


def _one_line(piece: str) -> str:
    inner = piece.strip("\n")
    before = len(piece) - len(piece.lstrip("\n"))
    return "\n" * before + visible(inner)


def log_handler(stream: Any = None) -> logging.Handler:
    """Writes Kafka's log pattern to a stream, stderr if none is given."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(LineFormatter(LOG_FORMAT))
    return handler


def configure_logging(level: str = "INFO") -> None:
    """Kafka's log pattern on stderr, for the whole process."""
    logging.basicConfig(level=level.upper(), handlers=[log_handler()], force=True)
