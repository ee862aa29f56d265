"""What the storage tests share: an environment with a settable clock, logs, batches."""

from __future__ import annotations

import asyncio
import errno
import random
import uuid
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from tests.defaults import log_config, log_manager_settings

from barnabas.records.batch import Record, build_batch, iterate_batches
from barnabas.seams import Env, Files
from barnabas.storage.config import LogConfig, LogManagerSettings
from barnabas.storage.log import Log
from barnabas.storage.log_manager import LogManager
from barnabas.storage.log_owner import LogOwner
from barnabas.storage.memory_files import MemoryFile, MemoryFiles
from barnabas.storage.producers.verification import NOT_NEEDED
from barnabas.storage.recovery import Checkpointed, load_log, new_log
from barnabas.types import Buffer, TopicPartition

RECORDED_MS = 1_795_398_600_000
"""About when the golden directories were recorded: their producers have not expired."""
ILLEGAL = ["", ".", "..", "a/b", "../escape", "nul\0l", "a b", "ä", "a\n", "x" * 250, "\ud800"]
"""Names that no topic can have."""
TOPIC_ID = uuid.UUID(int=77)
A, B, C = (TopicPartition("flights", number) for number in range(3))
DAY_MS = 86_400_000
PARTITION = TopicPartition("flights", 0)
DIRECTORY = "/data/flights-0"


class SetClock:
    def __init__(self, now_ms: int = RECORDED_MS) -> None:
        self.now_ms = now_ms

    def wall_ms(self) -> int:
        return self.now_ms


def environment(files: Files, *, now_ms: int = RECORDED_MS, boot_id: str = "boot-1") -> Env:
    return Env(clock=SetClock(now_ms), random=random.Random(7), files=files, boot_id=boot_id)


def memory_files() -> MemoryFiles:
    files = MemoryFiles(RECORDED_MS)
    files.make_directories(DIRECTORY)
    return files


def create(
    env: Env,
    config: LogConfig | None = None,
    *,
    directory: str = DIRECTORY,
    owner: LogOwner | None = None,
) -> Log:
    loaded = new_log(env, directory, expiration_ms=DAY_MS)
    return Log(env, PARTITION, directory, config or log_config(), loaded, owner=owner)


def reopen(
    env: Env,
    config: LogConfig | None = None,
    *,
    directory: str = DIRECTORY,
    clean: bool = False,
    recovery_point: int = 0,
    log_start_offset: int = 0,
    lost_power: bool = False,
    first_dirty: int = 0,
) -> Log:
    config = config or log_config()
    checkpointed = Checkpointed(
        clean=clean,
        recovery_point=recovery_point,
        log_start_offset=log_start_offset,
        lost_power=lost_power,
        first_dirty=first_dirty,
    )
    loaded = asyncio.run(load_log(env, directory, config, checkpointed, expiration_ms=DAY_MS))
    return Log(env, PARTITION, directory, config, loaded)


def batch(
    count: int = 1, *, timestamp: int = RECORDED_MS, size: int = 10, **fields: Any
) -> memoryview:
    records = [Record(timestamp=timestamp + i, value=b"v" * size) for i in range(count)]
    return memoryview(build_batch(records, **fields))


def append(log: Log, count: int = 1, *, epoch: int = 0, **fields: Any) -> tuple[int, int]:
    info = log.append_as_leader(batch(count, **fields), epoch, now_ms=RECORDED_MS, guard=NOT_NEEDED)
    return info.first_offset, info.last_offset


def read_all(log: Log, *, max_bytes: int = 1 << 20) -> list[tuple[int, int]]:
    """(first offset, last offset) of every batch, fetched as a consumer does."""
    found: list[tuple[int, int]] = []
    offset = log.log_start_offset
    while offset < log.log_end_offset:
        piece = log.read(offset, max_bytes, up_to=log.log_end_offset, min_one=True)
        if not piece.bytes:
            break
        data = b"".join(piece.buffers)
        assert len(data) == piece.bytes
        batches = [(h.base_offset, h.last_offset) for h, _, _ in iterate_batches(data)]
        assert batches, f"no whole batch at {offset}"
        found += [b for b in batches if b not in found]
        offset = batches[-1][1] + 1
    return found


def image(files: MemoryFiles) -> dict[str, bytes]:
    """All files as they are, to be laid out again as a process that was killed left them."""
    return {path: bytes(content) for path, content in files.files.items()}


def restored(files: dict[str, bytes]) -> MemoryFiles:
    fresh = memory_files()
    fresh.files.update({path: bytearray(content) for path, content in files.items()})
    return fresh


class FaultyFile(MemoryFile):
    """A file whose writes or syncs fail once told to."""

    __slots__ = ("_owner",)

    def __init__(self, content: bytearray, owner: FaultyFiles) -> None:
        super().__init__(content)
        self._owner = owner

    def append(self, buffers: Sequence[Buffer]) -> int:
        if self._owner.write_error:
            written = b"".join(bytes(b) for b in buffers)[: self._owner.short_write]
            super().append([written])
            raise OSError(self._owner.write_error, "injected")
        return super().append(buffers)

    def pread(self, length: int, offset: int) -> bytes:
        if self._owner.read_error:
            raise OSError(errno.EIO, "injected")
        return super().pread(length, offset)

    async def fsync(self) -> None:
        self._owner.syncs += 1
        await self._owner.hold_syncs.wait()
        if self._owner.sync_error:
            raise OSError(errno.EIO, "injected")


class FaultyFiles(MemoryFiles):
    """A disk that breaks when told to."""

    def __init__(self) -> None:
        super().__init__(RECORDED_MS)
        self.make_directories(DIRECTORY)
        self.write_error = 0
        self.short_write = 0
        self.read_error = False
        self.sync_error = False
        self.create_error = False
        self.syncs = 0
        self.hold_syncs = asyncio.Event()
        self.hold_syncs.set()

    def open(self, path: str, *, create: bool = False) -> MemoryFile:
        if self.create_error and path not in self.files:
            raise OSError(errno.ENOSPC, "injected")
        return FaultyFile(super().open(path, create=create).content, self)


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until something is so; fails after ten seconds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for is a file, not an event
            await asyncio.sleep(0.001)


def manager(
    files: MemoryFiles,
    *dirs: str,
    boot_id: str = "boot-1",
    default_config: LogConfig | None = None,
    settings: LogManagerSettings | None = None,
    **more: Any,
) -> LogManager:
    made = LogManager(
        environment(files, boot_id=boot_id),
        dirs or ("/data",),
        default_config or log_config(),
        settings=settings or log_manager_settings(),
        **more,
    )
    made.open()
    return made


async def started(files: MemoryFiles, *dirs: str, **more: Any) -> LogManager:
    made = manager(files, *dirs, **more)
    await made.load(broker_id=1, cluster_id="cluster")
    return made


def killed(files: MemoryFiles) -> MemoryFiles:
    """The same disk as the next process finds it: locks are gone."""
    fresh = MemoryFiles(RECORDED_MS)
    fresh.directories = dict(files.directories)
    fresh.files = {path: bytearray(content) for path, content in files.files.items()}
    return fresh


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """``asyncio.run``, for tests that are defined inside a test."""
    asyncio.run(main())
