"""Small batches that are appended to be written later, many at once."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable

import pytest
from tests.defaults import log_config
from tests.storage.support import (
    DIRECTORY,
    RECORDED_MS,
    TOPIC_ID,
    A,
    FaultyFiles,
    batch,
    create,
    environment,
    image,
    memory_files,
    reopen,
    restored,
    run,
    started,
)
from tests.storage.test_fencing import Heard, storage_error

from barnabas.storage.log import Log
from barnabas.storage.segment import DELETED_SUFFIX, LOG_SUFFIX, file_name
from barnabas.storage.tail import KEPT_BYTES_MIN

FILE = f"{DIRECTORY}/{file_name(0, LOG_SUFFIX)}"


def append(log: Log, count: int = 1, *, later: bool = True, size: int = 10) -> int:
    """The size of the batch."""
    records = batch(count, size=size)
    return log.append_as_leader(records, 0, now_ms=RECORDED_MS, later=later).bytes


def test_they_are_written_together_and_in_order() -> None:
    files = FaultyFiles()
    log = create(environment(files))
    sizes = [append(log, count) for count in (1, 2, 3)]
    assert log.is_unwritten
    assert (log.log_end_offset, log.size_bytes) == (6, sum(sizes))
    assert len(files.files[FILE]) == 0
    log.write()
    assert not log.is_unwritten
    assert len(files.files[FILE]) == sum(sizes)
    log.write()
    assert len(files.files[FILE]) == sum(sizes)


def test_a_large_batch_is_written_at_once_behind_them() -> None:
    """It may be read from memory, without a look at the file."""
    files = memory_files()
    log = create(environment(files))
    size = append(log) + append(log, size=KEPT_BYTES_MIN)
    assert not log.is_unwritten
    assert len(files.files[FILE]) == size


@pytest.mark.parametrize(
    "use",
    [
        lambda log: log.read(0, 1000, up_to=2, min_one=True),
        lambda log: append(log, later=False),
        lambda log: log.roll(),
        lambda log: log.truncate_to(2),
        lambda log: log.flush_blocking(),
        lambda log: log.offset_of_max_timestamp(),
        lambda log: log.complete_files(),
        lambda log: log.close(),
    ],
)
def test_whatever_uses_the_file_finds_them_there(use: Callable[[Log], object]) -> None:
    files = memory_files()
    log = create(environment(files))
    size = append(log) + append(log)
    append(log)
    use(log)
    assert len(files.files[FILE]) >= size
    again = reopen(environment(restored(image(files))))
    assert again.log_end_offset >= 2


def test_a_flush_makes_them_durable() -> None:
    async def main() -> None:
        files = memory_files()
        log = create(environment(files))
        size = append(log)
        await log.flush()
        assert log.flushed_offset == 1
        assert len(files.files[FILE]) == size

    run(main)


def test_a_write_that_fails_fences() -> None:
    files, owner = FaultyFiles(), Heard()
    log = create(environment(files), owner=owner)
    append(log, later=False)
    append(log)
    files.write_error, files.short_write = errno.ENOSPC, 5
    storage_error(log.write)
    files.write_error = 0
    storage_error(lambda: append(log))
    storage_error(lambda: log.read(0, 1, up_to=1, min_one=True))
    assert [e.errno for e in owner.failures] == [errno.ENOSPC]
    log.close()
    assert reopen(environment(restored(image(files)))).log_end_offset == 1


@pytest.mark.parametrize(
    "give_back", [lambda log: log.close(), lambda log: (log.release_idle(), log.release_idle())]
)
def test_a_write_that_fails_when_the_descriptor_is_given_back_fences(
    give_back: Callable[[Log], object],
) -> None:
    """Nobody may take what is lost for written: a leader asks ``write`` before it acknowledges."""
    files, owner = FaultyFiles(), Heard()
    log = create(environment(files), owner=owner)
    append(log)
    files.write_error = errno.EIO
    give_back(log)
    files.write_error = 0
    assert [e.errno for e in owner.failures] == [errno.EIO]
    storage_error(log.write)
    log.close()
    assert [e.errno for e in owner.failures] == [errno.EIO]


def test_what_is_deleted_is_not_written_first() -> None:
    """The disk may be full: that is no reason to take its directory offline."""

    async def main() -> None:
        files = FaultyFiles()
        manager = await started(files)
        log = manager.get_or_create(A, TOPIC_ID, is_new=True)
        append(log)
        files.write_error = errno.ENOSPC
        await manager.delete(A)
        assert not manager.offline_dirs
        storage_error(log.write)

    run(main)


@pytest.mark.parametrize("seed", range(30))
def test_any_history_leaves_the_same_files(seed: int) -> None:
    chance = random.Random(seed)
    config = log_config(segment_bytes=2000, index_interval_bytes=200)
    images = []
    steps = [(chance.random(), chance.random(), chance.random()) for _ in range(80)]
    for may_be_later in (True, False):
        files = memory_files()
        log = create(environment(files), config)
        for step, first, second in steps:
            end = log.log_end_offset
            if step < 0.7:
                append(log, 1 + int(3 * first), later=may_be_later, size=int(150 * second))
            elif step < 0.8:
                log.write()
            elif step < 0.85:
                log.set_high_watermark(log.high_watermark + int((end - log.high_watermark) * first))
            elif step < 0.9:
                log.truncate_to(log.high_watermark + int((end - log.high_watermark) * first))
            elif step < 0.92:
                log.roll()
            elif step < 0.93:
                log.truncate_fully_and_start_at(end + 5)
            else:
                log.read(log.log_start_offset, int(3000 * first), up_to=end, min_one=True)
        log.complete_files()
        log.close()
        # What was cut off before it was written is not in the files that are to be deleted.
        images.append({p: c for p, c in image(files).items() if not p.endswith(DELETED_SUFFIX)})
    assert images[0] == images[1]
