"""ServerStats: what the coordinator counts for ``srvr`` and ``mntr``."""

from __future__ import annotations


class Figures:
    """Packets, unexpected errors and the latency of requests, since the start."""

    def __init__(self) -> None:
        self.received = 0
        self.sent = 0
        self.faults = 0
        """Unexpected errors; each ended one request and its connection."""
        self._answered = 0
        self._total_s = 0.0
        self._least_s = 0.0
        self._most_s = 0.0

    def answered(self, seconds: float) -> None:
        """A request was answered this long after it arrived."""
        self._least_s = seconds if not self._answered else min(self._least_s, seconds)
        self._most_s = max(self._most_s, seconds)
        self._total_s += seconds
        self._answered += 1

    @property
    def latency_ms(self) -> tuple[int, float, int]:
        """(shortest, average, longest), as ZooKeeper rounds them."""
        average = 1000 * self._total_s / self._answered if self._answered else 0.0
        return int(1000 * self._least_s), round(average, 4), int(1000 * self._most_s)
