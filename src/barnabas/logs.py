"""Makes one line of each message for a log or a terminal, whatever the message contains.

Clients choose names of topics and groups, texts of errors and bodies of znodes. A line break in one
could forge a line of the log, and an escape sequence could control a terminal. So everything
unprintable is escaped here, where messages are written. Code that logs need not care.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from typing import Any, Final

LOG_FORMAT: Final = "[%(asctime)s] %(levelname)s %(message)s (%(name)s)"
MESSAGE_LENGTH_MAX: Final = 32_768
"""In characters. A client that is refused a thousand times a second must not fill the disk."""

_FRAME: Final = re.compile(r'[ |]*File "')


def visible(value: object) -> str:
    """``value`` as text for one line. Characters that would end the line, control a terminal or be
    invisible are escaped."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def shortened(text: str, length_max: int = MESSAGE_LENGTH_MAX) -> str:
    """``text``, or if it is too long its beginning and how many characters follow."""
    if len(text) <= length_max:
        return text
    return f"{text[:length_max]}... ({len(text) - length_max} more characters)"


class LineFormatter(logging.Formatter):
    """Formats a message as one line. A traceback has several, but an error's text in it is one line
    too. All its lines are indented, so that none looks like a new entry of the log."""

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
            # The piece for a frame has a line of source below. Any other piece is one line, apart
            # from empty lines around it.
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
