"""LogCleaner's metrics, made from what the cleaner notes after each pass."""

from __future__ import annotations

from collections.abc import Mapping


class CleanerFigures:
    """Figures of all passes since the start, or of the last pass where the docstring says so."""

    def __init__(self) -> None:
        self.passes = 0
        self.bytes_read = 0
        self.bytes_kept = 0
        self.last_ms = 0
        """How long the last pass took."""
        self.longest_ms = 0
        self.finished_ms: int | None = None
        """Wall time at which the last pass ended."""

    def add(self, fields: Mapping[str, object], now_ms: int) -> None:
        """Add a pass over a log that has ended."""
        read, kept, took = (fields.get(name) for name in ("bytes_read", "bytes_kept", "ms"))
        if isinstance(read, int) and isinstance(kept, int) and isinstance(took, int):
            self.passes += 1
            self.bytes_read += read
            self.bytes_kept += kept
            self.last_ms = max(took, 0)
            self.longest_ms = max(self.longest_ms, self.last_ms)
            self.finished_ms = now_ms

    @property
    def kept_percent(self) -> float:
        """The share of the bytes read that was kept."""
        return 100 * self.bytes_kept / self.bytes_read if self.bytes_read else 0.0
