"""LogSegment: a run of batches in one file, with its three indexes.

A segment knows positions; what offsets mean (high watermark, log start, epochs) is the log's.
"""

from __future__ import annotations

import errno
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from contextlib import suppress
from struct import Struct
from typing import Final, NamedTuple, cast

from barnabas.errors import ErrorCode, KafkaError
from barnabas.records.batch import (
    HEADER_BYTES,
    BatchHeader,
    batch_size,
    iterate_batches,
    parse_header,
)
from barnabas.records.header import MAGIC
from barnabas.records.legacy import MESSAGE_OVERHEAD
from barnabas.seams import File, Files
from barnabas.storage.index import (
    RELATIVE_OFFSET_MAX,
    CorruptIndex,
    OffsetIndex,
    TimeIndex,
    TransactionIndex,
)
from barnabas.types import NO_TIMESTAMP, Buffer

LOG_SUFFIX = ".log"
INDEX_SUFFIX = ".index"
TIME_INDEX_SUFFIX = ".timeindex"
TRANSACTION_INDEX_SUFFIX = ".txnindex"
SNAPSHOT_SUFFIX = ".snapshot"
DELETED_SUFFIX = ".deleted"
CLEANED_SUFFIX = ".cleaned"
SWAP_SUFFIX = ".swap"
TEMPORARY_SUFFIX = ".tmp"
_SUFFIXES = (LOG_SUFFIX, INDEX_SUFFIX, TIME_INDEX_SUFFIX, TRANSACTION_INDEX_SUFFIX)

READ_PIECE_BYTES = 256 * 1024
"""The size of one ``pread``. With larger ones the processor would copy into memory that is not in
its cache."""

WALK_CHUNK_BYTES = 8192
"""Two index intervals: a walk from an index entry usually needs one read."""

RECENT_BATCHES_MAX = 64
NONE_RECENT: Final = cast("list[int]", ())
"""Of an empty segment. Nothing can be added to it."""

SCAN_CHUNK_BYTES = 128 * 1024
"""Of files that may not be in memory. The system reads ahead meanwhile, but only beyond what was
asked for: the loop would wait for all of a larger piece."""
LENGTH_PREFIX_BYTES = 12
_WALK = Struct(">qi4xB6xi8xq")
"""Base offset, length, format, last offset delta, max timestamp of a batch header (reference
6.2)."""


class BatchSpan(NamedTuple):
    """A batch as the segment needs to know it."""

    position: int
    size: int
    base_offset: int
    last_offset: int
    max_timestamp: int


def file_name(offset: int, suffix: str) -> str:
    """``00000000000000000042.log`` and its like."""
    return f"{offset:020d}{suffix}"


