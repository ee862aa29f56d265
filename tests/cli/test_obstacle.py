"""When a command says what is in its way."""

from __future__ import annotations

from barnabas.cli.obstacle import TOLD_AFTER_S, Obstacle, not_registered


def test_what_stays_is_told_once() -> None:
    obstacle = Obstacle()
    assert not obstacle.met("a", 0)
    assert not obstacle.met("a", TOLD_AFTER_S - 1)
    assert obstacle.met("a", TOLD_AFTER_S)
    assert not obstacle.met("a", 2 * TOLD_AFTER_S)
    assert not obstacle.met("b", 3 * TOLD_AFTER_S), "new: it may go at once"
    assert obstacle.met("b", 4 * TOLD_AFTER_S)


def test_what_goes_soon_is_not_told() -> None:
    obstacle = Obstacle()
    for second in range(100):
        assert not obstacle.met("a" if second % 4 else None, second)


def test_brokers_that_are_missing() -> None:
    assert not_registered([3]) == "broker 3 is not registered"
    assert not_registered([3, 1, 2]) == "brokers 1, 2 and 3 are not registered"
