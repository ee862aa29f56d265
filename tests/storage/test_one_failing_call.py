"""A disk that fails at one call, whichever it is: its directory goes offline at most, the broker
goes on with the others, and what was flushed is there at the next start."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from tests.defaults import log_config
from tests.storage.support import RECORDED_MS, TOPIC_ID, A, B, C, batch, killed, run, started, until

from barnabas.errors import KafkaError
from barnabas.records.batch import Record, build_batch
from barnabas.storage.config import LogConfig
from barnabas.storage.log import Log
from barnabas.storage.log_manager import LogManager
from barnabas.storage.memory_files import MemoryFile, MemoryFiles
from barnabas.storage.producers.verification import NOT_NEEDED
from barnabas.types import TopicPartition

SMALL = log_config(segment_bytes=300, index_interval_bytes=100, retention_bytes=900)
COMPACTED = log_config(segment_bytes=300, cleanup_policy=("compact",), min_cleanable_dirty_ratio=0)
BAD, GOOD = "/bad", "/good"
D = TopicPartition("flights", 3)
PLAN = ((A, BAD, SMALL), (B, GOOD, SMALL), (C, BAD, COMPACTED), (D, BAD, SMALL))
Plan = Sequence[tuple[TopicPartition, str, LogConfig]]
Step = Callable[[LogManager, Log], Awaitable[None]]
CALLS = (
    *("exists", "is_directory", "list", "size", "modified_ms", "read"),
    *("make_directories", "rename", "remove", "remove_tree", "remove_aside"),
    *("sync_directory", "fsync_directory", "sync_file_system"),
)
FILE_CALLS = ("append", "pread", "pwrite", "truncate", "size", "fsync", "fsync_blocking")


class OneFailure(MemoryFiles):
    """Fails at the ``fails_at``-th call that concerns the bad directory."""

    def __init__(self, disk: MemoryFiles, fails_at: int = -1) -> None:
        super().__init__(RECORDED_MS)
        self.directories, self.files = dict(disk.directories), killed(disk).files
        self.fails_at = fails_at
        self.step = "start"
        self.calls: list[tuple[str, str, str]] = []
        """(step of the life, call, kind of file)."""

    def count(self, call: str, path: str) -> None:
        if path.startswith(BAD):
            name = path.rpartition("/")[2]
            self.calls.append((self.step, call, name.rpartition(".")[2] if "." in name else name))
            if len(self.calls) == self.fails_at:
                raise OSError(errno.EIO, "injected", path)

    def open(self, path: str, *, create: bool = False) -> MemoryFile:
        self.count("open", path)
        file = super().open(path, create=create)
        return CountedFile(file.content, self, path)


class CountedFile(MemoryFile):
    """Tells of every call."""

    __slots__ = ("files", "path")

    def __init__(self, content: bytearray, files: OneFailure, path: str) -> None:
        super().__init__(content)
        self.files = files
        self.path = path


def _counted(name: str) -> Callable[..., Any]:
    plain = getattr(MemoryFiles, name)

    def call(self: OneFailure, path: str, *rest: str) -> Any:
        self.count(name, path)
        return plain(self, path, *rest)

    return call


def _file_counted(name: str) -> Callable[..., Any]:
    plain = getattr(MemoryFile, name)

    def call(self: CountedFile, *rest: Any) -> Any:
        self.files.count(name, self.path)
        return plain(self, *rest)

    return call


for _name in CALLS:
    setattr(OneFailure, _name, _counted(_name))
for _name in FILE_CALLS:
    setattr(CountedFile, _name, _file_counted(_name))


async def _life(files: OneFailure, plan: Plan, steps: Sequence[Step]) -> dict[TopicPartition, int]:
    """What a broker does with its logs; where the high watermarks came to."""
    files.step = "start"
    manager = await started(files, BAD, GOOD)
    logs = {}
    for partition, path, config in plan:
        with suppress(KafkaError):
            if manager.get(partition) is None:
                manager.place(partition, path)
            logs[partition] = manager.get_or_create(partition, TOPIC_ID, is_new=True, config=config)
            logs[partition].config = config
    for step in steps:
        files.step = step.__name__
        for partition in list(logs):
            log = manager.get(partition)
            if log is not None:
                with suppress(KafkaError):
                    await step(manager, log)
    await manager.shutdown()
    return {partition: log.high_watermark for partition, log in logs.items()}


async def _append(manager: LogManager, log: Log) -> None:
    for n in range(5):
        records = [Record(timestamp=RECORDED_MS, key=b"%d" % k, value=b"v" * 40) for k in (n, 9)]
        log.append_as_leader(
            memoryview(build_batch(records)), n // 3, now_ms=RECORDED_MS, guard=NOT_NEEDED
        )
        log.set_high_watermark(log.log_end_offset)


async def _follow(manager: LogManager, log: Log) -> None:
    end = log.log_end_offset
    log.append_as_follower(batch(2, base_offset=end, leader_epoch=2, size=200))
    log.truncate_to(end)


async def _read(manager: LogManager, log: Log) -> None:
    end = log.log_end_offset
    log.read(end - 3, 1000, up_to=end, min_one=True)
    log.offset_for_timestamp(RECORDED_MS)
    log.offset_of_max_timestamp()


async def _flush(manager: LogManager, log: Log) -> None:
    await log.flush()
    await manager.empty_queue()


async def _tend(manager: LogManager, log: Log) -> None:
    """What runs in the background, for all logs."""
    if log.topic_partition != B:
        return
    await manager.apply_retention()
    while await manager.cleaner.clean_dirtiest():
        pass
    await manager.checkpoint()
    await manager.checkpoint_high_watermarks()
    log.release_idle()


async def _delete_records(manager: LogManager, log: Log) -> None:
    log.advance_log_start(log.log_end_offset - 3)
    await manager.empty_queue()


async def _move(manager: LogManager, log: Log) -> None:
    if log.topic_partition != A:
        return
    manager.place(A, GOOD)
    moving = asyncio.create_task(manager.moves.run())
    await until(lambda: not manager.moves.under_way)
    moving.cancel()
    await asyncio.gather(moving, return_exceptions=True)


async def _delete(manager: LogManager, log: Log) -> None:
    if log.topic_partition == D:
        await manager.delete(D)
        await manager.checkpoint_deletions()


EARLIER: list[Step] = [_append, _flush]
LATER: list[Step] = [
    _tend,
    _append,
    _flush,
    _read,
    _follow,
    _append,
    _tend,
    _delete_records,
    _move,
    _append,
    _delete,
]


def test_any_call_may_fail() -> None:
    async def main() -> None:
        before = OneFailure(MemoryFiles())
        await _life(before, PLAN[:3], EARLIER)
        whole = OneFailure(before)
        assert (await _life(whole, PLAN, LATER))[B] == 40
        seen: dict[tuple[str, str, str], None] = {}
        for number, call in enumerate(whole.calls, 1):
            if call in seen:
                continue
            seen[call] = None
            files = OneFailure(before, number)
            committed = await _life(files, PLAN, LATER)
            assert committed[B] == 40, "the other directory goes on"
            again = await started(killed(files), BAD, GOOD)
            for partition, offset in committed.items():
                log = again.get(partition)
                if log is not None:
                    assert log.log_end_offset >= offset, (number, call)

    run(main)
