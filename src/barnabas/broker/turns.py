"""Who is served when: a share of each turn of the loop for every connection that has something.

A connection is a line: requests that have come and wait, and long work that it has begun. While
nobody waits and the turn has time left, a line is served as soon as something comes. Otherwise
lines wait; each turn serves for ``TURN_S`` those that have used least since they last had nothing
to do, and that which has waited longest; then the loop looks at everything else (sockets, timers,
the ZooKeeper session). A request that may take milliseconds is only looked at in its first turn
then. So whoever asks for little is answered soon, however many ask for much.

Lines of other brokers come first, in a part of the turn of their own: a flood of clients does not
hold up replication, and whoever only claims to be a broker cannot take the clients' part. Long work
holds memory while it is under way, so few lines at a time go on with it after their first shares.

Time is measured with the stopwatch of the world, which stands still in the simulator; there counts
of requests and steps end a turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from heapq import heapify, heappop, heappush
from typing import Final

TURN_S: Final = 0.004
"""Of clients, and as much of other brokers."""
ARRIVALS_S: Final = 0.016
"""Who comes while nobody waits is served at once, for so long from the beginning of a turn."""
SHARE_S: Final = 0.00025
"""Of one line, when others wait."""
LINES_PER_TURN: Final = 256
STEPS_PER_SHARE: Final = 256
"""Of long work."""
STEPS_PER_LOOK: Final = 8
"""At the stopwatch."""
REQUESTS_PER_SHARE: Final = 128
BYTES_PER_SHARE: Final = 1024 * 1024
SERVED_COST_S: Final = 0.00001
"""Charged for each time that a line is served, beside what the stopwatch says."""
TASK_COST_S: Final = 0.0001
"""Charged for a request that goes on in a task of its own, where its time is not seen."""
READ_BYTES_PER_TURN: Final = 4 * 1024 * 1024
SHARES_BEFORE_LONG: Final = 32
"""Work that ends within so many is no long work: an answer about some hundred topics does not wait
for those about many thousands."""
LONG_AT_ONCE: Final = 2
"""Lines that go on with long work at the same time; the others wait for them."""


class Outcome(Enum):
    """How a line is left at the end of its share."""

    IDLE = 0
    """Nothing of it waits."""
    MORE = 1
    BLOCKED = 2
    """It waits for something else than its turn."""


class Line:
    """One connection, as the turns see it."""

    __slots__ = (
        "is_first",
        "ticket",
        "used_s",
    )

    def __init__(self) -> None:
        self.is_first = False
        """Whether it comes before the clients: another broker's."""
        self.ticket = 0
        """Not 0 while it waits for its turn; the turns' own, like the following."""
        self.used_s = 0.0
        """What it has used since it last had nothing to do."""

    def take_turn(self, share_s: float) -> Outcome:
        """Serve what waits for so long at most. Must not raise."""
        raise NotImplementedError


