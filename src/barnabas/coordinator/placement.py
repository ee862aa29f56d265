"""partitionFor: which partition of an internal topic keeps a group or a transactional id."""

from __future__ import annotations


def java_hash(text: str) -> int:
    """``String.hashCode``: over UTF-16 units, as a signed 32-bit number (reference 8.1)."""
    units = text.encode("utf-16-be", "surrogatepass")
    value = 0
    for at in range(0, len(units), 2):
        value = (31 * value + (units[at] << 8 | units[at + 1])) & 0xFFFFFFFF
    return value - (1 << 32) if value & 0x80000000 else value


def partition_for(name: str, partitions: int) -> int:
    """The partition of a name; the absolute value of the smallest number counts as 0."""
    value = java_hash(name)
    return (0 if value == -(1 << 31) else abs(value)) % partitions
