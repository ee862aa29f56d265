"""The cleaner in its broker: transactions and tombstones over several passes, what makes it give
up, its checkpoint, and the loop that it shares."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from tests import virtual_time
from tests.defaults import cleaner_settings, log_config, log_manager_settings
from tests.storage.cleaner.kit import batches_of, clean, cleaner_of, later, records_of
from tests.storage.support import (
    DIRECTORY,
    PARTITION,
    RECORDED_MS,
    create,
    environment,
    memory_files,
    until,
)

from barnabas.records.batch import (
    LOG_APPEND_TIME,
    BatchHeader,
    ControlType,
    EndTransactionMarker,
    Record,
    build_batch,
    build_marker,
)
from barnabas.seams import Env
from barnabas.storage.checkpoints import CLEANER_CHECKPOINT, decode_offsets
from barnabas.storage.cleaner.log_cleaner import REST_PER_WORK, SLICE_S
from barnabas.storage.config import LogConfig
from barnabas.storage.log import Log
from barnabas.storage.log_manager import LogManager
from barnabas.storage.memory_files import MemoryFiles
from barnabas.storage.producers.state import Origin
from barnabas.types import Buffer

HOUR_MS = 3_600_000
CONFIG = log_config(cleanup_policy=("compact",), delete_retention_ms=HOUR_MS)
HORIZON_BIT = 0x40


def put(log: Log, *pairs: tuple[str, str | None], **fields: object) -> int:
    records = [
        Record(0, RECORDED_MS, key.encode(), None if value is None else value.encode())
        for key, value in pairs
    ]
    batch = build_batch(records, **fields)  # type: ignore[arg-type]
    return append(log, batch)


def append(log: Log, batch: Buffer) -> int:
    info = log.append_as_leader(memoryview(batch), 0, now_ms=RECORDED_MS, origin=Origin.COORDINATOR)
    log.set_high_watermark(log.log_end_offset)
    return info.first_offset


def end(log: Log, producer_id: int, kind: ControlType) -> int:
    marker = build_marker(
        EndTransactionMarker(kind, 0),
        producer_id=producer_id,
        producer_epoch=0,
        timestamp_ms=RECORDED_MS,
    )
    return append(log, marker)


def shape(log: Log) -> list[tuple[int, int, list[int]]]:
    """(base offset, attributes, offsets of its records) of each batch."""
    return [(h.base_offset, h.attributes, [r.offset for r in rs]) for h, rs in batches_of(log)]


def header_at(log: Log, offset: int) -> BatchHeader:
    return next(header for header, _ in batches_of(log) if header.base_offset == offset)


def log_and_env(config: LogConfig = CONFIG) -> tuple[Env, Log]:
    env = environment(memory_files())
    return env, create(env, config)


def test_a_tombstone_stays_until_its_horizon() -> None:
    env, log = log_and_env()
    put(log, ("a", "1"), ("b", "1"))
    put(log, ("a", None))
    put(log, ("c", "1"))
    log.roll()

    assert clean(env, log)
    assert shape(log) == [(0, 0, [1]), (2, HORIZON_BIT, [2]), (3, 0, [3])]
    header = header_at(log, 2)
    assert header.delete_horizon_ms == RECORDED_MS + HOUR_MS
    assert records_of(log)[1].timestamp == RECORDED_MS

    later(env, HOUR_MS - 1)
    assert clean(env, log)
    assert header_at(log, 2) == header
    later(env, 1)
    assert clean(env, log)
    assert shape(log) == [(0, 0, [1]), (3, 0, [3])]


def test_markers_outlive_the_data_of_their_transactions() -> None:
    env, log = log_and_env()
    put(log, ("a", "1"), producer_id=7, producer_epoch=0, base_sequence=0, transactional=True)
    aborted = end(log, 7, ControlType.ABORT)
    put(log, ("a", "2"), producer_id=8, producer_epoch=0, base_sequence=0, transactional=True)
    committed = end(log, 8, ControlType.COMMIT)
    put(log, ("a", "3"), producer_id=7, producer_epoch=0, base_sequence=1)
    put(log, ("a", "4"), producer_id=8, producer_epoch=0, base_sequence=1)
    put(log, ("z", "5"))
    log.roll()
    cleaner = cleaner_of(env, log)

    assert clean(env, log, cleaner)
    assert shape(log) == [
        (aborted, 0x30, [1]),
        (committed, 0x30, [3]),
        (4, 0, []),
        (5, 0, [5]),
        (6, 0, [6]),
    ]
    assert [t.first_offset for t in log.aborted_transactions(0, 7)] == [0]

    assert clean(env, log, cleaner)
    assert shape(log)[:2] == [(aborted, 0x70, [1]), (committed, 0x70, [3])]
    assert header_at(log, aborted).delete_horizon_ms == RECORDED_MS + HOUR_MS
    assert log.aborted_transactions(0, 7) == []

    later(env, HOUR_MS)
    assert clean(env, log, cleaner)
    assert [base for base, _, _ in shape(log)] == [4, 5, 6]


def test_nothing_of_an_open_transaction_is_touched() -> None:
    env, log = log_and_env(replace(CONFIG, segment_bytes=100))
    put(log, ("a", "1"))
    put(log, ("a", "2"))
    put(log, ("b", "1"), producer_id=7, producer_epoch=0, base_sequence=0, transactional=True)
    put(log, ("a", "3"))
    put(log, ("a", "4"))
    log.roll()
    assert clean(env, log)
    assert [r.offset for r in records_of(log)] == [1, 2, 3, 4]


def test_append_times_and_codecs_survive() -> None:
    env, log = log_and_env()
    fields = {"timestamp_type": LOG_APPEND_TIME, "append_time_ms": RECORDED_MS + 5}
    put(log, ("a", "1"), ("b", "1"), codec=3, **fields)
    put(log, ("a", None), codec=4, **fields)
    put(log, ("c", "1"))
    log.roll()
    assert clean(env, log)
    assert [h.codec for h, _ in batches_of(log)] == [3, 4, 0]
    assert [r.timestamp - RECORDED_MS for r in records_of(log)] == [5, 5, 0]
    assert header_at(log, 2).max_timestamp == RECORDED_MS + 5


def test_records_without_a_key_go() -> None:
    env, log = log_and_env()
    append(log, build_batch([Record(value=b"1"), Record(key=b"a", value=b"1")]))
    put(log, ("b", "1"))
    log.roll()
    assert clean(env, log)
    assert [r.offset for r in records_of(log)] == [1, 2]


def test_the_last_cleaned_batch_stays_so_that_copies_reach_the_end() -> None:
    env, log = log_and_env()
    put(log, ("a", "1"))
    put(log, ("a", None))
    log.roll()
    cleaner = cleaner_of(env, log)
    clean(env, log, cleaner)
    later(env, HOUR_MS)
    clean(env, log, cleaner)
    assert shape(log) == [(1, 0, [])]
    copy = create(environment(memory_files()), CONFIG)
    for header, _ in batches_of(log):
        piece = log.read(header.base_offset, 1000, up_to=log.log_end_offset, min_one=True)
        copy.append_as_follower(b"".join(piece.buffers))
    assert copy.log_end_offset == log.log_end_offset


@pytest.mark.parametrize(("position", "why"), [(66, "checksum"), (1, "is not within")])
def test_a_damaged_batch_makes_a_log_uncleanable_and_changes_nothing(
    position: int, why: str
) -> None:
    env, log = log_and_env()
    put(log, ("a", "1"))
    put(log, ("a", "2"))
    log.roll()
    assert isinstance(env.files, MemoryFiles)
    env.files.files[f"{DIRECTORY}/{0:020d}.log"][position] ^= 1
    before = {path: bytes(data) for path, data in env.files.files.items()}
    cleaner = cleaner_of(env, log)
    assert not asyncio.run(cleaner.clean_dirtiest())
    assert why in cleaner.uncleanable[PARTITION]
    assert log.failure is None
    assert {path: bytes(data) for path, data in env.files.files.items()} == before
    assert not asyncio.run(cleaner.clean_dirtiest())


def interrupted(change: Callable[[Log], object]) -> tuple[Log, bool]:
    """A pass over a log of many small segments that is changed as soon as the first is in place."""
    env, log = log_and_env(replace(CONFIG, segment_bytes=400, segment_index_bytes=40))
    for number in range(200):
        put(log, (f"key-{number % 3}", "v" * 20))
    size = log.size_bytes

    async def main() -> bool:
        cleaner = cleaner_of(env, log, io_max_bytes_per_second=200_000.0)
        task = asyncio.create_task(cleaner.clean(log, cleaner.range_of(log)))
        await until(lambda: log.size_bytes < size)
        change(log)
        return await task

    done = asyncio.run(main())
    assert isinstance(env.files, MemoryFiles)
    assert not [name for name in env.files.files if name.endswith((".cleaned", ".swap"))]
    return log, done


def test_cuts_and_deletions_end_a_pass() -> None:
    log, done = interrupted(lambda log: log.truncate_to(20))
    assert not done
    assert log.log_end_offset == 20
    log, done = interrupted(lambda log: log.truncate_fully_and_start_at(500))
    assert (done, log.log_start_offset, batches_of(log)) == (False, 500, [])
    log, done = interrupted(lambda log: log.advance_log_start(190))
    assert not done
    assert [r.offset for r in records_of(log) if r.offset >= 190] == list(range(190, 200))
    _, done = interrupted(lambda log: log.retire())
    assert not done
    _, done = interrupted(lambda log: setattr(log, "config", log_config()))
    assert not done


class _SlowRemovals(MemoryFiles):
    """Something happens while the last file of a pass is removed."""

    def __init__(self) -> None:
        super().__init__(RECORDED_MS)
        self.removals = 0
        self.change: Callable[[], object] = list

    async def remove_aside(self, path: str) -> None:
        await asyncio.sleep(0)
        if path.endswith(".log.cleaned"):
            self.removals += 1
            if self.removals == 2:  # the first is in the way of the pass
                self.change()
        await super().remove_aside(path)


def test_a_cut_at_the_end_of_a_pass_that_changed_nothing_ends_it() -> None:
    """Else what comes after the cut counts as clean."""
    files = _SlowRemovals()
    files.make_directories(DIRECTORY)
    env = environment(files)
    log = create(env, CONFIG)
    for key in "abc":
        put(log, (key, "1"))
    log.roll()
    cleaner = cleaner_of(env, log)

    def cut() -> None:
        cleaner.log_cut(PARTITION, 1)
        log.truncate_to(1)

    files.change = cut
    assert not clean(env, log, cleaner)
    assert files.removals >= 2
    assert PARTITION not in cleaner.first_dirty


def test_appends_do_not_end_a_pass() -> None:
    log, done = interrupted(lambda log: put(log, ("key-1", "new")))
    assert done
    assert records_of(log)[-1].value == b"new"


def manager(files: MemoryFiles, *, backoff_ms: int = 1) -> LogManager:
    settings = log_manager_settings(cleaner=cleaner_settings(backoff_ms=backoff_ms))
    logs = LogManager(environment(files), ["/data"], CONFIG, settings=settings)
    logs.open()
    return logs


async def running(logs: LogManager, test: Callable[[LogManager], Awaitable[None]]) -> None:
    await logs.load(broker_id=1, cluster_id="cluster")
    task = asyncio.create_task(logs.run())
    try:
        await test(logs)
    finally:
        task.cancel()
        await asyncio.wait([task])


def checkpointed(files: MemoryFiles) -> dict[object, int]:
    path = f"/data/{CLEANER_CHECKPOINT}"
    return dict(decode_offsets(files.read(path))) if files.exists(path) else {}


def test_a_shorter_backoff_counts_from_now_on() -> None:
    """As in the original, which starts its cleaners again (LogCleaner.reconfigure)."""

    async def test(logs: LogManager) -> None:
        await asyncio.sleep(0.02)  # the first look finds nothing, and a pause of a day begins
        log = logs.get_or_create(PARTITION, None, is_new=True)
        put(log, ("a", "1"))
        put(log, ("a", "2"))
        log.roll()
        put(log, ("a", "3"))
        await asyncio.sleep(0.02)
        assert logs.cleaner.first_dirty == {}
        settings = log_manager_settings(cleaner=cleaner_settings(backoff_ms=1))
        logs.update_settings(settings, CONFIG)
        await until(lambda: logs.cleaner.first_dirty == {PARTITION: 2})

    asyncio.run(running(manager(MemoryFiles(RECORDED_MS), backoff_ms=86_400_000), test))


def test_the_manager_cleans_and_remembers_over_a_restart() -> None:
    files = MemoryFiles(RECORDED_MS)

    async def first(logs: LogManager) -> None:
        log = logs.get_or_create(PARTITION, None, is_new=True)
        put(log, ("a", "1"))
        put(log, ("a", "2"))
        log.roll()
        put(log, ("a", "3"))
        await until(lambda: checkpointed(files) == {PARTITION: 2})
        assert [r.offset for r in records_of(log)] == [1, 2]
        await asyncio.sleep(0.02)
        await logs.shutdown()

    asyncio.run(running(manager(files), first))
    again = manager(files)

    async def second(logs: LogManager) -> None:
        log = logs.get(PARTITION)
        assert log is not None
        assert logs.cleaner.first_dirty == {PARTITION: 2}
        log.set_high_watermark(3)
        log.truncate_to(2)
        assert checkpointed(files) == {PARTITION: 2}
        log.truncate_to(1)
        assert checkpointed(files) == {}, "before the cut, durably: all is dirty again"
        assert logs.cleaner.first_dirty == {}

    asyncio.run(running(again, second))


def test_a_deleted_partition_leaves_no_trace_in_the_checkpoint() -> None:
    files = MemoryFiles(RECORDED_MS)

    async def test(logs: LogManager) -> None:
        log = logs.get_or_create(PARTITION, None, is_new=True)
        put(log, ("a", "1"))
        put(log, ("a", "2"))
        log.roll()
        await until(lambda: checkpointed(files) == {PARTITION: 2})
        await logs.delete(PARTITION)
        logs.get_or_create(PARTITION, None, is_new=True)
        assert checkpointed(files) == {}
        assert logs.cleaner.first_dirty == {}

    asyncio.run(running(manager(files), test))


def test_topics_that_are_only_deleted_are_left_alone() -> None:
    env, log = log_and_env(log_config())
    put(log, ("a", "1"))
    put(log, ("a", "2"))
    log.roll()
    assert not asyncio.run(cleaner_of(env, log).clean_dirtiest())
    log.config = replace(CONFIG, cleanup_policy=("compact", "delete"))
    assert asyncio.run(cleaner_of(env, log).clean_dirtiest())


def test_others_have_their_turns() -> None:
    env, log = log_and_env()
    for start in range(0, 30_000, 3000):
        put(log, *[(f"key-{i}", "v") for i in range(start, start + 3000)])
    log.roll()

    # Each record is read twice at two microseconds, a slice takes two milliseconds.
    assert asyncio.run(_turns(env, log)) >= 50


def test_a_slice_ends_by_the_stopwatch_too() -> None:
    plain, log = log_and_env()
    for number in range(50):
        put(log, (f"key-{number}", "v"))
    log.roll()
    looks = itertools.count()
    env = replace(plain, stopwatch=lambda: next(looks) * SLICE_S / 4)

    async def main() -> float:
        loop = asyncio.get_running_loop()
        cleaner, began = cleaner_of(env, log), loop.time()
        assert await cleaner.clean(log, cleaner.range_of(log))
        return loop.time() - began

    rested = virtual_time.run(main())
    worked = next(looks) * SLICE_S / 4
    assert 0.8 * worked < rested / REST_PER_WORK < 1.2 * worked


async def _turns(env: Env, log: Log) -> int:
    """Turns of the loop that others have while a log is cleaned."""
    cleaner = cleaner_of(env, log)
    task = asyncio.create_task(cleaner.clean(log, cleaner.range_of(log)))
    turns = 0
    while not task.done():
        await asyncio.sleep(0)
        turns += 1
    assert await task
    return turns
