"""LogManager, in the background: what logs want made durable, and what is due from time to time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, TypeVar

from barnabas.errors import KafkaError
from barnabas.pace import Pace
from barnabas.seams import Env
from barnabas.storage.config import I64_MAX, LogManagerSettings
from barnabas.storage.directories.checkpoint_writer import CheckpointWriter
from barnabas.storage.directories.log_dir import LogDirectory
from barnabas.storage.directories.log_directories import LogDirectories
from barnabas.storage.log_owner import LogOwner, OwnedLog
from barnabas.storage.small_files import sync_file

T = TypeVar("T")

SYNCED_TOGETHER = 64
"""So many small files, or more, become durable with all that is on their file system. Each sync of
its own takes milliseconds of the disk, and a topic of thousands of partitions makes as many."""


class BackgroundWork:
    """Work on the logs in all directories. ``run_queue`` and ``timers`` as tasks."""

    def __init__(
        self,
        env: Env,
        directories: LogDirectories,
        checkpoints: CheckpointWriter,
        owner: LogOwner,
        *,
        syncs_together: bool,
    ) -> None:
        """``owner``: of the logs. ``syncs_together``: false where acknowledgements wait for syncs.
        What others have written to the same file system would hold them up."""
        self._env = env
        self._syncs_together = syncs_together
        self._directories = directories
        self._checkpoints = checkpoints
        self._owner = owner
        self._wanted = asyncio.Event()
        self._to_flush: dict[OwnedLog, None] = {}
        self._to_sync: dict[str, None] = {}
        self._to_checkpoint: dict[LogDirectory, None] = {}

    # What is wanted

    def flush_soon(self, log: OwnedLog) -> None:
        """Make a log durable."""
        self._to_flush[log] = None
        self._wanted.set()

    def forget(self, log: OwnedLog) -> None:
        """The log was removed: it need not be flushed."""
        self._to_flush.pop(log, None)

    def sync_soon(self, path: str) -> None:
        """Make a small file durable."""
        self._to_sync[path] = None
        self._wanted.set()

    def checkpoint_soon(self, directory: LogDirectory) -> None:
        """Write recovery points and log starts of a directory."""
        self._to_checkpoint[directory] = None
        self._wanted.set()

    async def run_queue(self) -> None:
        """Do what is wanted, until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            await self.empty_queue()

    async def empty_queue(self) -> None:
        """Do everything that is queued now. One at a time, so that flushes for which
        acknowledgements wait come in between."""
        while self._to_flush or self._to_sync or self._to_checkpoint:
            for directory in _take_all(self._to_checkpoint):
                await self._checkpoints.offsets(directory)
            for log in _take_all(self._to_flush):
                await _flush(log)
            await self._sync_all(_take_all(self._to_sync))

    async def _sync_all(self, paths: list[str]) -> None:
        """Make small files durable. None of them is needed: each says what the controller tells
        again or the batches say too. So an error of the disk that only a sync of their own would
        report does not matter."""
        files, holding = self._env.files, self._directories.holding
        if self._syncs_together and len(paths) >= SYNCED_TOGETHER:
            for directory in dict.fromkeys(map(holding, paths)):
                work = files.sync_file_system(directory.path)
                await self._directories.guarded(directory, work)
            return
        for path in paths:
            await self._directories.guarded(holding(path), sync_file(files, path))

    # From time to time

    def timers(self, settings: LogManagerSettings) -> Iterator[Coroutine[Any, Any, None]]:
        """One coroutine for each kind of work, to run until cancelled."""
        delay = settings.initial_task_delay_ms
        for job, interval, first in (
            (self.apply_retention, settings.retention_check_interval_ms, delay),
            (self._recovery_points, settings.offset_checkpoint_interval_ms, delay),
            (self._starts, settings.start_offset_checkpoint_interval_ms, delay),
            (
                self._moved_high_watermarks,
                settings.high_watermark_checkpoint_interval_ms,
                0,
            ),
            (self._expire_producers, settings.producer_id_expiration_check_interval_ms, delay),
            (self._release_idle, settings.release_interval_ms, delay),
            (self._flush_by_time, 1000, delay),
        ):
            yield _every(job, first or interval, interval)

    async def apply_retention(self) -> None:
        """Remove old segments in all logs."""
        pace = Pace(self._env.stopwatch)
        for log in list(self._directories.logs.values()):
            await pace.step()
            try:
                log.apply_retention(self._env.clock.wall_ms())
            except KafkaError:
                continue

    async def checkpoint_all(self) -> None:
        """Write recovery points and log starts of every directory where they changed."""
        for directory in self._directories.online:
            await self._checkpoints.offsets(directory)

    async def _recovery_points(self) -> None:
        for directory in self._directories.online:
            await self._checkpoints.recovery_points(directory)

    async def _starts(self) -> None:
        for directory in self._directories.online:
            await self._checkpoints.starts(directory)

    async def _moved_high_watermarks(self) -> None:
        if self._owner.high_watermarks_moved:
            await self.checkpoint_high_watermarks()

    async def checkpoint_high_watermarks(self) -> None:
        """Write ``replication-offset-checkpoint`` of every directory where it changed."""
        self._owner.high_watermarks_moved = False
        for directory in self._directories.online:
            await self._checkpoints.high_watermarks(directory)

    async def _expire_producers(self) -> None:
        pace = Pace(self._env.stopwatch)
        for log in [each for each in self._directories.logs.values() if each.producers.may_expire]:
            await pace.step()
            log.producers.remove_expired(self._env.clock.wall_ms())

    async def _release_idle(self) -> None:
        self.release_descriptors()

    def release_descriptors(self) -> None:
        """Close descriptors that were not used since the last call."""
        for log in list(self._directories.logs.values()):  # one may fail
            log.release_idle()

    async def _flush_by_time(self) -> None:
        now_ms = self._env.clock.wall_ms()
        # Few logs are flushed by time, if any: so the topics are asked, once a second.
        for log in self._directories.logs.whose_topic(lambda config: config.flush_ms < I64_MAX):
            if log.is_flush_due(now_ms):
                await _flush(log)


async def _flush(log: OwnedLog) -> None:
    try:
        await log.flush()
    except KafkaError:
        # The log has fenced itself and told us.
        return


def _take_all(queue: dict[T, None]) -> list[T]:
    """Empty a queue; what was in it, in order."""
    taken = list(queue)
    queue.clear()
    return taken


async def _every(job: Callable[[], Awaitable[None]], first_ms: int, interval_ms: int) -> None:
    """Run a job after ``first_ms`` and then every ``interval_ms``, until cancelled. Without an
    interval, or with a negative one, it runs once, as in ``KafkaScheduler``."""
    await asyncio.sleep(first_ms / 1000)
    await job()
    while interval_ms > 0:
        await asyncio.sleep(interval_ms / 1000)
        await job()
