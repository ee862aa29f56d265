"""AbstractFetcherThread.getOffsetTruncationState: where a follower must cut its log when the
leader's epochs disagree with its own.

Reference 5.7 and 4.9; KIP-101, KIP-279, KIP-320, KIP-595. Never to the high watermark (trap 1).
"""

from __future__ import annotations

from typing import NamedTuple

UNDEFINED = -1


class EpochEnd(NamedTuple):
    """A leader epoch and the offset after its last record; (-1, -1) is "unknown"."""

    epoch: int
    end_offset: int


class Truncation(NamedTuple):
    """Cut to ``offset``. ``final`` is False if the next fetch may have to cut again."""

    offset: int
    final: bool


def diverges(leader: EpochEnd, *, last_fetched_epoch: int, fetch_offset: int) -> bool:
    """Leader side: whether a follower whose last record has ``last_fetched_epoch`` and whose log
    ends at ``fetch_offset`` holds something that the leader does not.

    ``leader`` is the leader's end of that epoch. Undefined is not divergence but an unusable
    position (OFFSET_OUT_OF_RANGE); the caller asks for that first.
    """
    return leader.epoch < last_fetched_epoch or leader.end_offset < fetch_offset


def truncation_point(
    leader: EpochEnd, *, local: EpochEnd, log_end_offset: int, fetch_offset: int
) -> Truncation:
    """Follower side: what the leader's answer means for our log.

    ``leader``: the largest epoch that the leader has at or below the one we asked about, and where
    it ends there. ``local``: our own largest epoch at or below ``leader.epoch`` and where it ends
    here, undefined if there is none.
    """
    if leader.end_offset == UNDEFINED:
        return Truncation(min(fetch_offset, log_end_offset), final=True)
    if leader.epoch == UNDEFINED:
        return Truncation(min(leader.end_offset, log_end_offset), final=True)
    if local.end_offset == UNDEFINED:
        return Truncation(min(leader.end_offset, log_end_offset), final=True)
    if local.epoch != leader.epoch:
        # We never had the leader's epoch: drop what follows our last older one, and ask about that.
        return Truncation(min(local.end_offset, log_end_offset), final=False)
    return Truncation(min(local.end_offset, leader.end_offset, log_end_offset), final=True)
