"""The one timer of all groups."""

from __future__ import annotations

from typing import Any

import pytest

from barnabas.coordinator.group.timers import GroupTimers, whole_ms


class Clock:
    """A loop that keeps what is to be called and when."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[Any] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, call: Any) -> Any:
        self.calls.append(call)
        return self

    def cancel(self) -> None:
        self.calls.clear()


class Waiting:
    """A group that waits for one moment."""

    timer_ms: int | None = None
    deadline: int | None = 0

    def next_deadline_ms(self) -> int | None:
        return self.deadline


@pytest.mark.parametrize("early_s", [0.0, 0.0000001, 0.0004])
@pytest.mark.parametrize("deadline", [522, 523, 1_234_567])
def test_what_a_timer_fires_for_is_due(deadline: int, early_s: float) -> None:
    clock, group = Clock(), Waiting()
    group.deadline = deadline

    def due(_: object) -> None:
        if whole_ms(clock) >= deadline:  # type: ignore[arg-type]
            group.deadline = None

    timers = GroupTimers(clock, due)  # type: ignore[arg-type]
    timers.arm(group)  # type: ignore[arg-type]
    clock.now = deadline / 1000 - early_s
    clock.calls.pop()()
    assert (group.deadline, clock.calls) == (None, [])
