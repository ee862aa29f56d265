"""Quantiles in fixed memory."""

from __future__ import annotations

import math
import random

import pytest

from barnabas.observe.histogram import WINDOW_S, WINDOWS, Histogram, bucket_of, upper_micros


def test_buckets_follow_each_other_without_a_gap() -> None:
    before = 0
    for micros in range(10_000):
        bucket = bucket_of(micros)
        assert bucket in (before, before + 1)
        assert micros <= upper_micros(bucket)
        assert bucket == 0 or micros > upper_micros(bucket - 1)
        before = bucket
    assert bucket_of(1 << 60) == bucket_of(1 << 50)


@pytest.mark.parametrize("seed", range(5))
def test_quantiles_are_right_to_a_quarter(seed: int) -> None:
    rng = random.Random(seed)
    times = sorted(rng.lognormvariate(-6, 1.5) for _ in range(5_000))
    histogram = Histogram()
    for seconds in times:
        histogram.add(seconds)
    for quantile, ms in histogram.quantiles_ms(0.0):
        exact = times[math.ceil(quantile * len(times)) - 1] * 1_000
        assert exact * 0.99 <= ms <= exact * 1.3
    assert histogram.count == 5_000
    assert histogram.sum_s == pytest.approx(sum(times))


def test_old_times_are_forgotten_but_counted() -> None:
    histogram = Histogram()
    histogram.add(10.0)
    now = 0.0
    for _ in range(WINDOWS + 1):
        histogram.quantiles_ms(now)
        now += WINDOW_S
    histogram.add(0.001)
    assert dict(histogram.quantiles_ms(now))[0.999] < 2
    assert histogram.count == 2


def test_without_times_quantiles_are_zero() -> None:
    assert {ms for _, ms in Histogram().quantiles_ms(5.0)} == {0.0}


def test_cumulative_counts() -> None:
    histogram = Histogram()
    for seconds in (0.0001, 0.01, 5.0):
        histogram.add(seconds)
    assert histogram.cumulative((0.001, 0.1, 10.0)) == [1, 2, 3]
