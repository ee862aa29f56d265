"""ReplicaAlterLogDirsThread: replicas move between a broker's log directories (KIP-113,
reference 6.1).

A copy grows in ``topic-P.<unique>-future`` of the target, one partition at a time, in small steps
between the loop's other work. Once it has caught up and is flushed it takes the place of the log
in one turn of the loop. A restart in the middle goes on where the copy ends.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from barnabas.errors import ErrorCode, KafkaError
from barnabas.quotas.rate import Window
from barnabas.quotas.replication import ReplicationQuota
from barnabas.seams import Env, Files
from barnabas.storage.directories.log_dir import (
    FUTURE_SUFFIX,
    LogDirectory,
    partition_of,
    rename_away,
)
from barnabas.storage.directories.log_directories import LogDirectories
from barnabas.storage.directories.partition_metadata import read_topic_id, write_topic_id
from barnabas.storage.log import Log
from barnabas.storage.log_owner import LogOwner, OwnedLog
from barnabas.storage.paths import is_refused_name
from barnabas.storage.recovery import Checkpointed, load_log, new_log
from barnabas.storage.small_files import write_new
from barnabas.types import TopicPartition

COPY_BYTES = 256 * 1024
"""Copied between two turns of the loop, or one batch if that is larger."""
TURNS_TO_FLUSH = 3
"""After so many flushes in vain, because more was appended meanwhile, the last bit is flushed while
nothing else happens."""
QUOTA_LOOK_MS = 1000
"""While the quota is exceeded it is looked at so often: it may be raised."""
FILE_NAME_MAX = 255
UNIQUE_LENGTH = 32
"""Hexadecimal digits between a log's name and the suffix of its copy."""
MOVED_FILE = "barnabas-moved"
"""In a directory that has just taken the place of another: until the other has its new name, a
start finds both."""

_FUTURE = re.compile(rf"(.+)\.[0-9a-f]{{32}}{FUTURE_SUFFIX}")


def future_of(name: str) -> TopicPartition | None:
    """The partition whose copy has this name; None if it is none."""
    match = _FUTURE.fullmatch(name)
    return None if match is None else partition_of(match[1])


def check_can_move(topic_partition: TopicPartition) -> None:
    """Raise INVALID_TOPIC_EXCEPTION for a name too long to be that of a copy (KAFKA-4893)."""
    if len(str(topic_partition)) + 1 + UNIQUE_LENGTH + len(FUTURE_SUFFIX) > FILE_NAME_MAX:
        raise KafkaError(
            ErrorCode.INVALID_TOPIC_EXCEPTION, f"{topic_partition} has too long a name"
        )


@dataclass(eq=False, slots=True, kw_only=True)
class Move:
    """A copy that is under way."""

    topic_partition: TopicPartition
    directory: LogDirectory
    """Where it goes."""
    log: Log
    """The copy."""
    aligned: bool = False
    """Whether the copy is known to be a part of the log."""


