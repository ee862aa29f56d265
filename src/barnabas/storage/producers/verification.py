"""VerificationGuard: proof that a transaction knows of a partition (KIP-890 part 1, reference 7.3).
Pure.

A transactional batch that would open a transaction in a log must come with the guard that was
handed out before its coordinator was asked. The guard dies with the first batch or a marker, so a
late answer of the coordinator cannot let a batch into a transaction that has ended meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass


class VerificationGuard:
    """Compared by identity."""

    __slots__ = ()


UNVERIFIED = VerificationGuard()
"""Of a request in a transaction that was not verified: admits nothing."""
NOT_NEEDED = VerificationGuard()
"""``transaction.partition.verification.enable`` is off: admits everything."""


@dataclass(slots=True, kw_only=True)
class _Verification:
    guard: VerificationGuard
    epoch: int
    lowest_sequence: int
    since_ms: int


class Verifications:
    """Producers whose first batch of a transaction waits for its coordinator, in one log."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: dict[int, _Verification] = {}

    def begin(self, producer_id: int, epoch: int, sequence: int, now_ms: int) -> VerificationGuard:
        """The guard for a batch; the same for all that wait, and another for a new epoch."""
        known = self._waiting.get(producer_id)
        if known is None or epoch > known.epoch:
            known = self._waiting[producer_id] = _Verification(
                guard=VerificationGuard(), epoch=epoch, lowest_sequence=sequence, since_ms=now_ms
            )
        elif epoch == known.epoch:
            known.lowest_sequence = min(known.lowest_sequence, sequence)
        return known.guard

    def admits(self, producer_id: int, guard: VerificationGuard) -> bool:
        """Whether this guard is the one handed out for the producer's present transaction."""
        if guard is NOT_NEEDED:
            return True
        known = self._waiting.get(producer_id)
        return known is not None and known.guard is guard

    def is_too_early(self, producer_id: int, sequence: int) -> bool:
        """Whether an earlier batch still waits: perhaps its verification failed, and it will be
        sent again."""
        known = self._waiting.get(producer_id)
        return known is not None and sequence > known.lowest_sequence

    def end(self, producer_id: int) -> None:
        """A transactional batch or a marker of the producer is in the log."""
        self._waiting.pop(producer_id, None)

    def remove_expired(self, now_ms: int, expiration_ms: int) -> None:
        """Forget guards that are too old."""
        self._waiting = {
            producer_id: known
            for producer_id, known in self._waiting.items()
            if now_ms - known.since_ms < expiration_ms
        }
