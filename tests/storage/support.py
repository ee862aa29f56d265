"""What the storage tests share: an environment with a settable clock, logs, batches."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from barnabas.records.batch import Record, build_batch
from barnabas.seams import Env, Files
from barnabas.storage.log import Log, LogConfig
from barnabas.storage.log_owner import LogOwner
from barnabas.storage.memory_files import MemoryFiles
from barnabas.storage.recovery import Checkpointed, load_log, new_log
from barnabas.types import TopicPartition

GOLDEN = Path(__file__).parent.parent / "golden"
RECORDED_MS = 1_795_398_600_000
"""About when the golden directories were recorded: their producers have not expired."""
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
    return Log(env, PARTITION, directory, config or LogConfig(), loaded, owner=owner)


def reopen(
    env: Env,
    config: LogConfig | None = None,
    *,
    directory: str = DIRECTORY,
    clean: bool = False,
    recovery_point: int = 0,
    log_start_offset: int = 0,
) -> Log:
    config = config or LogConfig()
    checkpointed = Checkpointed(
        clean=clean, recovery_point=recovery_point, log_start_offset=log_start_offset
    )
    loaded = asyncio.run(load_log(env, directory, config, checkpointed, expiration_ms=DAY_MS))
    return Log(env, PARTITION, directory, config, loaded)


def batch(
    count: int = 1, *, timestamp: int = RECORDED_MS, size: int = 10, **fields: object
) -> memoryview:
    records = [Record(timestamp=timestamp + i, value=b"v" * size) for i in range(count)]
    return memoryview(build_batch(records, **fields))  # type: ignore[arg-type]


def append(log: Log, count: int = 1, *, epoch: int = 0, **fields: object) -> tuple[int, int]:
    info = log.append_as_leader(batch(count, **fields), epoch, now_ms=RECORDED_MS)  # type: ignore[arg-type]
    return info.first_offset, info.last_offset


def read_all(log: Log) -> bytes:
    data = b""
    offset = log.log_start_offset
    while offset < log.log_end_offset:
        found = log.read(offset, 1 << 20, up_to=log.log_end_offset, min_one=True)
        if not found.bytes:
            break
        data += b"".join(found.buffers)
        from barnabas.records.batch import iterate_batches

        offset = max(h.next_offset for h, _, _ in iterate_batches(data))
    return data
