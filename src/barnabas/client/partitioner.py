"""BuiltInPartitioner: the partition of a key, by Kafka's murmur2 as in the Java client. Pure."""

from __future__ import annotations

_SEED = 0x9747B28C
_M = 0x5BD1E995
_MASK = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """MurmurHash2, 32 bit, unsigned, with the Java client's seed."""
    length = len(data)
    h = _SEED ^ length
    for position in range(0, length - length % 4, 4):
        k = int.from_bytes(data[position : position + 4], "little") * _M & _MASK
        k = (k ^ (k >> 24)) * _M & _MASK
        h = (h * _M & _MASK) ^ k
    rest = data[length - length % 4 :]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * _M & _MASK
    h = (h ^ (h >> 13)) * _M & _MASK
    return h ^ (h >> 15)


class Partitioner:
    """Sends a key to the same partition as the Java client does. Records without a key go to the
    partitions in turn, a whole batch to each."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._sticky = 0

    def partition(self, key: bytes | None) -> int:
        if key is None:
            return self._sticky
        return (murmur2(key) & 0x7FFFFFFF) % self._partitions

    def next_batch(self) -> None:
        """Send records without a key to the next partition from now on."""
        self._sticky = (self._sticky + 1) % self._partitions
