"""What a log tells whoever owns it; the ``LogManager`` listens, tests may not."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from barnabas.storage.log import Log
    from barnabas.storage.readable_log import ReadableLog


class LogOwner:
    """Hears nothing; to be overridden. Called on the loop, must not block or raise."""

    def log_failed(self, log: ReadableLog, error: OSError) -> None:
        """The log has been fenced."""

    def flush_wanted(self, log: Log) -> None:
        """A segment was rolled: it should become durable in the background."""

    def sync_wanted(self, path: str) -> None:
        """A small file was replaced and should become durable in the background."""

    def removal_wanted(self, log: ReadableLog, paths: list[str]) -> None:
        """Files named ``.deleted`` may go after ``file.delete.delay.ms``."""

    def log_start_moved(self, log: Log) -> None:
        """The log start checkpoint is behind."""

    def recovery_point_lowered(self, log: Log) -> None:
        """The log was cut below what the recovery point checkpoint says."""

    def log_cut(self, log: Log, offset: int) -> None:
        """The log is about to be cut at ``offset``, or emptied and started there. May raise
        KafkaError: then it must not be."""
