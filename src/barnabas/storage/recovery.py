"""LogLoader: opens the directory of a partition.

It finishes or removes what an interrupted broker left, checks files that may be damaged, and
rebuilds what is derived from the batches (reference 6.5). The result is what Kafka's ``LogLoader``
would make of the same files.
"""

from __future__ import annotations

import asyncio
import logging
import re
from dataclasses import dataclass

from barnabas.errors import KafkaError
from barnabas.records.batch import crc_ok
from barnabas.seams import Env
from barnabas.storage.checkpoints import EPOCH_CHECKPOINT, CheckpointError, decode_epochs
from barnabas.storage.config import LogConfig
from barnabas.storage.epochs import LeaderEpochCache
from barnabas.storage.index import CorruptIndex
from barnabas.storage.log_types import LoadedLog
from barnabas.storage.producers.history import ProducerHistory, marker_of
from barnabas.storage.producers.snapshots import SnapshotFiles
from barnabas.storage.producers.state import ProducerState
from barnabas.storage.segment import (
    CLEANED_SUFFIX,
    DELETED_SUFFIX,
    INDEX_SUFFIX,
    LOG_SUFFIX,
    SNAPSHOT_SUFFIX,
    SWAP_SUFFIX,
    TEMPORARY_SUFFIX,
    TIME_INDEX_SUFFIX,
    TRANSACTION_INDEX_SUFFIX,
    Segment,
    file_name,
)
from barnabas.storage.segments import Segments
from barnabas.types import NO_TIMESTAMP

_INDEX_SUFFIXES = (INDEX_SUFFIX, TIME_INDEX_SUFFIX, TRANSACTION_INDEX_SUFFIX)
_SEGMENT_SUFFIXES = (LOG_SUFFIX, *_INDEX_SUFFIXES, SNAPSHOT_SUFFIX, SWAP_SUFFIX, CLEANED_SUFFIX)
_BASE = re.compile(r"([0-9]{20})\.")

log = logging.getLogger("kafka.log.LogManager")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpointed:
    """What the log directory's checkpoints say of one log."""

    log_start_offset: int = 0
    recovery_point: int = 0
    clean: bool = False
    """The directory was closed cleanly: nothing need be walked."""
    lost_power: bool = False
    """Of what was not flushed, any file may have lost its end, or all."""
    first_dirty: int = 0
    """Below it the log was cleaned: there, offsets may be missing between segments."""


def new_log(env: Env, directory: str, *, expiration_ms: int) -> LoadedLog:
    """A log without any data in a directory without any files."""
    segments = Segments()
    segments.add(Segment(env.files, directory, 0, created_ms=env.clock.wall_ms()))
    history = ProducerHistory(
        ProducerState(expiration_ms=expiration_ms), SnapshotFiles(env.files, directory, []), 0
    )
    return LoadedLog(
        segments=segments,
        epochs=LeaderEpochCache(),
        history=history,
        log_start_offset=0,
        log_end_offset=0,
        recovery_point=0,
    )


async def load_log(
    env: Env,
    directory: str,
    config: LogConfig,
    checkpointed: Checkpointed,
    *,
    expiration_ms: int,
) -> LoadedLog:
    """Open a partition's directory. Raises OSError if that is impossible."""
    loader = _Loader(env, directory, config, checkpointed, expiration_ms)
    return await loader.load()


