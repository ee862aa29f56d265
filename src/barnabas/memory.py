"""Counts the bytes that a broker holds in memory for its peers. The bounds are in ``limits.py``.

Peers decide how many there are: requests without an answer yet, and answers that were not read.
This module only counts; its callers decide what happens at a bound.
"""

from __future__ import annotations


class Account:
    """How many bytes are held, and how many may be."""

    __slots__ = ("bytes_max", "held")

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.held = 0

    @property
    def is_full(self) -> bool:
        return self.held >= self.bytes_max

    @property
    def is_short(self) -> bool:
        """Whether half of the bound or more is used."""
        return 2 * self.held >= self.bytes_max

    @property
    def reserve(self) -> int:
        """The quarter that is kept for requests that must not wait behind others."""
        return self.bytes_max // 4

    def room(self, *, reserved: bool = False) -> int:
        """How many bytes one more request may take: half of what is left, so that some is left for
        the next one; -1 if nothing is left. ``reserved``: whether it may use the reserve."""
        left = self.bytes_max - self.held
        if not reserved:
            left -= self.reserve
        return left // 2 if left > 0 else -1
