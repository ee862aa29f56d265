"""Connections before their login: so many, so much, so long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barnabas.broker.newcomers import Newcomers


class Stranger:
    peer = "10.0.0.1"

    def __init__(self) -> None:
        self.ended = False

    def abort(self) -> None:
        self.ended = True


def test_the_first_makes_room() -> None:
    newcomers, strangers = Newcomers(2, 10.0), [Stranger() for _ in range(3)]
    for stranger in strangers:
        newcomers.add(stranger, 0.0)
    assert [s.ended for s in strangers] == [True, False, False]
    assert len(newcomers) == 2


def test_a_flood_is_told_in_two_lines(caplog: pytest.LogCaptureFixture) -> None:
    newcomers, strangers = Newcomers(2, 10.0), [Stranger() for _ in range(50)]
    for stranger in strangers:
        newcomers.add(stranger, 0.0)
    newcomers.check(0.1)
    newcomers.check(0.2)
    assert caplog.messages == [
        "closing connection from 10.0.0.1: too many others wait to authenticate as well",
        "closed 47 more: too many others wait to authenticate as well",
    ]
    assert [s.ended for s in strangers] == [True] * 48 + [False] * 2


def test_who_holds_most_makes_room() -> None:
    newcomers, strangers = Newcomers(9, 10.0, bytes_max=100), [Stranger() for _ in range(3)]
    for stranger in strangers:
        newcomers.add(stranger, 0.0)
    for stranger, held in zip(strangers, (20, 60, 30), strict=True):
        newcomers.count(stranger, held)
    assert [s.ended for s in strangers] == [False, True, False]
    assert newcomers.held == 50


def test_nobody_stays_for_ever() -> None:
    newcomers, strangers = Newcomers(9, 10.0), [Stranger() for _ in range(3)]
    for number, stranger in enumerate(strangers):
        newcomers.add(stranger, 4.0 * number)
    newcomers.remove(strangers[0])
    newcomers.check(14.0)
    assert [s.ended for s in strangers] == [False, True, False]
    newcomers.check(100.0)
    assert strangers[2].ended
    assert not strangers[0].ended
    assert (len(newcomers), newcomers.held) == (0, 0)


@given(
    st.lists(st.tuples(st.sampled_from("acrk"), st.integers(0, 5), st.integers(0, 60)), max_size=40)
)
def test_the_account_is_right_whatever_happens(steps: list[tuple[str, int, int]]) -> None:
    newcomers, strangers = Newcomers(3, 10.0, bytes_max=100), [Stranger() for _ in range(6)]
    now = 0.0
    for what, which, amount in steps:
        now += amount / 10
        stranger = strangers[which]
        if what == "a" and not stranger.ended:
            newcomers.remove(stranger)
            newcomers.add(stranger, now)
        elif what == "c":
            newcomers.count(stranger, amount)
        elif what == "r":
            newcomers.remove(stranger)
        else:
            newcomers.check(now)
        assert len(newcomers) <= 3
        assert 0 <= newcomers.held < 100
    for stranger in strangers:
        newcomers.remove(stranger)
    assert newcomers.held == 0
