"""OffsetIndex, TimeIndex, TransactionIndex: offset -> position, timestamp -> offset, and aborted
transactions of a segment (reference 6.3).

The active segment's indexes are not preallocated as Kafka's are: entries gather in memory, reach
the file in blocks, and completely when the segment rolls or closes. Nothing depends on them before
that, because recovery after an unclean stop rebuilds the indexes of every segment from the recovery
point on, and the original does the same with a directory of ours. What a roll or a clean stop
leaves behind is byte for byte what Kafka leaves.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from barnabas.seams import File, Files
from barnabas.types import NO_TIMESTAMP

BLOCK_BYTES = 4096
"""Entries held in memory before they go to the file together."""

RELATIVE_OFFSET_MAX = 0x7FFF_FFFF

_OFFSET_ENTRY = Struct(">ii")
_TIME_ENTRY = Struct(">qi")
_TRANSACTION_ENTRY = Struct(">hqqqq")
_I32 = Struct(">i")
_I64 = Struct(">q")


class CorruptIndex(Exception):
    """An index that contradicts its segment: it is rebuilt from the log."""


class EntryFile:
    """A file of entries of one width, growing at the end: a part on disk and a tail in memory."""

    __slots__ = ("_file", "_files", "_on_disk", "_tail", "path", "width")

    def __init__(self, files: Files, path: str, width: int) -> None:
        self._files = files
        self.path = path
        self.width = width
        self._file: File | None = None
        self._on_disk = 0
        self._tail = bytearray()

    def load(self) -> None:
        """Adopt the file as it is. Raises CorruptIndex on a size that is no multiple."""
        size = self._files.size(self.path) if self._files.exists(self.path) else 0
        if size % self.width:
            raise CorruptIndex(f"{self.path}: {size} bytes")
        self._on_disk = size // self.width
        self._tail.clear()

    def __len__(self) -> int:
        return self._on_disk + len(self._tail) // self.width

    def entry(self, number: int) -> bytes | bytearray:
        """The bytes of one entry."""
        if number >= self._on_disk:
            start = (number - self._on_disk) * self.width
            return self._tail[start : start + self.width]
        return self._opened().pread(self.width, number * self.width)

    def append(self, entry: bytes) -> None:
        """Add an entry; to the file when a block is full."""
        self._tail += entry
        if len(self._tail) >= BLOCK_BYTES:
            self.write()

    def write(self) -> None:
        """Bring the file up to date; creates it even when there is no entry."""
        file = self._opened()
        if self._tail:
            file.pwrite(self._tail, self._on_disk * self.width)
            self._on_disk += len(self._tail) // self.width
            self._tail.clear()

    def finish(self) -> None:
        """Bring the file up to date and cut whatever it has beyond the last entry."""
        self.write()
        file = self._opened()
        if file.size() != self._on_disk * self.width:
            file.truncate(self._on_disk * self.width)

    def truncate(self, count: int) -> None:
        """Keep the first ``count`` entries."""
        if count >= self._on_disk:
            del self._tail[(count - self._on_disk) * self.width :]
            return
        self._tail.clear()
        self._opened().truncate(count * self.width)
        self._on_disk = count

    def reset(self) -> None:
        """Forget all entries, also what the file has and was never read."""
        self._tail.clear()
        self._on_disk = 0
        if self._files.exists(self.path):
            self._opened().truncate(0)

    async def fsync(self) -> None:
        """Make what the file has durable."""
        await self._opened().fsync()

    def close(self) -> None:
        """Give the descriptor back; it is taken again when needed."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _opened(self) -> File:
        if self._file is None:
            self._file = self._files.open(self.path, create=True)
        return self._file


class OffsetIndex(EntryFile):
    """Last offset of a batch -> position where that batch starts, about one for 4 KiB of log."""

    __slots__ = ("base_offset",)

    def __init__(self, files: Files, path: str, base_offset: int) -> None:
        super().__init__(files, path, _OFFSET_ENTRY.size)
        self.base_offset = base_offset

    def add(self, offset: int, position: int) -> None:
        """Append an entry; offsets must grow."""
        self.append(_OFFSET_ENTRY.pack(offset - self.base_offset, position))

    def at(self, number: int) -> tuple[int, int]:
        """Entry ``number`` as (offset, position)."""
        relative, position = _OFFSET_ENTRY.unpack(self.entry(number))
        return self.base_offset + relative, position

    def last(self) -> tuple[int, int]:
        """The last entry, (base offset, 0) if there is none."""
        count = len(self)
        return self.at(count - 1) if count else (self.base_offset, 0)

    def lookup(self, offset: int) -> tuple[int, int]:
        """The largest entry not above ``offset``, (base offset, 0) if there is none."""
        number = self._floor(offset)
        return self.at(number) if number >= 0 else (self.base_offset, 0)

    def offset_behind(self, position: int) -> int | None:
        """The last offset of a batch that starts at ``position`` or later; None if none is
        known."""
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if self.at(middle)[1] >= position:
                high = middle
            else:
                low = middle + 1
        return self.at(low)[0] if low < len(self) else None

    def truncate_to(self, offset: int) -> None:
        """Drop entries at or above ``offset``."""
        self.truncate(self._floor(offset - 1) + 1)

    def check(self, log_size: int) -> None:
        """Raises CorruptIndex unless the last entry fits the segment."""
        if len(self):
            offset, position = self.last()
            if offset <= self.base_offset or not 0 < position < log_size:
                raise CorruptIndex(f"{self.path}: last entry {offset} at {position}")

    def _floor(self, offset: int) -> int:
        low, high = -1, len(self) - 1
        relative = offset - self.base_offset
        while low < high:
            middle = (low + high + 1) // 2
            if _I32.unpack_from(self.entry(middle))[0] <= relative:
                low = middle
            else:
                high = middle - 1
        return low


