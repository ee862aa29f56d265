"""Writes events to a file, one line of JSON each. A full file is renamed to ``NAME.1``, which
replaces the one before it.

After a failed write no more events are written, and the log says so once: a broker must not fail
because of its events.
"""

from __future__ import annotations

import logging
from typing import Final

from barnabas.observe.events import to_json
from barnabas.observe.timeline import Noted
from barnabas.seams import File, Files

log = logging.getLogger("kafka.server")

FILE_BYTES_MAX: Final = 16 * 1024 * 1024


class JsonLines:
    """A listener of a ``Timeline``."""

    def __init__(self, files: Files, path: str, bytes_max: int = FILE_BYTES_MAX) -> None:
        self._files = files
        self._path = path
        self._bytes_max = bytes_max
        self._file: File | None = None
        self._failed = False

    def __call__(self, noted: Noted) -> None:
        """Append the event."""
        if self._failed:
            return
        try:
            self._append(to_json(noted.event()) + b"\n")
        except OSError as error:
            self._failed = True
            log.error("barnabas.events.file: %s: %s; no more events are written", self._path, error)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _append(self, line: bytes) -> None:
        if self._file is None:
            self._file = self._files.open(self._path, create=True)
        if self._file.size() + len(line) > self._bytes_max:
            self.close()
            self._files.rename(self._path, f"{self._path}.1")
            self._file = self._files.open(self._path, create=True)
        self._file.append([line])
