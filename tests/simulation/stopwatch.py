"""``Env.stopwatch`` where work takes time; in the simulator a callback takes none otherwise.

Work that gives way when its turn is over (``barnabas.pace``, ``broker/turns.py``) looks at it after
each piece of work. Whatever was looked at before giving way may be different after it.
"""

from __future__ import annotations

import random

from tests.simulation.kernel import SECOND
from tests.simulation.loop import SimLoop

LONGEST_S = 0.05


class Stopwatch:
    """As much time passes from one look to the next, however little was done: ``look_ns``."""

    def __init__(self, loop: SimLoop, look_ns: int) -> None:
        self._loop = loop
        self._look_ns = look_ns

    def __call__(self) -> float:
        self._loop.occupy(self._look_ns)
        return self._loop.worked_until_ns() / SECOND


class LongWork:
    """A share of the looks finds that the work before it took up to 50 ms; the rest took none."""

    def __init__(self, loop: SimLoop, share: float, stream: random.Random) -> None:
        self._loop = loop
        self._share = share
        self._random = stream.random

    def __call__(self) -> float:
        if self._random() < self._share:
            self._loop.occupy(int(self._random() * LONGEST_S * SECOND))
        return self._loop.worked_until_ns() / SECOND
