"""Who is served when: a share of each turn of the loop for every connection that has something.

A connection is a line: requests that have come and wait, and long work that it has begun. While
nobody waits and the turn has time left, a line is served as soon as something comes. Otherwise
lines stand in a ring, each gets a share, and when the turn is over the loop looks at everything
else (sockets, timers, the ZooKeeper session) before the next. Lines of other brokers come first and
have a part of the turn of their own, so a flood of clients does not hold up replication, and
whoever only claims to be a broker cannot take the clients' part.

Time is measured with the stopwatch of the world, which stands still in the simulator; there the
counts of requests and steps end a turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

TURN_S: Final = 0.002
"""Of clients, and as much of other brokers."""
SHARE_S: Final = 0.001
"""Of one line in one turn."""
LINES_PER_TURN: Final = 256
STEPS_PER_SHARE: Final = 1024
"""Of long work."""
REQUESTS_PER_SHARE: Final = 32
BYTES_PER_SHARE: Final = 1024 * 1024
TASK_COST_S: Final = 0.0001
"""Charged for a request that goes on in a task of its own, where its time is not seen."""
READ_BYTES_PER_TURN: Final = 4 * 1024 * 1024
LARGE_AT_ONCE: Final = 2
"""Large requests that are decoded and worked on at the same time; the others wait for them."""


class Line(Protocol):
    """One connection, as the turns see it."""

    queued: bool
    """Whether it stands in the ring; the turns' own."""

    @property
    def is_first(self) -> bool:
        """Whether it comes before the clients."""
        ...

    def take_turn(self, until: float) -> bool:
        """Serve what waits until the stopwatch says ``until`` or the share is used; whether there
        is more to do now. Must not raise."""
        ...


class Turns:
    """The order in which the lines of one loop are served."""

    def __init__(self, call_soon: Callable[..., object], stopwatch: Callable[[], float]) -> None:
        self.clock = stopwatch
        self._call_soon = call_soon
        self._rings: tuple[deque[Line], deque[Line]] = (deque(), deque())
        """Clients, brokers."""
        self._spent = [0.0, 0.0]
        self._served = [0, 0]
        self._read_bytes = 0
        self._scheduled = False
        self._large: dict[Line, None] = {}
        self._large_waiting: dict[Line, None] = {}

    def arrived(self, line: Line) -> None:
        """There is something for a line: now, if it is its turn, else in its order."""
        if line.queued:
            return
        which = line.is_first
        if self._rings[which] or self._spent[which] >= TURN_S:
            self._enqueue(line)
        elif which or not self._scheduled:
            self._serve(line, which)
            if self._spent[which] >= TURN_S or self._served[which] >= LINES_PER_TURN:
                self._schedule()
        else:
            self._enqueue(line)

    def later(self, line: Line) -> None:
        """The line wants a turn, but not in this turn of the loop."""
        if not line.queued:
            self._enqueue(line)

    def charge(self, seconds: float) -> None:
        """Work of a client that the stopwatch does not see."""
        self._spent[0] += seconds

    def read(self, count: int) -> bool:
        """Bytes were received; whether the turn has had enough of them."""
        self._read_bytes += count
        if self._read_bytes < READ_BYTES_PER_TURN:
            return False
        self._schedule()
        return True

    @property
    def is_crowded(self) -> bool:
        """Whether a read should be small."""
        return self._read_bytes >= READ_BYTES_PER_TURN

    # Large requests

    def may_be_large(self, line: Line) -> bool:
        """Whether the line may work on a large request now; if not, it gets a turn when it may."""
        if line in self._large:
            return True
        if len(self._large) < LARGE_AT_ONCE or line.is_first:
            self._large_waiting.pop(line, None)
            self._large[line] = None
            return True
        self._large_waiting[line] = None
        return False

    def large_done(self, line: Line) -> None:
        """Its large request has been worked on, or the line is gone."""
        self._large_waiting.pop(line, None)
        if self._large.pop(line, self) is None:
            for waiting in self._large_waiting:
                self.later(waiting)

    # The turn

    def _enqueue(self, line: Line) -> None:
        line.queued = True
        self._rings[line.is_first].append(line)
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._call_soon(self._run)

    def _serve(self, line: Line, which: bool) -> None:
        began = self.clock()
        if line.take_turn(began + SHARE_S):
            self._enqueue(line)
        self._spent[which] += self.clock() - began
        self._served[which] += 1

    def _run(self) -> None:
        self._scheduled = False
        self._read_bytes = 0
        for which in (True, False):
            self._spent[which] = 0.0
            self._served[which] = 0
            ring = self._rings[which]
            for _ in range(min(len(ring), LINES_PER_TURN)):
                line = ring.popleft()
                line.queued = False
                self._serve(line, which)
                if self._spent[which] >= TURN_S:
                    break
        if self._rings[0] or self._rings[1]:
            self._schedule()
