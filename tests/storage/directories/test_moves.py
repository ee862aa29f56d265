"""Replicas that move between log directories: deaths in the middle, cuts, failing disks."""

from __future__ import annotations

import asyncio

import pytest
from tests.storage.support import (
    RECORDED_MS,
    TOPIC_ID,
    A,
    append,
    killed,
    read_all,
    run,
    started,
    until,
)

from barnabas.errors import ErrorCode, KafkaError
from barnabas.storage.directories.moves import MOVED_FILE, copy_some
from barnabas.storage.log import Log
from barnabas.storage.log_manager import LogManager
from barnabas.storage.memory_files import MemoryFiles

DIRS = ("/one", "/two")


async def _made(files: MemoryFiles, records: int = 40) -> tuple[LogManager, Log]:
    manager = await started(files, *DIRS)
    manager.place(A, "/one")
    log = manager.get_or_create(A, TOPIC_ID, is_new=True)
    assert manager.directory_of(A) == "/one"
    for _ in range(records):
        append(log, 1)
    log.set_high_watermark(records - 1)
    return manager, log


async def _until_moved(manager: LogManager, path: str = "/two") -> Log:
    running = asyncio.create_task(manager.run())
    await until(lambda: manager.directory_of(A) == path and not manager.moves.under_way)
    await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    found = manager.get(A)
    assert found is not None
    return found


def _directories(files: MemoryFiles) -> list[str]:
    return sorted(d for d in files.directories if "flights" in d and not d.endswith("-delete"))


def test_a_log_moves_and_stays_the_same() -> None:
    async def main() -> None:
        files = MemoryFiles(RECORDED_MS)
        manager, log = await _made(files)
        told: list[Log] = []
        manager.on_moved = told.append
        log.advance_log_start(7)
        manager.place(A, "/two")
        moved = await _until_moved(manager)
        assert told == [moved]
        assert (moved.log_start_offset, moved.log_end_offset, moved.high_watermark) == (7, 40, 39)
        assert moved.epochs.entries == log.epochs.entries
        assert moved.topic_id == TOPIC_ID
        assert moved.flushed_offset == 40
        assert _directories(files) == ["/two/flights-0"]
        assert not files.exists(f"/two/flights-0/{MOVED_FILE}")
        append(moved, 3)
        again = (await started(killed(files), *DIRS)).get(A)
        assert again is not None
        assert (again.log_start_offset, again.log_end_offset, again.high_watermark) == (7, 43, 39)
        assert read_all(again) == read_all(moved)

    run(main)


def test_a_start_goes_on_with_what_is_copied() -> None:
    async def main() -> None:
        files = MemoryFiles(RECORDED_MS)
        manager, log = await _made(files)
        manager.place(A, "/two")
        move = manager.moves.under_way[A]
        first = log.read(0, 1, up_to=20, min_one=True)
        move.log.append_as_follower(b"".join(first.buffers))
        copied = move.log.log_end_offset
        assert 0 < copied < 40
        second = await started(killed(files), *DIRS)
        resumed = second.moves.under_way[A]
        assert resumed.log.log_end_offset == copied
        moved = await _until_moved(second)
        assert (moved.log_end_offset, moved.topic_id) == (40, TOPIC_ID)

    run(main)


def test_what_the_log_has_lost_goes_from_the_copy() -> None:
    async def main() -> None:
        files = MemoryFiles(RECORDED_MS)
        manager, log = await _made(files)
        manager.place(A, "/two")
        move = manager.moves.under_way[A]
        while copy_some(log, move):
            pass
        assert move.log.log_end_offset == 40
        log.truncate_to(30)
        assert move.log.log_end_offset == 30
        log.assign_epoch(5, 30)
        append(log, 2, epoch=5)
        while copy_some(log, move):
            pass
        assert move.log.epochs.entries == log.epochs.entries
        log.truncate_fully_and_start_at(100)
        assert not copy_some(log, move)
        assert (move.log.log_start_offset, move.log.log_end_offset) == (100, 100)

    run(main)


@pytest.mark.parametrize("step", ["renamed", "both"])
def test_a_death_in_the_midst_of_the_exchange(step: str) -> None:
    async def main() -> None:
        files = MemoryFiles(RECORDED_MS)
        manager, log = await _made(files)
        manager.place(A, "/two")
        move = manager.moves.under_way[A]
        while copy_some(log, move):
            pass
        disk = killed(files)
        disk.files[f"{move.log.directory}/{MOVED_FILE}"] = bytearray()
        if step == "both":
            disk.rename(move.log.directory, "/two/flights-0")
        again = await started(disk, *DIRS)
        moved = await _until_moved(again)
        assert moved.log_end_offset == 40
        assert _directories(disk) == ["/two/flights-0"]
        assert not disk.exists(f"/two/flights-0/{MOVED_FILE}")

    run(main)


def test_moves_are_given_up() -> None:
    async def main() -> None:
        files = MemoryFiles(RECORDED_MS)
        manager, _ = await _made(files)
        manager.place(A, "/two")
        manager.place(A, "/two")
        manager.place(A, "/one")
        assert not manager.moves.under_way
        assert _directories(files) == ["/one/flights-0"]
        manager.place(A, "/two")
        await manager.delete(A)
        assert not manager.moves.under_way
        assert _directories(files) == []
        with pytest.raises(KafkaError) as refused:
            manager.place(A, "/three")
        assert refused.value.code == ErrorCode.LOG_DIR_NOT_FOUND

    run(main)


def test_a_failing_target_does_the_log_no_harm() -> None:
    async def main() -> None:
        files = MemoryFiles(RECORDED_MS)
        manager, log = await _made(files)
        manager.place(A, "/two")
        manager.moves.under_way[A].log.fence(OSError("broken"))
        assert not manager.moves.under_way
        assert manager.offline_dirs == ["/two"]
        append(log, 1)
        assert manager.get(A) is log
        with pytest.raises(KafkaError) as refused:
            manager.place(A, "/two")
        assert refused.value.code == ErrorCode.KAFKA_STORAGE_ERROR

    run(main)


def test_the_mark_goes_after_the_old_name() -> None:
    """The two directories may be on different disks, of which a machine that dies keeps a different
    past: without the mark, a start that finds the log in both gives up."""
    steps: list[str] = []

    class Recording(MemoryFiles):
        def remove(self, path: str) -> None:
            if path.endswith(MOVED_FILE):
                steps.append("mark removed")
            super().remove(path)

        def rename(self, source: str, target: str) -> None:
            if target.endswith("-delete"):
                steps.append("old name gone")
            super().rename(source, target)

        async def fsync_directory(self, path: str) -> None:
            if path == "/one" and steps:
                steps.append("old directory synced")
            await super().fsync_directory(path)

    async def main() -> None:
        manager, _ = await _made(Recording(RECORDED_MS))
        manager.place(A, "/two")
        await _until_moved(manager)
        assert steps[:3] == ["old name gone", "old directory synced", "mark removed"]

    run(main)
