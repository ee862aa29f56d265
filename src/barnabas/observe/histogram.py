"""Yammer's Histogram, in fixed memory: how long things took, by quantiles. Pure.

Each doubling of the time has four buckets, so a quantile is off by a fifth at most. Quantiles are
of the last minutes (``WINDOW_S``), like those of Kafka's decaying sample. The count is of all time.
"""

from __future__ import annotations

from typing import Final

BUCKETS: Final = 4 * 32
WINDOW_S: Final = 60.0
WINDOWS: Final = 5
QUANTILES: Final = (0.5, 0.75, 0.95, 0.98, 0.99, 0.999)
"""The quantiles that Kafka shows."""


def bucket_of(micros: int) -> int:
    """The bucket that a time falls into."""
    if micros < 4:
        return max(micros, 0)
    octave = micros.bit_length() - 1
    return min((octave << 2) - 4 + ((micros >> (octave - 2)) & 3), BUCKETS - 1)


def upper_micros(bucket: int) -> int:
    """The greatest time that falls into a bucket, in microseconds."""
    if bucket < 4:
        return bucket
    octave, quarter = divmod(bucket + 4, 4)
    return ((5 + quarter) << (octave - 2)) - 1


class Histogram:
    """Times in seconds; quantiles in milliseconds."""

    __slots__ = ("_began", "_windows", "buckets", "count", "sum_s")

    def __init__(self) -> None:
        self.buckets = [0] * BUCKETS
        self.count = 0
        """How many times were added. Where only a sample is measured, more has happened."""
        self.sum_s = 0.0
        self._began = 0.0
        self._windows: list[list[int]] = []
        """A copy of ``buckets`` from the beginning of each of the last windows, oldest first."""

    def add(self, seconds: float) -> None:
        """Add one time."""
        self.buckets[bucket_of(int(seconds * 1_000_000))] += 1
        self.count += 1
        self.sum_s += seconds

    def quantiles_ms(self, now_s: float) -> list[tuple[float, float]]:
        """(quantile, milliseconds) of the last minutes; 0 if nothing was added. ``now_s`` never
        goes back. Only this call begins new windows, so adding stays cheap."""
        counts = self._recent(now_s)
        total = sum(counts)
        return [(q, _quantile_ms(counts, total, q)) for q in QUANTILES]

    def cumulative(self, bounds_s: tuple[float, ...]) -> list[int]:
        """How many took no longer than each bound, as exactly as the buckets allow."""
        found = []
        for bound in bounds_s:
            last = bucket_of(int(bound * 1_000_000))
            found.append(sum(self.buckets[: last + 1]))
        return found

    def _recent(self, now_s: float) -> list[int]:
        if not self._windows or now_s - self._began >= WINDOW_S:
            before = self._windows[0] if self._windows else [0] * BUCKETS
            self._windows.append(list(self.buckets) if self._windows else before)
            del self._windows[:-WINDOWS]
            self._began = now_s
        before = self._windows[0]
        return [now - then for now, then in zip(self.buckets, before, strict=True)]


class SizeHistogram:
    """Sizes in bytes, in the buckets of a ``Histogram``."""

    __slots__ = ("_sizes",)

    def __init__(self) -> None:
        self._sizes = Histogram()

    @property
    def count(self) -> int:
        """How many sizes were added."""
        return self._sizes.count

    def add(self, size: int) -> None:
        """Add one size."""
        self._sizes.add(size / 1_000_000)

    def quantiles_bytes(self, now_s: float) -> list[tuple[float, float]]:
        """(quantile, bytes) of the last minutes, as ``Histogram.quantiles_ms``."""
        return [(q, ms * 1000) for q, ms in self._sizes.quantiles_ms(now_s)]


def _quantile_ms(counts: list[int], total: int, quantile: float) -> float:
    if not total:
        return 0.0
    wanted = quantile * total
    seen = 0
    for bucket, count in enumerate(counts):
        seen += count
        if seen >= wanted:
            return upper_micros(bucket) / 1000
    return upper_micros(BUCKETS - 1) / 1000
