"""LogManager: all logs of a broker, where they are, how they come up, and what is done to them in
the background (reference 5.11, 6.1, 6.5, 6.6)."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping

from barnabas.errors import ConfigError, ErrorCode, KafkaError
from barnabas.names import check_partition
from barnabas.storage.background import every, take_all
from barnabas.storage.checkpoints import (
    CLEANER_CHECKPOINT,
    MetaProperties,
)
from barnabas.storage.config import LogConfig, LogManagerSettings
from barnabas.storage.directories.log_dir import (
    DELETE_SUFFIX,
    LogDirectory,
    common_meta,
    directory_for_new,
    partition_of,
    rename_away,
)
from barnabas.storage.directories.moves import future_of, was_moved
from barnabas.storage.directories.partition_metadata import read_topic_id, write_topic_id
from barnabas.storage.log import Log
from barnabas.storage.log_keeper import LogKeeper
from barnabas.storage.paths import is_inside, is_refused_name
from barnabas.storage.recovery import Checkpointed, load_log, new_log
from barnabas.storage.small_files import sync_file
from barnabas.types import TopicPartition

__all__ = ["LogManager", "LogManagerSettings"]

CREATIONS_PER_RELEASE = 500
"""New logs hold descriptors; after so many of them, those of logs unused since are given back, lest
a topic of thousands of partitions exhausts them before the timer comes."""
LOADS_PER_TURN = 16
"""Logs loaded before others on the loop get their turn."""


class LogManager(LogKeeper):
    """``open``, ``await load``, then ``run`` as a task; cancel that and ``await shutdown``.

    ``on_dir_failure(path, error)`` is called once for a directory that went offline, with its logs
    fenced; ``on_all_dirs_failed()`` when the last one went: the broker must halt."""

    # Starting

    def open(self) -> MetaProperties | None:
        """Create and lock the directories, and read whose they are: None if they are new. Raises
        ConfigError if they do not belong together."""
        for directory in self._dirs:
            try:
                directory.open()
            except OSError as error:
                self._dir_failed(directory, error)
        return common_meta(self._dirs)

    async def load(
        self,
        *,
        broker_id: int,
        cluster_id: str,
        topic_configs: Mapping[str, LogConfig] | None = None,
    ) -> None:
        """Load every log, with recovery where the stop was not clean. Raises ConfigError."""
        for directory in [d for d in self._dirs if d.is_online]:
            await self._guarded(
                directory,
                self._load_directory(directory, broker_id, cluster_id, topic_configs or {}),
            )
        for directory, name in self._copies:
            if directory.is_online:
                expiration_ms = self.settings.producer_id_expiration_ms
                work = self.moves.resume(directory, name, expiration_ms=expiration_ms)
                await self._guarded(directory, work)
        if not self.offline_dirs:
            self.moves.remove_marks(self._dirs)
        for directory in [d for d in self._dirs if d.is_online]:
            await self._guarded(directory, self._loaded_all(directory))
        self._loaded = True

    async def _loaded_all(self, directory: LogDirectory) -> None:
        directory.loaded()
        for topic_partition, log in self._logs_in(directory):
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
                self._removals.add_directory(f"{directory.path}/{name}", delay)
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
        known = self._logs.get(topic_partition)
        if known is None:
            self._dir_of[topic_partition] = directory
        elif not was_moved(self.env.files, known.directory, path):
            raise ConfigError(
                f"log.dirs: {topic_partition} is both in {directory.path} "
                f"and in {self._dir_of[topic_partition].path}"
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
            self.moves.settle_pair(known, log, directory)
            return
        self._logs[topic_partition] = log
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
        log = self._logs.get(topic_partition)
        if log is None:
            check_partition(topic_partition)  # it becomes a part of a path
            log = self._create(topic_partition, is_new, config)
        if topic_id is not None and log.topic_id is None:
            self.sync_wanted(write_topic_id(self.env.files, log, topic_id))
        return log

    def _create(
        self, topic_partition: TopicPartition, is_new: bool, config: LogConfig | None
    ) -> Log:
        offline = self.offline_dirs
        if topic_partition in self._offline or (offline and not is_new):
            raise KafkaError(
                ErrorCode.KAFKA_STORAGE_ERROR, f"{topic_partition} may be in {', '.join(offline)}"
            )
        directory = directory_for_new(
            self._dirs, self._dir_of, self._preferred.pop(topic_partition, None)
        )
        path = f"{directory.path}/{topic_partition}"
        try:
            directory.forget(topic_partition)
            self.env.files.make_directories(path)
        except OSError as error:
            if is_refused_name(error):
                raise KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION, f"{path}: {error}") from error
            self._dir_failed(directory, error)
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"{path}: {error}") from error
        loaded = new_log(self.env, path, expiration_ms=self.settings.producer_id_expiration_ms)
        config = config or self.default_config
        log = Log(self.env, topic_partition, path, config, loaded, owner=self)
        self._logs[topic_partition] = log
        self._dir_of[topic_partition] = directory
        self._created += 1
        if self._created % CREATIONS_PER_RELEASE == 0:
            self._release_descriptors()
        return log

    def place(self, topic_partition: TopicPartition, path: str) -> None:
        """Let a replica be in this entry of ``log.dirs``: a log that is in another one is moved in
        the background, one that is not here yet is made there.

        LOG_DIR_NOT_FOUND, KAFKA_STORAGE_ERROR for a directory that is offline."""
        check_partition(topic_partition)
        directory = self.online_directory(path)
        if topic_partition in self._offline:
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"{topic_partition} is offline")
        log = self._logs.get(topic_partition)
        if log is None:
            self._preferred[topic_partition] = directory
        elif self._dir_of[topic_partition] is directory:
            self.moves.cancel(topic_partition)
        else:
            expiration_ms = self.settings.producer_id_expiration_ms
            self.moves.begin(log, directory, expiration_ms=expiration_ms)

    def online_directory(self, path: str) -> LogDirectory:
        """This entry of ``log.dirs``. LOG_DIR_NOT_FOUND if it is none, KAFKA_STORAGE_ERROR if it is
        offline."""
        directory = next((d for d in self._dirs if d.path == path), None)
        if directory is None:
            raise KafkaError(ErrorCode.LOG_DIR_NOT_FOUND, f"{path} is not in log.dirs")
        if not directory.is_online:
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"{path} is offline")
        return directory

    async def delete(self, topic_partition: TopicPartition) -> None:
        """Forget a log and rename its directory ``-delete``; the data goes after
        ``file.delete.delay.ms``. Nothing to do if there is none."""
        log = self._logs.pop(topic_partition, None)
        if log is None:
            return
        self.moves.cancel(topic_partition)
        directory = self._dir_of.pop(topic_partition)
        self.cleaner.forget(topic_partition)
        self._to_flush.pop(log, None)
        unique = f"{self.env.random.getrandbits(128):032x}"
        try:
            log.close()
            target = rename_away(self.env.files, log.directory, directory, topic_partition, unique)
        except OSError as error:
            raise log.fence(error) from error
        log.relocate(target)
        log.retire()
        self._removals.add_directory(target, log.config.file_delete_delay_ms)
        await self._guarded(directory, self._checkpoints.offsets(directory))

    def update_settings(self, settings: LogManagerSettings, default_config: LogConfig) -> None:
        """Go by other settings from now on; intervals of background work stay as they are."""
        self.settings = settings
        self.default_config = default_config
        self.cleaner.settings = settings.cleaner
        for log in self._logs.values():
            log.producers.expiration_ms = settings.producer_id_expiration_ms

    def update_config(self, topic: str, config: LogConfig) -> None:
        """Give all logs of a topic new settings."""
        for topic_partition, log in self._logs.items():
            if topic_partition.topic == topic:
                log.config = config

    # In the background

    async def run(self) -> None:
        """Background work, until cancelled: flushes, checkpoints, retention, expiry, removals."""
        settings, delay = self.settings, self.settings.initial_task_delay_ms
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._work_off())
            tasks.create_task(self._removals.run())
            tasks.create_task(self.cleaner.run())
            tasks.create_task(self.moves.run())
            for job, interval, first in (
                (self.apply_retention, settings.retention_check_interval_ms, delay),
                (self.checkpoint, settings.offset_checkpoint_interval_ms, delay),
                (
                    self.checkpoint_high_watermarks,
                    settings.high_watermark_checkpoint_interval_ms,
                    0,
                ),
                (self._expire_producers, settings.producer_id_expiration_check_interval_ms, delay),
                (self._release_idle, settings.release_interval_ms, delay),
                (self._flush_by_time, 1000, delay),
            ):
                tasks.create_task(every(job, first or interval, interval))

    async def _work_off(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            await self.settle()

    async def settle(self) -> None:
        """Do all syncs that wait: small files, rolled segments, checkpoints of cut logs. One at a
        time, so that acknowledgements that wait for a flush get in between."""
        while self._to_flush or self._to_sync or self._to_checkpoint:
            for directory in take_all(self._to_checkpoint):
                await self._guarded(directory, self._checkpoints.offsets(directory))
            for log in take_all(self._to_flush):
                await self._flush(log)
            for path in take_all(self._to_sync):
                directory = next(d for d in self._dirs if is_inside(path, d.path))
                await self._guarded(directory, sync_file(self.env.files, path))

    async def _flush(self, log: Log) -> None:
        try:
            await log.flush()
        except KafkaError:
            # The log has fenced itself and told us.
            return

    async def _flush_by_time(self) -> None:
        now_ms = self.env.clock.wall_ms()
        for log in list(self._logs.values()):
            if log.is_flush_due(now_ms):
                await self._flush(log)

    async def apply_retention(self) -> None:
        """Remove old segments in all logs."""
        for log in list(self._logs.values()):
            try:
                log.apply_retention(self.env.clock.wall_ms())
            except KafkaError:
                continue
            await asyncio.sleep(0)

    async def _expire_producers(self) -> None:
        for log in list(self._logs.values()):
            log.producers.remove_expired(self.env.clock.wall_ms())
            await asyncio.sleep(0)

    async def _release_idle(self) -> None:
        self._release_descriptors()

    def _release_descriptors(self) -> None:
        for log in self._logs.values():
            log.release_idle()

    # Stopping

    async def shutdown(self) -> None:
        """Flush and close everything and leave the clean marker in each directory of which all was
        loaded, is online and is on disk."""
        self.moves.close()
        await self.settle()
        for directory in [d for d in self._dirs if d.is_online]:
            await self._guarded(directory, self._close_directory(directory))
        for log in self._logs.values():
            log.close()
        for directory in self._dirs:
            directory.release()

    async def _close_directory(self, directory: LogDirectory) -> None:
        if not self._loaded:
            return
        logs = [log for _, log in self._logs_in(directory)]
        try:
            for log in logs:
                log.complete_files()
                log.close()  # thousands of logs must not all hold their descriptors at once
            await self.env.files.sync_file_system(directory.path)
            for log in logs:
                await log.close_cleanly()
        except KafkaError:
            return
        await self._checkpoints.high_watermarks(directory)
        await self._checkpoints.offsets(directory)
        if directory.is_online:
            directory.leave_cleanly()