class ReplicaMoves(LogOwner):
    """``run`` as a task. It owns the copies, and puts them where the logs are in ``directories``.

    ``manager`` hears of what is to be flushed or removed, ``remove(log, path)`` of a directory that
    is no longer needed. ``moved(old, new)`` is called when a copy has taken its place, and
    ``checkpoint`` makes that known to the checkpoints."""

    def __init__(
        self,
        env: Env,
        directories: LogDirectories,
        manager: LogOwner,
        *,
        remove: Callable[[Log, str], None],
        moved: Callable[[Log, Log], None],
        checkpoint: Callable[[], Awaitable[None]],
    ) -> None:
        self.under_way: dict[TopicPartition, Move] = {}
        self._env = env
        self._directories = directories
        self._logs = directories.logs
        self._dir_of = directories.dir_of
        self._dir_failed = directories.fail
        self._manager = manager
        self._remove = remove
        self._moved = moved
        self._checkpoint = checkpoint
        self._wanted = asyncio.Event()
        self.quota = ReplicationQuota(Window())
        """For all that is copied."""

    # Moves come and go

    def begin(self, log: Log, target: LogDirectory, *, expiration_ms: int) -> None:
        """Begin to move a log, unless that is under way; a move to elsewhere is given up. Raises
        KAFKA_STORAGE_ERROR, and INVALID_TOPIC_EXCEPTION for a name too long to be copied."""
        name, files = log.topic_partition, self._env.files
        known = self.under_way.get(name)
        if known is not None and known.directory is target:
            return
        self.cancel(name)
        check_can_move(name)
        entry = f"{name}.{self._unique()}{FUTURE_SUFFIX}"
        path = f"{target.path}/{entry}"
        try:
            # No checkpoint of the target may speak of a log of that name that was there before.
            target.forget(name)
            files.make_directories(path)
            loaded = new_log(self._env, path, expiration_ms=expiration_ms)
        except OSError as error:
            if is_refused_name(error):
                raise KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION, f"{path}: {error}") from error
            self._dir_failed(target, error)
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"{path}: {error}") from error
        copy = Log(self._env, name, path, log.config, loaded, owner=self)
        self.under_way[name] = Move(topic_partition=name, directory=target, log=copy)
        if log.topic_id is not None:
            self.sync_wanted(write_topic_id(files, copy, log.topic_id))
        self._wanted.set()

    async def resume(self, target: LogDirectory, entry: str, *, expiration_ms: int) -> None:
        """Go on with a copy that a start has found, if its log is here. Raises OSError."""
        name = future_of(entry)
        log = None if name is None else self._logs.get(name)
        if name is None or log is None or name in self.under_way:
            return
        path = f"{target.path}/{entry}"
        # Checkpoints say nothing of copies: all of it is walked.
        unknown = Checkpointed(lost_power=target.lost_power)
        loaded = await load_log(self._env, path, log.config, unknown, expiration_ms=expiration_ms)
        copy = Log(self._env, name, path, log.config, loaded, owner=self)
        copy.topic_id = read_topic_id(self._env.files, path, clean=False)
        if copy.topic_id not in (None, log.topic_id):
            self._discard(copy, target)
            return
        self.under_way[name] = Move(topic_partition=name, directory=target, log=copy)
        self._wanted.set()

    def keep_one(self, known: Log, found: Log, directory: LogDirectory) -> None:
        """A start has found a log twice, as a death in the midst of ``_swap`` leaves it: ``known``
        and, in ``directory``, ``found``. The one that has more stays."""
        name = known.topic_partition
        mine, theirs = ((g.epochs.latest_epoch, g.log_end_offset) for g in (known, found))
        if mine > theirs:
            known.set_high_watermark(max(known.high_watermark, found.high_watermark))
            self._discard(found, directory)
            return
        found.set_high_watermark(max(known.high_watermark, found.high_watermark))
        source, self._dir_of[name] = self._dir_of[name], directory
        self._logs[name] = found
        self._discard(known, source)

    def remove_marks(self) -> None:
        """All logs of all directories are loaded: none is there twice."""
        marked = [name for name, log in list(self._logs.items()) if self._is_marked(name, log)]
        for directory in self._directories.all if marked else ():
            try:
                # Where one was there twice, the other was renamed just now.
                self._env.files.sync_directory(directory.path)
            except OSError as error:
                self._dir_failed(directory, error)
                return
        for name in marked:
            self._remove_mark(self._logs[name], self._dir_of[name])

    def _is_marked(self, name: TopicPartition, log: Log) -> bool:
        directory = self._dir_of[name]
        try:
            return directory.is_online and was_moved(self._env.files, log.directory)
        except OSError as error:
            self._dir_failed(directory, error)
            return False

    def _remove_mark(self, log: Log, directory: LogDirectory) -> None:
        try:
            self._env.files.remove(f"{log.directory}/{MOVED_FILE}")
        except FileNotFoundError:
            return
        except OSError as error:
            self._dir_failed(directory, error)

    def cancel(self, topic_partition: TopicPartition) -> None:
        """Give a move up, if there is one, and its copy away."""
        move = self.under_way.pop(topic_partition, None)
        if move is not None:
            self._discard(move.log, move.directory)

    def directory_failed(self, directory: LogDirectory) -> None:
        """Forget moves to and from a directory that is offline."""
        for name, move in list(self.under_way.items()):
            if directory in (move.directory, self._dir_of.get(name)):
                del self.under_way[name]
                move.log.close()

    def close(self) -> None:
        """The broker stops; the next start goes on."""
        for move in self.under_way.values():
            move.log.close()

    def _unique(self) -> str:
        return f"{self._env.random.getrandbits(128):032x}"

    def _discard(self, log: Log, directory: LogDirectory) -> bool:
        """Rename a log away; False if its disk has failed and it is there still."""
        try:
            log.close()
            target = rename_away(
                self._env.files, log.directory, directory, log.topic_partition, self._unique()
            )
        except OSError as error:
            self._dir_failed(directory, error)
            return False
        log.relocate(target)
        self._remove(log, target)
        return True

    def log_was_cut(self, topic_partition: TopicPartition, offset: int) -> None:
        """The log itself is about to be cut, or emptied and started, at ``offset``."""
        move = self.under_way.get(topic_partition)
        if move is not None and move.log.log_end_offset > offset:
            move.log.truncate_to(max(offset, move.log.log_start_offset))
            move.aligned = False

    # What copies tell

    def log_failed(self, log: OwnedLog, error: OSError) -> None:
        move = self.under_way.get(log.topic_partition)
        if move is not None and move.log is log:
            self._dir_failed(move.directory, error)

    def flush_wanted(self, log: OwnedLog) -> None:
        self._manager.flush_wanted(log)

    def sync_wanted(self, path: str) -> None:
        self._manager.sync_wanted(path)

    def removal_wanted(self, log: OwnedLog, paths: list[str]) -> None:
        self._manager.removal_wanted(log, paths)

    # Copying

    async def run(self) -> None:
        """Copy what there is to copy, until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            for move in list(self.under_way.values()):
                try:
                    await self._finish(move)
                except KafkaError as error:
                    # A disk has failed, which its owner was told, or a batch is damaged: the log
                    # stays where it is, and the next start tries again.
                    self.under_way.pop(move.topic_partition, None)
                    self._env.observer.note(
                        "move_given_up", log=move.log.directory, error=str(error)
                    )

    async def _finish(self, move: Move) -> None:
        loop = asyncio.get_running_loop()
        flushes = 0
        while (log := self._log_of(move)) is not None:
            began = loop.time()
            wait_ms = self.quota.wait_ms(int(began * 1000))
            if wait_ms:
                await asyncio.sleep(min(wait_ms, QUOTA_LOOK_MS) / 1000)
                continue
            before = move.log.size_bytes
            if copy_some(log, move):
                self.quota.record(max(move.log.size_bytes - before, 0), int(began * 1000))
                await asyncio.sleep(loop.time() - began)
            elif flushes < TURNS_TO_FLUSH and move.log.flushed_offset < log.log_end_offset:
                flushes += 1
                await move.log.flush()
            else:
                move.log.flush_blocking()
                source = self._dir_of[move.topic_partition]
                if self._swap(log, move):
                    await self._complete_swap(move, source)
                await self._checkpoint()
                return

    def _swap(self, old: Log, move: Move) -> bool:
        """Put the copy in the place of the log; in one turn of the loop, so that nobody sees half
        of it. A process or a machine that dies in between leaves both, and a mark in the newer
        one. False if a disk has failed and the old one may be there still."""
        name, new, files = move.topic_partition, move.log, self._env.files
        source, target = self._dir_of[name], move.directory
        del self.under_way[name]
        path = f"{target.path}/{name}"
        try:
            new.close()
            write_new(files, f"{new.directory}/{MOVED_FILE}", b"")
            files.sync_directory(new.directory)
            files.rename(new.directory, path)
            files.sync_directory(target.path)
        except OSError as error:
            self._dir_failed(target, error)
            return False
        new.relocate(path)
        new.adopt(self._manager)
        new.config = old.config
        self._logs[name], self._dir_of[name] = new, target
        new.set_high_watermark(old.high_watermark)
        new.advance_log_start(old.log_start_offset)
        old.cuts += 1  # a cleaning that is under way is void
        self._moved(old, new)
        return self._discard(old, source)

    async def _complete_swap(self, move: Move, source: LogDirectory) -> None:
        """Take the mark away once the old log's new name is durable. The directories may be on
        different disks, of which a machine that dies keeps a different past."""
        try:
            await self._env.files.fsync_directory(source.path)
        except OSError as error:
            self._dir_failed(source, error)
            return
        if move.directory.is_online:
            self._remove_mark(move.log, move.directory)

    def _log_of(self, move: Move) -> Log | None:
        """The log, as long as it is to be moved."""
        if self.under_way.get(move.topic_partition) is not move:
            return None
        return self._logs.get(move.topic_partition)


def copy_some(log: Log, move: Move) -> bool:
    """Copy the next batches; False if it has caught up. Raises KafkaError."""
    copy = move.log
    if not move.aligned:
        align(log, copy)
        move.aligned = True
    if copy.log_end_offset < log.log_start_offset:
        copy.truncate_fully_and_start_at(log.log_start_offset)
    end = copy.log_end_offset
    if end >= log.log_end_offset:
        return False
    found = log.read(end, COPY_BYTES, up_to=log.log_end_offset, min_one=True)
    copy.append_as_follower(b"".join(found.buffers))
    return copy.log_end_offset > end


def align(log: Log, copy: Log) -> None:
    """Cut a copy to what it has in common with the log: by epochs, as a follower does (KIP-101)."""
    latest = copy.epochs.latest
    if latest is None:
        copy.truncate_fully_and_start_at(log.log_start_offset)
        return
    epoch, end = log.end_offset_for_epoch(latest.epoch)
    if epoch != latest.epoch:
        if epoch < 0:
            copy.truncate_fully_and_start_at(log.log_start_offset)
            return
        end = min(end, copy.end_offset_for_epoch(epoch)[1])
    copy.truncate_to(min(end, copy.log_end_offset))


def was_moved(files: Files, *directories: str) -> bool:
    """Whether one of two directories has just taken the place of the other."""
    return any(files.exists(f"{directory}/{MOVED_FILE}") for directory in directories)
