"""LeaderEpochFileCache: where each leader epoch begins in one partition's log.

Pure; the log writes ``encode_epochs(cache.entries)`` to ``leader-epoch-checkpoint`` whenever
``assign`` or a truncation says that entries changed (reference 4.9, 5.8; KIP-101, KIP-279).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import NamedTuple

from barnabas.types import NO_EPOCH, NO_OFFSET


class EpochEntry(NamedTuple):
    """An epoch and the offset of the first record written in it."""

    epoch: int
    start_offset: int


class LeaderEpochCache:
    """Epochs ascending, start offsets strictly ascending: two entries never share an offset."""

    __slots__ = ("_entries",)

    def __init__(self, entries: Iterable[EpochEntry] = ()) -> None:
        self._entries: tuple[EpochEntry, ...] = ()
        for entry in entries:
            self.assign(entry.epoch, entry.start_offset)

    @property
    def entries(self) -> tuple[EpochEntry, ...]:
        return self._entries

    def __bool__(self) -> bool:
        return bool(self._entries)

    def assign(self, epoch: int, start_offset: int) -> bool:
        """``epoch`` begins at ``start_offset``; True if entries changed (write them, with fsync).

        Called for every batch: an epoch that is already the latest changes nothing. Entries that
        contradict the new one go: a later leader is right (KAFKA-7415, trap 17)."""
        entries = self._entries
        if entries and entries[-1].epoch == epoch and entries[-1].start_offset <= start_offset:
            return False
        if epoch < 0:
            # Records of an old message format. With epochs before them only, nobody could tell
            # where two logs part: Kafka goes by the high watermark then, as without any.
            return self.clear()
        if start_offset < 0:
            return False
        while entries and (entries[-1].epoch >= epoch or entries[-1].start_offset >= start_offset):
            entries = entries[:-1]
        self._entries = (*entries, EpochEntry(epoch, start_offset))
        return True

    @property
    def latest_epoch(self) -> int:
        """The epoch of the last entry, -1 if there is none."""
        return self._entries[-1].epoch if self._entries else NO_EPOCH

    @property
    def earliest(self) -> EpochEntry | None:
        return self._entries[0] if self._entries else None

    @property
    def latest(self) -> EpochEntry | None:
        return self._entries[-1] if self._entries else None

    def epoch_at(self, offset: int) -> int:
        """The epoch in which ``offset`` was written, -1 if it lies before the first entry."""
        index = bisect_right(self._entries, offset, key=_start_offset) - 1
        return self._entries[index].epoch if index >= 0 else NO_EPOCH

    def end_offset_for(self, epoch: int, log_end_offset: int) -> tuple[int, int]:
        """(epoch, end offset) that answers OffsetForLeaderEpoch (the table of reference 4.9):
        the largest epoch here that is not above the one asked for, and where the next began."""
        entries = self._entries
        if epoch == NO_EPOCH or not entries or epoch > entries[-1].epoch:
            return NO_EPOCH, NO_OFFSET
        if epoch == entries[-1].epoch:
            return epoch, log_end_offset
        index = bisect_right(entries, epoch, key=_epoch)
        if index == 0:
            # Nothing of this epoch is left, and whatever was ended before our first entry.
            return epoch, entries[0].start_offset
        return entries[index - 1].epoch, entries[index].start_offset

    def truncate_from_end(self, end_offset: int) -> bool:
        """The log now ends at ``end_offset``: entries that begin there or later go, also one that
        begins exactly there and so has no record (KAFKA-10706). True if entries changed."""
        entries = self._entries
        if end_offset >= 0:
            while entries and entries[-1].start_offset >= end_offset:
                entries = entries[:-1]
        before, self._entries = self._entries, entries
        return len(entries) != len(before)

    def truncate_from_start(self, start_offset: int) -> bool:
        """The log now starts at ``start_offset``: of the entries that begin at or before it the
        last stays, moved to ``start_offset``. True if entries changed."""
        entries = self._entries
        index = bisect_right(entries, start_offset, key=_start_offset)
        if index == 0 or (index == 1 and entries[0].start_offset == start_offset):
            return False
        self._entries = (EpochEntry(entries[index - 1].epoch, start_offset), *entries[index:])
        return True

    def clear(self) -> bool:
        """Forget everything (the log was emptied). True if there was something."""
        had = bool(self._entries)
        self._entries = ()
        return had


def _start_offset(entry: EpochEntry) -> int:
    return entry.start_offset


def _epoch(entry: EpochEntry) -> int:
    return entry.epoch
