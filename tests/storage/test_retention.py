"""Which segments go, by rule (reference 6.6)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
from tests.defaults import log_config

from barnabas.storage.config import LogConfig
from barnabas.storage.retention import SegmentFacts, deletable_count, must_roll_for_time


def facts(*sizes: int, timestamps: tuple[int, ...] = ()) -> list[SegmentFacts]:
    """Segments of ten offsets each."""

    def largest(number: int) -> int:
        return timestamps[number] if timestamps else 10**15

    return [
        SegmentFacts(end_offset=10 * (n + 1), size=size, largest_timestamp=partial(largest, n))
        for n, size in enumerate(sizes)
    ]


def count(segments: list[SegmentFacts], config: LogConfig, **fields: int) -> int:
    rest = {"log_start_offset": 0, "high_watermark": 1000, "now_ms": 10**6} | fields
    return deletable_count(segments, config, **rest)


KEEP = log_config(retention_ms=-1)


def test_segments_below_the_log_start_go_but_never_the_active_one() -> None:
    assert count(facts(5, 5, 5), KEEP, log_start_offset=10) == 1
    assert count(facts(5, 5, 5), KEEP, log_start_offset=19) == 1
    assert count(facts(5, 5, 5), KEEP, log_start_offset=30) == 2


@pytest.mark.parametrize(
    ("limit", "gone"), [(-1, 0), (300, 0), (201, 0), (200, 1), (100, 2), (1, 2), (0, 3)]
)
def test_by_size_while_the_excess_covers_a_segment(limit: int, gone: int) -> None:
    config = log_config(retention_ms=-1, retention_bytes=limit)
    assert count(facts(100, 100, 100), config) == gone


def test_by_time_oldest_first_until_one_is_young() -> None:
    config = log_config(retention_ms=1000)
    old, young = 10**6 - 1001, 10**6 - 1000
    assert count(facts(1, 1, 1, timestamps=(old, young, old)), config) == 1
    assert count(facts(1, 1, 1, timestamps=(old, old, old)), config) == 3


def test_an_empty_active_segment_stays() -> None:
    config = log_config(retention_ms=0)
    assert count(facts(1, 1, 0, timestamps=(1, 1, 1)), config) == 2


def test_nothing_at_the_high_watermark_goes() -> None:
    config = log_config(retention_ms=0, retention_bytes=0)
    assert count(facts(1, 1, 1, timestamps=(1, 1, 1)), config, high_watermark=19) == 1


def test_compacted_topics_lose_only_what_is_below_the_log_start() -> None:
    config = log_config(retention_ms=0, retention_bytes=0, cleanup_policy=("compact",))
    assert count(facts(1, 1, 1, timestamps=(1, 1, 1)), config, log_start_offset=10) == 1


def test_rolling_by_time_prefers_record_time() -> None:
    config = log_config(segment_ms=100)
    common = {"created_ms": 0, "now_ms": 10_000, "jitter_ms": 0}
    assert not must_roll_for_time(config, first_timestamp=500, batch_timestamp=600, **common)
    assert must_roll_for_time(config, first_timestamp=500, batch_timestamp=601, **common)
    assert must_roll_for_time(config, first_timestamp=-1, batch_timestamp=-1, **common)
    assert must_roll_for_time(
        config, first_timestamp=500, batch_timestamp=600, created_ms=0, now_ms=0, jitter_ms=1
    )


def test_a_compacted_topic_rolls_before_its_records_wait_too_long_for_the_cleaner() -> None:
    config = log_config(segment_ms=1000, max_compaction_lag_ms=100)
    times = {"first_timestamp": 500, "created_ms": 0, "now_ms": 700, "jitter_ms": 0}
    assert not must_roll_for_time(config, batch_timestamp=601, **times)
    for policy in (("compact",), ("compact", "delete")):
        compacted = replace(config, cleanup_policy=policy)
        assert must_roll_for_time(compacted, batch_timestamp=601, **times)
        assert not must_roll_for_time(compacted, batch_timestamp=600, **times)
        shorter = replace(compacted, segment_ms=50)
        assert must_roll_for_time(shorter, batch_timestamp=551, **times)
