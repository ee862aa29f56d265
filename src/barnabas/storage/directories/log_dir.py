"""One entry of ``log.dirs``: its owner, how it was left, its checkpoints (reference 6.1).

Besides Kafka's files a directory has three of ours.

``barnabas-boot-id`` is the boot id of the machine when a broker last loaded the logs. After an
unclean stop it tells whether the process died or the machine. If only the process died, the page
cache is there, and with it every acknowledged record. If the machine died, what was not flushed is
gone (KIP-966).

``barnabas-doubt`` exists from the start after such a crash until all logs have caught up with their
leaders, so that another restart in between does not hide it.

``barnabas-flush-before-ack`` exists as long as everything acknowledged from this directory had been
flushed before (``log.flush.before.ack``). Then even a crash of the machine leaves nothing in doubt.

Kafka looks at directories only when it loads logs, and leaves these files alone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from barnabas.errors import ConfigError, ErrorCode, KafkaError
from barnabas.names import FILE_NAME_BYTES_MAX, is_partition, number_in
from barnabas.seams import Env, Files, Lock
from barnabas.storage.checkpoints import (
    CLEAN_SHUTDOWN,
    CLEANER_CHECKPOINT,
    LOG_START_CHECKPOINT,
    META_PROPERTIES,
    RECOVERY_POINT_CHECKPOINT,
    REPLICATION_CHECKPOINT,
    CheckpointError,
    MetaProperties,
    decode_meta_properties,
    decode_offsets,
    encode_clean_shutdown,
    encode_meta_properties,
    encode_offsets,
    write_atomically,
)
from barnabas.storage.paths import is_refused_name
from barnabas.storage.small_files import replace_durably
from barnabas.types import TopicPartition

BOOT_ID_FILE = "barnabas-boot-id"
DOUBT_FILE = "barnabas-doubt"
FLUSHED_FILE = "barnabas-flush-before-ack"
LOCK_FILE = ".lock"
DELETE_SUFFIX = "-delete"
STRAY_SUFFIX = "-stray"
FUTURE_SUFFIX = "-future"
SHORT_FILE_NAME_BYTES_MAX = 140
"""Of one name in a directory that is encrypted name by name (eCryptfs)."""
LOST_AND_FOUND = "lost+found"
BAD_LINES_TOLD_MAX = 20

log = logging.getLogger("kafka.log.LogManager")

_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_WEEKDAYS = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
_CHECKPOINTS = (
    RECOVERY_POINT_CHECKPOINT,
    LOG_START_CHECKPOINT,
    REPLICATION_CHECKPOINT,
    CLEANER_CHECKPOINT,
)


class LogDirectory:
    """State of one log directory; the logs in it belong to the ``LogManager``."""

    def __init__(self, env: Env, path: str) -> None:
        self.env = env
        self.path = path
        self.meta: MetaProperties | None = None
        self.failure: OSError | None = None
        """Why it is offline."""
        self.was_clean = False
        self.in_doubt = False
        """The machine, not only the process, and something acknowledged may be missing here."""
        self.lost_power = False
        """The machine died since the last clean stop: unflushed files may have lost something."""
        self._lock: Lock | None = None
        self._boot_id: str | None = None
        # What each checkpoint file says now.
        self._written: dict[str, dict[TopicPartition, int]] = {}

    @property
    def is_online(self) -> bool:
        """Whether its logs can be used."""
        return self.failure is None

    def open(self) -> None:
        """Create and lock it, and read whose it is. ConfigError if it is somebody else's."""
        files = self.env.files
        self._make()
        try:
            self._lock = files.lock(f"{self.path}/{LOCK_FILE}")
        except BlockingIOError:
            raise ConfigError(f"log.dirs: {self.path} is in use by another broker") from None
        path = f"{self.path}/{META_PROPERTIES}"
        if files.exists(path):
            try:
                self.meta = decode_meta_properties(files.read(path))
            except CheckpointError as error:
                raise ConfigError(f"log.dirs: {path} cannot be read: {error}") from None

    def _make(self) -> None:
        """Create it, durably: until it has been claimed its name, or a parent's, may be lost with
        the power, and everything in it, however well flushed."""
        files = self.env.files
        files.make_directories(self.path)
        if files.exists(f"{self.path}/{META_PROPERTIES}"):
            return
        above = self.path.rstrip("/")
        while above:
            above = above.rpartition("/")[0]
            try:
                files.sync_directory(above or "/")
            except PermissionError:
                return  # not ours to read, so not ours to have created anything in

    def claim(self, broker_id: int, cluster_id: str) -> None:
        """Check that the directory is this broker's, or make it so. ConfigError."""
        meta = self.meta
        if meta is not None and meta.cluster_id not in (None, cluster_id):
            raise ConfigError(
                f"log.dirs: {self.path} belongs to cluster {meta.cluster_id}, "
                f"but zookeeper.connect leads to cluster {cluster_id}"
            )
        if meta is not None and meta.broker_id not in (None, broker_id):
            raise ConfigError(
                f"log.dirs: {self.path} belongs to broker.id {meta.broker_id}, "
                f"but this is broker {broker_id}"
            )
        if meta is None or meta.cluster_id is None or meta.broker_id is None:
            others = {} if meta is None else meta.others
            self.meta = MetaProperties(broker_id=broker_id, cluster_id=cluster_id, others=others)
            data = encode_meta_properties(self.meta, java_date(self.env.clock.wall_ms()))
            write_atomically(self.env.files, f"{self.path}/{META_PROPERTIES}", data)

    def begin(self, *, flush_before_ack: bool = False) -> list[str]:
        """Take the clean marker away and read the checkpoints; the names of the directories in
        it, which may be partitions. ``flush_before_ack``: the setting from now on.
        ``loaded`` must follow."""
        files = self.env.files
        # A life that was killed may have put files here, or taken the clean marker or others away,
        # and not lived to sync it: what is taken for true from here on must stay so.
        files.sync_directory(self.path)
        names = [n for n in files.list(self.path) if files.is_directory(f"{self.path}/{n}")]
        marker = f"{self.path}/{CLEAN_SHUTDOWN}"
        self.was_clean = files.exists(marker)
        self._look_at_boot(bool(names), flush_before_ack)
        if self.was_clean:
            # At once: a crash while loading must not look like a clean stop (KAFKA-10471).
            files.remove(marker)
            files.sync_directory(self.path)
        for name in _CHECKPOINTS:
            self._written[name] = self._read_offsets(name)
        for name in filter(is_odd, names):
            log.warning("%s/%s is not the directory of a partition: left alone", self.path, name)
        return names

    def _look_at_boot(self, has_partitions: bool, flush_before_ack: bool) -> None:
        """Find out whether the machine died, and whether that matters; remember both for later."""
        files = self.env.files
        boot_path, flushed_path = f"{self.path}/{BOOT_ID_FILE}", f"{self.path}/{FLUSHED_FILE}"
        known = files.exists(boot_path)
        boot_id = files.read(boot_path).decode("utf-8", "replace") if known else None
        self._boot_id = boot_id
        # Not only with partitions: their directories may be what was lost.
        died = not self.was_clean and boot_id != self.env.boot_id and (known or has_partitions)
        was_flushed = files.exists(flushed_path)
        doubt_path = f"{self.path}/{DOUBT_FILE}"
        self.in_doubt = files.exists(doubt_path) or (died and not was_flushed)
        self.lost_power = died or self.in_doubt
        if self.in_doubt:
            write_atomically(files, doubt_path, b"")
        if flush_before_ack and not was_flushed:
            # What is here is on the disk if it was left cleanly, read back after the machine died,
            # or is nothing; else something may be acknowledged and only in the page cache.
            if self.was_clean or (died and known) or not (known or has_partitions):
                write_atomically(files, flushed_path, b"")
        elif was_flushed and not flush_before_ack:
            files.remove(flushed_path)
            files.sync_directory(self.path)
        if not died:
            self._remember_boot()

    def end_doubt(self) -> None:
        """Nothing is missing any more."""
        if self.in_doubt:
            self.env.files.remove(f"{self.path}/{DOUBT_FILE}")
            self.env.files.sync_directory(self.path)
            self.in_doubt = False

    def loaded(self) -> None:
        """All logs are. Only now the machine's death is history: a process killed before this
        leaves logs that were not yet looked through for what the machine has lost."""
        self._remember_boot()

    def _remember_boot(self) -> None:
        if self._boot_id != self.env.boot_id:
            path = f"{self.path}/{BOOT_ID_FILE}"
            write_atomically(self.env.files, path, self.env.boot_id.encode())
            self._boot_id = self.env.boot_id

    def _read_offsets(self, name: str) -> dict[TopicPartition, int]:
        path = f"{self.path}/{name}"
        if not self.env.files.exists(path):
            return {}
        bad: list[str] = []
        try:
            offsets = decode_offsets(self.env.files.read(path), bad)
        except CheckpointError as error:
            if name == REPLICATION_CHECKPOINT:
                raise
            log.error("%s cannot be read and is ignored: %s", path, error)
            self.env.observer.note("checkpoint_ignored", path=path, reason=str(error))
            return {}
        for line in bad[:BAD_LINES_TOLD_MAX]:
            log.error("%s: a line is ignored: %.300s", path, line)
        if bad:
            log.error("%s: %d lines are ignored", path, len(bad))
            self.env.observer.note("checkpoint_lines_ignored", path=path, count=len(bad))
        return offsets

    def recovery_point(self, topic_partition: TopicPartition) -> int:
        """As checkpointed, 0 if it is not."""
        return self._written[RECOVERY_POINT_CHECKPOINT].get(topic_partition, 0)

    def log_start_offset(self, topic_partition: TopicPartition) -> int:
        """As checkpointed, 0 if it is not."""
        return self._written[LOG_START_CHECKPOINT].get(topic_partition, 0)

    def high_watermark(self, topic_partition: TopicPartition) -> int:
        """As checkpointed, 0 if it is not."""
        return self._written[REPLICATION_CHECKPOINT].get(topic_partition, 0)

    def first_dirty(self, topic_partition: TopicPartition) -> int | None:
        """As checkpointed; None for a log that was never cleaned."""
        return self._written[CLEANER_CHECKPOINT].get(topic_partition)

    async def checkpoint(self, name: str, offsets: dict[TopicPartition, int]) -> None:
        """Replace a checkpoint file, if it would say something else."""
        path = f"{self.path}/{name}"
        if self._written.get(name) != offsets or not self.env.files.exists(path):
            await replace_durably(self.env.files, path, encode_offsets(offsets))
            self._written[name] = offsets

    def forget(self, topic_partition: TopicPartition) -> None:
        """Before a log of that name is created: no checkpoint may speak of its predecessor, whose
        offsets would make the next start drop the new one's data. Blocks, and is rare: deleting a
        partition has normally seen to it."""
        for name in _CHECKPOINTS:
            self.forget_in(name, topic_partition)

    def forget_in(self, name: str, topic_partition: TopicPartition) -> None:
        """One checkpoint says nothing of a log any more, durably."""
        if topic_partition in self._written.get(name, {}):
            offsets = dict(self._written[name])
            del offsets[topic_partition]
            write_atomically(self.env.files, f"{self.path}/{name}", encode_offsets(offsets))
            self._written[name] = offsets

    def leave_cleanly(self) -> None:
        """Everything is flushed and checkpointed: say so."""
        write_atomically(self.env.files, f"{self.path}/{CLEAN_SHUTDOWN}", encode_clean_shutdown())

    def release(self) -> None:
        """Give the lock back; if the disk does not let us, the end of the process does it."""
        lock, self._lock = self._lock, None
        if lock is not None:
            try:
                lock.release()
            except OSError as error:
                self.env.observer.note("lock_left", path=self.path, error=str(error))


