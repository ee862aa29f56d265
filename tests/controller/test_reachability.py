"""Refused connections, counted."""

from __future__ import annotations

from barnabas.controller.reachability import Refusals


def test_refusals() -> None:
    refusals = Refusals(count_max=5, duration_ms=100)
    assert [refusals.refused(t) for t in (0, 20, 40, 60, 80, 100)] == [False] * 5 + [True]
    refusals.other_outcome()
    assert not refusals.refused(1000)
    never = Refusals(count_max=0, duration_ms=0)
    assert not any(never.refused(t) for t in range(100))