class TimeIndex(EntryFile):
    """Largest timestamp so far -> last offset of the first batch that reached it."""

    __slots__ = ("base_offset",)

    def __init__(self, files: Files, path: str, base_offset: int) -> None:
        super().__init__(files, path, _TIME_ENTRY.size)
        self.base_offset = base_offset

    def add(self, timestamp: int, offset: int) -> None:
        """Append an entry if its timestamp is above the last one's."""
        if timestamp > self.last()[0]:
            self.append(_TIME_ENTRY.pack(timestamp, offset - self.base_offset))

    def at(self, number: int) -> tuple[int, int]:
        """Entry ``number`` as (timestamp, offset)."""
        timestamp, relative = _TIME_ENTRY.unpack(self.entry(number))
        return timestamp, self.base_offset + relative

    def last(self) -> tuple[int, int]:
        """The last entry, (-1, base offset) if there is none."""
        count = len(self)
        return self.at(count - 1) if count else (NO_TIMESTAMP, self.base_offset)

    def lookup(self, timestamp: int) -> tuple[int, int]:
        """The largest entry not above ``timestamp``, (-1, base offset) if there is none."""
        low, high = -1, len(self) - 1
        while low < high:
            middle = (low + high + 1) // 2
            if _I64.unpack_from(self.entry(middle))[0] <= timestamp:
                low = middle
            else:
                high = middle - 1
        return self.at(low) if low >= 0 else (NO_TIMESTAMP, self.base_offset)

    def truncate_to(self, offset: int) -> None:
        """Drop entries at or above ``offset``."""
        count = len(self)
        while count and self.at(count - 1)[1] >= offset:
            count -= 1
        self.truncate(count)

    def check(self) -> None:
        """Raises CorruptIndex unless first and last entry agree."""
        if len(self):
            timestamp, offset = self.last()
            if offset < self.base_offset or timestamp < self.at(0)[0]:
                raise CorruptIndex(f"{self.path}: last entry {timestamp} at {offset}")


class AbortedTransaction(NamedTuple):
    """An aborted transaction; ``last_offset`` is that of its marker."""

    producer_id: int
    first_offset: int
    last_offset: int
    last_stable_offset: int


class TransactionIndex:
    """The aborted transactions whose marker is in this segment; the file exists once there is one.

    Few in number, so they are held in memory (read on first use) and written through."""

    __slots__ = ("_entries", "_files", "path")

    def __init__(self, files: Files, path: str) -> None:
        self._files = files
        self.path = path
        self._entries: list[AbortedTransaction] | None = None

    @property
    def entries(self) -> list[AbortedTransaction]:
        """All entries in log order. Raises CorruptIndex."""
        if self._entries is None:
            self._entries = self._read()
        return self._entries

    def _read(self) -> list[AbortedTransaction]:
        if not self._files.exists(self.path):
            return []
        data = self._files.read(self.path)
        if len(data) % _TRANSACTION_ENTRY.size:
            raise CorruptIndex(f"{self.path}: {len(data)} bytes")
        fields = list(_TRANSACTION_ENTRY.iter_unpack(data))
        if any(version != 0 for version, *_ in fields):
            raise CorruptIndex(f"{self.path}: unknown version")
        return [AbortedTransaction(*rest) for _, *rest in fields]

    def add(self, entry: AbortedTransaction) -> None:
        """Append an entry, to the file as well."""
        entries = self.entries
        file = self._files.open(self.path, create=True)
        try:
            file.pwrite(_TRANSACTION_ENTRY.pack(0, *entry), len(entries) * _TRANSACTION_ENTRY.size)
        finally:
            file.close()
        entries.append(entry)

    def truncate_to(self, offset: int) -> None:
        """Drop the transactions whose marker is at or above ``offset``."""
        keep = [entry for entry in self.entries if entry.last_offset < offset]
        if len(keep) < len(self.entries):
            self._cut(len(keep))
            self._entries = keep

    def reset(self) -> None:
        """Drop everything; also what cannot be read."""
        if self._files.exists(self.path):
            self._cut(0)
        self._entries = []

    def _cut(self, count: int) -> None:
        file = self._files.open(self.path, create=True)
        try:
            file.truncate(count * _TRANSACTION_ENTRY.size)
        finally:
            file.close()

    async def fsync(self) -> None:
        """Make the file durable, if there is one."""
        if self._entries or self._files.exists(self.path):
            file = self._files.open(self.path)
            try:
                await file.fsync()
            finally:
                file.close()
