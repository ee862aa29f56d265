"""Disks that break: the log is fenced, nothing acknowledged is lost, nothing half-written seen."""

from __future__ import annotations

import asyncio
import errno

import pytest
from tests.defaults import log_config
from tests.storage.support import (
    FaultyFiles,
    append,
    batch,
    create,
    environment,
    image,
    read_all,
    reopen,
    restored,
)

from barnabas.errors import ErrorCode, KafkaError
from barnabas.storage.log_owner import LogOwner, OwnedLog


class Heard(LogOwner):
    def __init__(self) -> None:
        self.failures: list[OSError] = []

    def log_failed(self, log: OwnedLog, error: OSError) -> None:
        self.failures.append(error)


def storage_error(work: object) -> None:
    with pytest.raises(KafkaError) as caught:
        work()  # type: ignore[operator]
    assert caught.value.code == ErrorCode.KAFKA_STORAGE_ERROR


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("short_write", [0, 5, 61, 80, 10_000])
@pytest.mark.parametrize("follower", [False, True])
def test_a_failed_write_fences_and_recovery_cuts_it(
    error: int, short_write: int, follower: bool
) -> None:
    files, owner = FaultyFiles(), Heard()
    log = create(environment(files), owner=owner)
    for _ in range(5):
        append(log, 2)
    files.write_error, files.short_write = error, short_write
    if follower:
        storage_error(lambda: log.append_as_follower(batch(2, base_offset=10, leader_epoch=0)))
    else:
        storage_error(lambda: append(log, 2))
    assert log.log_end_offset == 10
    files.write_error = 0
    # Nothing more goes in behind what may be half a batch (KAFKA-10778).
    storage_error(lambda: append(log, 2))
    storage_error(lambda: log.read(0, 1, up_to=10, min_one=True))
    assert [e.errno for e in owner.failures] == [error]
    again = reopen(environment(restored(image(files))))
    # All of the batch may have reached the disk; a part of it never counts.
    assert again.log_end_offset == (12 if short_write == 10_000 else 10)
    assert read_all(again)[:5] == [(2 * n, 2 * n + 1) for n in range(5)]


def test_a_failed_read_fences() -> None:
    files, owner = FaultyFiles(), Heard()
    log = create(environment(files), owner=owner)
    append(log, 2)
    files.read_error = True
    storage_error(lambda: log.read(0, 100, up_to=2, min_one=True))
    assert len(owner.failures) == 1


def test_a_file_that_lost_bytes_fences() -> None:
    files, owner = FaultyFiles(), Heard()
    log = create(environment(files), owner=owner)
    append(log, 2)
    del next(c for p, c in files.files.items() if p.endswith(".log"))[40:]
    storage_error(lambda: log.read(0, 100, up_to=2, min_one=True))
    assert len(owner.failures) == 1


def test_a_failed_sync_moves_nothing_and_fences() -> None:
    files, owner = FaultyFiles(), Heard()
    log = create(environment(files), owner=owner)
    append(log, 2)

    async def main() -> None:
        files.sync_error = True
        first, second = await asyncio.gather(log.flush(), log.flush(), return_exceptions=True)
        assert isinstance(first, KafkaError)
        assert isinstance(second, KafkaError)
        files.sync_error = False
        # Pages of a failed sync count as clean: a later success would prove nothing.
        with pytest.raises(KafkaError):
            await log.flush()

    asyncio.run(main())
    assert log.flushed_offset == 0
    assert len(owner.failures) == 1


def test_a_roll_without_room_fences() -> None:
    files, owner = FaultyFiles(), Heard()
    log = create(environment(files), log_config(segment_bytes=500), owner=owner)
    for _ in range(3):
        append(log, size=80)
    files.create_error = True
    storage_error(lambda: append(log, size=80))
    assert log.log_end_offset == 3
    again = reopen(environment(restored(image(files))), log_config(segment_bytes=500))
    assert again.log_end_offset == 3


def test_no_room_for_the_epoch_fences_before_the_write() -> None:
    files, owner = FaultyFiles(), Heard()
    log = create(environment(files), owner=owner)
    append(log, 2)
    files.create_error = True
    storage_error(lambda: append(log, 2, epoch=1))
    assert log.log_end_offset == 2


def test_a_segment_removed_during_a_flush_is_not_brought_back() -> None:
    files = FaultyFiles()
    log = create(environment(files), log_config(segment_bytes=300))
    for _ in range(10):
        append(log, size=100)
    log.set_high_watermark(10)

    async def main() -> None:
        files.hold_syncs.clear()
        flushing = asyncio.ensure_future(log.flush())
        await asyncio.sleep(0)
        log.advance_log_start(8)
        files.hold_syncs.set()
        await flushing

    asyncio.run(main())
    assert log.flushed_offset == 10
    names = [path for path in files.files if path.endswith((".log", "index"))]
    bases = {int(path.rpartition("/")[2][:20]) for path in names}
    assert bases == set(log.segments.bases)


class SlowNames(FaultyFiles):
    """Syncs of directories wait until they are let go."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = asyncio.Event()

    async def fsync_directory(self, path: str) -> None:
        await self.let_go.wait()


def test_no_flush_ends_before_the_name_of_a_new_segment_is_durable() -> None:
    files = SlowNames()
    log = create(environment(files))

    async def main() -> None:
        append(log, 2)
        first = asyncio.ensure_future(log.flush())
        await asyncio.sleep(0.01)
        append(log, 2)
        second = asyncio.ensure_future(log.flush())
        await asyncio.sleep(0.01)
        assert log.flushed_offset == 0
        files.let_go.set()
        await asyncio.gather(first, second)

    asyncio.run(main())
    assert log.flushed_offset == 4
