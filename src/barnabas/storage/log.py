"""UnifiedLog: what may be appended to a partition's log, read, cut and forgotten, and when.

Appending is one write per call and never waits for the disk. What is true at any moment:
log start <= high watermark <= log end; everything below ``flushed_offset`` survives a power cut;
everything below the log end survives the process. After an error of the disk the log is fenced for
good (KAFKA-10778): where it ends is no longer certain, and recovery at the next start finds it out.
"""

from __future__ import annotations

from barnabas.errors import ErrorCode, KafkaError
from barnabas.records.batch import (
    BatchHeader,
    EndTransactionMarker,
    crc_ok,
    iterate_batches,
    parse_header,
    stamp,
)
from barnabas.records.validate import ValidatedBatch, validate_client_batch
from barnabas.storage.checkpoints import EPOCH_CHECKPOINT, encode_epochs
from barnabas.storage.config import LogConfig
from barnabas.storage.index import AbortedTransaction
from barnabas.storage.log_types import AppendInfo, LoadedLog
from barnabas.storage.producers.history import marker_of
from barnabas.storage.producers.state import Origin
from barnabas.storage.producers.verification import VerificationGuard
from barnabas.storage.readable_log import ReadableLog
from barnabas.storage.retention import (
    SegmentFacts,
    deletable_count,
    must_roll_for_time,
    roll_jitter_ms,
)
from barnabas.storage.segment import SWAP_SUFFIX, BatchSpan, Segment
from barnabas.storage.segments import LogSlice
from barnabas.storage.small_files import replace_unsynced, write_new
from barnabas.types import NO_TIMESTAMP, Buffer

__all__ = ["AppendInfo", "LoadedLog", "Log", "LogConfig", "LogSlice"]


