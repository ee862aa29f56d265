"""Files of a log directory as the commands ``log dump`` and ``log verify`` read them: never
written, never read whole unless small, and whatever is in them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Self

from barnabas.errors import ConfigError
from barnabas.logs import visible

SMALL_FILE_BYTES_MAX: Final = 64 * 1024 * 1024
"""Of a file that is read whole: a snapshot of a million producers."""
PIECE_BYTES: Final = 1024 * 1024
Entry = dict[str, object]
"""What one line says, by Kafka's names of the fields."""


class Damaged(Exception):
    """A file or a part of it does not follow its format; the text says where."""


class Source:
    """An open regular file. A context manager. ConfigError if it cannot be opened."""

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            # Without O_NONBLOCK the open of a pipe would wait for a writer.
            self._descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            raise ConfigError(f"{visible(path)}: {error.strerror}") from None
        found = os.fstat(self._descriptor)
        self.size = found.st_size
        """As it was when the file was opened; what is appended later is not read."""
        if not stat.S_ISREG(found.st_mode):
            os.close(self._descriptor)
            raise ConfigError(f"{visible(path)}: not a file")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)

    def read(self, length: int, position: int) -> bytes:
        """Up to ``length`` bytes; fewer at the end. ConfigError if the disk fails."""
        length = max(min(length, self.size - position), 0)
        pieces: list[bytes] = []
        try:
            while length and (piece := os.pread(self._descriptor, length, position)):
                pieces.append(piece)
                position += len(piece)
                length -= len(piece)
        except OSError as error:
            raise ConfigError(f"{visible(self.path)}: {error.strerror}") from None
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def pieces(self, position: int, end: int) -> Iterator[bytes]:
        """What is between two positions, in pieces."""
        while position < end and (piece := self.read(min(PIECE_BYTES, end - position), position)):
            yield piece
            position += len(piece)

    def whole(self) -> bytes:
        """All of a small file. Damaged if it is not small."""
        if self.size > SMALL_FILE_BYTES_MAX:
            raise Damaged(f"{self.size} bytes are too many for such a file")
        return self.read(self.size, 0)


class Buffered:
    """Short reads that go forward, from pieces of a megabyte."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._start = 0
        self._piece = b""

    def read(self, length: int, position: int) -> bytes:
        """Up to ``length`` bytes; fewer at the end."""
        at = position - self._start
        if at < 0 or at + length > len(self._piece):
            self._start, at = position, 0
            self._piece = self._source.read(max(length, PIECE_BYTES), position)
        return self._piece[at : at + length]
