"""UnifiedLog.deleteOldSegments, maybeRoll: which segments may go, and when a new one begins
(reference 6.6).

The rules are pure, over a few numbers of each segment; ``Retention`` asks them about one log.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from barnabas.storage.config import LogConfig
from barnabas.storage.segment import BatchSpan, Segment
from barnabas.storage.segments import Segments
from barnabas.types import NO_TIMESTAMP


class Retention:
    """Decides over the segments of one log; the log carries it out."""

    __slots__ = ("_jitter_ms", "_random", "_segments")

    def __init__(self, segments: Segments, config: LogConfig, chance: random.Random) -> None:
        self._segments = segments
        self._random = chance
        self._jitter_ms = roll_jitter_ms(config, chance)

    def segment_added(self, config: LogConfig) -> None:
        """A new segment is active: how long it may be is drawn anew."""
        self._jitter_ms = roll_jitter_ms(config, self._random)

    def must_roll(
        self, config: LogConfig, spans: Sequence[BatchSpan], size: int, now_ms: int
    ) -> bool:
        """Whether batches of ``size`` bytes must go to a new segment."""
        active = self._segments.active
        last = spans[-1].last_offset
        if active.size > config.segment_bytes - size or not active.can_hold(last):
            return True
        if active.is_index_full(config.segment_index_bytes):
            return True
        if not active.size:
            return False
        latest = spans[0].max_timestamp
        if len(spans) > 1:
            latest = max([span.max_timestamp for span in spans])
        return must_roll_for_time(
            config,
            first_timestamp=active.first_timestamp,
            batch_timestamp=latest,
            created_ms=active.created_ms,
            now_ms=now_ms,
            jitter_ms=self._jitter_ms,
        )

    def deletable(
        self,
        config: LogConfig,
        *,
        log_start_offset: int,
        log_end_offset: int,
        high_watermark: int,
        now_ms: int,
    ) -> list[Segment]:
        """The segments that are to go now, oldest first; the active one may be the last."""
        segments = list(self._segments)
        count = deletable_count(
            [self._facts(segment, log_end_offset) for segment in segments],
            config,
            log_start_offset=log_start_offset,
            high_watermark=high_watermark,
            now_ms=now_ms,
        )
        return segments[:count]

    def _facts(self, segment: Segment, log_end_offset: int) -> SegmentFacts:
        def largest() -> int:
            timestamp = segment.max_timestamp
            return timestamp if timestamp >= 0 else segment.modified_ms()

        return SegmentFacts(
            end_offset=self._segments.end_offset(segment, log_end_offset),
            size=segment.size,
            largest_timestamp=largest,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentFacts:
    """What retention asks of a segment."""

    end_offset: int
    """Base offset of the next segment, or the log end."""
    size: int
    largest_timestamp: Callable[[], int]
    """Of any record, or when the file was last written if no record has one; asked only if the
    rules before did not decide, as it may read a file."""


def deletable_count(
    segments: Sequence[SegmentFacts],
    config: LogConfig,
    *,
    log_start_offset: int,
    high_watermark: int,
    now_ms: int,
) -> int:
    """How many segments, oldest first, retention lets go; the active one is the last of them.

    Nothing at or above the high watermark ever goes. An empty active segment stays."""
    gone = 0
    last = len(segments) - 1
    while gone < last and segments[gone].end_offset <= log_start_offset:
        gone += 1
    if not config.deletes:
        return gone
    excess = -1
    if config.retention_bytes >= 0:
        excess = sum(segment.size for segment in segments[gone:]) - config.retention_bytes
    by_size = True
    while gone <= last and segments[gone].end_offset <= high_watermark:
        segment = segments[gone]
        if gone == last and segment.size == 0:
            break
        by_size = by_size and excess >= segment.size
        if not by_size and not _is_too_old(segment, config, now_ms):
            break
        excess -= segment.size
        gone += 1
    return gone


def _is_too_old(segment: SegmentFacts, config: LogConfig, now_ms: int) -> bool:
    if config.retention_ms < 0:
        return False
    return now_ms - segment.largest_timestamp() > config.retention_ms


def must_roll_for_time(
    config: LogConfig,
    *,
    first_timestamp: int,
    batch_timestamp: int,
    created_ms: int,
    now_ms: int,
    jitter_ms: int,
) -> bool:
    """Whether a non-empty segment has been active for as long as it may: counted in record time if
    its first batch has any, else in wall time."""
    if first_timestamp > NO_TIMESTAMP:
        waited = batch_timestamp - first_timestamp
    else:
        waited = now_ms - created_ms
    return waited > config.segment_ms_max - jitter_ms


def roll_jitter_ms(config: LogConfig, chance: random.Random) -> int:
    """How much earlier than ``segment.ms`` a segment rolls, so that not all roll at once."""
    bound = min(config.segment_jitter_ms, config.segment_ms)
    return chance.randrange(bound) if bound > 0 else 0
