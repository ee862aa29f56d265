"""What an error of the disk does to a log: nothing more is written or read there (KAFKA-10778)."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol

from barnabas.errors import ErrorCode, KafkaError
from barnabas.storage.index import CorruptIndex

DISK_ERRORS = (OSError, CorruptIndex)


class Fenced(Protocol):
    """The log."""

    directory: str

    def disk_failed(self, error: OSError) -> None:
        """Called once, with the first error."""
        ...


class Fencing:
    """``with fencing:`` around every use of the disk: an OSError or CorruptIndex fences the log and
    leaves the block as KAFKA_STORAGE_ERROR; any other exception passes. One object serves all
    blocks of a log, and a block may await. Entering does not ``check``."""

    __slots__ = ("_log", "failure")

    def __init__(self, log: Fenced) -> None:
        self._log = log
        self.failure: OSError | None = None
        """Why the log is fenced; never None again once it is."""

    def check(self) -> None:
        """Raises KAFKA_STORAGE_ERROR if the log is fenced."""
        if self.failure is not None:
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"{self._log.directory} is offline")

    def fence(self, error: Exception) -> KafkaError:
        """The disk failed: nothing more is written or read here. The error for the caller."""
        if self.failure is None:
            self.failure = error if isinstance(error, OSError) else OSError(str(error))
            self._log.disk_failed(self.failure)
        return KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"{self._log.directory}: {error}")

    def retire(self, reason: str) -> None:
        """Fence it without a failure of the disk; nobody is told."""
        self.failure = self.failure or OSError(reason)

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, DISK_ERRORS):
            raise self.fence(error) from error
