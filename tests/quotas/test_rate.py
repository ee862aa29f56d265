"""The arithmetic of quotas, beside throttle times that the original told its clients."""

from __future__ import annotations

import math

import pytest

from barnabas.quotas.rate import THROTTLE_MS_MAX, Rate, SimpleRate, TokenBucket, Window, throttle_ms

WINDOW = Window()
NOW_MS = 1_000_000


def wait_ms(rate: Rate, quota: float, now_ms: int) -> int:
    return throttle_ms(rate.measure(now_ms), quota, rate.window_ms(now_ms))


@pytest.mark.parametrize(
    ("size", "quota", "told_ms"),
    [
        (500_111, 4_000, 115_028),
        (900_000, 102_400, 0),
        (1_024_000, 102_400, 0),
        (100_000 + 110, 1_024, 87_764),
    ],
)
def test_of_one_burst_in_a_fresh_window(size: int, quota: int, told_ms: int) -> None:
    rate = Rate(WINDOW)
    rate.record(size, NOW_MS)
    assert wait_ms(rate, quota, NOW_MS) == told_ms


def test_small_excesses_end_when_a_sample_leaves_the_window() -> None:
    """The original told 1707, 998, 999, 997: a fetch that is retried after each wait."""
    rate, now = Rate(WINDOW), NOW_MS
    for size in (1000, 200_000, 200_000):
        rate.record(size + 100, now)
        assert wait_ms(rate, 51_200, now) == 0
        now += 12
    told = []
    for _ in range(40):
        rate.record(200_100, now)
        wait = wait_ms(rate, 51_200, now)
        if not wait:
            break
        rate.record(-200_100, now)
        told.append(wait)
        now += wait
    assert told[0] == 1710
    assert told[1:4] == [1000, 1000, 1000]


def test_it_counts_ten_seconds_at_least_and_eleven_at_most() -> None:
    rate = Rate(WINDOW)
    for second in range(40):
        now = NOW_MS + second * 1000
        rate.record(100, now)
        assert 10_000 <= rate.window_ms(now) <= 11_000
        assert rate.measure(now) <= 110
    assert rate.measure(NOW_MS + 39_000 + 11_000) == 0


def test_what_is_taken_back_does_not_count() -> None:
    rate = Rate(WINDOW)
    rate.record(1000, NOW_MS)
    rate.record(-1000, NOW_MS + 5)
    assert rate.measure(NOW_MS + 5) == 0


def test_no_burst_of_replication_is_free() -> None:
    rate = SimpleRate(WINDOW)
    rate.record(1000, NOW_MS)
    assert rate.measure(NOW_MS) == 1000
    assert rate.measure(NOW_MS + 4_000) == 250


def test_waits_that_no_answer_can_tell() -> None:
    assert throttle_ms(5, 0, 10_000) == THROTTLE_MS_MAX
    assert throttle_ms(1e12, 1, 10_000) == THROTTLE_MS_MAX
    assert throttle_ms(5, 0, 10_000, 1000) == 1000
    assert throttle_ms(0, 0, 10_000) == 0
    assert throttle_ms(5, math.nan, 10_000) == 0


def test_a_bucket_is_full_and_goes_below_zero() -> None:
    bucket = TokenBucket(WINDOW)
    assert bucket.tokens(1, NOW_MS) == 11
    bucket.take(15, 1, NOW_MS)
    assert bucket.tokens(1, NOW_MS) == -4
    assert bucket.tokens(1, NOW_MS + 3000) == -1
    assert bucket.tokens(1, NOW_MS + 60_000) == 11
    bucket.take(1, 0, NOW_MS + 60_000)
    assert bucket.tokens(0, NOW_MS + 70_000) == -1
