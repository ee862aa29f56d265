"""UnifiedLog.read, collectAbortedTransactions, fetchOffsetByTimestamp: what a log gives to readers.

It changes nothing, and reads only between the offsets that its log says are there.
"""

from __future__ import annotations

from typing import Protocol

from barnabas.errors import ErrorCode, KafkaError
from barnabas.storage.fencing import DISK_ERRORS, Fencing
from barnabas.storage.index import AbortedTransaction
from barnabas.storage.segments import EMPTY_SLICE, LogSlice, Segments, TimedRecord
from barnabas.types import TopicPartition


class Bounds(Protocol):
    """The log that is read, as far as its reader needs it."""

    topic_partition: TopicPartition
    log_start_offset: int
    log_end_offset: int


class LogReader:
    """Reads of one log. KAFKA_STORAGE_ERROR, from each of them: the log is fenced."""

    __slots__ = ("_bounds", "_fencing", "_segments")

    def __init__(self, bounds: Bounds, segments: Segments, fencing: Fencing) -> None:
        self._bounds = bounds
        self._segments = segments
        self._fencing = fencing

    def read(
        self, offset: int, max_bytes: int, *, up_to: int, min_one: bool, whole: bool = False
    ) -> LogSlice:
        """Whole batches from the one that holds ``offset``, none with an offset at or above
        ``up_to``; the last may be cut at ``max_bytes``. ``whole``: not near the end of the log.
        Raises OFFSET_OUT_OF_RANGE."""
        bounds, fencing = self._bounds, self._fencing
        if fencing.failure is not None:
            fencing.check()
        end = bounds.log_end_offset
        if not bounds.log_start_offset <= offset <= end:
            raise KafkaError(
                ErrorCode.OFFSET_OUT_OF_RANGE,
                f"{offset} of {bounds.topic_partition}: [{bounds.log_start_offset}, {end}]",
            )
        limit = min(up_to, end)
        if offset >= limit:
            return EMPTY_SLICE
        try:  # ``with fencing`` spelt out: every fetch comes here
            return self._segments.read(offset, max_bytes, limit=limit, min_one=min_one, whole=whole)
        except DISK_ERRORS as error:
            raise fencing.fence(error) from error

    def aborted_transactions(
        self, from_offset: int, up_to: int, *, read_bytes: int | None = None
    ) -> list[AbortedTransaction]:
        """Aborted transactions that overlap [from_offset, up_to), or less: what a read of so many
        bytes from there found (a few more may be among them)."""
        self._fencing.check()
        segments = self._segments
        with self._fencing:
            if read_bytes is not None:
                up_to = segments.bound_of_read(from_offset, read_bytes, up_to)
            return segments.aborted_transactions(from_offset, up_to)

    def offset_for_timestamp(self, timestamp: int) -> TimedRecord | None:
        """The first record at or after a time, None if none."""
        self._fencing.check()
        with self._fencing:
            return self._segments.first_at_or_after(timestamp, self._bounds.log_start_offset)

    def offsets_written_by(self, time_ms: int, now_ms: int) -> list[int]:
        """The offsets by which a log was found before records had timestamps, the greatest first:
        its end, if anything is in the last segment and now is not after ``time_ms``, and where
        segments begin, from the last one whose file was written by then on to the first. An empty
        one counts as written now, since it may have no file yet."""
        self._fencing.check()
        bounds, segments = self._bounds, list(self._segments)
        to_end = segments[-1].size > 0 and now_ms <= time_ms
        count = len(segments)
        with self._fencing:
            while count and not to_end:
                last = segments[count - 1]
                if (last.modified_ms() if last.size else now_ms) <= time_ms:
                    break
                count -= 1
        found = [max(s.base_offset, bounds.log_start_offset) for s in segments[:count]]
        return [bounds.log_end_offset] * to_end + found[::-1]

    def offset_of_max_timestamp(self) -> TimedRecord | None:
        """The first record with the largest timestamp; None if there is no record."""
        self._fencing.check()
        with self._fencing:
            return self._segments.max_timestamp()
