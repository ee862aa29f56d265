"""LogSegments, LocalLog: the segments of one log in offset order, and the reads that cross them."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterator
from typing import NamedTuple

from barnabas.errors import KafkaError
from barnabas.memory import Account
from barnabas.records.batch import iterate_records, parse_header
from barnabas.storage.index import AbortedTransaction
from barnabas.storage.segment import LENGTH_PREFIX_BYTES, Segment
from barnabas.storage.tail import KEPT_BYTES_MIN, Tail
from barnabas.types import Buffer


class LogSlice(NamedTuple):
    """A run of bytes of the log, starting at a batch; the last batch may be cut short."""

    buffers: list[Buffer]
    bytes: int
    ahead: int = 0
    """Bytes of this segment from the offset asked for up to the limit: what there is to be read."""
    is_behind: bool = False
    """The limit lies in a later segment."""


EMPTY_SLICE = LogSlice(buffers=[], bytes=0)


class TimedRecord(NamedTuple):
    """Where a lookup by time ends."""

    timestamp: int
    offset: int
    leader_epoch: int
    """Of the batch itself: the epochs of what is below the log start are forgotten."""


class Segments:
    """Never empty once the log is loaded; the last one is active."""

    __slots__ = ("_all", "_bases", "_cut", "_tail")

    def __init__(self) -> None:
        self._all: list[Segment] = []
        self._bases: list[int] = []
        # The limit of the latest read that had to search for it, and where it is: the next reader
        # at that limit (a consumer at the high watermark) starts there.
        self._cut: tuple[Segment, int, int] | None = None
        self._tail: Tail | None = None

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Segment]:
        return iter(list(self._all))

    @property
    def active(self) -> Segment:
        """The segment that is written."""
        return self._all[-1]

    @property
    def bases(self) -> list[int]:
        """Base offsets, ascending."""
        return list(self._bases)

    def base_of(self, offset: int) -> int:
        """Base offset of the segment that ``offset`` belongs to."""
        return self._bases[max(bisect_right(self._bases, offset) - 1, 0)]

    @property
    def first(self) -> Segment:
        """The oldest segment."""
        return self._all[0]

    @property
    def size_bytes(self) -> int:
        """Bytes of log data."""
        return sum(segment.size for segment in self._all)

    def add(self, segment: Segment) -> None:
        """Put a segment in its place."""
        if not self._all:  # as small as they can be: many logs never have another one
            self._all, self._bases = [segment], [segment.base_offset]
            return
        insort(self._all, segment, key=lambda s: s.base_offset)
        insort(self._bases, segment.base_offset)

    def remove(self, segment: Segment) -> None:
        """Forget a segment."""
        number = self._bases.index(segment.base_offset)
        del self._all[number], self._bases[number]
        self.forget_positions()

    def from_floor(self, offset: int) -> list[Segment]:
        """The segment that holds ``offset`` and all after it."""
        return self._all[max(bisect_right(self._bases, offset) - 1, 0) :]

    def end_offset(self, segment: Segment, log_end_offset: int) -> int:
        """Base of the segment after this one, or the log end."""
        number = bisect_right(self._bases, segment.base_offset)
        return self._bases[number] if number < len(self._bases) else log_end_offset

    def forget_positions(self) -> None:
        """Data was cut: remembered positions are void."""
        self._cut = None
        self.drop_tail()

    # What followers have yet to copy

    def keep(self, batch: Buffer, last_offset: int, account: Account) -> None:
        """Keep the batch that was appended last in memory, if it is large. ``account``: the
        broker's."""
        if self._tail is None:
            if len(batch) < KEPT_BYTES_MIN:
                return
            self._tail = Tail(account)
        self._tail.add(self.active, batch, last_offset)

    def forget_below(self, offset: int) -> None:
        """Keep no batches that end below this offset."""
        if self._tail is not None:
            self._tail.forget_below(offset)

    def drop_tail(self) -> None:
        """Keep no batches."""
        if self._tail is not None:
            self._tail.clear()
            self._tail = None

    # Reading

    def read(
        self, offset: int, max_bytes: int, *, limit: int, min_one: bool, whole: bool = False
    ) -> LogSlice:
        """Batches from the one that holds ``offset``, none reaching ``limit``; at most
        ``max_bytes``, unless ``min_one`` asks for at least one whole batch. ``whole``: without a
        part of a batch at the end, if it is known where that begins. A slice does not cross
        segments."""
        found = self._find(offset)
        if found is None:
            return EMPTY_SLICE
        number, position = found
        segment = self._all[number]
        is_behind = number + 1 < len(self._all) and limit >= self._bases[number + 1]
        if is_behind:
            end = segment.size
        else:
            end = self._position_of(segment, limit)
            self._cut = (segment, limit, end)
        ahead = max(end - position, 0)
        length = min(max_bytes, ahead)
        if not ahead or (length <= 0 and not min_one):
            return LogSlice(buffers=[], bytes=0, ahead=ahead, is_behind=is_behind)
        if whole and length < ahead:
            length = max(segment.last_end(position + length) - position, 0) or length
        buffers = self._bytes_at(segment, position, max(length, LENGTH_PREFIX_BYTES))
        first_size = LENGTH_PREFIX_BYTES + int.from_bytes(buffers[0][8:12], "big", signed=True)
        if first_size > length:
            if not min_one:
                return LogSlice(buffers=[], bytes=0, ahead=ahead, is_behind=is_behind)
            length = first_size
            buffers = self._bytes_at(segment, position, length)
        return LogSlice(buffers=buffers, bytes=length, ahead=ahead, is_behind=is_behind)

    def _bytes_at(self, segment: Segment, position: int, length: int) -> list[Buffer]:
        kept = None if self._tail is None else self._tail.read(segment, position, length)
        return segment.read(position, length) if kept is None else kept

    def _find(self, offset: int) -> tuple[int, int] | None:
        """Number of the segment and position in it where the first batch reaching ``offset`` is;
        compaction may have left nothing in the segment that should hold it."""
        number = max(bisect_right(self._bases, offset) - 1, 0)
        while number < len(self._all):
            segment = self._all[number]
            position = self._position_of(segment, offset)
            if position < segment.size:
                return number, position
            number += 1
        return None

    def _position_of(self, segment: Segment, offset: int) -> int:
        if self._cut is not None and self._cut[1] == offset and self._cut[0] is segment:
            return self._cut[2]
        return segment.locate(offset)

    # Looking things up

    def aborted_transactions(self, start: int, end: int) -> list[AbortedTransaction]:
        """Aborted transactions that overlap [start, end) (reference 7.2)."""
        found: list[AbortedTransaction] = []
        for segment in self.from_floor(start):
            for entry in segment.transaction_index.entries:
                if entry.last_offset >= start and entry.first_offset < end:
                    found.append(entry)
                if entry.last_stable_offset >= end:
                    return found
        return found

    def bound_of_read(self, offset: int, size: int, limit: int) -> int:
        """An offset behind everything in a read of ``size`` bytes from ``offset`` with ``limit``,
        and not far behind: as near as the index knows."""
        found = self._find(offset)
        if found is None:
            return limit
        number, position = found
        behind = self._all[number].index.offset_behind(position + size)
        if behind is not None:
            return min(behind, limit)
        return min(self._bases[number + 1], limit) if number + 1 < len(self._bases) else limit

    def first_at_or_after(self, timestamp: int, start: int) -> TimedRecord | None:
        """The first record at or after ``start`` whose timestamp is ``timestamp`` or later."""
        for segment in self.from_floor(start):
            if segment.max_timestamp < timestamp:
                continue
            indexed = segment.time_index.lookup(timestamp)[1]
            position = segment.index.lookup(max(indexed, start))[1]
            found = _first_record(segment, position, start, timestamp)
            if found is not None:
                return found
        return None

    def max_timestamp(self) -> TimedRecord | None:
        """The first record with the largest timestamp; where none has one, the first."""
        segment = max(self._all, key=lambda s: s.max_timestamp)
        position = segment.locate(segment.max_timestamp_offset)
        return _first_record(segment, position, 0, segment.max_timestamp)


def _first_record(
    segment: Segment, position: int, start: int, timestamp: int
) -> TimedRecord | None:
    """The first record from ``position`` on, at offset ``start`` or later, that is not older than
    ``timestamp``."""
    for batch in segment.walk(position):
        if batch.last_offset < start or batch.max_timestamp < timestamp:
            continue
        data = segment.batch_at(batch.position)
        try:
            for record in iterate_records(data):
                if record.offset >= start and record.timestamp >= timestamp:
                    epoch = parse_header(data).partition_leader_epoch
                    return TimedRecord(record.timestamp, record.offset, epoch)
        except KafkaError:
            # Records that cannot be read are passed over, as readers do.
            continue
    return None
