"""What a command that waits has to tell of: something is in its way, and stays there."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Final

TOLD_AFTER_S: Final = 5.0


class Obstacle:
    """What is in the way of a command. Pure; times are seconds of a clock that does not go back."""

    def __init__(self) -> None:
        self._present: Hashable = None
        self._since_s = 0.0
        self._told: Hashable = None

    def met(self, what: Hashable, now_s: float) -> bool:
        """``what`` is in the way now; None or empty: nothing is. Whether to tell the user: once for
        each, when it has stayed for ``TOLD_AFTER_S``."""
        if what != self._present:
            self._present, self._since_s = what, now_s
        if not what or what == self._told or now_s - self._since_s < TOLD_AFTER_S:
            return False
        self._told = what
        return True


def not_registered(brokers: Iterable[int]) -> str:
    """``broker 2 is not registered``, or ``brokers 2 and 3 are not registered``."""
    *rest, last = map(str, sorted(brokers))
    if not rest:
        return f"broker {last} is not registered"
    return f"brokers {', '.join(rest)} and {last} are not registered"