def common_meta(directories: Iterable[LogDirectory]) -> MetaProperties | None:
    """Whose the directories are, None if they are new. ConfigError if they do not belong
    together."""
    metas = [(d.path, d.meta) for d in directories if d.meta is not None]
    for path, meta in metas[1:]:
        first_path, first = metas[0]
        if (meta.cluster_id, meta.broker_id) != (first.cluster_id, first.broker_id):
            raise ConfigError(
                f"log.dirs: {path} and {first_path} belong to different brokers: "
                f"{meta.broker_id} and {first.broker_id}, "
                f"of clusters {meta.cluster_id} and {first.cluster_id}"
            )
    return metas[0][1] if metas else None


def directory_for_new(
    dirs: Iterable[LogDirectory],
    dir_of: Mapping[TopicPartition, LogDirectory],
    preferred: LogDirectory | None,
) -> LogDirectory:
    """Where a new log goes: as told, else where the fewest are. KAFKA_STORAGE_ERROR if all
    directories are offline."""
    online = [d for d in dirs if d.is_online]
    if not online:
        raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, "every log directory is offline")
    if preferred in online:
        return preferred
    if len(online) == 1:
        return online[0]
    counts = dict.fromkeys(online, 0)
    for directory in dir_of.values():
        if directory in counts:
            counts[directory] += 1
    return min(online, key=lambda d: counts[d])


