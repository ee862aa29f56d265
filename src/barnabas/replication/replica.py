"""Replica: what a leader knows of a follower, how far it has copied and when it last caught up.

Reference 5.3. Times are milliseconds of the loop's clock, so ``NEVER`` lies before any of them.
"""

from __future__ import annotations

from barnabas.types import UNKNOWN_BROKER_EPOCH

NEVER = -(1 << 62)
UNKNOWN_OFFSET = -1


class Replica:
    """One remote replica, as its fetches describe it."""

    __slots__ = (
        "broker_epoch",
        "last_caught_up_ms",
        "last_fetch_leader_end",
        "last_fetch_ms",
        "log_end_offset",
        "log_start_offset",
    )

    def __init__(self) -> None:
        self.log_end_offset = UNKNOWN_OFFSET
        self.log_start_offset = UNKNOWN_OFFSET
        self.last_caught_up_ms = NEVER
        self.last_fetch_leader_end = 0
        self.last_fetch_ms = NEVER
        self.broker_epoch = UNKNOWN_BROKER_EPOCH
        """Incarnation that sent the last counted fetch (KIP-903)."""

    def reset(self, *, now_ms: int, in_isr: bool, new_leader: bool, last_end: int) -> None:
        """Start a leader epoch. An ISR member gets the full lag time to show up.

        ``new_leader``: this broker did not lead before, so nothing it remembers can be trusted.
        Otherwise the positions stay and only times are re-based; ``last_end`` is the leader's end
        when the epoch began, against which the next fetch is judged. A replica outside of the ISR
        has caught up only once it fetches in this epoch: it may not, since it has used up its
        throttle, and the high watermark would wait for it.
        """
        if new_leader:
            self.log_end_offset = UNKNOWN_OFFSET
            self.log_start_offset = UNKNOWN_OFFSET
            self.broker_epoch = UNKNOWN_BROKER_EPOCH
        self.last_caught_up_ms = now_ms if in_isr else NEVER
        self.last_fetch_leader_end = last_end
        self.last_fetch_ms = now_ms if in_isr else NEVER

    def note_fetch(
        self,
        *,
        offset: int,
        log_start_offset: int,
        leader_end: int,
        now_ms: int,
        broker_epoch: int,
    ) -> None:
        """A fetch from ``offset`` succeeded while the leader's log ended at ``leader_end``.

        The position may go down: the follower may have truncated. Having reached what was the end
        at the previous fetch means that it had caught up at that time, even if writes never pause.
        """
        if offset >= leader_end:
            self.last_caught_up_ms = max(self.last_caught_up_ms, now_ms)
        elif offset >= self.last_fetch_leader_end:
            self.last_caught_up_ms = max(self.last_caught_up_ms, self.last_fetch_ms)
        self.log_end_offset = offset
        self.log_start_offset = log_start_offset
        self.last_fetch_leader_end = max(self.last_fetch_leader_end, leader_end)
        self.last_fetch_ms = now_ms
        self.broker_epoch = broker_epoch

    def note_silent_fetch(self, fetched_ms: int) -> None:
        """It had caught up, and its session fetched again at ``fetched_ms`` without naming us."""
        if fetched_ms > self.last_fetch_ms:
            self.last_fetch_ms = fetched_ms
            self.last_caught_up_ms = max(self.last_caught_up_ms, fetched_ms)

    def is_caught_up(self, leader_end: int, now_ms: int, lag_max_ms: int) -> bool:
        """Whether it is at the leader's end, or was within ``lag_max_ms``."""
        return self.log_end_offset == leader_end or now_ms - self.last_caught_up_ms <= lag_max_ms