class Turns:
    """The order in which the lines of one loop are served."""

    def __init__(self, call_soon: Callable[..., object], stopwatch: Callable[[], float]) -> None:
        self.clock = stopwatch
        self._call_soon = call_soon
        self._brokers: deque[Line] = deque()
        self._behind: deque[Line] = deque()
        """Other brokers that are served after the clients of the next turn."""
        self._fresh: deque[Line] = deque()
        """Clients that have used nothing yet."""
        self._least: list[tuple[float, int, Line]] = []
        """A heap of the other waiting clients: what they have used, their tickets."""
        self._oldest: deque[tuple[int, Line]] = deque()
        """Those in the order in which they came. Both hold lines that were served since; a
        ticket that is not the line's own any more is passed over."""
        self._tickets = 0
        self._lines = 0
        self._waiting = 0
        """Clients that wait for their turn."""
        self._turn_ends = 0.0
        """When who comes has to wait for the next turn. What is served as it comes ends a turn so
        long after the one before began, busy or not: it costs nothing to begin one too many."""
        self._served = 0
        self._read_bytes = 0
        self.count = 0
        """Turns so far."""
        self.is_busy = False
        """Whether who comes has to wait for a turn: somebody does, or this turn is over."""
        self._long: dict[Line, None] = {}
        self._long_waiting: dict[Line, bool] = {}
        """And whether they have begun."""

    def next_number(self) -> int:
        """For a new line: greater than those of all before it."""
        self._lines += 1
        return self._lines

    def arrived(self, line: Line) -> None:
        """There is something for a line: now, if nobody waits and the turn is not over, else in
        its order."""
        if line.ticket:
            return
        if self.is_busy and (
            not line.is_first or self._brokers or self.clock() >= self._turn_ends + TURN_S
        ):
            self._enqueue(line)
            return
        now = self._serve(line)
        if now >= self._turn_ends or self._served >= LINES_PER_TURN:
            self._schedule()

    def arrived_behind(self, line: Line) -> None:
        """``arrived`` for another broker's line, but behind the clients that wait for this turn."""
        if not self.is_busy or line.ticket:
            self.arrived(line)
            return
        self._tickets += 1
        line.ticket = self._tickets
        self._behind.append(line)

    def served(self, line: Line) -> None:
        """A line that wants no more was served while nobody was to wait."""
        line.used_s = 0.0
        self._served += 1
        if self.clock() >= self._turn_ends or self._served >= LINES_PER_TURN:
            self._schedule()

    def later(self, line: Line) -> None:
        """The line wants a turn, but not in this turn of the loop."""
        if not line.ticket:
            self._enqueue(line)

    def charge(self, line: Line, seconds: float) -> None:
        """Work of a line that the stopwatch does not see."""
        self._turn_ends -= seconds
        line.used_s += seconds

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

    @property
    def is_waited_for(self) -> bool:
        """Whether clients wait for their turn, beside the line that has it."""
        return self._waiting > 0

    # Long work

    @property
    def has_long(self) -> bool:
        """Whether clients' long work is under way."""
        return bool(self._long)

    def may_go_on(self, line: Line, *, begun: bool = True) -> bool:
        """Whether the line may go on with long work now; if not, it gets a turn when it may.
        ``begun``: the request holds memory already. Those go on before others begin."""
        if line in self._long or line.is_first:
            return True
        if len(self._long) < LONG_AT_ONCE:
            self._long_waiting.pop(line, None)
            self._long[line] = None
            return True
        self._long_waiting[line] = begun
        return False

    def long_done(self, line: Line) -> None:
        """It has ended its long work, or is gone: also before its turn came, to which it was told
        that it might go on."""
        self._long_waiting.pop(line, None)
        self._long.pop(line, None)
        waiting = self._long_waiting
        if waiting and len(self._long) < LONG_AT_ONCE:
            untold = [line for line in waiting if not line.ticket]
            if untold:
                self.later(min(untold, key=lambda line: (not waiting[line], line.used_s)))

    # The turn

    def _enqueue(self, line: Line) -> None:
        self._tickets += 1
        line.ticket = self._tickets
        if line.is_first:
            self._brokers.append(line)
        else:
            self._waiting += 1
            if line.used_s:
                heappush(self._least, (line.used_s, line.ticket, line))
                self._oldest.append((line.ticket, line))
            else:
                self._fresh.append(line)
        self._schedule()

    def _schedule(self) -> None:
        if not self.is_busy:
            self.is_busy = True
            self._call_soon(self._run)

    def _serve(self, line: Line, began: float | None = None) -> float:
        """Give a line its share; the time at its end. Without ``began`` nobody knows what it has
        used: it came when nobody waited."""
        outcome = line.take_turn(SHARE_S if self._waiting else TURN_S)
        now = self.clock()
        self._served += 1
        if outcome is Outcome.IDLE:
            line.used_s = 0.0
        else:
            line.used_s += SERVED_COST_S if began is None else now - began + SERVED_COST_S
            if outcome is Outcome.MORE and not line.ticket:
                self._enqueue(line)
        return now

    def _run(self) -> None:
        self.count += 1
        self._read_bytes = 0
        self._served = 0
        now = self.clock()
        ends = now + TURN_S
        while self._brokers and now < ends and self._served < LINES_PER_TURN // 2:
            line = self._brokers.popleft()
            line.ticket = 0
            now = self._serve(line, now)
        left = ends - now
        now = self._serve_clients(now)
        self._serve_behind(now, now + left)
        self._drop_stale()
        self._turn_ends = self.clock() + ARRIVALS_S
        self.is_busy = False
        if self._brokers or self._waiting or self._behind:
            self._schedule()

    def _serve_behind(self, now: float, ends: float) -> None:
        """In what is left of the brokers' part of the turn; the others are first in the next."""
        behind, self._behind = self._behind, deque()
        for number, line in enumerate(behind):
            line.ticket = 0
            if now < ends and number < LINES_PER_TURN // 2:
                now = self._serve(line, now)
            else:
                self._enqueue(line)

    def _serve_clients(self, now: float) -> float:
        """Those that have used nothing, for half of the turn; that which has waited longest,
        however long it takes; then those that have used least."""
        ends = now + TURN_S
        fresh, oldest = self._fresh, self._oldest
        while fresh and now < ends - TURN_S / 2 and self._served < LINES_PER_TURN:
            now = self._take(fresh.popleft(), now)
        while oldest and oldest[0][0] != oldest[0][1].ticket:
            oldest.popleft()
        if oldest:
            now = self._take(oldest.popleft()[1], now)
        while self._waiting and now < ends and self._served < LINES_PER_TURN:
            if fresh:
                line = fresh.popleft()
            else:
                _, ticket, line = heappop(self._least)
                if ticket != line.ticket:
                    continue
            now = self._take(line, now)
        return now

    def _take(self, line: Line, began: float) -> float:
        line.ticket = 0
        self._waiting -= 1
        return self._serve(line, began)

    def _drop_stale(self) -> None:
        """Of lines that were served since."""
        if not self._waiting:
            self._least.clear()
            self._oldest.clear()
            return
        bound = 2 * self._waiting + LINES_PER_TURN
        if len(self._least) > bound:
            self._least = [entry for entry in self._least if entry[1] == entry[2].ticket]
            heapify(self._least)
        if len(self._oldest) > bound:
            self._oldest = deque(entry for entry in self._oldest if entry[0] == entry[1].ticket)
