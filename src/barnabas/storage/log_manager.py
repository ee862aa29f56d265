"""LogManager: all logs of a broker, how they come up and go (reference 5.11, 6.1, 6.5, 6.6).

``LogDirectories`` knows where they are, ``BackgroundWork`` what is to be done to them meanwhile.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence

from barnabas.errors import ConfigError, ErrorCode, KafkaError
from barnabas.names import check_partition
from barnabas.seams import Env
from barnabas.storage.background import BackgroundWork
from barnabas.storage.checkpoints import CLEANER_CHECKPOINT, MetaProperties
from barnabas.storage.cleaner.log_cleaner import LogCleaner
from barnabas.storage.config import LogConfig, LogManagerSettings
from barnabas.storage.directories.checkpoint_writer import CheckpointWriter
from barnabas.storage.directories.log_dir import (
    DELETE_SUFFIX,
    LogDirectory,
    common_meta,
    partition_of,
    rename_away,
)
from barnabas.storage.directories.log_directories import LogDirectories
from barnabas.storage.directories.moves import ReplicaMoves, future_of, was_moved
from barnabas.storage.directories.partition_metadata import read_topic_id, write_topic_id
from barnabas.storage.directories.removals import Removals
from barnabas.storage.log import Log
from barnabas.storage.log_owner import LogOwner, OwnedLog
from barnabas.storage.paths import is_refused_name
from barnabas.storage.recovery import Checkpointed, load_log, new_log
from barnabas.types import TopicPartition

CREATIONS_PER_RELEASE = 500
"""New logs hold descriptors; after so many of them, those of logs unused since are given back, lest
a topic of thousands of partitions exhausts them before the timer comes."""
CLOSED_TOGETHER = 16
"""Logs that a stop closes at a time: the thread that syncs has always something to do, and few
descriptors are held."""
LOADS_PER_TURN = 16
"""Logs loaded before others on the loop get their turn."""


class LogManager(LogOwner):
    """``open``, ``await load``, then ``run`` as a task; cancel that and ``await shutdown``.

    ``on_dir_failure(path, error)`` is called once for a directory that went offline, with its logs
    fenced; ``on_all_dirs_failed()`` when the last one went: the broker must halt."""

    def __init__(
        self,
        env: Env,
        log_dirs: Sequence[str],
        default_config: LogConfig,
        *,
        settings: LogManagerSettings,
        on_dir_failure: Callable[[str, OSError], None] = lambda path, error: None,
        on_all_dirs_failed: Callable[[], None] = lambda: None,
    ) -> None:
        self.env = env
        self.default_config = default_config
        self.settings = settings
        self._directories = LogDirectories(
            env, log_dirs, on_failure=on_dir_failure, on_all_failed=on_all_dirs_failed
        )
        self._checkpoints = CheckpointWriter(self._directories)
        self._background = BackgroundWork(
            env,
            self._directories,
            self._checkpoints,
            self,
            syncs_together=not settings.log_flush_before_ack,
        )
        self._removals = Removals(env.files)
        self._preferred: dict[TopicPartition, LogDirectory] = {}
        self._deleted_in: dict[str, LogDirectory] = {}
        """By path: what its checkpoints still say is of logs that are deleted."""
        self._copies: list[tuple[LogDirectory, str]] = []
        """Copies that a start has found."""
        self._loaded = False
        self._created = 0
        self.moves = ReplicaMoves(
            env,
            self._directories,
            self,
            remove=lambda log, path: self._removals.add(path, log.config.file_delete_delay_ms),
            moved=self._log_moved,
            checkpoint=self._checkpoint_move,
        )
        self._directories.before_failure = self.moves.directory_failed
        self.on_moved: Callable[[Log], None] = lambda log: None
        """Called with the log that a partition has from now on."""
        self.cleaner = LogCleaner(
            env,
            self.settings.cleaner,
            lambda: self._directories.logs.whose_topic(lambda config: config.compacted),
            make_durable=self._make_durable,
            checkpoint=self._cleaned,
        )

    # What there is

    @property
    def logs(self) -> Mapping[TopicPartition, Log]:
        """All online logs."""
        return self._directories.logs

    @property
    def log_dirs(self) -> list[str]:
        """Paths of the directories that are online."""
        return [d.path for d in self._directories.online]

    @property
    def offline_dirs(self) -> list[str]:
        """Paths of the directories that failed."""
        return self._directories.offline_paths

    @property
    def unclean_machine_start(self) -> bool:
        """The machine, not only the process, died with this broker, and not all that it had
        acknowledged was flushed before: records may be missing here."""
        return self._directories.in_doubt

    def end_doubt(self) -> None:
        """All logs have caught up with their leaders, or lead: nothing is missing any more."""
        self._directories.end_doubt()

    def get(self, topic_partition: TopicPartition) -> Log | None:
        """The log of a partition, None if there is none online."""
        return self._directories.logs.get(topic_partition)

    def is_offline(self, topic_partition: TopicPartition) -> bool:
        """Whether the log is known to be in a directory that failed."""
        return topic_partition in self._directories.lost

    def directory_of(self, topic_partition: TopicPartition) -> str | None:
        """The entry of ``log.dirs`` that a log is in."""
        found = self._directories.dir_of.get(topic_partition)
        return None if found is None else found.path

    def online_directory(self, path: str) -> LogDirectory:
        """This entry of ``log.dirs``. LOG_DIR_NOT_FOUND if it is none, KAFKA_STORAGE_ERROR if it is
        offline."""
        return self._directories.online_directory(path)

    # Starting

    def open(self) -> MetaProperties | None:
        """Create and lock the directories, and read whose they are: None if they are new. Raises
        ConfigError if they do not belong together."""
        for directory in self._directories.all:
            try:
                directory.open()
            except OSError as error:
                self._directories.fail(directory, error)
        return common_meta(self._directories.all)

    async def load(
        self,
        *,
        broker_id: int,
        cluster_id: str,
        topic_configs: Mapping[str, LogConfig] | None = None,
    ) -> None:
        """Load every log, with recovery where the stop was not clean. Raises ConfigError."""
        for directory in self._directories.online:
            await self._directories.guarded(
                directory,
                self._load_directory(directory, broker_id, cluster_id, topic_configs or {}),
            )
        for directory, name in self._copies:
            if directory.is_online:
                expiration_ms = self.settings.producer_id_expiration_ms
                work = self.moves.resume(directory, name, expiration_ms=expiration_ms)
                await self._directories.guarded(directory, work)
        if not self.offline_dirs:
            self.moves.remove_marks()
        for directory in self._directories.online:
            await self._directories.guarded(directory, self._loaded_all(directory))
        self._loaded = True

    async def _loaded_all(self, directory: LogDirectory) -> None:
        directory.loaded()
        for topic_partition, log in self._directories.logs_in(directory):
            if log.flushed_offset < directory.recovery_point(topic_partition):
                self.recovery_point_lowered(log)  # recovery has cut what was taken for flushed

    async def _load_directory(
        self,
        directory: LogDirectory,
        broker_id: int,
        cluster_id: str,
        configs: Mapping[str, LogConfig],
    ) -> None:
        directory.claim(broker_id, cluster_id)
        names = directory.begin(flush_before_ack=self.settings.log_flush_before_ack)
        for number, name in enumerate(names):
            if name.endswith(DELETE_SUFFIX):
                delay = self.default_config.file_delete_delay_ms
                self._removals.add(f"{directory.path}/{name}", delay)
                continue
            if future_of(name) is not None:
                self._copies.append((directory, name))
            # Strays and what is not Kafka's are left alone.
            topic_partition = partition_of(name)
            if topic_partition is not None:
                await self._load_log(directory, topic_partition, configs)
            if number % LOADS_PER_TURN == 0:
                await asyncio.sleep(0)

    async def _load_log(
        self,
        directory: LogDirectory,
        topic_partition: TopicPartition,
        configs: Mapping[str, LogConfig],
    ) -> None:
        path = f"{directory.path}/{topic_partition}"
        known = self._directories.logs.get(topic_partition)
        if known is None:
            self._directories.dir_of[topic_partition] = directory
        elif not was_moved(self.env.files, known.directory, path):
            raise ConfigError(
                f"log.dirs: {topic_partition} is both in {directory.path} "
                f"and in {self._directories.dir_of[topic_partition].path}"
            )
        config = configs.get(topic_partition.topic, self.default_config)
        checkpointed = Checkpointed(
            log_start_offset=directory.log_start_offset(topic_partition),
            recovery_point=directory.recovery_point(topic_partition),
            clean=directory.was_clean,
            lost_power=directory.lost_power,
            first_dirty=directory.first_dirty(topic_partition) or 0,
        )
        loaded = await load_log(
            self.env,
            path,
            config,
            checkpointed,
            expiration_ms=self.settings.producer_id_expiration_ms,
        )
        log = Log(self.env, topic_partition, path, config, loaded, owner=self)
        log.topic_id = read_topic_id(self.env.files, path, clean=directory.was_clean)
        log.set_high_watermark(directory.high_watermark(topic_partition))
        if known is not None:
            self.moves.keep_one(known, log, directory)
            return
        self._directories.logs[topic_partition] = log
        first_dirty = directory.first_dirty(topic_partition)
        if first_dirty is not None and first_dirty <= log.log_end_offset:
            self.cleaner.first_dirty[topic_partition] = first_dirty
        else:
            directory.forget_in(CLEANER_CHECKPOINT, topic_partition)

    # Partitions come and go

    def get_or_create(
        self,
        topic_partition: TopicPartition,
        topic_id: uuid.UUID | None,
        *,
        is_new: bool,
        config: LogConfig | None = None,
    ) -> Log:
        """The log of a partition, created in the directory with the fewest logs.

        KAFKA_STORAGE_ERROR if its data may be in a directory that is offline (KAFKA-10314). A log
        that has no topic id gets this one; one that has another keeps it, and the caller refuses
        it with INCONSISTENT_TOPIC_ID. INVALID_TOPIC_EXCEPTION or INVALID_PARTITIONS for what cannot
        name a directory."""
        log = self._directories.logs.get(topic_partition)
        if log is None:
            check_partition(topic_partition)  # it becomes a part of a path
            log = self._create(topic_partition, is_new, config)
        if topic_id is not None and log.topic_id is None:
            self.sync_wanted(write_topic_id(self.env.files, log, topic_id))
        return log

    def _create(
        self, topic_partition: TopicPartition, is_new: bool, config: LogConfig | None
    ) -> Log:
        preferred = self._preferred.get(topic_partition)
        directory = self._directories.for_new(topic_partition, is_new=is_new, preferred=preferred)
        self._preferred.pop(topic_partition, None)
        path = f"{directory.path}/{topic_partition}"
        try:
            directory.forget(topic_partition)
            self.env.files.make_directories(path)
        except OSError as error:
            if is_refused_name(error):
                raise KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION, f"{path}: {error}") from error
            self._directories.fail(directory, error)
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"{path}: {error}") from error
        loaded = new_log(self.env, path, expiration_ms=self.settings.producer_id_expiration_ms)
        config = config or self.default_config
        log = Log(self.env, topic_partition, path, config, loaded, owner=self)
        self._directories.logs[topic_partition] = log
        self._directories.dir_of[topic_partition] = directory
        self.high_watermarks_moved = True
        self._created += 1
        if self._created % CREATIONS_PER_RELEASE == 0:
            self._background.release_descriptors()
        return log

    def place(self, topic_partition: TopicPartition, path: str) -> None:
        """Let a replica be in this entry of ``log.dirs``: a log that is in another one is moved in
        the background, one that is not here yet is made there.

        LOG_DIR_NOT_FOUND, KAFKA_STORAGE_ERROR for a directory that is offline."""
        check_partition(topic_partition)
        directory = self.online_directory(path)
        if self.is_offline(topic_partition):
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"{topic_partition} is offline")
        log = self._directories.logs.get(topic_partition)
        if log is None:
            self._preferred[topic_partition] = directory
        elif self._directories.dir_of[topic_partition] is directory:
            self.moves.cancel(topic_partition)
        else:
            expiration_ms = self.settings.producer_id_expiration_ms
            self.moves.begin(log, directory, expiration_ms=expiration_ms)

    async def delete(self, topic_partition: TopicPartition) -> None:
        """Forget a log and rename its directory ``-delete``; the data goes after
        ``file.delete.delay.ms``. Nothing to do if there is none. Then others have their turn:
        deleting many takes long. When all are, ``checkpoint_deletions`` is to be called."""
        log = self._directories.logs.pop(topic_partition, None)
        if log is None:
            return
        self.high_watermarks_moved = True
        self.moves.cancel(topic_partition)
        directory = self._directories.dir_of.pop(topic_partition)
        self.cleaner.forget(topic_partition)
        self._background.forget(log)
        unique = f"{self.env.random.getrandbits(128):032x}"
        try:
            log.forget_unwritten()
            log.close()
            target = rename_away(self.env.files, log.directory, directory, topic_partition, unique)
        except OSError as error:
            raise log.fence(error) from error
        log.relocate(target)
        log.retire()
        self._removals.add(target, log.config.file_delete_delay_ms)
        self._deleted_in[directory.path] = directory
        await asyncio.sleep(0)

    async def checkpoint_deletions(self) -> None:
        """No checkpoint speaks of deleted logs any more: written once for all of them, since each
        names every log of its directory. A log that is made again before does so by itself
        (``LogDirectory.forget``)."""
        directories, self._deleted_in = self._deleted_in, {}
        for directory in directories.values():
            await self._checkpoints.offsets(directory)

    def update_settings(self, settings: LogManagerSettings, default_config: LogConfig) -> None:
        """Go by other settings from now on; intervals of background work stay as they are."""
        self.settings = settings
        self.default_config = default_config
        self.cleaner.reconfigure(settings.cleaner)
        for log in self._directories.logs.values():
            log.producers.expiration_ms = settings.producer_id_expiration_ms

    def update_config(self, topic: str, config: LogConfig) -> None:
        """Give all logs of a topic new settings."""
        for log in self._directories.logs.of_topic(topic):
            log.config = config

    # What logs tell

    def log_failed(self, log: OwnedLog, error: OSError) -> None:
        directory = self._directories.dir_of.get(log.topic_partition)
        if directory is not None:
            self._directories.fail(directory, error)

    def flush_wanted(self, log: OwnedLog) -> None:
        self._background.flush_soon(log)

    def sync_wanted(self, path: str) -> None:
        self._background.sync_soon(path)

    def removal_wanted(self, log: OwnedLog, paths: list[str]) -> None:
        for path in paths:
            self._removals.add(path, log.config.file_delete_delay_ms)

    def log_start_moved(self, log: OwnedLog) -> None:
        """Where the start lies inside a segment, only the checkpoint tells it after a crash."""
        if log.log_start_offset > log.segments.first.base_offset:
            self.recovery_point_lowered(log)

    def recovery_point_lowered(self, log: OwnedLog) -> None:
        directory = self._directories.dir_of.get(log.topic_partition)
        if directory is not None:
            self._background.checkpoint_soon(directory)

    def log_cut(self, log: OwnedLog, offset: int) -> None:
        name = log.topic_partition
        self.moves.log_was_cut(name, offset)
        directory = self._directories.dir_of.get(name)
        if self.cleaner.log_cut(name, offset) and directory is not None:
            try:
                directory.forget_in(CLEANER_CHECKPOINT, name)
            except OSError as error:
                raise log.fence(error) from error

    # In the background

    async def run(self) -> None:
        """Background work, until cancelled: flushes, checkpoints, retention, expiry, removals."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._background.run_queue())
            tasks.create_task(self._removals.run())
            tasks.create_task(self.cleaner.run())
            tasks.create_task(self.moves.run())
            for timer in self._background.timers(self.settings):
                tasks.create_task(timer)

    async def empty_queue(self) -> None:
        """Do all syncs and checkpoints that wait."""
        await self._background.empty_queue()

    async def apply_retention(self) -> None:
        """Remove old segments in all logs."""
        await self._background.apply_retention()

    async def checkpoint(self) -> None:
        """Write recovery points and log starts of every directory where they changed."""
        await self._background.checkpoint_all()

    async def checkpoint_high_watermarks(self) -> None:
        """Write ``replication-offset-checkpoint`` of every directory where it changed."""
        await self._background.checkpoint_high_watermarks()

    async def _make_durable(self, topic_partition: TopicPartition) -> None:
        """Flush a log and write the recovery points of its directory."""
        log = self._directories.logs.get(topic_partition)
        directory = self._directories.dir_of.get(topic_partition)
        if log is not None and directory is not None and directory.is_online:
            await log.flush()
            await self._checkpoints.offsets(directory)

    async def _cleaned(self, topic_partition: TopicPartition) -> None:
        """Write the ``cleaner-offset-checkpoint`` of a log's directory."""
        directory = self._directories.dir_of.get(topic_partition)
        if directory is not None:
            await self._checkpoints.cleaned(directory, lambda: self.cleaner.first_dirty)

    def _log_moved(self, old: Log, new: Log) -> None:
        self._background.forget(old)
        self.cleaner.forget(new.topic_partition)  # the copy may hold what was cleaned since
        self.on_moved(new)

    async def _checkpoint_move(self) -> None:
        await self.checkpoint()
        await self.checkpoint_high_watermarks()

    # Stopping

    async def shutdown(self) -> None:
        """Flush and close everything and leave the clean marker in each directory of which all was
        loaded, is online and is on disk."""
        self.moves.close()
        await self._background.empty_queue()
        for directory in self._directories.online:
            await self._directories.guarded(directory, self._close_directory(directory))
        for log in self._directories.logs.values():
            log.close()
        for directory in self._directories.all:
            directory.release()

    async def _close_directory(self, directory: LogDirectory) -> None:
        if not self._loaded:
            return
        logs = [log for _, log in self._directories.logs_in(directory)]
        try:
            for log in logs:
                log.complete_files()
                log.close()  # thousands of logs must not all hold their descriptors at once
            await self.env.files.sync_file_system(directory.path)
            for first in range(0, len(logs), CLOSED_TOGETHER):
                await _close_cleanly(logs[first : first + CLOSED_TOGETHER])
        except KafkaError:
            return
        await self._checkpoints.high_watermarks(directory)
        await self._checkpoints.offsets(directory)
        if directory.is_online:
            directory.leave_cleanly()


async def _close_cleanly(logs: list[Log]) -> None:
    """All of them, side by side; the first error then."""
    ends = await asyncio.gather(*(log.close_cleanly() for log in logs), return_exceptions=True)
    for end in ends:
        if end is not None:
            raise end
