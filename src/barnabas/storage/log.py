"""UnifiedLog: what may be appended to a partition's log, cut from it and forgotten, and when.

Appending is one write per call and never waits for the disk. Small batches may be written later,
many at once: before anything of the log is read, and before the high watermark passes them. What is
true at any moment: log start <= high watermark <= log end; everything below ``flushed_offset``
survives a power cut; everything that is not to be written later survives the process. After an
error of the disk the log is fenced for good (KAFKA-10778): where it ends is no longer certain, and
recovery at the next start finds it out.

Its parts: ``LogReader`` reads, ``Durability`` flushes, ``Retention`` decides when segments begin
and go, ``Fencing`` keeps everybody from a disk that has failed.
"""

from __future__ import annotations

import uuid

from barnabas.errors import ErrorCode, KafkaError
from barnabas.memory import Account
from barnabas.records.batch import BatchHeader, EndTransactionMarker, parse_header, stamp
from barnabas.records.header import CONTROL_BIT
from barnabas.seams import Env
from barnabas.storage.config import LogConfig
from barnabas.storage.durability import Durability
from barnabas.storage.epoch_file import make_epochs, replace_epochs
from barnabas.storage.fencing import DISK_ERRORS, Fencing
from barnabas.storage.incoming import MarkedHeader, copied_batches, out_of_order, validate_for
from barnabas.storage.index import AbortedTransaction
from barnabas.storage.log_owner import LogOwner
from barnabas.storage.log_reader import LogReader
from barnabas.storage.log_types import AppendInfo, LoadedLog
from barnabas.storage.producers.history import marker_of
from barnabas.storage.producers.state import BatchMetadata, Origin, ProducerState
from barnabas.storage.producers.verification import VerificationGuard
from barnabas.storage.retention import Retention
from barnabas.storage.segment import LOG_SUFFIX, SWAP_SUFFIX, BatchSpan, Segment
from barnabas.storage.segments import LogSlice, Segments, TimedRecord
from barnabas.storage.tail import KEPT_BYTES_MIN
from barnabas.types import NO_TIMESTAMP, Buffer, TopicPartition

_new = tuple.__new__
"""Makes a ``BatchSpan`` without the cost of a Python call."""


