"""LogManager, its directories: which log is in which entry of ``log.dirs``, and what goes offline
with a disk that fails (reference 6.1)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from barnabas.errors import ErrorCode, KafkaError
from barnabas.seams import Env
from barnabas.storage.config import LogConfig
from barnabas.storage.directories.log_dir import LogDirectory, directory_for_new
from barnabas.storage.log import Log
from barnabas.storage.paths import is_inside
from barnabas.types import TopicPartition


class OnlineLogs(dict[TopicPartition, Log]):
    """By partition; also those of one topic, without a look at all others. Entries are set and
    popped in no other way than here."""

    def __init__(self) -> None:
        super().__init__()
        self._of_topic: dict[str, dict[TopicPartition, None]] = {}

    def __setitem__(self, name: TopicPartition, log: Log) -> None:
        super().__setitem__(name, log)
        self._of_topic.setdefault(name.topic, {})[name] = None

    def pop(self, name: TopicPartition, default: Any = None) -> Any:
        names = self._of_topic.get(name.topic)
        if names is not None:
            names.pop(name, None)
            if not names:
                del self._of_topic[name.topic]
        return super().pop(name, default)

    def of_topic(self, topic: str) -> list[Log]:
        """The logs of its partitions."""
        return [self[name] for name in self._of_topic.get(topic, ())]

    def whose_topic(self, is_wanted: Callable[[LogConfig], bool]) -> list[Log]:
        """The logs of the topics whose settings are wanted. All logs of a topic have the same."""
        return [
            self[name]
            for names in self._of_topic.values()
            if is_wanted(self[next(iter(names))].config)
            for name in names
        ]


class LogDirectories:
    """All directories of a broker, and the logs in them.

    ``on_failure(path, error)`` is called once for a directory that went offline, with its logs
    fenced; ``on_all_failed()`` when the last one went."""

    def __init__(
        self,
        env: Env,
        paths: Sequence[str],
        *,
        on_failure: Callable[[str, OSError], None],
        on_all_failed: Callable[[], None],
    ) -> None:
        self._env = env
        self._on_failure = on_failure
        self._on_all_failed = on_all_failed
        self.all = [LogDirectory(env, path) for path in paths]
        self.logs = OnlineLogs()
        self.dir_of: dict[TopicPartition, LogDirectory] = {}
        """Where each log is, or was when its directory failed."""
        self.lost: dict[TopicPartition, None] = {}
        """Logs of directories that failed."""
        self.before_failure: Callable[[LogDirectory], None] = lambda directory: None
        """Called while the logs of a directory that fails can still be told apart."""

    @property
    def online(self) -> list[LogDirectory]:
        """Those that can be used."""
        return [d for d in self.all if d.is_online]

    @property
    def offline_paths(self) -> list[str]:
        """Of those that failed."""
        return [d.path for d in self.all if not d.is_online]

    def logs_in(self, directory: LogDirectory) -> Iterable[tuple[TopicPartition, Log]]:
        """The logs in one directory."""
        return [(p, log) for p, log in self.logs.items() if self.dir_of[p] is directory]

    def holding(self, path: str) -> LogDirectory:
        """The directory that a file is in."""
        return next(d for d in self.all if is_inside(path, d.path))

    def online_directory(self, path: str) -> LogDirectory:
        """This entry of ``log.dirs``. LOG_DIR_NOT_FOUND if it is none, KAFKA_STORAGE_ERROR if it is
        offline."""
        directory = next((d for d in self.all if d.path == path), None)
        if directory is None:
            raise KafkaError(ErrorCode.LOG_DIR_NOT_FOUND, f"{path} is not in log.dirs")
        if not directory.is_online:
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"{path} is offline")
        return directory

    def for_new(
        self, topic_partition: TopicPartition, *, is_new: bool, preferred: LogDirectory | None
    ) -> LogDirectory:
        """Where a log is to be created. KAFKA_STORAGE_ERROR if its data may be in a directory that
        is offline (KAFKA-10314), or if all are."""
        offline = self.offline_paths
        if topic_partition in self.lost or (offline and not is_new):
            raise KafkaError(
                ErrorCode.KAFKA_STORAGE_ERROR, f"{topic_partition} may be in {', '.join(offline)}"
            )
        return directory_for_new(self.all, self.dir_of, preferred)

    # Failure

    def fail(self, directory: LogDirectory, error: OSError) -> None:
        """Take a directory offline, and its logs with it."""
        if not directory.is_online:
            return
        directory.failure = error
        self._env.observer.note("log_dir_failed", path=directory.path, error=str(error))
        self.before_failure(directory)
        for topic_partition in [p for p, d in self.dir_of.items() if d is directory]:
            self.lost[topic_partition] = None
            log = self.logs.pop(topic_partition, None)
            if log is not None:
                log.fence(error)
                log.close()
        self._on_failure(directory.path, error)
        if not self.online:
            self._on_all_failed()

    async def guarded(self, directory: LogDirectory, work: Awaitable[None]) -> None:
        """Do work on a directory; its failure takes the directory offline, nothing else."""
        try:
            await work
        except OSError as error:
            self.fail(directory, error)

    # Doubt (KIP-966)

    @property
    def in_doubt(self) -> bool:
        """The machine, not only the process, died with this broker, and not all that it had
        acknowledged was flushed before: records may be missing here."""
        return any(d.in_doubt for d in self.all)

    def end_doubt(self) -> None:
        """Nothing is missing any more."""
        for directory in self.online:
            try:
                directory.end_doubt()
            except OSError as error:
                self.fail(directory, error)
