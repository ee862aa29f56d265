"""When is a broker whose port refuses connections down? Pure (architecture section 6, second path).

A killed process leaves a port that refuses at once; nothing else does that again and again. A slow,
paused or overloaded broker still has its port open: connections to it succeed or time out, and
neither counts here. The session in ZooKeeper remains the authority for all of those.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Refusals:
    """Refused connections in a row, of one incarnation of one broker."""

    count_max: int
    """0 turns the detection off."""
    duration_ms: float
    count: int = 0
    first_at_ms: float = 0.0

    def refused(self, now_ms: float) -> bool:
        """One more; True if the broker is to be given up."""
        if self.count == 0:
            self.first_at_ms = now_ms
        self.count += 1
        enough = 0 < self.count_max <= self.count
        return enough and now_ms - self.first_at_ms >= self.duration_ms

    def other_outcome(self) -> None:
        """Connected, timed out, reset...: not refused, so the row ends."""
        self.count = 0