def partition_of(name: str) -> TopicPartition | None:
    """The partition whose directory has this name; None if it is none or not one in use."""
    topic, _, digits = name.rpartition("-")
    number = number_in(digits)
    if number is None or not is_partition(found := TopicPartition(topic, number)):
        return None
    return found


def is_odd(name: str) -> bool:
    """Whether nothing of ours and nothing of Kafka's in a log directory has this name."""
    known = (DELETE_SUFFIX, STRAY_SUFFIX, FUTURE_SUFFIX)
    return partition_of(name) is None and name != LOST_AND_FOUND and not name.endswith(known)


def deleted_name(
    topic_partition: TopicPartition, unique: str, length_max: int = FILE_NAME_BYTES_MAX
) -> str:
    """``topic-P.<unique>-delete``, within the length of a file name."""
    suffix = f"-{topic_partition.partition}.{unique}{DELETE_SUFFIX}"
    return topic_partition.topic[: length_max - len(suffix)] + suffix


def rename_away(
    files: Files,
    path: str,
    directory: LogDirectory,
    topic_partition: TopicPartition,
    unique: str,
) -> str:
    """Give a log's directory its ``-delete`` name, a shorter one where the file system does not
    hold the usual length; the path then. Raises OSError."""
    for length_max in (FILE_NAME_BYTES_MAX, SHORT_FILE_NAME_BYTES_MAX):
        target = f"{directory.path}/{deleted_name(topic_partition, unique, length_max)}"
        try:
            files.rename(path, target)
            break
        except OSError as error:
            if length_max == SHORT_FILE_NAME_BYTES_MAX or not is_refused_name(error):
                raise
    return target


def java_date(wall_ms: int) -> str:
    """``Mon Nov 23 00:54:42 UTC 2026``, as Java's Properties dates its files."""
    seconds = wall_ms // 1000
    days, rest = divmod(seconds, 86_400)
    year, month, day = _civil(days)
    clock = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"{_WEEKDAYS[days % 7]} {_MONTHS[month - 1]} {day:02} {clock} UTC {year}"


def _civil(days: int) -> tuple[int, int, int]:
    """(year, month, day) of a day counted from 1970-01-01."""
    era, day_of_era = divmod(days + 719_468, 146_097)
    year_of_era = (
        day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096
    ) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * shifted + 2) // 5 + 1
    month = shifted + 3 if shifted < 10 else shifted - 9
    return year_of_era + era * 400 + (month <= 2), month, day
