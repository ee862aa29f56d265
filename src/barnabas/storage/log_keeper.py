"""LogManager, what others ask of it and what logs tell it: failures, cuts, what is to be made
durable."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial

from barnabas.seams import Env
from barnabas.storage.checkpoints import CLEANER_CHECKPOINT
from barnabas.storage.cleaner.log_cleaner import LogCleaner
from barnabas.storage.config import LogConfig, LogManagerSettings
from barnabas.storage.directories.checkpoint_writer import CheckpointWriter
from barnabas.storage.directories.log_dir import LogDirectory
from barnabas.storage.directories.moves import ReplicaMoves
from barnabas.storage.directories.removals import Removals
from barnabas.storage.log import Log
from barnabas.storage.log_owner import LogOwner
from barnabas.storage.readable_log import ReadableLog
from barnabas.types import TopicPartition


class LogKeeper(LogOwner):
    """See the module."""

    def __init__(
        self,
        env: Env,
        log_dirs: Sequence[str],
        default_config: LogConfig | None = None,
        *,
        settings: LogManagerSettings | None = None,
        on_dir_failure: Callable[[str, OSError], None] = lambda path, error: None,
        on_all_dirs_failed: Callable[[], None] = lambda: None,
    ) -> None:
        self.env = env
        self.default_config = default_config or LogConfig()
        self.settings = settings or LogManagerSettings()
        self.on_dir_failure = on_dir_failure
        self.on_all_dirs_failed = on_all_dirs_failed
        self._dirs = [LogDirectory(env, path) for path in log_dirs]
        self._logs: dict[TopicPartition, Log] = {}
        self._dir_of: dict[TopicPartition, LogDirectory] = {}
        self._offline: dict[TopicPartition, None] = {}
        self._preferred: dict[TopicPartition, LogDirectory] = {}
        self._copies: list[tuple[LogDirectory, str]] = []
        """Copies that a start has found."""
        self._loaded = False
        self._created = 0
        self._checkpoints = CheckpointWriter(self._logs_in)
        self._removals = Removals(env.files)
        self._work = asyncio.Event()
        self._to_flush: dict[Log, None] = {}
        self._to_sync: dict[str, None] = {}
        self._to_checkpoint: dict[LogDirectory, None] = {}
        self.moves = ReplicaMoves(
            env,
            self._logs,
            self._dir_of,
            self,
            dir_failed=self._dir_failed,
            remove=lambda log, path: self._removals.add_directory(
                path, log.config.file_delete_delay_ms
            ),
            moved=self._log_moved,
            settled=self._after_move,
        )
        self.on_moved: Callable[[Log], None] = lambda log: None
        """Called with the log that a partition has from now on."""
        self.cleaner = LogCleaner(
            env,
            self.settings.cleaner,
            self._logs,
            make_durable=self._make_durable,
            checkpoint=self._cleaned,
        )

    # What there is

    @property
    def logs(self) -> Mapping[TopicPartition, Log]:
        """All online logs."""
        return self._logs

    @property
    def log_dirs(self) -> list[str]:
        """Paths of the directories that are online."""
        return [d.path for d in self._dirs if d.is_online]

    @property
    def offline_dirs(self) -> list[str]:
        """Paths of the directories that failed."""
        return [d.path for d in self._dirs if not d.is_online]

    @property
    def unclean_machine_start(self) -> bool:
        """The machine, not only the process, died with this broker, and not all that it had
        acknowledged was flushed before: records may be missing here."""
        return any(d.in_doubt for d in self._dirs)

    def settle_doubt(self) -> None:
        """All logs have caught up with their leaders, or lead: nothing is missing any more."""
        for directory in [d for d in self._dirs if d.is_online]:
            try:
                directory.settle_doubt()
            except OSError as error:
                self._dir_failed(directory, error)

    def get(self, topic_partition: TopicPartition) -> Log | None:
        """The log of a partition, None if there is none online."""
        return self._logs.get(topic_partition)

    def is_offline(self, topic_partition: TopicPartition) -> bool:
        """Whether the log is known to be in a directory that failed."""
        return topic_partition in self._offline

    def directory_of(self, topic_partition: TopicPartition) -> str | None:
        """The entry of ``log.dirs`` that a log is in."""
        found = self._dir_of.get(topic_partition)
        return None if found is None else found.path

    # What logs tell

    def log_failed(self, log: ReadableLog, error: OSError) -> None:
        directory = self._dir_of.get(log.topic_partition)
        if directory is not None:
            self._dir_failed(directory, error)

    def flush_wanted(self, log: Log) -> None:
        self._to_flush[log] = None
        self._work.set()

    def sync_wanted(self, path: str) -> None:
        self._to_sync[path] = None
        self._work.set()

    def removal_wanted(self, log: ReadableLog, paths: list[str]) -> None:
        for path in paths:
            self._removals.add_file(path, log.config.file_delete_delay_ms)

    def log_start_moved(self, log: Log) -> None:
        """Where the start lies inside a segment, only the checkpoint tells it after a crash."""
        if log.log_start_offset > log.segments.first.base_offset:
            self.recovery_point_lowered(log)

    def recovery_point_lowered(self, log: Log) -> None:
        directory = self._dir_of.get(log.topic_partition)
        if directory is not None:
            self._to_checkpoint[directory] = None
            self._work.set()

    def log_cut(self, log: Log, offset: int) -> None:
        self.moves.log_was_cut(log.topic_partition, offset)
        directory = self._dir_of.get(log.topic_partition)
        if self.cleaner.log_cut(log, offset) and directory is not None:
            try:
                directory.forget_in(CLEANER_CHECKPOINT, log.topic_partition)
            except OSError as error:
                raise log.fence(error) from error

    def _dir_failed(self, directory: LogDirectory, error: OSError) -> None:
        if not directory.is_online:
            return
        directory.failure = error
        self.env.observer.note("log_dir_failed", path=directory.path, error=str(error))
        self.moves.directory_failed(directory)
        for topic_partition in [p for p, d in self._dir_of.items() if d is directory]:
            self._offline[topic_partition] = None
            log = self._logs.pop(topic_partition, None)
            if log is not None:
                log.fence(error)
                log.close()
        self.on_dir_failure(directory.path, error)
        if not self.log_dirs:
            self.on_all_dirs_failed()

    async def _guarded(self, directory: LogDirectory, work: Awaitable[None]) -> None:
        """Do work on a directory; its failure takes the directory offline, nothing else."""
        try:
            await work
        except OSError as error:
            self._dir_failed(directory, error)

    # Checkpoints

    async def checkpoint_high_watermarks(self) -> None:
        """Write ``replication-offset-checkpoint`` of every directory where it changed."""
        for directory in [d for d in self._dirs if d.is_online]:
            await self._guarded(directory, self._checkpoints.high_watermarks(directory))

    async def checkpoint(self) -> None:
        """Write recovery points and log starts of every directory where they changed."""
        for directory in [d for d in self._dirs if d.is_online]:
            await self._guarded(directory, self._checkpoints.offsets(directory))

    async def _make_durable(self, topic_partition: TopicPartition) -> None:
        """Flush a log and write the recovery points of its directory."""
        log, directory = self._logs.get(topic_partition), self._dir_of.get(topic_partition)
        if log is not None and directory is not None and directory.is_online:
            await log.flush()
            await self._guarded(directory, self._checkpoints.offsets(directory))

    async def _cleaned(self, topic_partition: TopicPartition) -> None:
        """Write the ``cleaner-offset-checkpoint`` of a log's directory."""
        directory = self._dir_of.get(topic_partition)
        offsets: dict[TopicPartition, int] | None = None
        # A log that is cut meanwhile has written the file as well: go on until it says what is so.
        while directory is not None and directory.is_online:
            now = self.cleaner.first_dirty
            wanted = {p: now[p] for p, _ in self._logs_in(directory) if p in now}
            if wanted == offsets:
                return
            offsets = wanted
            values: Callable[[], dict[TopicPartition, int]] = partial(dict, wanted)
            write = self._checkpoints.write(directory, CLEANER_CHECKPOINT, values)
            await self._guarded(directory, write)

    def _logs_in(self, directory: LogDirectory) -> Iterable[tuple[TopicPartition, Log]]:
        return [(p, log) for p, log in self._logs.items() if self._dir_of[p] is directory]

    # Moves

    def _log_moved(self, old: Log, new: Log) -> None:
        self._to_flush.pop(old, None)
        self.cleaner.forget(new.topic_partition)  # the copy may hold what was cleaned since
        self.on_moved(new)

    async def _after_move(self) -> None:
        await self.checkpoint()
        await self.checkpoint_high_watermarks()
