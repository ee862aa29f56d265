"""LogManager.checkpointLogRecoveryOffsets, checkpointLogStartOffsets: what checkpoint files
say of the logs in their directory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from barnabas.storage.checkpoints import (
    CLEANER_CHECKPOINT,
    LOG_START_CHECKPOINT,
    RECOVERY_POINT_CHECKPOINT,
    REPLICATION_CHECKPOINT,
)
from barnabas.storage.directories.log_dir import LogDirectory
from barnabas.storage.directories.log_directories import LogDirectories
from barnabas.types import TopicPartition


class CheckpointWriter:
    """One file at a time: two writers of a file must not overtake each other (KAFKA-16541). A file
    that would not change is not written. A directory whose disk fails goes offline."""

    def __init__(self, directories: LogDirectories) -> None:
        self._directories = directories
        self._writing = asyncio.Lock()

    async def high_watermarks(self, directory: LogDirectory) -> None:
        """``replication-offset-checkpoint``."""
        await self._directories.guarded(directory, self._high_watermarks(directory))

    async def offsets(self, directory: LogDirectory) -> None:
        """Both of the following."""
        await self.recovery_points(directory)
        await self.starts(directory)

    async def recovery_points(self, directory: LogDirectory) -> None:
        """``recovery-point-offset-checkpoint``."""
        await self._directories.guarded(directory, self._recovery_points(directory))

    async def starts(self, directory: LogDirectory) -> None:
        """``log-start-offset-checkpoint``, where the start is not that of the first segment."""
        await self._directories.guarded(directory, self._starts(directory))

    async def cleaned(
        self, directory: LogDirectory, first_dirty: Callable[[], dict[TopicPartition, int]]
    ) -> None:
        """``cleaner-offset-checkpoint``, as ``first_dirty`` has it in the end."""
        offsets: dict[TopicPartition, int] | None = None
        # A log that is cut meanwhile has written the file as well: go on until it says what is so.
        while directory.is_online:
            now = first_dirty()
            wanted = {p: now[p] for p, _ in self._directories.logs_in(directory) if p in now}
            if wanted == offsets:
                return
            offsets = wanted
            values: Callable[[], dict[TopicPartition, int]] = partial(dict, wanted)
            write = self._write(directory, CLEANER_CHECKPOINT, values)
            await self._directories.guarded(directory, write)

    async def _high_watermarks(self, directory: LogDirectory) -> None:
        logs_in = self._directories.logs_in
        await self._write(
            directory,
            REPLICATION_CHECKPOINT,
            lambda: {p: log.high_watermark for p, log in logs_in(directory)},
        )

    async def _recovery_points(self, directory: LogDirectory) -> None:
        logs_in = self._directories.logs_in
        await self._write(
            directory,
            RECOVERY_POINT_CHECKPOINT,
            lambda: {p: log.recovery_point for p, log in logs_in(directory)},
        )

    async def _starts(self, directory: LogDirectory) -> None:
        logs_in = self._directories.logs_in
        await self._write(
            directory,
            LOG_START_CHECKPOINT,
            lambda: {
                p: log.log_start_offset
                for p, log in logs_in(directory)
                if log.log_start_offset > log.segments.first.base_offset
            },
        )

    async def _write(
        self,
        directory: LogDirectory,
        name: str,
        values: Callable[[], dict[TopicPartition, int]],
    ) -> None:
        """``values`` is asked when it is the file's turn."""
        async with self._writing:
            await directory.checkpoint(name, values())
