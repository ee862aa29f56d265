"""What tests of this room share."""

from __future__ import annotations

from typing import Any

from barnabas.observe.timeline import Timeline


class Clock:
    """Wall time that tests set."""

    def __init__(self, now_ms: int = 1_000_000) -> None:
        self.now_ms = now_ms

    def wall_ms(self) -> int:
        return self.now_ms


class Heard:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.notes: list[tuple[str, dict[str, Any]]] = []

    def note(self, event: str, /, **fields: object) -> None:
        self.notes.append((event, dict(fields)))


def a_timeline(clock: Clock | None = None, **bounds: int) -> Timeline:
    return Timeline(clock or Clock(), "broker:1", Heard(), **bounds)
