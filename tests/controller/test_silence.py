"""How long nothing was heard, and when that says something."""

from __future__ import annotations

from barnabas.controller.silence import Silences


def _silences(*brokers: int) -> Silences:
    silences = Silences(limit_ms=2000, now_ms=0)
    for broker in brokers:
        silences.add(broker, 0)
    return silences


def _pass(silences: Silences, start: int, end: int, *heard: int) -> dict[int, int]:
    """Who falls silent when, if a look is taken every 250 ms and ``heard`` are heard each time."""
    found: dict[int, int] = {}
    for now in range(start, end + 1, 250):
        for broker in heard:
            silences.heard(broker, now)
        for broker in silences.look(now):
            assert broker not in found, "told once"
            found[broker] = now
    return found


def test_one_of_three_falls_silent_and_comes_back() -> None:
    silences = _silences(2, 3)
    assert _pass(silences, 250, 1000, 2, 3) == {}
    assert _pass(silences, 1250, 10_000, 3) == {2: 3000}
    assert silences.is_silent(2, 10_000)
    assert not silences.is_silent(3, 10_000)
    silences.heard(2, 10_100)
    assert not silences.is_silent(2, 10_100)
    assert _pass(silences, 10_250, 20_000, 3) == {2: 12_250}, "told again"


def test_a_pause_shorter_than_the_limit_is_no_silence() -> None:
    silences = _silences(2, 3)
    for start in range(0, 20_000, 2000):
        assert _pass(silences, start, start + 1500, 3) == {}
        assert _pass(silences, start + 1750, start + 1750, 2, 3) == {}


def test_two_of_five_may_be_silent_but_not_two_of_four() -> None:
    assert _pass(_silences(2, 3, 4, 5), 250, 5000, 2, 3) == {4: 2000, 5: 2000}
    assert _pass(_silences(2, 3, 4), 250, 60_000, 2) == {}


def test_a_controller_that_hears_nobody_blames_nobody() -> None:
    silences = _silences(2, 3)
    assert _pass(silences, 250, 60_000) == {}
    assert not silences.is_silent(2, 60_000)
    # One is heard first. The other has its whole time from then on, about.
    assert _pass(silences, 60_250, 61_000, 2) == {}
    assert _pass(silences, 61_250, 70_000, 2)[3] >= 61_000


def test_who_was_silent_is_not_while_most_others_are_silent_too() -> None:
    silences = _silences(2, 3)
    assert _pass(silences, 250, 3000, 3) == {2: 2000}
    assert silences.is_silent(2, 3000)
    assert not silences.is_silent(2, 4500), "3 has not been heard either"


def test_of_two_brokers_neither_can_say_who_is_cut_off() -> None:
    assert _pass(_silences(2), 250, 60_000) == {}


def test_time_in_which_the_controller_was_stopped_does_not_count() -> None:
    silences = _silences(2, 3)
    _pass(silences, 250, 1000, 2, 3)
    assert _pass(silences, 31_000, 32_000, 3) == {}
    assert list(_pass(silences, 32_250, 40_000, 3)) == [2]
    silences.remove(2)
    assert not silences.is_silent(2, 60_000)
