"""Writes what is known of the logs of a directory into its checkpoint files."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from barnabas.storage.checkpoints import (
    LOG_START_CHECKPOINT,
    RECOVERY_POINT_CHECKPOINT,
    REPLICATION_CHECKPOINT,
)
from barnabas.storage.directories.log_dir import LogDirectory
from barnabas.storage.log import Log
from barnabas.types import TopicPartition

LogsIn = Callable[[LogDirectory], Iterable[tuple[TopicPartition, Log]]]


class CheckpointWriter:
    """One file at a time: writers of one must not overtake each other (KAFKA-16541). A file that
    would say the same stays. Raises OSError."""

    def __init__(self, logs_in: LogsIn) -> None:
        self._logs_in = logs_in
        self._writing = asyncio.Lock()

    async def high_watermarks(self, directory: LogDirectory) -> None:
        """``replication-offset-checkpoint``."""
        await self.write(
            directory,
            REPLICATION_CHECKPOINT,
            lambda: {p: log.high_watermark for p, log in self._logs_in(directory)},
        )

    async def offsets(self, directory: LogDirectory) -> None:
        """``recovery-point-offset-checkpoint`` and, where it is not that of the first segment, the
        start in ``log-start-offset-checkpoint``."""
        await self.write(
            directory,
            RECOVERY_POINT_CHECKPOINT,
            lambda: {p: log.recovery_point for p, log in self._logs_in(directory)},
        )
        await self.write(
            directory,
            LOG_START_CHECKPOINT,
            lambda: {
                p: log.log_start_offset
                for p, log in self._logs_in(directory)
                if log.log_start_offset > log.segments.first.base_offset
            },
        )

    async def write(
        self,
        directory: LogDirectory,
        name: str,
        values: Callable[[], dict[TopicPartition, int]],
    ) -> None:
        """Any of them; ``values`` is asked when it is the file's turn."""
        async with self._writing:
            await directory.checkpoint(name, values())
