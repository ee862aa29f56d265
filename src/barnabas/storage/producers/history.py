"""ProducerStateManager with its snapshot files: how it is kept over restarts and put back after the
log was cut (reference 6.4, 6.5, 7.1)."""

from __future__ import annotations

from barnabas.errors import KafkaError
from barnabas.records.batch import (
    BatchHeader,
    EndTransactionMarker,
    iterate_records,
    parse_marker,
)
from barnabas.storage.index import AbortedTransaction, CorruptIndex
from barnabas.storage.producers.snapshot_format import CorruptSnapshot, decode_snapshot
from barnabas.storage.producers.snapshots import SnapshotFiles
from barnabas.storage.producers.state import (
    BATCHES_RETAINED,
    BatchMetadata,
    ProducerEntry,
    ProducerState,
)
from barnabas.storage.segment import Segment
from barnabas.storage.segments import Segments

RECALL_MS = 10 * 60 * 1000
"""Clients repeat a batch for delivery.timeout.ms, 2 to 5 minutes by default."""
RECALL_BYTES = 512 * 1024
"""How far back the end of the log is searched for the batches that a snapshot does not hold."""


def marker_of(header: BatchHeader, batch: memoryview) -> EndTransactionMarker | None:
    """The transaction marker in a batch; None in a data batch, or if compaction took it."""
    if not header.is_control or not header.record_count:
        return None
    try:
        return parse_marker(next(iterate_records(batch)))
    except KafkaError:
        return None


