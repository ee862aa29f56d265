"""How much of a log survives a power cut, and the syncs that move that point."""

from __future__ import annotations

import posixpath
from collections.abc import Callable

from barnabas.seams import Files
from barnabas.storage.checkpoints import EPOCH_CHECKPOINT
from barnabas.storage.config import I64_MAX
from barnabas.storage.fencing import Fencing
from barnabas.storage.producers.history import ProducerHistory
from barnabas.storage.segment import Segment
from barnabas.storage.segments import Segments
from barnabas.storage.small_files import sync_file, sync_file_blocking


class Durability:
    """Everything below ``flushed_offset`` is durable. An error of the disk fences the log."""

    __slots__ = (
        "_cuts",
        "_fencing",
        "_files",
        "_history",
        "_names",
        "_names_durable",
        "_rolled",
        "_segments",
        "_unflushed_since_ms",
        "flushed_offset",
    )

    def __init__(
        self,
        files: Files,
        segments: Segments,
        history: ProducerHistory,
        fencing: Fencing,
        flushed_offset: int,
        *,
        complete: bool,
        now_ms: int,
    ) -> None:
        """``complete``: a clean stop has left all files durable. Otherwise an earlier life of the
        process may have made any of them, and any name, without a sync: what a log finds in the
        page cache counts as little as what it has just written itself."""
        self._files = files
        self._segments = segments
        self._history = history
        self._fencing = fencing
        self.flushed_offset = flushed_offset
        # Rolled segments whose indexes are not yet durable.
        rolled = () if complete else segments.from_floor(flushed_offset)[:-1]
        self._rolled: tuple[Segment, ...] = tuple(rolled)
        # Changes of names, that of the directory itself among them, and how many are durable. Not
        # a mark that a sync takes down: another change may begin and end meanwhile. To replace
        # ``leader-epoch-checkpoint`` is one: recovery puts lost entries back from the batches above
        # the recovery point only, so the file is durable before that point moves.
        self._names = 1
        self._names_durable = 1 if complete else 0
        # Counts truncations: one makes the sync that is under way say nothing about the log.
        self._cuts = 0
        self._unflushed_since_ms = now_ms

    @property
    def recovery_point(self) -> int:
        """From here on the log is walked after an unclean stop: what is before needs no repair,
        indexes included."""
        if not self._rolled:
            return self.flushed_offset
        return min(self._rolled[0].base_offset, self.flushed_offset)

    def name_changed(self) -> None:
        """There is a file with a new name, or another one under an old name."""
        self._names += 1

    def segment_rolled(self, segment: Segment) -> None:
        """A segment is complete; its indexes become durable with the next flush."""
        if segment not in self._rolled:
            self._rolled = (*self._rolled, segment)

    def segment_removed(self, segment: Segment) -> None:
        """A segment is gone: were it back after a power cut, it would stand behind what is appended
        in its place."""
        self._names += 1
        if segment in self._rolled:
            self._rolled = tuple(each for each in self._rolled if each is not segment)

    def cut_to(self, end_offset: int) -> bool:
        """The log was truncated; True if the recovery point has come down."""
        self._cuts += 1
        lowered = self.flushed_offset > end_offset
        self.flushed_offset = min(self.flushed_offset, end_offset)
        return lowered

    def restart_at(self, offset: int) -> None:
        """The log was emptied and starts at ``offset``."""
        self._cuts += 1
        self.flushed_offset = offset

    async def flush(self, log_end_offset: Callable[[], int]) -> None:
        """Make everything before the present log end durable. Concurrent calls share syncs."""
        self._fencing.check()
        with self._fencing:
            target = log_end_offset()
            while self.recovery_point < target:
                cuts = self._cuts
                await self._sync()
                if cuts == self._cuts:
                    self.flushed_offset = max(self.flushed_offset, target)
                target = min(target, log_end_offset())
        # A sync that failed meanwhile says that this one, though it succeeded, proves nothing.
        self._fencing.check()

    def flush_blocking(self, log_end_offset: int) -> None:
        """``flush`` while nothing else happens: for the last bit of a copy. Indexes stay for the
        next ``flush``."""
        self._fencing.check()
        with self._fencing:
            if self.flushed_offset < log_end_offset:
                self._sync_blocking()
                self.flushed_offset = log_end_offset

    def is_flush_due(self, log_end_offset: int, flush_ms: int, now_ms: int) -> bool:
        """Whether ``flush.ms`` has passed over unflushed data."""
        if self.flushed_offset >= log_end_offset or flush_ms >= I64_MAX:
            return False
        due = now_ms - self._unflushed_since_ms >= flush_ms
        if due:
            self._unflushed_since_ms = now_ms
        return due

    async def _sync(self) -> None:
        rolled = self._rolled
        names = self._names
        for segment in self._segments.from_floor(self.recovery_point):
            await segment.fsync(with_indexes=segment in rolled)
            await self._history.snapshots.fsync(segment.base_offset)
        if self._names_durable < names:
            await sync_file(self._files, self._epoch_checkpoint)
            await self._files.fsync_directory(self._directory)
            await self._files.fsync_directory(posixpath.dirname(self._directory))
            self._names_durable = max(self._names_durable, names)
        self._rolled = tuple(segment for segment in self._rolled if segment not in rolled)

    def _sync_blocking(self) -> None:
        for segment in self._segments.from_floor(self.flushed_offset):
            segment.file.fsync_blocking()
        if self._names_durable < self._names:
            sync_file_blocking(self._files, self._epoch_checkpoint)
            self._files.sync_directory(self._directory)
            self._files.sync_directory(posixpath.dirname(self._directory))
            self._names_durable = self._names

    @property
    def _directory(self) -> str:
        return self._segments.active.directory

    @property
    def _epoch_checkpoint(self) -> str:
        return f"{self._directory}/{EPOCH_CHECKPOINT}"
