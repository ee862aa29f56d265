"""Killed, or without power, at every single step of a pass: what the next start finds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import pytest
from tests.defaults import log_config
from tests.storage.cleaner.kit import cleaner_of, committed, last_values
from tests.storage.support import DIRECTORY, RECORDED_MS, create, environment, reopen

from barnabas.records.batch import (
    ControlType,
    EndTransactionMarker,
    Record,
    build_batch,
    build_marker,
)
from barnabas.seams import Env
from barnabas.storage.log import Log
from barnabas.storage.memory_files import MemoryFile, MemoryFiles
from barnabas.storage.producers.state import Origin
from barnabas.types import Buffer

CONFIG = log_config(cleanup_policy=("compact",), segment_bytes=1000, index_interval_bytes=100)


class Killed(BaseException):
    """The process is no more."""


class JournalFile(MemoryFile):
    __slots__ = ("_files",)

    def __init__(self, content: bytearray, files: JournalFiles) -> None:
        super().__init__(content)
        self._files = files

    def append(self, buffers: Sequence[Buffer]) -> int:
        self._files.step()
        return super().append(buffers)

    def pwrite(self, data: Buffer, offset: int) -> None:
        self._files.step()
        super().pwrite(data, offset)

    def truncate(self, size: int) -> None:
        self._files.step()
        super().truncate(size)

    async def fsync(self) -> None:
        self._files.step()
        self._files.synced[id(self.content)] = bytes(self.content)


class JournalFiles(MemoryFiles):
    """Counts what changes files and dies at a given step; knows what a power cut leaves: names in
    the order they were changed, contents as they were synced or as they are."""

    def __init__(self) -> None:
        super().__init__(RECORDED_MS)
        self.steps = 0
        self.die_at = -1
        self.synced: dict[int, bytes] = {}
        self.durable: dict[str, bytearray] = {}
        self.journal: list[dict[str, bytearray]] = []

    def step(self) -> None:
        self.steps += 1
        if 0 <= self.die_at <= self.steps:
            raise Killed

    def open(self, path: str, *, create: bool = False) -> MemoryFile:
        if create and path not in self.files:
            self.step()
            content = super().open(path, create=True).content
            self.journal.append(dict(self.files))
            return JournalFile(content, self)
        return JournalFile(super().open(path, create=create).content, self)

    def rename(self, source: str, target: str) -> None:
        if source not in self.files:
            raise FileNotFoundError(source)
        self.step()
        super().rename(source, target)
        self.journal.append(dict(self.files))

    def remove(self, path: str) -> None:
        if path not in self.files:
            raise FileNotFoundError(path)
        self.step()
        super().remove(path)
        self.journal.append(dict(self.files))

    def sync_directory(self, path: str) -> None:
        self.step()
        self.durable = dict(self.files)
        self.journal.clear()

    async def fsync_directory(self, path: str) -> None:
        self.sync_directory(path)

    def sync_everything(self) -> None:
        self.durable = dict(self.files)
        self.journal.clear()
        self.synced = {id(content): bytes(content) for content in self.files.values()}

    def without_power(self) -> Iterator[MemoryFiles]:
        journal = [self.durable, *self.journal]
        count = len(journal)
        for names in [journal[n] for n in sorted({0, count // 3, count // 2, count - 1})]:
            for is_lost in (True, False):
                yield _laid_out(
                    {
                        path: self.synced.get(id(content), b"") if is_lost else bytes(content)
                        for path, content in names.items()
                    }
                )


def _laid_out(contents: dict[str, bytes]) -> MemoryFiles:
    files = MemoryFiles(RECORDED_MS)
    files.make_directories(DIRECTORY)
    files.files.update({path: bytearray(content) for path, content in contents.items()})
    return files


def dirty_log(env: Env) -> Log:
    """Several groups of segments, with tombstones, an aborted transaction, and producers."""
    log = create(env, CONFIG)
    for number in range(24):
        records = [
            Record(0, RECORDED_MS, b"key-%d" % (i % 5), None if i == 14 else b"%d" % i * 8)
            for i in (number, number * 3)
        ]
        is_transaction = number % 8 == 1
        batch = build_batch(
            records,
            producer_id=7 if is_transaction else 1,
            producer_epoch=0,
            base_sequence=number // 8 * 2 if is_transaction else -1,
            transactional=is_transaction,
        )
        log.append_as_leader(memoryview(batch), 0, now_ms=RECORDED_MS, origin=Origin.COORDINATOR)
        if is_transaction:
            marker = build_marker(
                EndTransactionMarker(ControlType.ABORT, 0),
                producer_id=7,
                producer_epoch=0,
                timestamp_ms=RECORDED_MS,
            )
            log.append_as_leader(
                memoryview(marker), 0, now_ms=RECORDED_MS, origin=Origin.COORDINATOR
            )
        if number % 4 == 3:
            log.roll()
    log.set_high_watermark(log.log_end_offset)
    return log


def prepared() -> tuple[JournalFiles, Env, Log]:
    files = JournalFiles()
    files.make_directories(DIRECTORY)
    env = environment(files)
    log = dirty_log(env)
    asyncio.run(log.flush())
    files.sync_everything()
    files.steps = 0
    return files, env, log


async def run_pass(env: Env, log: Log) -> None:
    cleaner = cleaner_of(env, log)
    assert await cleaner.clean(log, cleaner.range_of(log))


def data_of(log: Log) -> dict[int, Record]:
    log.set_high_watermark(log.log_end_offset)
    return {record.offset: record for record in committed(log)}


def check(files: MemoryFiles, before: Log, after: dict[int, Record], recovery_point: int) -> None:
    dirty = data_of(before)
    log = reopen(environment(files), CONFIG, recovery_point=recovery_point)
    found = data_of(log)
    assert after.items() <= found.items() <= dirty.items()
    assert last_values(list(found.values())) == last_values(list(dirty.values()))
    assert log.log_end_offset == before.log_end_offset
    assert log.producers.first_undecided_offset is None
    assert log.producers.entries[1].last_sequence == before.producers.entries[1].last_sequence
    for segment in log.segments:
        segment.check_indexes()
    names = files.list(DIRECTORY)
    assert not [n for n in names if n.endswith((".swap", ".cleaned"))]


@pytest.fixture(scope="module")
def clean_pass() -> tuple[int, dict[int, Record]]:
    """How many steps a pass takes, and what it leaves."""
    files, env, log = prepared()
    dirty = data_of(log)
    asyncio.run(run_pass(env, log))
    after = data_of(log)
    assert len(after) < len(dirty) // 2
    assert log.segment_count < 8
    return files.steps, after


def test_every_step(clean_pass: tuple[int, dict[int, Record]]) -> None:
    steps, after = clean_pass
    assert steps > 40
    _, _, before = prepared()
    seen_names: dict[str, None] = {}
    for step in range(1, steps + 1):
        files, env, log = prepared()
        files.die_at = step
        with pytest.raises(Killed):
            asyncio.run(run_pass(env, log))
        seen_names.update(dict.fromkeys(files.list(DIRECTORY)))
        contents = {path: bytes(content) for path, content in files.files.items()}
        for recovery_point in (0, before.recovery_point):
            check(_laid_out(contents), before, after, recovery_point)
        for left in files.without_power():
            check(left, before, after, before.recovery_point)
    assert [name for name in seen_names if name.endswith(".log.swap")]
    assert [name for name in seen_names if name.endswith(".txnindex.cleaned")]


def test_recovery_may_be_killed_too(clean_pass: tuple[int, dict[int, Record]]) -> None:
    steps, after = clean_pass
    _, _, before = prepared()
    for step in range(1, steps + 1, 3):
        files, env, log = prepared()
        files.die_at = step
        with pytest.raises(Killed):
            asyncio.run(run_pass(env, log))
        contents = {path: bytes(content) for path, content in files.files.items()}
        for later_step in range(1, 12, 2):
            again = JournalFiles()
            again.make_directories(DIRECTORY)
            again.files.update({path: bytearray(data) for path, data in contents.items()})
            again.die_at = later_step
            try:
                reopen(environment(again), CONFIG, recovery_point=before.recovery_point)
            except Killed:
                left = {path: bytes(content) for path, content in again.files.items()}
                check(_laid_out(left), before, after, before.recovery_point)


def test_a_disk_that_fails_takes_the_log_offline_and_a_full_one_does_not() -> None:
    for code, is_fenced in ((5, True), (28, False)):
        files, env, log = prepared()

        def fail(code: int = code) -> None:
            raise OSError(code, "injected")

        files.step = fail  # type: ignore[method-assign]
        cleaner = cleaner_of(env, log)
        assert not asyncio.run(cleaner.clean(log, cleaner.range_of(log)))
        assert (log.failure is not None) == is_fenced
        assert not cleaner.uncleanable