class Log(ReadableLog):
    """Owned by the ``LogManager``; every method runs on the loop and, unless it says async, to its
    end. ``KafkaError(KAFKA_STORAGE_ERROR)`` means fenced."""

    # Appending

    def append_as_leader(
        self,
        records: memoryview,
        leader_epoch: int,
        *,
        now_ms: int,
        produce_version: int = 11,
        origin: Origin | str = Origin.CLIENT,
        guard: VerificationGuard | None = None,
    ) -> AppendInfo:
        """Validate one batch, give it the next offset and write it. ``records`` is stamped in
        place; the caller gives it up. ``guard`` comes with batches of a transaction."""
        self._check_usable()
        origin = Origin(origin)
        append_time_ms = NO_TIMESTAMP
        if origin is Origin.CLIENT:
            valid = self._validate(
                records, produce_version, now_ms, in_transaction=guard is not None
            )
            records, append_time_ms = valid.records, valid.append_time_ms
        first = self.log_end_offset
        stamp(records, 0, first, leader_epoch)
        header = parse_header(records)
        self.assign_epoch(leader_epoch, first)
        size = len(records)
        if size > self.config.segment_bytes:
            raise KafkaError(
                ErrorCode.RECORD_LIST_TOO_LARGE,
                f"{size} bytes, segment.bytes is {self.config.segment_bytes}",
            )
        marker = None
        if header.producer_id >= 0:
            marker = marker_of(header, records)
            duplicate = self._check_producer(header, origin, marker, guard)
            if duplicate is not None:
                return duplicate
        span = BatchSpan(0, size, first, header.last_offset, header.max_timestamp)
        self._write([records], [span], size, now_ms)
        self._after_write([(header, marker)])
        return AppendInfo(
            first_offset=first,
            last_offset=header.last_offset,
            append_time_ms=append_time_ms,
            log_start_offset=self.log_start_offset,
            bytes=size,
        )

    def _validate(
        self, records: memoryview, produce_version: int, now_ms: int, *, in_transaction: bool
    ) -> ValidatedBatch:
        config = self.config
        return validate_client_batch(
            records,
            produce_version=produce_version,
            max_message_bytes=config.max_message_bytes,
            compacted=config.compacted,
            timestamp_type=config.timestamp_type,
            before_max_ms=config.message_timestamp_before_max_ms,
            after_max_ms=config.message_timestamp_after_max_ms,
            now_ms=now_ms,
            compression_type=config.compression_type,
            in_transaction=in_transaction,
        )

    def _check_producer(
        self,
        header: BatchHeader,
        origin: Origin,
        marker: EndTransactionMarker | None,
        guard: VerificationGuard | None,
    ) -> AppendInfo | None:
        """The answer for a batch that is here already; raises if it must not follow what is."""
        if origin is Origin.CLIENT:
            duplicate = self.producers.find_duplicate(header)
            if duplicate is not None:
                return AppendInfo(
                    first_offset=duplicate.first_offset,
                    last_offset=duplicate.last_offset,
                    append_time_ms=duplicate.timestamp,
                    log_start_offset=self.log_start_offset,
                    duplicate=True,
                    bytes=0,
                )
        self.producers.check(header, origin, marker, guard)
        return None

    def append_as_follower(self, records: Buffer) -> AppendInfo:
        """Write the leader's batches as they are, in one write. A batch cut short at the end is
        left out; CORRUPT_MESSAGE and OFFSET_OUT_OF_RANGE (offsets going backwards) write
        nothing."""
        self._check_usable()
        view = memoryview(records)
        batches: list[tuple[BatchHeader, EndTransactionMarker | None]] = []
        spans: list[BatchSpan] = []
        end = 0
        for header, position, size in iterate_batches(view):
            if not crc_ok(view, position, size):
                raise KafkaError(
                    ErrorCode.CORRUPT_MESSAGE, f"checksum of the batch at {header.base_offset}"
                )
            last = header.last_offset
            spans.append(BatchSpan(position, size, header.base_offset, last, header.max_timestamp))
            batches.append((header, marker_of(header, view[position : position + size])))
            end = position + size
        if not spans:
            return self._nothing_appended()
        self._check_order(spans)
        for header, _ in batches:
            self.assign_epoch(header.partition_leader_epoch, header.base_offset)
        self._write([view[:end]], spans, end, self._env.clock.wall_ms())
        self._after_write(batches)
        return AppendInfo(
            first_offset=spans[0].base_offset,
            last_offset=spans[-1].last_offset,
            log_start_offset=self.log_start_offset,
            bytes=end,
        )

    def _nothing_appended(self) -> AppendInfo:
        return AppendInfo(
            first_offset=-1, last_offset=-1, log_start_offset=self.log_start_offset, bytes=0
        )

    def _check_order(self, spans: list[BatchSpan]) -> None:
        first = spans[0]
        if first.base_offset < self.log_end_offset <= first.last_offset and (
            self.log_end_offset == self.log_start_offset
        ):
            # The leader's log starts inside this batch, and ours is empty (KAFKA-6975).
            self.truncate_fully_and_start_at(first.base_offset)
        expected = self.log_end_offset
        for span in spans:
            if span.base_offset < expected or span.last_offset < span.base_offset:
                raise KafkaError(
                    ErrorCode.OFFSET_OUT_OF_RANGE,
                    f"batch [{span.base_offset}, {span.last_offset}] where {expected} is next",
                )
            expected = span.last_offset + 1

    def _write(self, buffers: list[Buffer], spans: list[BatchSpan], size: int, now_ms: int) -> None:
        with self._fencing:
            if self._must_roll(spans, size, now_ms):
                self._roll(max(self.log_end_offset, spans[0].base_offset), now_ms)
            self._segments.active.append(buffers, spans, self.config.index_interval_bytes)
        # Visible from here on: the end moves first, then what is derived from the batches.
        self.log_end_offset = spans[-1].last_offset + 1
        self._complete = False
        if self.log_end_offset - self.flushed_offset >= self.config.flush_messages:
            self._owner.flush_wanted(self)

    def _after_write(self, batches: list[tuple[BatchHeader, EndTransactionMarker | None]]) -> None:
        for header, marker in batches:
            if header.producer_id >= 0:
                aborted = self._history.apply(header, marker)
                if aborted is not None:
                    self._note_aborted(aborted)
        self.producers.advance_to(self.log_end_offset)

    def _note_aborted(self, aborted: AbortedTransaction) -> None:
        with self._fencing:
            self._segments.active.transaction_index.add(aborted)

    # Rolling

    def _must_roll(self, spans: list[BatchSpan], size: int, now_ms: int) -> bool:
        active = self._segments.active
        if active.size > self.config.segment_bytes - size:
            return True
        last = spans[-1].last_offset
        if not active.can_hold(last) or active.is_index_full(self.config.segment_index_bytes):
            return True
        return active.size > 0 and must_roll_for_time(
            self.config,
            first_timestamp=active.first_timestamp,
            batch_timestamp=spans[0].max_timestamp
            if len(spans) == 1
            else max(span.max_timestamp for span in spans),
            created_ms=active.created_ms,
            now_ms=now_ms,
            jitter_ms=self._jitter_ms,
        )

    def roll(self) -> None:
        """Begin a new segment at the log end, unless the active one is empty."""
        self._check_usable()
        with self._fencing:
            self._roll(self.log_end_offset, self._env.clock.wall_ms())

    def _roll(self, base_offset: int, now_ms: int) -> None:
        old = self._segments.active
        if old.size == 0 and old.base_offset == base_offset:
            return
        self.producers.advance_to(base_offset)
        self._history.take_snapshot()
        old.finish()
        old.close()
        self._durability.segment_rolled(old)
        self._add_segment(base_offset, now_ms)
        self._owner.flush_wanted(self)

    def _add_segment(self, base_offset: int, now_ms: int) -> None:
        segment = Segment(self._files, self.directory, base_offset, created_ms=now_ms)
        # On disk at once: its name is where the log continues after a restart.
        _ = segment.file
        self._segments.add(segment)
        self._jitter_ms = roll_jitter_ms(self.config, self._env.random)
        self._durability.name_changed()
        self._complete = False

    # Offsets and epochs

    def set_high_watermark(self, offset: int) -> int:
        """Move the high watermark, within [log start, log end]; where it is now."""
        self.high_watermark = max(self.log_start_offset, min(offset, self.log_end_offset))
        self.producers.on_high_watermark(self.high_watermark)
        return self.high_watermark

    def assign_epoch(self, epoch: int, start_offset: int) -> None:
        """``epoch`` begins at ``start_offset``; a new leader calls this before its first append
        (KAFKA-7415)."""
        if self.epochs.assign(epoch, start_offset):
            self._write_epochs()

    def _write_epochs(self) -> None:
        """Bring the file up to date in the page cache, and have it synced soon, before the recovery
        point moves. Kafka syncs on the spot; an entry lost with the machine is put back from the
        batches by recovery, or belongs to an epoch without batches, which a broker that registers
        anew does not get again."""
        if self.epochs.entries == self._epochs_written:
            return
        path = f"{self.directory}/{EPOCH_CHECKPOINT}"
        with self._fencing:
            write = replace_unsynced if self._epochs_written else write_new
            write(self._files, path, encode_epochs(self.epochs.entries))
        self._epochs_written = self.epochs.entries
        self._durability.name_changed()
        self._owner.sync_wanted(path)

    def advance_log_start(self, offset: int) -> None:
        """Forget what is below ``offset`` (DeleteRecords, a follower's leader): segments wholly
        below it go. Raises OFFSET_OUT_OF_RANGE above the high watermark."""
        self._check_usable()
        if offset > self.high_watermark:
            raise KafkaError(
                ErrorCode.OFFSET_OUT_OF_RANGE,
                f"log start {offset} above the high watermark {self.high_watermark}",
            )
        if offset > self.log_start_offset:
            self._move_log_start(offset)
            below = [s for s in self._segments if self._end_of(s) <= offset]
            with self._fencing:
                self._remove_segments([s for s in below if s is not self._segments.active])

    def _move_log_start(self, offset: int) -> None:
        self.log_start_offset = offset
        self.epochs.truncate_from_start(offset)
        self._write_epochs()
        self._history.log_start_moved(offset)
        self._owner.log_start_moved(self)

    # Cutting

    def truncate_to(self, offset: int) -> None:
        """Drop everything from ``offset`` on, and the batch that holds it: the log end is
        ``offset``, or the base of that batch."""
        self._check_usable()
        if offset >= self.log_end_offset:
            # An epoch may have been noted at the very end without a batch (KAFKA-10706).
            self.epochs.truncate_from_end(offset)
            self._write_epochs()
            return
        if offset < self._segments.first.base_offset:
            self.truncate_fully_and_start_at(offset)
            return
        self._complete = False
        self._owner.log_cut(self, offset)
        with self._fencing:
            self._remove_segments([s for s in self._segments if s.base_offset > offset])
            end = self._segments.active.truncate_to(offset)
            self._segments.forget_positions()
            self._lower(end)

    def _lower(self, end: int) -> None:
        """The segments end at ``end``: producers first (KAFKA-12153), then what others see."""
        start = min(self.log_start_offset, end)
        self._history.rebuild(
            self._segments,
            log_start_offset=start,
            end_offset=end,
            now_ms=self._env.clock.wall_ms(),
        )
        self.epochs.truncate_from_end(end)
        self._write_epochs()
        self.log_start_offset = start
        self.log_end_offset = end
        self.high_watermark = max(start, min(self.high_watermark, end))
        if self._durability.cut_to(end):
            self._owner.recovery_point_lowered(self)

    def truncate_fully_and_start_at(self, offset: int) -> None:
        """Drop everything; the log is empty and starts at ``offset``."""
        self._check_usable()
        self._owner.log_cut(self, offset)
        with self._fencing:
            self._remove_segments(list(self._segments))
            self._add_segment(offset, self._env.clock.wall_ms())
            self._history.clear(offset)
            self.epochs.clear()
            self._write_epochs()
        self.log_start_offset = self.log_end_offset = offset
        self.high_watermark = offset
        self._durability.restart_at(offset)
        self._owner.recovery_point_lowered(self)
        self._owner.log_start_moved(self)

    def apply_retention(self, now_ms: int) -> int:
        """Remove old segments by the rules of the topic; how many."""
        self._check_usable()
        segments = list(self._segments)
        with self._fencing:
            count = deletable_count(
                [self._facts(segment) for segment in segments],
                self.config,
                log_start_offset=self.log_start_offset,
                high_watermark=self.high_watermark,
                now_ms=now_ms,
            )
            if not count:
                return 0
            if count == len(segments):
                self._roll(self.log_end_offset, now_ms)
            self._remove_segments(segments[:count])
        start = self._segments.first.base_offset
        if start > self.log_start_offset:
            self._move_log_start(start)
        return count

    def _facts(self, segment: Segment) -> SegmentFacts:
        def largest() -> int:
            timestamp = segment.max_timestamp
            return timestamp if timestamp >= 0 else segment.modified_ms()

        return SegmentFacts(
            end_offset=self._end_of(segment), size=segment.size, largest_timestamp=largest
        )

    def _end_of(self, segment: Segment) -> int:
        return self._segments.end_offset(segment, self.log_end_offset)

    def _remove_segments(self, segments: list[Segment]) -> None:
        self.cuts += bool(segments)
        for segment in segments:
            self._segments.remove(segment)
            self._history.remove_snapshot(segment.base_offset)
            self._durability.segment_removed(segment)
            self._owner.removal_wanted(self, segment.rename_deleted())

    def replace_segments(self, cleaned: Segment, replaced: list[Segment]) -> None:
        """Put a cleaned segment, complete and durable under its temporary name, in place of the
        neighbours it was made from. Whenever that is interrupted, recovery goes back to the old
        ones or on to the new one; the caller syncs the directory."""
        self._check_usable()
        removed: list[str] = []
        with self._fencing:
            cleaned.change_ending(SWAP_SUFFIX)
            for segment in replaced:
                removed += segment.rename_deleted()
            cleaned.change_ending("")
        for segment in replaced:
            self._segments.remove(segment)
            self._durability.segment_removed(segment)
            if segment.base_offset != cleaned.base_offset:
                self._history.remove_snapshot(segment.base_offset)
        self._segments.add(cleaned)
        self._owner.removal_wanted(self, removed)

    # Life

    def complete_files(self) -> None:
        """Bring all files to the form that a clean stop leaves, not yet durable."""
        self._check_usable()
        with self._fencing:
            self._write_epochs()
            if not self._complete:
                self._history.take_snapshot()
                self._segments.active.finish()
                path = f"{self.directory}/{EPOCH_CHECKPOINT}"
                if not self._files.exists(path):
                    write_new(self._files, path, b"")
                self._durability.segment_rolled(self._segments.active)

    async def close_cleanly(self) -> None:
        """Leave the directory as a clean stop leaves it: all files complete and durable."""
        self.complete_files()
        if not self._complete:
            await self.flush()
            with self._fencing:
                await self._history.snapshots.fsync(self.log_end_offset)
            self._complete = True
        self.close()

    def relocate(self, directory: str) -> None:
        """Follow a renamed directory."""
        self.directory = directory
        self._history.snapshots.directory = directory
        for segment in self._segments:
            segment.relocate(directory)

    def release_idle(self) -> None:
        """Give back descriptors that were not used since the last call."""
        for segment in self._segments:
            segment.release_idle()

    def close(self) -> None:
        """Give back all descriptors; nothing is written."""
        for segment in self._segments:
            segment.close()
