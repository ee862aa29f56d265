"""Decides when a broker's machine has fallen silent. Pure (ARCHITECTURE.md, failure detection).

Without power, or behind a cable that is out, a machine refuses nothing and closes nothing. So the
controller asks every broker for a sign of life (``probes``). What counts here is how long none
came, and two things besides:

- a controller that was stopped itself has heard nothing either. Time in which it did not look is
  not counted;
- a controller that is cut off hears nothing of brokers that are well. While it hears half of the
  brokers or fewer, itself among them, nobody is silent, and silence is counted from then on anew.
"""

from __future__ import annotations

from dataclasses import dataclass

PARTS = 4
"""A broker is asked so many times in the time after which it is silent."""


@dataclass(slots=True)
class _Peer:
    heard_ms: float
    counted_from_ms: float
    """Its silence is counted from here: when it was heard, or later."""
    reported: bool = False


class Silences:
    """What one controller hears of the other registered brokers."""

    def __init__(self, *, limit_ms: float, now_ms: float) -> None:
        """``limit_ms``: so long without a sign of life a broker is silent."""
        self.limit_ms = limit_ms
        self.interval_ms = limit_ms / PARTS
        """How often to ask and to look."""
        self._peers: dict[int, _Peer] = {}
        self._looked_at_ms = now_ms

    def add(self, broker_id: int, now_ms: float) -> None:
        """It has registered."""
        self._peers[broker_id] = _Peer(now_ms, now_ms)

    def remove(self, broker_id: int) -> None:
        """Its registration is gone."""
        self._peers.pop(broker_id, None)

    def heard(self, broker_id: int, now_ms: float) -> None:
        """A sign of life: an answer, a connection, a refusal. Others are ignored."""
        if peer := self._peers.get(broker_id):
            peer.heard_ms = peer.counted_from_ms = now_ms
            peer.reported = False

    def look(self, now_ms: float) -> list[int]:
        """Those that have fallen silent since the last look, each once until it is heard again."""
        missed_ms = now_ms - self._looked_at_ms - self.interval_ms
        self._looked_at_ms = now_ms
        if missed_ms > self.interval_ms:
            for peer in self._peers.values():
                peer.heard_ms = min(now_ms, peer.heard_ms + missed_ms)
                peer.counted_from_ms = min(now_ms, peer.counted_from_ms + missed_ms)
        if not self._hears_most(now_ms):
            for peer in self._peers.values():
                peer.counted_from_ms, peer.reported = now_ms, False
            return []
        found = [
            broker_id
            for broker_id, peer in self._peers.items()
            if not peer.reported and now_ms - peer.counted_from_ms >= self.limit_ms
        ]
        for broker_id in found:
            self._peers[broker_id].reported = True
        return found

    def is_silent(self, broker_id: int, now_ms: float) -> bool:
        """Whether it is so still, and others are heard."""
        peer = self._peers.get(broker_id)
        if peer is None or not self._hears_most(now_ms):
            return False
        return now_ms - peer.counted_from_ms >= self.limit_ms

    def _hears_most(self, now_ms: float) -> bool:
        """Itself included; heard is who gave a sign in half of the limit."""
        recent_ms = now_ms - self.limit_ms / 2
        heard = 1 + sum(peer.heard_ms >= recent_ms for peer in self._peers.values())
        return 2 * heard > 1 + len(self._peers)
