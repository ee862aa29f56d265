"""What a log tells whoever owns it; the ``LogManager`` listens, tests may not."""

from __future__ import annotations

from typing import Protocol

from barnabas.errors import KafkaError
from barnabas.storage.config import LogConfig
from barnabas.storage.segments import Segments
from barnabas.types import TopicPartition


class OwnedLog(Protocol):
    """What an owner may ask of the log that tells it something."""

    topic_partition: TopicPartition
    config: LogConfig
    log_start_offset: int

    @property
    def segments(self) -> Segments: ...
    async def flush(self) -> None: ...
    def fence(self, error: Exception) -> KafkaError: ...


class LogOwner:
    """Hears nothing; to be overridden. Called on the loop, must not block or raise."""

    high_watermarks_moved = True
    """Set by logs whose high watermark has moved: each append that is replicated moves one, so it
    is not told by a call. Whoever has looked at all of them takes it back."""

    def log_failed(self, log: OwnedLog, error: OSError) -> None:
        """The log has been fenced."""

    def flush_wanted(self, log: OwnedLog) -> None:
        """A segment was rolled: it should become durable in the background."""

    def sync_wanted(self, path: str) -> None:
        """A small file was replaced and should become durable in the background."""

    def removal_wanted(self, log: OwnedLog, paths: list[str]) -> None:
        """Files named ``.deleted`` may go after ``file.delete.delay.ms``."""

    def log_start_moved(self, log: OwnedLog) -> None:
        """The log start checkpoint is behind."""

    def recovery_point_lowered(self, log: OwnedLog) -> None:
        """The log was cut below what the recovery point checkpoint says."""

    def log_cut(self, log: OwnedLog, offset: int) -> None:
        """The log is about to be cut at ``offset``, or emptied and started there. May raise
        KafkaError: then it must not be."""