class _Loader:
    def __init__(
        self,
        env: Env,
        directory: str,
        config: LogConfig,
        checkpointed: Checkpointed,
        expiration_ms: int,
    ) -> None:
        self.env = env
        self.files = env.files
        self.directory = directory
        self.config = config
        self.checkpointed = checkpointed
        self.expiration_ms = expiration_ms
        self.segments = Segments()
        self.epochs = LeaderEpochCache()
        self.removals: list[str] = []
        self.snapshots = SnapshotFiles(env.files, directory, [])
        """Of producers; known once the directory has been read."""
        self.changed = False
        """Some file is not what a clean stop left."""

    async def load(self) -> LoadedLog:
        names = self._finish_interrupted_swaps(self._remove_leftovers())
        self.epochs = self._read_epochs(names)
        self.snapshots = SnapshotFiles(self.files, self.directory, _snapshot_offsets(names))
        self._open_segments(names)
        if not self.epochs:
            self._rebuild_epochs()
        await self._check_indexes(names)
        if not self.checkpointed.clean:
            await self._recover()
        end = self._find_end()
        complete = self.checkpointed.clean and not self.changed
        recovery_point = end if complete else min(self.checkpointed.recovery_point, end)
        start = max(self.checkpointed.log_start_offset, self.segments.first.base_offset)
        self.epochs.truncate_from_end(end)
        self.epochs.truncate_from_start(start)
        history = self._history()
        history.snapshots.remove_strays(self.segments.bases)
        history.rebuild(
            self.segments,
            log_start_offset=start,
            end_offset=end,
            now_ms=self.env.clock.wall_ms(),
            clean=self.checkpointed.clean,
        )
        for segment in self.segments:
            segment.close()
        return LoadedLog(
            segments=self.segments,
            epochs=self.epochs,
            history=history,
            log_start_offset=start,
            log_end_offset=end,
            recovery_point=recovery_point,
            complete=complete,
            removals=tuple(self.removals),
        )

    def _names(self) -> list[str]:
        """The files, without those whose names say that they are a segment's, but of no offset."""
        names = []
        for name in self.files.list(self.directory):
            if _BASE.match(name) or not name.endswith(_SEGMENT_SUFFIXES):
                names.append(name)
            else:
                log.warning("%s/%s is no segment's: left alone", self.directory, name)
        return names

    # What an interrupted broker left

    def _remove_leftovers(self) -> list[str]:
        """Remove ``.deleted`` and ``.cleaned``, and a swap that a cleaning had not finished: its
        base is at or above that of a ``.cleaned`` file. The names that stay."""
        names = self._names()
        cleaned = [_offset_of(n) for n in names if n.endswith(CLEANED_SUFFIX)]
        stay = []
        for name in names:
            unfinished = name.endswith(SWAP_SUFFIX) and cleaned and _offset_of(name) >= min(cleaned)
            if name.endswith((DELETED_SUFFIX, CLEANED_SUFFIX, TEMPORARY_SUFFIX)) or unfinished:
                self.files.remove(f"{self.directory}/{name}")
            else:
                stay.append(name)
        return stay

    def _finish_interrupted_swaps(self, names: list[str]) -> list[str]:
        """Put complete ``.swap`` files in place of the segments that they were made from."""
        swaps = [name for name in names if name.endswith(SWAP_SUFFIX)]
        if not swaps:
            return names
        self.changed = True
        # The new segments' names reach the disk before the old ones go for good.
        self.files.sync_directory(self.directory)
        bases = [_offset_of(n) for n in swaps if n.endswith(LOG_SUFFIX + SWAP_SUFFIX)]
        ends = [self._swap_end(base) for base in bases]
        for name in names:
            if name.endswith(SWAP_SUFFIX) or not _BASE.match(name):
                continue
            if bases and min(bases) <= _offset_of(name) < max(ends):
                self.files.remove(f"{self.directory}/{name}")
        for name in swaps:
            path = f"{self.directory}/{name}"
            self.files.rename(path, path.removesuffix(SWAP_SUFFIX))
        return self._names()

    def _swap_end(self, base: int) -> int:
        """The offset after the last batch of a swap's log."""
        segment = Segment(self.files, self.directory, base, created_ms=0)
        path = segment.path(LOG_SUFFIX) + SWAP_SUFFIX
        segment.borrow(self.files.open(path))
        end = base
        for batch in segment.walk():
            end = batch.last_offset + 1
        segment.close()
        return end

    # Segments

    def _open_segments(self, names: list[str]) -> None:
        present = dict.fromkeys(names)
        for name in names:
            if name.endswith(_INDEX_SUFFIXES) and f"{name[:20]}{LOG_SUFFIX}" not in present:
                self.files.remove(f"{self.directory}/{name}")
        for name in names:
            if name.endswith(LOG_SUFFIX):
                segment = Segment(
                    self.files,
                    self.directory,
                    _offset_of(name),
                    created_ms=self.env.clock.wall_ms(),
                    size=self.files.size(f"{self.directory}/{name}"),
                )
                self.segments.add(segment)

    async def _check_indexes(self, names: list[str]) -> None:
        """Take up the indexes, rebuilding those that are missing or contradict their segment."""
        present = dict.fromkeys(names)
        for segment in self.segments:
            if self._will_be_recovered(segment):
                continue  # which makes them anew
            try:
                if file_name(segment.base_offset, INDEX_SUFFIX) not in present:
                    raise CorruptIndex(f"{segment.path(INDEX_SUFFIX)} is missing")
                segment.check_indexes()
            except CorruptIndex as error:
                self.env.observer.note("index_rebuilt", reason=str(error))
                await self._rebuild_indexes(segment)
                await asyncio.sleep(0)
            finally:
                segment.close()

    async def _rebuild_indexes(self, segment: Segment) -> None:
        """Replace the indexes of a segment that no later start will walk: whole and durable, or not
        at all."""
        segment.begin_indexes_aside()
        self._recover_segment(segment)
        await segment.replace_indexes()

    def _will_be_recovered(self, segment: Segment) -> bool:
        if self.checkpointed.clean:
            return False
        return segment in self.segments.from_floor(self.checkpointed.recovery_point)

    async def _recover(self) -> None:
        """Walk every segment at or above the recovery point; drop what follows a cut, and a segment
        that does not follow the one before."""
        unflushed = self.segments.from_floor(self.checkpointed.recovery_point)
        for number, segment in enumerate(unflushed):
            if number and not self._follows(unflushed[number - 1], segment):
                self._drop(unflushed[number:])
                return
            if self._recover_segment(segment):
                self._drop(unflushed[number + 1 :])
                return
            await asyncio.sleep(0)

    def _follows(self, before: Segment, after: Segment) -> bool:
        """False if a segment does not follow the one before. After a crash of the machine one
        segment may have lost its end, exactly between two batches, and the next one not; or a
        segment may be back that was cut off before others were written in its place. Kafka goes on
        with such a log, and the hole would stay for ever."""
        if not self.checkpointed.lost_power:
            return True
        end = before.next_offset()
        if end <= after.base_offset <= max(end, self.checkpointed.first_dirty):
            return True
        self.env.observer.note(
            "log_hole_found", path=after.path(LOG_SUFFIX), missing=after.base_offset - end
        )
        return False

    def _drop(self, segments: list[Segment]) -> None:
        for segment in segments:
            self.segments.remove(segment)
            self.removals += segment.rename_deleted()

    def _recover_segment(self, segment: Segment) -> int:
        """Cut the segment at its first invalid batch and rebuild its indexes, the epochs and the
        producers' state; how many bytes were cut."""
        self.changed = True
        history = self._history()
        history.rebuild(
            self.segments,
            log_start_offset=self.checkpointed.log_start_offset,
            end_offset=segment.base_offset,
            now_ms=self.env.clock.wall_ms(),
        )
        cut = recover_segment(segment, self.config, self.epochs, history)
        history.take_snapshot()
        self.segments.forget_positions()
        if cut:
            self.env.observer.note(
                "log_truncated", path=segment.path(LOG_SUFFIX), size=segment.size, cut=cut
            )
        return cut

    def _find_end(self) -> int:
        """The log end; makes sure that there is a segment and that it is not below the start."""
        start = self.checkpointed.log_start_offset
        if len(self.segments):
            end = self._end_of_active()
            if end >= start:
                return end
            # The checkpoint is ahead of the data, which is gone (KAFKA-10101).
            for segment in self.segments:
                self.segments.remove(segment)
                self.removals += segment.rename_deleted()
            self.epochs.clear()
            self._history().clear(start)
        self.changed = True
        segment = Segment(self.files, self.directory, start, created_ms=self.env.clock.wall_ms())
        self.segments.add(segment)
        return start

    def _end_of_active(self) -> int:
        active = self.segments.active
        try:
            end = active.next_offset()
        except (CorruptIndex, KafkaError):
            self._recover_segment(active)
            end = active.next_offset()
        active.remember_end(end)
        return end

    # What is derived

    def _history(self) -> ProducerHistory:
        return ProducerHistory(
            ProducerState(expiration_ms=self.expiration_ms),
            self.snapshots,
            self.checkpointed.log_start_offset,
        )

    def _read_epochs(self, names: list[str]) -> LeaderEpochCache:
        if EPOCH_CHECKPOINT not in names:
            return LeaderEpochCache()
        try:
            data = self.files.read(f"{self.directory}/{EPOCH_CHECKPOINT}")
            return LeaderEpochCache(decode_epochs(data))
        except CheckpointError as error:
            # Kafka gives the directory up; the batches say the same as the file did.
            self.env.observer.note("epochs_rebuilt", reason=str(error))
            return LeaderEpochCache()

    def _rebuild_epochs(self) -> None:
        """Put the epochs together from the batches, but for those that recovery will walk."""
        for segment in self.segments:
            if self._will_be_recovered(segment):
                break
            for _, header, _ in segment.batches():
                if header.partition_leader_epoch < 0:
                    break
                _note_epoch(self.epochs, header.partition_leader_epoch, header.base_offset)