class Log:
    """Owned by the ``LogManager``; every method runs on the loop and, unless it says async, to its
    end. ``KafkaError(KAFKA_STORAGE_ERROR)`` means fenced. Its parts are made when they are needed:
    most logs of a broker with many are empty or idle."""

    __slots__ = (
        "_complete",
        "_durability",
        "_env",
        "_epochs_written",
        "_fencing",
        "_files",
        "_history",
        "_is_epoch_unwritten",
        "_owner",
        "_reader",
        "_retention",
        "_segments",
        "config",
        "cuts",
        "directory",
        "epochs",
        "high_watermark",
        "log_end_offset",
        "log_start_offset",
        "topic_id",
        "topic_partition",
    )

    def __init__(
        self,
        env: Env,
        topic_partition: TopicPartition,
        directory: str,
        config: LogConfig,
        loaded: LoadedLog,
        *,
        topic_id: uuid.UUID | None = None,
        owner: LogOwner | None = None,
    ) -> None:
        self.topic_partition = topic_partition
        self.topic_id = topic_id
        self.directory = directory
        self.config = config
        self.epochs = loaded.epochs
        self.log_start_offset = loaded.log_start_offset
        self.log_end_offset = loaded.log_end_offset
        self.high_watermark = loaded.log_start_offset
        self.cuts = 0
        """Counts cuts and removals of segments: work in several steps on segments is void then."""
        self._env = env
        self._files = env.files
        self._owner: LogOwner = owner or LogOwner()
        self._segments = loaded.segments
        self._history = loaded.history
        self._fencing = Fencing(self)
        self._reader: LogReader | None = None
        self._retention: Retention | None = None
        self._durability = Durability(
            env.files,
            loaded.segments,
            loaded.history,
            self._fencing,
            loaded.recovery_point,
            complete=loaded.complete,
            now_ms=env.clock.wall_ms(),
        )
        self._epochs_written = loaded.epochs.entries
        """What ``leader-epoch-checkpoint`` says."""
        self._is_epoch_unwritten = False
        # As a clean stop leaves it: there is nothing to do at the next one.
        self._complete = loaded.complete
        if loaded.removals:
            self._owner.removal_wanted(self, list(loaded.removals))

    # What it is

    @property
    def producers(self) -> ProducerState:
        """What idempotent and transactional producers have written."""
        return self._history.state

    @property
    def segments(self) -> Segments:
        """The segments themselves, for the cleaner."""
        return self._segments

    @property
    def size_bytes(self) -> int:
        """Bytes of batches in all segments."""
        return self._segments.size_bytes

    @property
    def segment_count(self) -> int:
        """Number of segments."""
        return len(self._segments)

    @property
    def active_base_offset(self) -> int:
        """Where the segment that is written begins."""
        return self._segments.active.base_offset

    @property
    def recovery_point(self) -> int:
        """From here on the log must be walked if the machine stops: all before is durable."""
        return self._durability.recovery_point

    @property
    def flushed_offset(self) -> int:
        """Everything before it is durable."""
        return self._durability.flushed_offset

    @property
    def last_stable_offset(self) -> int:
        """End of what a READ_COMMITTED consumer may see (reference 7.2)."""
        unstable = self.producers.first_unstable_offset
        if unstable is None or unstable >= self.high_watermark:
            return self.high_watermark
        return max(unstable, self.log_start_offset)

    def end_offset_for_epoch(self, epoch: int) -> tuple[int, int]:
        """(epoch, end offset) that answers OffsetForLeaderEpoch (reference 4.9)."""
        return self.epochs.end_offset_for(epoch, self.log_end_offset)

    # Reading

    def read(
        self, offset: int, max_bytes: int, *, up_to: int, min_one: bool, whole: bool = False
    ) -> LogSlice:
        """See ``LogReader``, as for all of these."""
        return (self._reader or self._readers()).read(
            offset, max_bytes, up_to=up_to, min_one=min_one, whole=whole
        )

    def aborted_transactions(
        self, from_offset: int, up_to: int, *, read_bytes: int | None = None
    ) -> list[AbortedTransaction]:
        return self._readers().aborted_transactions(from_offset, up_to, read_bytes=read_bytes)

    def offset_for_timestamp(self, timestamp: int) -> TimedRecord | None:
        return self._readers().offset_for_timestamp(timestamp)

    def offsets_written_by(self, time_ms: int, now_ms: int) -> list[int]:
        return self._readers().offsets_written_by(time_ms, now_ms)

    def offset_of_max_timestamp(self) -> TimedRecord | None:
        return self._readers().offset_of_max_timestamp()

    def _readers(self) -> LogReader:
        if self._reader is None:
            self._reader = LogReader(self, self._segments, self._fencing)
        return self._reader

    # Appending

    def append_as_leader(
        self,
        records: memoryview,
        leader_epoch: int,
        *,
        now_ms: int,
        produce_version: int = 11,
        origin: Origin = Origin.CLIENT,
        guard: VerificationGuard | None = None,
        kept: Account | None = None,
        later: bool = False,
    ) -> AppendInfo:
        """Validate one batch, give it the next offset and write it. ``records`` is stamped in
        place; the caller gives it up. ``guard`` comes with batches of a transaction. ``kept``: a
        large batch stays in memory until the high watermark has passed it, if this account
        allows. ``later``: the caller calls ``write`` soon, and before it lets the high watermark
        pass the batch; a large batch, which is read from memory, is written at once all the
        same."""
        self._fencing.check()
        config, history = self.config, self._history
        append_time_ms, converted = NO_TIMESTAMP, 0
        if origin is Origin.CLIENT:
            header, records, append_time_ms, converted = validate_for(
                config,
                records,
                produce_version=produce_version,
                now_ms=now_ms,
                in_transaction=guard is not None,
            )
        else:
            header = parse_header(records)
        first = self.log_end_offset
        stamp(records, 0, first, leader_epoch)
        header = header.stamped(first, leader_epoch)
        if self.epochs.assign(leader_epoch, first) or self._is_epoch_unwritten:
            self._write_epochs()
        size = len(records)
        if size > config.segment_bytes:
            raise KafkaError(
                ErrorCode.RECORD_LIST_TOO_LARGE,
                f"{size} bytes, segment.bytes is {config.segment_bytes}",
            )
        marker = None
        if header.producer_id >= 0:
            if header.attributes & CONTROL_BIT:
                marker = marker_of(header, records)
            repeated = history.state.admit(header, origin, marker, guard)
            if repeated is not None:
                return self._repeated(repeated, later=later)
        last = first + header.last_offset_delta
        span: BatchSpan = _new(BatchSpan, (0, size, first, last, header.max_timestamp))
        self._write([records], [span], size, now_ms, later=later and size < KEPT_BYTES_MIN)
        if kept is not None:
            self._segments.keep(records, last, kept)
        if header.producer_id >= 0:
            self._take_up(header, marker)
        history.state.advance_to(last + 1)
        return AppendInfo(
            first_offset=first,
            last_offset=last,
            append_time_ms=append_time_ms,
            log_start_offset=self.log_start_offset,
            bytes=size,
            converted=converted,
        )

    def append_as_follower(self, records: Buffer) -> AppendInfo:
        """Write the leader's batches as they are, in one write. A batch cut short at the end is
        left out; CORRUPT_MESSAGE and OFFSET_OUT_OF_RANGE (offsets going backwards) write
        nothing."""
        self._fencing.check()
        view = memoryview(records)
        headers, spans, size = copied_batches(view)
        if not spans:
            return AppendInfo(
                first_offset=-1, last_offset=-1, log_start_offset=self.log_start_offset, bytes=0
            )
        if spans[0].base_offset < self.log_end_offset:
            self._start_before(spans)
        epoch = None
        for header, _ in headers:
            if header.partition_leader_epoch != epoch:
                epoch = header.partition_leader_epoch
                self.assign_epoch(epoch, header.base_offset)
        if self._is_epoch_unwritten:
            self._write_epochs()
        self._write([view[:size]], spans, size, self._env.clock.wall_ms())
        self._after_write(headers)
        return AppendInfo(
            first_offset=spans[0].base_offset,
            last_offset=spans[-1].last_offset,
            log_start_offset=self.log_start_offset,
            bytes=size,
        )

    def _start_before(self, spans: list[BatchSpan]) -> None:
        """The batches begin below the log end. An empty log that they reach starts at the first of
        them: the leader's log starts inside of a batch, and a copy starts with all of it
        (KAFKA-6975). Any other log refuses them with OFFSET_OUT_OF_RANGE."""
        first, end = spans[0], self.log_end_offset
        is_empty = self.log_start_offset == end
        if not is_empty or spans[-1].last_offset < end or first.base_offset < 0:
            raise out_of_order(first, end)
        self.truncate_fully_and_start_at(first.base_offset)

    def _repeated(self, first: BatchMetadata, *, later: bool) -> AppendInfo:
        """The answer to a repeat. If it comes at once, what is repeated must be written."""
        if not later and self.is_unwritten:
            self.write()
        return AppendInfo.of_repeated(first, self.log_start_offset)

    @property
    def is_unwritten(self) -> bool:
        """Whether ``write`` has something to do."""
        return self._segments.active.is_unwritten

    def write(self) -> None:
        """Write what was to be written later. Raises KAFKA_STORAGE_ERROR, also if it was lost
        before, when the descriptor was given back."""
        if self._fencing.failure is not None:  # spelt out: most appends come here
            self._fencing.check()
        with self._fencing:
            self._segments.active.write()

    def _write(
        self,
        buffers: list[Buffer],
        spans: list[BatchSpan],
        size: int,
        now_ms: int,
        *,
        later: bool = False,
    ) -> None:
        config = self.config
        try:  # ``with self._fencing`` spelt out: every append comes here
            retention = self._retention or self._rolling()
            if retention.must_roll(config, spans, size, now_ms):
                self._roll(max(self.log_end_offset, spans[0].base_offset), now_ms)
            self._segments.active.append(buffers, spans, config.index_interval_bytes, later=later)
        except DISK_ERRORS as error:
            raise self.fence(error) from error
        # Visible from here on: the end moves first, then what is derived from the batches.
        self.log_end_offset = spans[-1].last_offset + 1
        self._complete = False
        if self.log_end_offset - self.flushed_offset >= self.config.flush_messages:
            self._owner.flush_wanted(self)

    def _after_write(self, batches: list[MarkedHeader]) -> None:
        for header, marker in batches:
            if marker is not None or header.producer_id >= 0:
                self._take_up(header, marker)
        self.producers.advance_to(self.log_end_offset)

    def _take_up(self, header: BatchHeader, marker: EndTransactionMarker | None) -> None:
        """A batch with a producer was appended."""
        if marker is None:
            self._history.state.apply(header)
            return
        aborted = self._history.apply(header, marker)
        if aborted is not None:
            self._note_aborted(aborted)

    def _note_aborted(self, aborted: AbortedTransaction) -> None:
        with self._fencing:
            self._segments.active.transaction_index.add(aborted)

    # Rolling

    def roll(self) -> None:
        """Begin a new segment at the log end, unless the active one is empty."""
        self._fencing.check()
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
        if self._retention is not None:
            self._retention.segment_added(self.config)
        self._durability.name_changed()
        self._complete = False

    # Offsets and epochs

    def set_high_watermark(self, offset: int) -> int:
        """Move the high watermark, within [log start, log end]; where it is now."""
        self.high_watermark = max(self.log_start_offset, min(offset, self.log_end_offset))
        self._owner.high_watermarks_moved = True
        self._segments.forget_below(self.high_watermark)
        self.producers.on_high_watermark(self.high_watermark)
        return self.high_watermark

    def assign_epoch(self, epoch: int, start_offset: int) -> None:
        """``epoch`` begins at ``start_offset``; a new leader calls this before its first append
        (KAFKA-7415). The file says so before the first batch does. Kafka writes it at once: with
        thousands of new leaderships, whoever waits for one waits for the files of the others. If
        the process dies before a batch, the entry is lost as it would be with the machine."""
        if self.epochs.assign(epoch, start_offset):
            self._is_epoch_unwritten = True

    def _write_epochs(self) -> None:
        self._is_epoch_unwritten = False
        with self._fencing:
            replaced = replace_epochs(
                self._files, self.directory, self._epochs_written, self.epochs.entries
            )
        self._epochs_written = self.epochs.entries
        if replaced is not None:
            self._durability.name_changed()
            self._owner.sync_wanted(replaced)

    def advance_log_start(self, offset: int) -> None:
        """Forget what is below ``offset`` (DeleteRecords, a follower's leader): segments wholly
        below it go. Raises OFFSET_OUT_OF_RANGE above the high watermark."""
        self._fencing.check()
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
        self._fencing.check()
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
        self._owner.high_watermarks_moved = True
        if self._durability.cut_to(end):
            self._owner.recovery_point_lowered(self)

    def truncate_fully_and_start_at(self, offset: int) -> None:
        """Drop everything; the log is empty and starts at ``offset``."""
        self._fencing.check()
        self._owner.log_cut(self, offset)
        with self._fencing:
            self._remove_segments(list(self._segments))
            self._add_segment(offset, self._env.clock.wall_ms())
            self._history.clear(offset)
            self.epochs.clear()
            self._write_epochs()
        self.log_start_offset = self.log_end_offset = offset
        self.high_watermark = offset
        self._owner.high_watermarks_moved = True
        self._durability.restart_at(offset)
        self._owner.recovery_point_lowered(self)
        self._owner.log_start_moved(self)

    def apply_retention(self, now_ms: int) -> int:
        """Remove old segments by the rules of the topic; how many."""
        self._fencing.check()
        if len(self._segments) == 1 and not self._segments.active.size:
            return 0  # an empty active segment stays
        with self._fencing:
            gone = self._rolling().deletable(
                self.config,
                log_start_offset=self.log_start_offset,
                log_end_offset=self.log_end_offset,
                high_watermark=self.high_watermark,
                now_ms=now_ms,
            )
            if not gone:
                return 0
            if len(gone) == len(self._segments):
                self._roll(self.log_end_offset, now_ms)
            self._remove_segments(gone)
        start = self._segments.first.base_offset
        if start > self.log_start_offset:
            self._move_log_start(start)
        return len(gone)

    def _rolling(self) -> Retention:
        if self._retention is None:
            self._retention = Retention(self._segments, self.config, self._env.random)
        return self._retention

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
        self._fencing.check()
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

    # Durability

    async def flush(self) -> None:
        """Make everything appended before this call durable. Concurrent calls share syncs."""
        await self._durability.flush(lambda: self.log_end_offset)

    def flush_blocking(self) -> None:
        """``flush`` while nothing else happens: for the last bit of a copy."""
        self._durability.flush_blocking(self.log_end_offset)

    def is_flush_due(self, now_ms: int) -> bool:
        """Whether ``flush.ms`` has passed over unflushed data."""
        return self._durability.is_flush_due(self.log_end_offset, self.config.flush_ms, now_ms)

    # Failure

    @property
    def failure(self) -> OSError | None:
        """Why the log is fenced."""
        return self._fencing.failure

    def fence(self, error: Exception) -> KafkaError:
        """The disk failed: nothing more is written or read here. The error for the caller."""
        return self._fencing.fence(error)

    def disk_failed(self, error: OSError) -> None:
        """The log is fenced from now on: called by what fences it."""
        self._owner.log_failed(self, error)

    def retire(self) -> None:
        """The partition is deleted: whoever still holds the log gets KAFKA_STORAGE_ERROR."""
        self._segments.drop_tail()
        self._fencing.retire(f"{self.topic_partition} is deleted")

    # Life

    def complete_files(self) -> None:
        """Bring all files to the form that a clean stop leaves, not yet durable."""
        self._fencing.check()
        if self._is_new():
            return
        with self._fencing:
            self._write_epochs()
            if not self._complete:
                self._history.take_snapshot()
                self._segments.active.finish()
                make_epochs(self._files, self.directory)
                self._durability.segment_rolled(self._segments.active)

    def _is_new(self) -> bool:
        """Nothing was ever appended, and no file made for it. So it stays, as Kafka too opens such
        a directory: of ten thousand new partitions each file would take a third of a
        millisecond. An epoch without a batch may be lost (``assign_epoch``)."""
        segment = self._segments.active
        return not self.log_end_offset and not self._files.exists(segment.path(LOG_SUFFIX))

    async def close_cleanly(self) -> None:
        """Leave the directory as a clean stop leaves it: all files complete and durable."""
        self.complete_files()
        if not self._complete:
            await self.flush()
            with self._fencing:
                await self._history.snapshots.fsync(self.log_end_offset)
            self._complete = True
        self.close()

    def adopt(self, owner: LogOwner) -> None:
        """Tell another owner from now on."""
        self._owner = owner

    def relocate(self, directory: str) -> None:
        """Follow a renamed directory."""
        self.directory = directory
        self._history.snapshots.directory = directory
        for segment in self._segments:
            segment.relocate(directory)

    def drop_tail(self) -> None:
        """Keep no batches in memory: those who copy them are somebody else's followers now."""
        self._segments.drop_tail()

    def release_idle(self) -> None:
        """Give back descriptors that were not used since the last call. A disk that fails fences
        the log."""
        if len(self._segments) == 1 and not self._segments.active.has_files:
            return  # as of most logs
        for segment in self._segments:
            try:
                segment.release_idle()
            except OSError as error:
                self.fence(error)

    def close(self) -> None:
        """Give back all descriptors and memory. Of what was to be written later, which nobody has
        been told of, nothing is left if its disk has failed; a failure fences the log."""
        self._segments.drop_tail()
        for segment in self._segments:
            if self.failure is not None:
                segment.forget_unwritten()
            try:
                segment.close()
            except OSError as error:
                self.fence(error)

    def forget_unwritten(self) -> None:
        """The log is deleted: what was to be written later is not wanted."""
        self._segments.active.forget_unwritten()
