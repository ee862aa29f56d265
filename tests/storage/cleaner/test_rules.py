"""Which log is cleaned, how far, and which segments are joined."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.defaults import log_config

from barnabas.storage.cleaner.rules import (
    SEGMENTS_PER_GROUP_MAX,
    CleanableRange,
    SegmentFigures,
    cleanable_range,
    dirtiest,
    groups,
)
from barnabas.storage.config import LogConfig

CONFIG = log_config(cleanup_policy=("compact",), segment_bytes=1000, segment_index_bytes=80)
NOW_MS = 100_000


def segment(base: int, size: int = 100, *, largest: int = 0, first: int = 0) -> SegmentFigures:
    return SegmentFigures(base, size, 8, 12, lambda: largest, lambda: first)


LOG = [segment(0), segment(10), segment(20), segment(30, 5000)]


def found(
    segments: list[SegmentFigures] = LOG,
    config: LogConfig = CONFIG,
    *,
    checkpoint: int | None = None,
    start: int = 0,
    stable: int = 40,
) -> CleanableRange:
    return cleanable_range(
        segments,
        config,
        checkpoint=checkpoint,
        log_start_offset=start,
        log_end_offset=40,
        last_stable_offset=stable,
        now_ms=NOW_MS,
    )


def test_all_but_the_active_segment_is_cleanable() -> None:
    chosen = found()
    assert (chosen.first_dirty, chosen.first_uncleanable) == (0, 30)
    assert (chosen.clean_bytes, chosen.cleanable_bytes) == (0, 300)
    assert chosen.dirty_ratio == 1.0


def test_the_last_stable_offset_bounds_it_at_its_segment() -> None:
    assert found(stable=25).first_uncleanable == 20
    assert found(stable=20).first_uncleanable == 20
    assert found(stable=5).cleanable_bytes == 0


def test_what_was_cleaned_counts_as_clean() -> None:
    chosen = found(checkpoint=20)
    assert (chosen.first_dirty, chosen.clean_bytes, chosen.cleanable_bytes) == (20, 200, 100)
    assert chosen.is_due(0.3)
    assert not chosen.is_due(1 / 3), "the ratio has to be exceeded"
    nothing = found(checkpoint=30)
    assert nothing.cleanable_bytes == 0
    assert not nothing.is_due(0.0)


@pytest.mark.parametrize("checkpoint", [5, 41])
def test_a_checkpoint_outside_the_log_is_void(checkpoint: int) -> None:
    assert found(checkpoint=checkpoint, start=10).first_dirty == 10


def test_young_segments_wait() -> None:
    segments = [segment(0), segment(10, largest=NOW_MS - 50), segment(20), segment(30)]
    config = replace(CONFIG, min_compaction_lag_ms=50)
    assert found(segments, config).first_uncleanable == 30
    config = replace(CONFIG, min_compaction_lag_ms=51)
    assert found(segments, config).first_uncleanable == 10


def test_old_dirty_records_do_not_wait_for_the_ratio() -> None:
    config = replace(CONFIG, max_compaction_lag_ms=1000)
    segments = [segment(0), segment(10), segment(20, first=NOW_MS - 1001), segment(30)]
    chosen = found(segments, config, checkpoint=20)
    assert chosen.overdue
    assert chosen.is_due(1.0)
    segments[2] = segment(20, first=NOW_MS - 1000)
    assert not found(segments, config, checkpoint=20).is_due(1.0)
    assert not found(segments, CONFIG, checkpoint=20).overdue


def test_the_dirtiest_due_log_is_taken() -> None:
    half = CleanableRange(first_dirty=0, first_uncleanable=9, clean_bytes=5, cleanable_bytes=5)
    most = CleanableRange(first_dirty=0, first_uncleanable=9, clean_bytes=1, cleanable_bytes=9)
    assert dirtiest([("half", half, 0.1), ("most", most, 0.5)]) == ("most", most)
    assert dirtiest([("half", half, 0.1), ("most", most, 0.95)]) == ("half", half)
    with pytest.raises(LookupError):
        dirtiest([("half", half, 0.5)])


def test_neighbours_that_fit_a_segment_are_joined() -> None:
    assert groups([segment(0, 400), segment(10, 600), segment(20, 1)], CONFIG, 30) == [
        (0, 2),
        (2, 3),
    ]
    assert groups([segment(0, 5000)], CONFIG, 10) == [(0, 1)]
    assert groups([], CONFIG, 0) == []
    # Six time indexes of 12 bytes are the most that 80 bytes hold.
    assert groups([segment(n, 1) for n in range(7)], CONFIG, 10) == [(0, 6), (6, 7)]


def test_joined_offsets_fit_the_index() -> None:
    far = 2**31
    assert groups([segment(0, 1), segment(far, 1)], CONFIG, far + 1) == [(0, 1), (1, 2)]
    assert groups([segment(0, 1), segment(far - 1, 1)], CONFIG, far) == [(0, 2)]
    assert groups([segment(0, 1), segment(far, 0)], CONFIG, far + 9) == [(0, 2)]


def test_a_group_is_not_larger_than_one_turn_of_the_loop_bears() -> None:
    config = replace(CONFIG, segment_index_bytes=1 << 20)
    made = groups([segment(n, 0) for n in range(SEGMENTS_PER_GROUP_MAX + 1)], config, 100)
    assert made == [(0, SEGMENTS_PER_GROUP_MAX), (SEGMENTS_PER_GROUP_MAX, 65)]