class ProducerHistory:
    """State as of ``state.end_offset``; a snapshot is only taken past the newest one."""

    __slots__ = ("_last_snapshot", "snapshots", "state")

    def __init__(self, state: ProducerState, snapshots: SnapshotFiles, start_offset: int) -> None:
        self.state = state
        self.snapshots = snapshots
        self._last_snapshot = start_offset
        state.clear(start_offset)

    def apply(
        self, header: BatchHeader, marker: EndTransactionMarker | None
    ) -> AbortedTransaction | None:
        """Take up an appended batch with a producer; what belongs in the transaction index."""
        state = self.state
        completed = state.apply(header, marker)
        if completed is None:
            return None
        stable = state.last_stable_offset(completed)
        state.complete(completed)
        if not completed.aborted:
            return None
        return AbortedTransaction(
            completed.producer_id, completed.first_offset, completed.last_offset, stable
        )

    def take_snapshot(self) -> None:
        """Write the state as of ``state.end_offset``, if that is past the newest snapshot."""
        offset = self.state.end_offset
        if offset > self._last_snapshot:
            self.snapshots.write(offset, self.state.snapshot())
            self._last_snapshot = offset

    def clear(self, offset: int) -> None:
        """The log was emptied and starts at ``offset``."""
        self.snapshots.remove_outside(-1, -1)
        self.state.clear(offset)
        self._last_snapshot = offset

    def log_start_moved(self, offset: int) -> None:
        """What happened below ``offset`` is no longer of interest."""
        self.state.on_log_start(offset)
        latest = self.snapshots.latest
        self._last_snapshot = offset if latest is None else latest

    def remove_snapshot(self, offset: int) -> None:
        """The segment that began at ``offset`` is going."""
        self.snapshots.remove(offset)

    def rebuild(
        self,
        segments: Segments,
        *,
        log_start_offset: int,
        end_offset: int,
        now_ms: int,
        clean: bool = False,
    ) -> None:
        """Make the state that of ``end_offset``: from the newest usable snapshot and the batches
        after it; snapshots out of range go, and one is taken at the end."""
        bases = segments.bases
        if clean and not self.snapshots.offsets:
            # A log older than snapshots had no producers.
            for offset in [*bases[-2:], end_offset]:
                self.state.advance_to(offset)
                self.take_snapshot()
            return
        self.snapshots.remove_outside(log_start_offset, end_offset)
        if self.state.end_offset != end_offset:
            self._load_newest(log_start_offset, now_ms)
            if self.state.end_offset < end_offset:
                self._replay(segments, log_start_offset, end_offset, set(bases[-2:]))
            self._recall(segments, now_ms)
        self.state.on_log_start(log_start_offset)
        self.state.advance_to(end_offset)
        self.take_snapshot()

    def _load_newest(self, log_start_offset: int, now_ms: int) -> None:
        while (offset := self.snapshots.latest) is not None:
            try:
                entries = decode_snapshot(self.snapshots.read(offset))
            except (CorruptSnapshot, FileNotFoundError):
                self.snapshots.remove(offset)
                continue
            self.state.load(entries, offset, now_ms)
            self._last_snapshot = offset
            return
        self.state.clear(log_start_offset)
        self._last_snapshot = log_start_offset

    def _replay(
        self, segments: Segments, log_start_offset: int, end_offset: int, bases: set[int]
    ) -> None:
        state = self.state
        for segment in segments.from_floor(state.end_offset):
            if segment.base_offset >= end_offset:
                break
            start = max(segment.base_offset, state.end_offset, log_start_offset)
            state.advance_to(start)
            if segment.base_offset in bases:
                self.take_snapshot()
            for _, header, batch in segment.batches(segment.locate(start)):
                if header.base_offset >= end_offset:
                    break
                if header.producer_id >= 0:
                    self.apply(header, marker_of(header, batch))
                state.advance_to(header.next_offset)

    def _recall(self, segments: Segments, now_ms: int) -> None:
        """Remember the last batches of producers that may still repeat them.

        A snapshot holds one batch a producer. With that alone, a client whose several requests
        were cut off by a crash would be told OUT_OF_ORDER_SEQUENCE_NUMBER when it repeats the
        first of them, and give up, although everything it sent is in the log."""
        wanted = {
            entry.producer_id: entry
            for entry in self.state.entries.values()
            if 0 < len(entry.batches) < BATCHES_RETAINED
            and entry.batches[0].first_sequence != 0
            and entry.last_timestamp > now_ms - RECALL_MS
        }
        if not wanted:
            return
        found: dict[int, list[BatchMetadata]] = {}
        budget = RECALL_BYTES
        for segment in reversed(list(segments)):
            earlier = _last_batches(segment, budget, wanted)
            for producer_id, batches in earlier.items():
                found[producer_id] = batches + found.get(producer_id, [])
            budget -= segment.size
            if budget <= 0:
                break
        for producer_id, batches in found.items():
            known = wanted[producer_id].batches
            known.extendleft(reversed(batches[len(known) - BATCHES_RETAINED :]))


def _last_batches(
    segment: Segment, max_bytes: int, wanted: dict[int, ProducerEntry]
) -> dict[int, list[BatchMetadata]]:
    """Batches before those known of each wanted producer, in its epoch, near the segment's end."""
    found: dict[int, list[BatchMetadata]] = {}
    try:
        for _, header, _ in segment.batches(_position_near_end(segment, max_bytes)):
            entry = wanted.get(header.producer_id)
            if (
                entry is not None
                and not header.is_control
                and header.producer_epoch == entry.epoch
                and header.last_offset < entry.batches[0].first_offset
            ):
                found.setdefault(entry.producer_id, []).append(
                    BatchMetadata(
                        header.last_sequence,
                        header.last_offset,
                        header.last_offset - header.base_offset,
                        header.max_timestamp,
                    )
                )
    except KafkaError:
        pass  # Old damage is not looked for here; less is remembered.
    return found


def _position_near_end(segment: Segment, max_bytes: int) -> int:
    """The start of a batch about ``max_bytes`` before the segment's end."""
    if segment.size <= max_bytes:
        return 0
    try:
        for number in reversed(range(len(segment.index))):
            position = segment.index.at(number)[1]
            if position <= segment.size - max_bytes:
                return position
    except CorruptIndex:
        pass
    return 0