class Segment:
    """Batches from ``base_offset`` on. ``size`` is the number of valid bytes: the file may have
    more while a write has failed, never fewer."""

    __slots__ = (
        "_bytes_since_index",
        "_file",
        "_files",
        "_first_timestamp",
        "_index",
        "_max_offset",
        "_max_timestamp",
        "_recent_ends",
        "_recent_offsets",
        "_time_index",
        "_transaction_index",
        "_unwritten",
        "base_offset",
        "created_ms",
        "directory",
        "ending",
        "is_removed",
        "size",
        "touched",
    )

    def __init__(
        self,
        files: Files,
        directory: str,
        base_offset: int,
        *,
        created_ms: int,
        size: int = 0,
        ending: str = "",
    ) -> None:
        self._files = files
        self.directory = directory
        self.ending = ending
        """Suffix of all its files' names while it is not part of the log."""
        self.base_offset = base_offset
        self.created_ms = created_ms
        self.size = size
        # Made on first use: an empty partition, of which there are many, has none.
        self._index: OffsetIndex | None = None
        self._time_index: TimeIndex | None = None
        self._transaction_index: TransactionIndex | None = None
        self.is_removed = False
        """Its files have been removed."""
        self.touched = False
        """Used since the last ``release_idle``."""
        self._file: File | None = None
        self._unwritten: list[Buffer] | None = None
        """What belongs at the end of the file, which is open then."""
        self._bytes_since_index = 0
        self._first_timestamp: int | None = None
        # None: not read from the time index yet.
        self._max_timestamp: int | None = NO_TIMESTAMP if size == 0 else None
        self._max_offset = base_offset
        # Where the latest batches end: (last offset, position behind it), ascending. An empty
        # segment needs none, and many stay empty.
        self._recent_offsets: list[int] = NONE_RECENT
        self._recent_ends: list[int] = NONE_RECENT

    def path(self, suffix: str) -> str:
        """Absolute path of one of this segment's files."""
        return f"{self.directory}/{file_name(self.base_offset, suffix)}{self.ending}"

    @property
    def file(self) -> File:
        """The log file, opened (and created) on first use: an idle partition holds none. Everything
        that was appended is in it."""
        if self._unwritten is not None:
            self.write()
        return self._opened()

    def _opened(self) -> File:
        self.touched = True
        if self._file is None:
            self._file = self._files.open(self.path(LOG_SUFFIX), create=True)
        return self._file

    @property
    def is_unwritten(self) -> bool:
        """Whether something was appended that is not in the file yet."""
        return self._unwritten is not None

    def write(self) -> None:
        """Write what was only noted by ``append``; nothing if there is none."""
        buffers, self._unwritten = self._unwritten, None
        if buffers is not None:
            self._opened().append(buffers)

    @property
    def index(self) -> OffsetIndex:
        """Its offset index."""
        if self._index is None:
            self._index = OffsetIndex(self._files, self.path(INDEX_SUFFIX), self.base_offset)
        return self._index

    @property
    def time_index(self) -> TimeIndex:
        """Its time index."""
        if self._time_index is None:
            self._time_index = TimeIndex(
                self._files, self.path(TIME_INDEX_SUFFIX), self.base_offset
            )
        return self._time_index

    @property
    def transaction_index(self) -> TransactionIndex:
        """Its transaction index."""
        if self._transaction_index is None:
            self._transaction_index = TransactionIndex(
                self._files, self.path(TRANSACTION_INDEX_SUFFIX)
            )
        return self._transaction_index

    def borrow(self, file: File) -> None:
        """Read from another file than the one under this segment's name."""
        self._file = file
        self.size = file.size()

    # Appending

    def append(
        self,
        buffers: list[Buffer],
        batches: list[BatchSpan],
        interval_bytes: int,
        *,
        later: bool = False,
    ) -> None:
        """Write batches (their positions relative to the first) at the end, then index them.
        ``later``: they are only noted, and written before anything else happens to the file.

        If the write raises, nothing here has changed but the bytes behind ``size``."""
        if later:
            if self._unwritten is None:
                self._opened()
                self._unwritten = []
            self._unwritten += buffers
        else:
            self.file.append(buffers)
        end, latest = self.size, self.max_timestamp
        if not end:
            if self._first_timestamp is None:
                self._first_timestamp = batches[0].max_timestamp
            self._recent_offsets, self._recent_ends = [self.base_offset - 1], [0]
        offsets, ends = self._recent_offsets, self._recent_ends
        for _, size, _, last_offset, max_timestamp in batches:
            if max_timestamp > latest:
                self._max_timestamp = latest = max_timestamp
                self._max_offset = last_offset
            if self._bytes_since_index > interval_bytes:
                self.index.add(last_offset, end)
                self.time_index.add(latest, self._max_offset)
                self._bytes_since_index = 0
            self._bytes_since_index += size
            end += size
            offsets.append(last_offset)
            ends.append(end)
        assert end - self.size == sum(map(len, buffers))
        self.size = end
        if len(self._recent_offsets) > RECENT_BATCHES_MAX:
            del self._recent_offsets[: -RECENT_BATCHES_MAX // 2]
            del self._recent_ends[: -RECENT_BATCHES_MAX // 2]

    def remember_end(self, next_offset: int) -> None:
        """Note that everything below ``next_offset`` ends where the segment ends now."""
        self._recent_offsets, self._recent_ends = NONE_RECENT, NONE_RECENT
        if self.size:
            self._recent_offsets, self._recent_ends = [next_offset - 1], [self.size]

    def is_index_full(self, index_bytes: int) -> bool:
        """Whether the next batch must go to a new segment for want of index space."""
        index, times = self._index, self._time_index
        if index is None or times is None:
            index, times = self.index, self.time_index
        return (
            len(index) >= index_bytes // index.width or len(times) >= index_bytes // times.width - 1
        )

    def can_hold(self, last_offset: int) -> bool:
        """Whether an offset fits the indexes' 31 bits."""
        return 0 <= last_offset - self.base_offset <= RELATIVE_OFFSET_MAX

    def finish(self) -> None:
        """Bring all files to the form a rolled or cleanly closed segment has (not synced)."""
        _ = self.file
        self.time_index.add(self.max_timestamp, self._max_offset)
        self.index.finish()
        self.time_index.finish()

    # Reading

    def read(self, position: int, length: int) -> list[Buffer]:
        """``length`` bytes from ``position``, in pieces; both within ``size``."""
        file = self.file
        if length <= READ_PIECE_BYTES:
            piece = file.pread(length, position)
            if len(piece) != length:
                raise self._too_short()
            return [piece]
        end = position + length
        pieces: list[Buffer] = [
            file.pread(min(READ_PIECE_BYTES, end - at), at)
            for at in range(position, end, READ_PIECE_BYTES)
        ]
        if sum(map(len, pieces)) != length:
            raise self._too_short()
        return pieces

    def _too_short(self) -> OSError:
        path = self.path(LOG_SUFFIX)
        return OSError(errno.EIO, f"file is shorter than the {self.size} bytes written", path)

    def locate(self, offset: int) -> int:
        """Position of the first batch whose last offset is ``offset`` or more; ``size`` if none."""
        number = bisect_left(self._recent_offsets, offset) - 1
        if number >= 0:
            return self._recent_ends[number]
        if offset <= self.base_offset or not self.size:
            return 0
        for batch in self.walk(self.index.lookup(offset)[1]):
            if batch.last_offset >= offset:
                return batch.position
        return self.size

    def last_end(self, stop: int) -> int:
        """Where the last batch ends that does so up to ``stop``, if that is remembered; else 0."""
        number = bisect_right(self._recent_ends, stop) - 1
        return self._recent_ends[number] if number >= 0 else 0

    def walk(self, position: int = 0) -> Iterator[BatchSpan]:
        """The batches from ``position`` (the start of one), by their headers alone. Of wrappers of
        formats 0 and 1 the messages are read."""
        file, end = self.file, self.size
        while position + HEADER_BYTES <= end:
            chunk = file.pread(min(WALK_CHUNK_BYTES, end - position), position)
            at = 0
            while at + HEADER_BYTES <= len(chunk):
                base, length, magic, delta, timestamp = _WALK.unpack_from(chunk, at)
                size = length + LENGTH_PREFIX_BYTES
                if magic != MAGIC or size < HEADER_BYTES:
                    span = self._other_span(position + at)
                    size = span.size
                    yield span
                else:
                    yield BatchSpan(position + at, size, base, base + delta, timestamp)
                at += size
            if at == 0:
                return
            position += at
        while position + MESSAGE_OVERHEAD <= end:
            span = self._other_span(position)
            yield span
            position += span.size

    def _other_span(self, position: int) -> BatchSpan:
        """A message of format 0 or 1. CORRUPT_MESSAGE if there is none."""
        try:
            header = parse_header(self.batch_at(position))
        except KafkaError as error:
            where = f"at {position} of {self.path(LOG_SUFFIX)}"
            raise KafkaError(ErrorCode.CORRUPT_MESSAGE, f"{error.message}, {where}") from error
        return BatchSpan(
            position, header.size, header.base_offset, header.last_offset, header.max_timestamp
        )

    def batches(self, position: int = 0) -> Iterator[tuple[int, BatchHeader, memoryview]]:
        """(position, header, bytes) of the batches from ``position``, read in large pieces.

        Raises CORRUPT_MESSAGE where no batch can be, also at a cut end. Checksums are not looked
        at."""
        end = self.size
        while position < end:
            # Between two batches the descriptor may be given back, as long as the segment is there.
            chunk = memoryview(self.file.pread(min(SCAN_CHUNK_BYTES, end - position), position))
            used = 0
            for header, at, size in iterate_batches(chunk):
                yield position + at, header, chunk[at : at + size]
                used = at + size
            if used == 0:
                size = batch_size(chunk)
                if size > end - position:
                    raise KafkaError(ErrorCode.CORRUPT_MESSAGE, "batch is cut short")
                batch = memoryview(self.file.pread(size, position))
                yield position, parse_header(batch), batch
                used = size
            position += used

    def next_offset(self) -> int:
        """The offset after the last batch, found from the last index entry. CorruptIndex if that
        does not lead to the end."""
        last, position = self.base_offset - 1, 0
        if self.size:
            for batch in self.walk(self.index.last()[1]):
                last, position = batch.last_offset, batch.position + batch.size
        if position != self.size:
            raise CorruptIndex(f"{self.path(LOG_SUFFIX)}: no batch ends at {self.size}")
        return last + 1

    def batch_at(self, position: int) -> bytes:
        """One whole batch; less if it goes on behind the segment's end."""
        header = self.file.pread(LENGTH_PREFIX_BYTES, position)
        size = int.from_bytes(header[8:12], "big", signed=True) + LENGTH_PREFIX_BYTES
        return self.file.pread(min(max(size, 0), self.size - position), position)

    # Timestamps

    @property
    def max_timestamp(self) -> int:
        """The largest timestamp of any batch, -1 if there is none."""
        if self._max_timestamp is None:
            self._max_timestamp, self._max_offset = self.time_index.last()
        return self._max_timestamp

    @property
    def max_timestamp_offset(self) -> int:
        """Last offset of the first batch that reached ``max_timestamp``."""
        _ = self.max_timestamp
        return self._max_offset

    @property
    def first_timestamp(self) -> int:
        """The first batch's largest timestamp, on which rolling by time is based; -1 if none."""
        if self._first_timestamp is None:
            first = next(self.walk(), None)
            if first is None:
                return NO_TIMESTAMP
            self._first_timestamp = first.max_timestamp
        return self._first_timestamp

    def modified_ms(self) -> int:
        """When the file was last written."""
        return self._files.modified_ms(self.path(LOG_SUFFIX))

    def load_timestamps(self) -> None:
        """Take up the largest timestamp from the time index and the batches behind it."""
        self._max_timestamp, self._max_offset = self.time_index.last()
        for batch in self.walk(self.index.lookup(self._max_offset)[1]):
            if batch.max_timestamp > self._max_timestamp:
                self._max_timestamp, self._max_offset = batch.max_timestamp, batch.last_offset

    # Cutting

    def truncate_to(self, offset: int) -> int:
        """Drop every batch that reaches ``offset`` or beyond; the offset the segment ends at now,
        which is below ``offset`` if that was inside a batch."""
        position = self.locate(offset)
        if position >= self.size:
            return offset
        first_dropped = next(self.walk(position))
        self.cut(position, offset)
        if position == 0:
            self._first_timestamp = None
        self._bytes_since_index = 0
        self.load_timestamps()
        end_offset = min(offset, max(first_dropped.base_offset, self.base_offset))
        self.remember_end(end_offset)
        return end_offset

    def cut(self, size: int, offset: int) -> None:
        """Cut the file at ``size`` and the indexes at ``offset``; data goes last, so that an index
        never points behind it."""
        self.index.truncate_to(offset)
        self.time_index.truncate_to(offset)
        self.transaction_index.truncate_to(offset)
        self.file.truncate(size)
        self.size = size

    def restore(self, size: int, timestamp: int, timestamp_offset: int, next_offset: int) -> None:
        """Adopt what a walk over all batches has found (recovery)."""
        if self.size != size or self.file.size() != size:
            self.file.truncate(size)
        self.size = size
        self._max_timestamp, self._max_offset = timestamp, timestamp_offset
        self.time_index.add(timestamp, timestamp_offset)
        self._first_timestamp = None
        self.remember_end(next_offset)

    # The files

    async def fsync(self, *, with_indexes: bool) -> None:
        """Make the log durable, and the indexes of a segment that is no longer written."""
        # Opening a file of a segment that was removed meanwhile would bring it back, empty.
        if not self.is_removed:
            await self.file.fsync()
        if with_indexes:
            for index in (self.index, self.time_index, self.transaction_index):
                if not self.is_removed:
                    await index.fsync()

    def check_indexes(self) -> None:
        """Take up the index files. Raises CorruptIndex."""
        self.index.load()
        self.time_index.load()
        self.index.check(self.size)
        self.time_index.check()
        _ = self.transaction_index.entries

    def reset_indexes(self) -> None:
        """Begin all indexes anew."""
        self.index.reset()
        self.time_index.reset()
        self.transaction_index.reset()

    def begin_indexes_aside(self) -> None:
        """Begin all indexes anew under other names, for ``replace_indexes``."""
        self.close()
        for index, kind in self._indexes():
            index.path = self.path(kind) + TEMPORARY_SUFFIX
        self.reset_indexes()

    async def replace_indexes(self) -> None:
        """Make the indexes that were begun aside durable, then give them their names. The offset
        index comes last: without it, or with the damaged one, the next start begins again."""
        for index, _ in self._indexes():
            await index.fsync()
        self.close()
        for index, kind in self._indexes():
            aside, index.path = index.path, self.path(kind)
            if self._files.exists(aside):
                self._files.rename(aside, index.path)
            elif self._files.exists(index.path):
                self._files.remove(index.path)

    def _indexes(self) -> list[tuple[OffsetIndex | TimeIndex | TransactionIndex, str]]:
        return [
            (self.transaction_index, TRANSACTION_INDEX_SUFFIX),
            (self.time_index, TIME_INDEX_SUFFIX),
            (self.index, INDEX_SUFFIX),
        ]

    def rename_deleted(self) -> list[str]:
        """Mark all files for removal; the new paths."""
        self.is_removed = True
        self.forget_unwritten()
        self.close()
        return self._rename(DELETED_SUFFIX)

    def change_ending(self, ending: str) -> None:
        """Rename all files, the log first: its name says what recovery makes of the others."""
        self._rename(ending)
        self.ending = ending
        self._files_moved()

    def _rename(self, ending: str) -> list[str]:
        renamed = []
        for kind in _SUFFIXES:
            path = self.path(kind)
            target = path.removesuffix(self.ending) + ending
            with suppress(FileNotFoundError):
                self._files.rename(path, target)
                renamed.append(target)
        return renamed

    async def remove_files(self) -> None:
        """Take the files away; for a segment that did not become part of the log."""
        self.is_removed = True
        self.forget_unwritten()
        self.close()
        for kind in _SUFFIXES:
            with suppress(OSError):
                await self._files.remove_aside(self.path(kind))

    def relocate(self, directory: str) -> None:
        """Follow a renamed directory."""
        self.close()
        self.directory = directory
        self._files_moved()

    def _files_moved(self) -> None:
        if self._index is not None:
            self._index.path = self.path(INDEX_SUFFIX)
        if self._time_index is not None:
            self._time_index.path = self.path(TIME_INDEX_SUFFIX)
        if self._transaction_index is not None:
            self._transaction_index.path = self.path(TRANSACTION_INDEX_SUFFIX)

    def release_idle(self) -> None:
        """Close descriptors if the segment was not used since the last call."""
        if self.touched:
            self.touched = False
        elif self.has_files:
            self.close()

    @property
    def has_files(self) -> bool:
        """Whether any descriptor may be open: of a segment that was never used none is."""
        return not (self._file is None and self._index is None and self._time_index is None)

    def close(self) -> None:
        """Close all descriptors; they are opened again when needed. What was to be written later is
        written: if that fails, all are closed, and the OSError is the caller's."""
        try:
            self.write()
        finally:
            if self._file is not None:
                self._file.close()
                self._file = None
            if self._index is not None:
                self._index.close()
            if self._time_index is not None:
                self._time_index.close()

    def forget_unwritten(self) -> None:
        """What was to be written later is not wanted any more."""
        self._unwritten = None