def recover_segment(
    segment: Segment, config: LogConfig, epochs: LeaderEpochCache, history: ProducerHistory
) -> int:
    """Walk all batches with their checksums, cut at the first invalid one, rebuild the indexes on
    the way; how many bytes were cut."""
    segment.reset_indexes()
    size = last_entry = 0
    timestamp, timestamp_offset = NO_TIMESTAMP, segment.base_offset
    next_offset = segment.base_offset
    try:
        for position, header, batch in segment.batches():
            last = header.last_offset
            if not crc_ok(batch, 0, len(batch)) or not segment.can_hold(last):
                break
            if header.max_timestamp > timestamp:
                timestamp, timestamp_offset = header.max_timestamp, last
            if size - last_entry > config.index_interval_bytes:
                segment.index.add(last, position)
                segment.time_index.add(timestamp, timestamp_offset)
                last_entry = size
            _note_epoch(epochs, header.partition_leader_epoch, header.base_offset)
            if header.producer_id >= 0:
                aborted = history.apply(header, marker_of(header, batch))
                if aborted is not None:
                    segment.transaction_index.add(aborted)
            history.state.advance_to(header.next_offset)
            next_offset = header.next_offset
            size = position + len(batch)
    except KafkaError:
        # A header that cannot be one: the log ends before it.
        pass
    cut = segment.size - size
    segment.restore(size, timestamp, timestamp_offset, next_offset)
    segment.finish()
    return cut


def _note_epoch(epochs: LeaderEpochCache, epoch: int, base_offset: int) -> None:
    if epoch > epochs.latest_epoch:
        epochs.assign(epoch, base_offset)


def _snapshot_offsets(names: list[str]) -> list[int]:
    return [_offset_of(n) for n in names if n.endswith(SNAPSHOT_SUFFIX) and _BASE.match(n)]


def _offset_of(name: str) -> int:
    """The offset in a file's name; OSError if it has none."""
    match = _BASE.match(name)
    if match is None:
        raise OSError(f"unexpected file name {name}")
    return int(match[1])
