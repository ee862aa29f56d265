"""Leader epochs: the table of reference 4.9, and a naive model that keeps every record."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barnabas.storage.epochs import EpochEntry, LeaderEpochCache

CACHE = [(2, 0), (4, 10), (7, 25)]


def cache_of(entries: list[tuple[int, int]]) -> LeaderEpochCache:
    return LeaderEpochCache(EpochEntry(*entry) for entry in entries)


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (-1, (-1, -1)),
        (0, (0, 0)),
        (1, (1, 0)),
        (2, (2, 10)),
        (3, (2, 10)),
        (4, (4, 25)),
        (6, (4, 25)),
        (7, (7, 40)),
        (8, (-1, -1)),
    ],
)
def test_end_offset_for(asked: int, answer: tuple[int, int]) -> None:
    assert cache_of(CACHE).end_offset_for(asked, 40) == answer


def test_an_empty_cache_knows_nothing() -> None:
    cache = LeaderEpochCache()
    assert not cache
    assert (cache.latest_epoch, cache.latest, cache.earliest) == (-1, None, None)
    assert cache.end_offset_for(0, 5) == cache.end_offset_for(-1, 5) == (-1, -1)
    assert not cache.truncate_from_end(0)
    assert not cache.truncate_from_start(10)
    assert not cache.clear()


@pytest.mark.parametrize(
    ("epoch", "start", "result"),
    [
        (7, 25, None),
        (7, 30, None),
        (9, 30, [*CACHE, (9, 30)]),
        (9, 25, [(2, 0), (4, 10), (9, 25)]),  # an epoch without records is replaced
        (9, 10, [(2, 0), (9, 10)]),
        (9, 0, [(9, 0)]),
        (5, 30, [(2, 0), (4, 10), (5, 30)]),  # not monotonic: the later write is right
        (7, 20, [(2, 0), (4, 10), (7, 20)]),
        (-1, 30, []),  # records without an epoch: the others tell nothing any more
        (8, -1, None),
    ],
)
def test_assign(epoch: int, start: int, result: list[tuple[int, int]] | None) -> None:
    cache = cache_of(CACHE)
    assert cache.assign(epoch, start) is (result is not None)
    assert list(cache.entries) == (CACHE if result is None else result)


@pytest.mark.parametrize(
    ("end", "left"), [(0, 0), (1, 1), (10, 1), (11, 2), (25, 2), (26, 3), (100, 3), (-1, 3)]
)
def test_truncate_from_end_drops_an_epoch_without_records_too(end: int, left: int) -> None:
    """KAFKA-10706: truncating exactly to the end of the log."""
    cache = cache_of(CACHE)
    assert cache.truncate_from_end(end) is (left < 3)
    assert list(cache.entries) == CACHE[:left]


@pytest.mark.parametrize(
    ("start", "result"),
    [
        (0, CACHE),
        (5, [(2, 5), (4, 10), (7, 25)]),
        (10, [(4, 10), (7, 25)]),
        (24, [(4, 24), (7, 25)]),
        (25, [(7, 25)]),
        (99, [(7, 99)]),
    ],
)
def test_truncate_from_start(start: int, result: list[tuple[int, int]]) -> None:
    cache = cache_of(CACHE)
    assert cache.truncate_from_start(start) is (result != CACHE)
    assert list(cache.entries) == result


def test_epoch_at() -> None:
    cache = cache_of([(2, 5), (4, 10)])
    assert [cache.epoch_at(offset) for offset in (0, 4, 5, 9, 10, 99)] == [-1, -1, 2, 2, 4, 4]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("lead"), st.integers(0, 3)),
        st.tuples(st.just("write"), st.integers(1, 4)),
        st.tuples(st.just("cut"), st.integers(0, 30)),
        st.tuples(st.just("drop"), st.integers(0, 30)),
    ),
    max_size=40,
)


@given(STEPS)
def test_against_a_log_that_remembers_each_record(steps: list[tuple[str, int]]) -> None:
    cache = LeaderEpochCache()
    log: dict[int, int] = {}
    epoch = start = end = 0
    led_at: tuple[int, int] | None = None  # an epoch that has begun and holds no record yet
    for step, number in steps:
        if step == "lead":
            epoch += number
            cache.assign(epoch, end)
            led_at = (epoch, end)
        elif step == "write":
            for _ in range(number):
                cache.assign(epoch, end)
                log[end] = epoch
                end += 1
        elif step == "cut" and start <= number <= end:
            end = number
            log = {offset: e for offset, e in log.items() if offset < end}
            cache.truncate_from_end(end)
            if led_at is not None and led_at[1] >= end:
                led_at = None
        elif step == "drop" and start <= number <= end:
            start = number
            log = {offset: e for offset, e in log.items() if offset >= start}
            cache.truncate_from_start(start)
        _agree(cache, log, led_at, start, end)


def _agree(
    cache: LeaderEpochCache,
    log: dict[int, int],
    led_at: tuple[int, int] | None,
    start: int,
    end: int,
) -> None:
    entries = cache.entries
    assert all(a.epoch < b.epoch for a, b in pairwise(entries))
    assert all(a.start_offset < b.start_offset for a, b in pairwise(entries))
    assert all(start <= entry.start_offset <= end for entry in entries)
    for offset, epoch in log.items():
        assert cache.epoch_at(offset) == epoch
        _, end_of_epoch = cache.end_offset_for(epoch, end)
        assert end_of_epoch == max(o for o, e in log.items() if e == epoch) + 1
    if led_at is not None and led_at[1] == end:
        assert cache.latest_epoch == led_at[0]
