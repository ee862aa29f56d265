"""When is a broker whose port refuses connections down? Pure (ARCHITECTURE.md, second path).

A killed process leaves a port that refuses at once; nothing else does that again and again. A slow,
paused or overloaded broker still has its port open: connections to it succeed or time out, and
neither counts here. The session in ZooKeeper remains the authority for all of those.

One case refuses and lives: Kafka's broker opens its port some hundred milliseconds after it has
registered. So who has registered only now and was never reached is given more time.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Refusals:
    """Refused connections in a row, of one incarnation of one broker."""

    count_max: int
    """0 turns the detection off."""
    duration_ms: float
    start_ms: float = 0.0
    """The least duration for one that has just registered, until it is reached."""
    count: int = 0
    first_at_ms: float = 0.0

    def refused(self, now_ms: float) -> bool:
        """One more; True if the broker is to be given up."""
        if self.count == 0:
            self.first_at_ms = now_ms
        self.count += 1
        enough = 0 < self.count_max <= self.count
        return enough and now_ms - self.first_at_ms >= max(self.duration_ms, self.start_ms)

    def connected(self) -> None:
        """Its port is open."""
        self.start_ms = 0.0
        self.count = 0

    def other_outcome(self) -> None:
        """Timed out, reset...: not refused, so the row ends."""
        self.count = 0
