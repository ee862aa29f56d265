"""LogAppendInfo, LoadedLogOffsets: plain values that go into a log and come out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from barnabas.storage.epochs import LeaderEpochCache
from barnabas.storage.producers.history import ProducerHistory
from barnabas.storage.producers.state import BatchMetadata
from barnabas.storage.segments import Segments
from barnabas.types import NO_TIMESTAMP


class AppendInfo(NamedTuple):
    """What became of an append; -1 offsets if there was nothing in it."""

    first_offset: int
    last_offset: int
    log_start_offset: int
    bytes: int
    append_time_ms: int = NO_TIMESTAMP
    """Set if the topic uses log-append time, and for a duplicate."""
    duplicate: bool = False
    """The producer sent this before: the offsets are those of then, nothing was written."""
    converted: int = 0
    """Records that were written anew, in another format, codec or order."""

    @classmethod
    def of_repeated(cls, batch: BatchMetadata, log_start_offset: int) -> AppendInfo:
        """The answer for a batch that is here already."""
        return cls(
            first_offset=batch.first_offset,
            last_offset=batch.last_offset,
            append_time_ms=batch.timestamp,
            log_start_offset=log_start_offset,
            duplicate=True,
            bytes=0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedLog:
    """What is known of a directory once it has been read, and recovered if need be."""

    segments: Segments
    epochs: LeaderEpochCache
    history: ProducerHistory
    log_start_offset: int
    log_end_offset: int
    recovery_point: int
    complete: bool = False
    """The directory is as a clean stop leaves it."""
    removals: tuple[str, ...] = ()
    """Paths of files that recovery gave up; they are named ``.deleted``."""
