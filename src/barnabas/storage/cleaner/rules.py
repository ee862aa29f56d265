"""LogCleanerManager: which log is next, what part of it, which segments become one (reference 6.8).

Pure rules over a few numbers of each segment, as Kafka's ``LogCleanerManager`` has them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from barnabas.storage.config import I64_MAX, LogConfig
from barnabas.storage.index import RELATIVE_OFFSET_MAX
from barnabas.storage.segment import Segment

SEGMENTS_PER_GROUP_MAX = 64
"""Ours: swapping a group renames all its files on the loop, about 10 us each; a later pass joins
what this one left apart."""

T = TypeVar("T")


class SegmentFigures(NamedTuple):
    """What the rules ask of a segment. The timestamps may read files, so they are asked last."""

    base_offset: int
    size: int
    index_bytes: int
    time_index_bytes: int
    largest_timestamp: Callable[[], int]
    """Of any record, or when the file was last written if no record has one."""
    first_timestamp: Callable[[], int]
    """The first batch's largest, -1 if there is none."""

    @classmethod
    def of(cls, segment: Segment) -> SegmentFigures:
        """Those of a segment."""

        def largest() -> int:
            timestamp = segment.max_timestamp
            return timestamp if timestamp >= 0 else segment.modified_ms()

        return cls(
            segment.base_offset,
            segment.size,
            len(segment.index) * segment.index.width,
            len(segment.time_index) * segment.time_index.width,
            largest,
            lambda: segment.first_timestamp,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanableRange:
    """What a pass over a log would do."""

    first_dirty: int
    """From here on keys are collected."""
    first_uncleanable: int
    """Base of the first segment that stays as it is."""
    clean_bytes: int = 0
    cleanable_bytes: int = 0
    overdue: bool = False
    """``max.compaction.lag.ms`` is over for some dirty segment."""

    @property
    def dirty_ratio(self) -> float:
        """Share of the bytes that have not been cleaned, 0 for an empty log."""
        total = self.clean_bytes + self.cleanable_bytes
        return self.cleanable_bytes / total if total else 0.0

    def is_due(self, min_ratio: float) -> bool:
        """Whether a pass is worth it: the ratio must be exceeded."""
        return (self.overdue and self.cleanable_bytes > 0) or self.dirty_ratio > min_ratio


def cleanable_range(
    segments: Sequence[SegmentFigures],
    config: LogConfig,
    *,
    checkpoint: int | None,
    log_start_offset: int,
    log_end_offset: int,
    last_stable_offset: int,
    now_ms: int,
) -> CleanableRange:
    """The range of one log; the active segment is the last. ``checkpoint`` is where the last pass
    ended; one that is not within the log is void."""
    dirty = log_start_offset if checkpoint is None else checkpoint
    if not log_start_offset <= dirty <= log_end_offset:
        dirty = log_start_offset
    bases = [segment.base_offset for segment in segments]
    first_dirty = max(bisect_right(bases, dirty) - 1, 0)
    inactive_dirty = segments[first_dirty:-1]
    bound = min(last_stable_offset, bases[-1])
    if config.min_compaction_lag_ms > 0:
        newest = now_ms - config.min_compaction_lag_ms
        young = (s for s in inactive_dirty if s.largest_timestamp() > newest)
        bound = min([bound, *(s.base_offset for s in young)])
    bound = max(bound, dirty)
    end = min(max(bisect_right(bases, bound) - 1, 0), len(segments) - 1)
    return CleanableRange(
        first_dirty=dirty,
        first_uncleanable=bases[end],
        clean_bytes=sum(s.size for s in segments if s.base_offset < dirty),
        cleanable_bytes=sum(s.size for s in segments[first_dirty:end]),
        overdue=_is_overdue(inactive_dirty, config, now_ms),
    )


def _is_overdue(dirty: Sequence[SegmentFigures], config: LogConfig, now_ms: int) -> bool:
    if config.max_compaction_lag_ms >= I64_MAX:
        return False
    oldest = now_ms - max(config.max_compaction_lag_ms, 0)
    return any(0 < segment.first_timestamp() < oldest for segment in dirty)


def dirtiest(candidates: Iterable[tuple[T, CleanableRange, float]]) -> tuple[T, CleanableRange]:
    """Of (log, its range, its ``min.cleanable.dirty.ratio``) the due one with the largest dirty
    share. LookupError if none is due."""
    due = [(log, found) for log, found, min_ratio in candidates if found.is_due(min_ratio)]
    if not due:
        raise LookupError
    return max(due, key=lambda pair: pair[1].dirty_ratio)


def groups(
    segments: Sequence[SegmentFigures], config: LogConfig, first_uncleanable: int
) -> list[tuple[int, int]]:
    """(first, after the last) numbers of neighbours that fit one segment by their sizes now, before
    they are cleaned."""
    found: list[tuple[int, int]] = []
    start = 0
    while start < len(segments):
        size = index = time_index = 0
        stop = start
        while stop < len(segments) and stop - start < SEGMENTS_PER_GROUP_MAX:
            segment = segments[stop]
            size += segment.size
            index += segment.index_bytes
            time_index += segment.time_index_bytes
            after = stop + 1
            end = segments[after].base_offset if after < len(segments) else first_uncleanable
            fits = (
                size <= config.segment_bytes
                and max(index, time_index) <= config.segment_index_bytes
                and (
                    segment.size == 0
                    or end - 1 - segments[start].base_offset <= RELATIVE_OFFSET_MAX
                )
            )
            if stop > start and not fits:
                break
            stop += 1
        found.append((start, stop))
        start = stop
    return found
