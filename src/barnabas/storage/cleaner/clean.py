"""Cleaner: one pass over one log. It collects the keys of its dirty part, then writes all segments
before that part's end anew, a few neighbours at a time (reference 6.8)."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator
from typing import Protocol, TypeVar

from barnabas.errors import ErrorCode, KafkaError
from barnabas.records.header import parse_header
from barnabas.seams import Env
from barnabas.storage.cleaner.filter import BatchFilter, LastRecord
from barnabas.storage.cleaner.offset_map import Batches, CleanedTransactions, OffsetMap, Survivors
from barnabas.storage.cleaner.rules import CleanableRange, SegmentFigures, groups
from barnabas.storage.log import Log
from barnabas.storage.segment import CLEANED_SUFFIX, BatchSpan, Segment
from barnabas.types import NO_OFFSET, Buffer

R = TypeVar("R")

journal = logging.getLogger("kafka.log.LogCleaner")


class CleaningAborted(Exception):
    """The log has changed since the pass began, so that the pass must end."""


class Work(Protocol):
    """Runs the long work of a pass in slices, with other work in between; ``check`` is called
    there."""

    async def __call__(self, cleaning: CleaningPass, steps: Generator[int, None, R]) -> R: ...


class CleaningPass:
    """Made for one ``run``."""

    def __init__(
        self,
        env: Env,
        log: Log,
        chosen: CleanableRange,
        *,
        capacity: int,
        write_bytes: int,
        work: Work,
    ) -> None:
        self._env = env
        self._log = log
        self._chosen = chosen
        self._write_bytes = write_bytes
        self._work = work
        self._cuts = log.cuts
        self._offsets = OffsetMap(chosen.first_dirty, capacity)
        self._filter: BatchFilter | None = None
        self._old_tombstones_until_ms = 0

    @property
    def transferred(self) -> int:
        """Bytes read and written so far."""
        written = self._filter.figures if self._filter else None
        more = written.bytes_read + written.bytes_kept if written else 0
        return self._offsets.bytes_read + more

    def check(self) -> None:
        """Raise CleaningAborted if the pass has become pointless. To be called after each turn of
        the loop, before segments are used: a removed segment must not be opened again."""
        log = self._log
        if log.failure is not None or log.cuts != self._cuts or not log.config.compacted:
            raise CleaningAborted

    async def run(self) -> int:
        """Clean; the offset up to which the log is clean then. Raises CleaningAborted, KafkaError
        for damaged batches, OSError, CorruptIndex."""
        log, chosen, began_ms = self._log, self._chosen, self._env.clock.wall_ms()
        before = log.size_bytes
        await self._work(self, self._fill())
        survivors = await self._work(self, Survivors.of(self._offsets))
        filter_ = self._filter = BatchFilter(
            self._offsets,
            survivors,
            self._last_record_of,
            now_ms=began_ms,
            delete_retention_ms=log.config.delete_retention_ms,
            last_offset=chosen.first_uncleanable - 1,
        )
        self._old_tombstones_until_ms = self._old_horizon_ms()
        end = self._offsets.end
        segments = [s for s in log.segments if s.base_offset < end]
        figures = [SegmentFigures.of(segment) for segment in segments]
        for first, stop in groups(figures, log.config, chosen.first_uncleanable):
            await self._clean_group(segments[first:stop], filter_)
        took_ms = self._env.clock.wall_ms() - began_ms
        journal.info(
            "Cleaned log %s up to offset %d: %d of %d bytes kept, %d of %d records, %d ms",
            *(log.topic_partition, end),
            *(filter_.figures.bytes_kept, filter_.figures.bytes_read),
            *(filter_.figures.records_kept, filter_.figures.records_read),
            took_ms,
        )
        self._env.observer.note(
            "log_cleaned",
            path=log.directory,
            first_dirty=chosen.first_dirty,
            end=end,
            keys=len(self._offsets.offsets),
            records_read=filter_.figures.records_read,
            records_kept=filter_.figures.records_kept,
            bytes_read=filter_.figures.bytes_read,
            bytes_kept=filter_.figures.bytes_kept,
            size_before=before,
            size_after=log.size_bytes,
            ms=took_ms,
        )
        return end

    def _old_horizon_ms(self) -> int:
        """Tombstones of message formats 0 and 1 stay in segments that were written after this: a
        time before the newest segment that is clean already."""
        clean = [s for s in self._log.segments if s.base_offset < self._chosen.first_dirty]
        return clean[-1].modified_ms() - self._log.config.delete_retention_ms if clean else 0

    def _fill(self) -> Generator[int, None, None]:
        log, start, stop = self._log, self._chosen.first_dirty, self._chosen.first_uncleanable
        transactions = CleanedTransactions()
        transactions.add_aborted(log.segments.aborted_transactions(start, stop))

        def dirty() -> Iterator[tuple[int, Batches]]:
            for segment in log.segments.from_floor(start):
                if segment.base_offset >= stop:
                    return
                position = segment.locate(start) if segment.base_offset < start else 0
                yield self._end_of(segment), self._batches(segment, position)

        return self._offsets.fill(dirty(), transactions)

    def _batches(self, segment: Segment, position: int = 0) -> Batches:
        """The batches of a segment, as long as their offsets, which no checksum covers, can be."""
        expected, end = segment.base_offset, self._end_of(segment)
        for found in segment.batches(position):
            header = found[1]
            if not expected <= header.base_offset <= header.last_offset < end:
                raise KafkaError(
                    ErrorCode.CORRUPT_MESSAGE,
                    f"{header.base_offset}-{header.last_offset} is not within {expected}-{end}",
                )
            expected = header.next_offset
            yield found

    def _end_of(self, segment: Segment) -> int:
        return self._log.segments.end_offset(segment, self._log.log_end_offset)

    def _last_record_of(self, producer_id: int) -> LastRecord | None:
        entry = self._log.producers.entries.get(producer_id)
        if entry is None:
            return None
        last = entry.batches[-1].last_offset if entry.batches else NO_OFFSET
        return LastRecord(last, entry.epoch)

    async def _clean_group(self, group: list[Segment], filter_: BatchFilter) -> None:
        log = self._log
        cleaned = await self._new_segment(group[0].base_offset)
        try:
            is_changed = await self._work(self, self._write(group, cleaned, filter_))
            if len(group) == 1 and not is_changed:
                await cleaned.remove_files()
                self.check()
                return
            cleaned.finish()
            await cleaned.fsync(with_indexes=True)
            self.check()
        except BaseException:
            await cleaned.remove_files()
            raise
        # From here on only recovery may remove what is half done.
        log.replace_segments(cleaned, group)
        # Before the next group: a tombstone must not go for good before what it shadows.
        await self._env.files.fsync_directory(log.directory)
        self.check()

    async def _new_segment(self, base_offset: int) -> Segment:
        def made() -> Segment:
            return Segment(
                self._env.files,
                self._log.directory,
                base_offset,
                created_ms=self._env.clock.wall_ms(),
                ending=CLEANED_SUFFIX,
            )

        await made().remove_files()
        self.check()
        return made()

    def _write(
        self, group: list[Segment], cleaned: Segment, filter_: BatchFilter
    ) -> Generator[int, None, bool]:
        """Fill the new segment; whether it differs from the only old one."""
        output = _Output(cleaned, self._log.config.index_interval_bytes, self._write_bytes)
        transactions = filter_.transactions
        is_changed = False
        for segment in group:
            filter_.keeps_old_tombstones = segment.modified_ms() > self._old_tombstones_until_ms
            aborted = self._log.segments.aborted_transactions(
                segment.base_offset, self._end_of(segment)
            )
            transactions.add_aborted(aborted)
            for _, header, batch in self._batches(segment):
                left = yield from filter_.filter(header, batch)
                for transaction in transactions.still_needed:
                    cleaned.transaction_index.add(transaction)
                transactions.still_needed.clear()
                is_changed = is_changed or left is not batch
                if left is not None:
                    output.add(left)
        output.write()
        same = group[0].transaction_index.entries == cleaned.transaction_index.entries
        return is_changed or not same


class _Output:
    """Collects batches for a segment and writes many at once."""

    def __init__(self, segment: Segment, interval_bytes: int, write_bytes: int) -> None:
        self._segment = segment
        self._interval_bytes = interval_bytes
        self._write_bytes = write_bytes
        self._buffers: list[Buffer] = []
        self._spans: list[BatchSpan] = []
        self._bytes = 0

    def add(self, batch: Buffer) -> None:
        size = len(batch)
        header = parse_header(batch)
        self._spans.append(
            BatchSpan(
                self._bytes, size, header.base_offset, header.last_offset, header.max_timestamp
            )
        )
        self._buffers.append(batch)
        self._bytes += size
        if self._bytes >= self._write_bytes:
            self.write()

    def write(self) -> None:
        if self._spans:
            self._segment.append(self._buffers, self._spans, self._interval_bytes)
        self._buffers, self._spans, self._bytes = [], [], 0
