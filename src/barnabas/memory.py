"""What a broker holds in memory for its peers, counted; the bounds are those of ``limits.py``.

Counted are bytes that somebody else decides about: requests that have not been answered, answers
that have not been taken. Pure bookkeeping: who counts also says what happens at the bound.
"""

from __future__ import annotations


class Account:
    """So many bytes are held of so many."""

    __slots__ = ("bytes_max", "held")

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.held = 0

    @property
    def is_full(self) -> bool:
        return self.held >= self.bytes_max

    @property
    def is_short(self) -> bool:
        """Half of it is gone: time to be careful."""
        return 2 * self.held >= self.bytes_max

    @property
    def reserve(self) -> int:
        """The quarter that is for those only who must not wait for others."""
        return self.bytes_max // 4

    def room(self, *, reserved: bool = False) -> int:
        """How many bytes one more may take: half of what is left, so that there is always some for
        the next; -1 if there is nothing left. ``reserved``: for one that may use the reserve."""
        left = self.bytes_max - self.held
        if not reserved:
            left -= self.reserve
        return left // 2 if left > 0 else -1
