"""Small files that become durable in the background, and what is looked at from time to time."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from tests.defaults import log_config, log_manager_settings
from tests.storage.support import RECORDED_MS, TOPIC_ID, A, B, append, environment, started
from tests.virtual_time import run

from barnabas.pace import STEPS_PER_TURN
from barnabas.storage.background import SYNCED_TOGETHER, BackgroundWork
from barnabas.storage.checkpoints import REPLICATION_CHECKPOINT, decode_offsets
from barnabas.storage.cleaner.log_cleaner import LogCleaner
from barnabas.storage.directories.checkpoint_writer import CheckpointWriter
from barnabas.storage.directories.log_directories import LogDirectories
from barnabas.storage.log_owner import LogOwner
from barnabas.storage.memory_files import MemoryFile, MemoryFiles
from barnabas.types import TopicPartition


class CountedFile(MemoryFile):
    def __init__(self, content: bytearray, path: str, synced: Counter[str]) -> None:
        super().__init__(content)
        self._path = path
        self._synced = synced

    async def fsync(self) -> None:
        self._synced[self._path] += 1


class Counting(MemoryFiles):
    """Counts syncs by what is synced."""

    def __init__(self) -> None:
        super().__init__(0)
        self.synced: Counter[str] = Counter()

    def open(self, path: str, *, create: bool = False) -> MemoryFile:
        file = super().open(path, create=create)
        return CountedFile(file.content, path, self.synced)

    async def sync_file_system(self, path: str) -> None:
        self.synced[path] += 1


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("count", [SYNCED_TOGETHER - 1, SYNCED_TOGETHER])
def test_many_are_synced_with_their_file_system(count: int, together: bool) -> None:
    async def main() -> None:
        files = Counting()
        directories = LogDirectories(
            environment(files),
            ["/one", "/two", "/three"],
            on_failure=lambda path, error: None,
            on_all_failed=lambda: None,
        )
        writer = CheckpointWriter(directories)
        owner = LogOwner()
        work = BackgroundWork(
            *(environment(files), directories, writer, owner), syncs_together=together
        )
        paths = [f"/{('one', 'two')[number % 2]}/{number}" for number in range(count)]
        for directory in directories.all:
            files.make_directories(directory.path)
        for path in paths:
            files.open(path, create=True).close()
            work.sync_soon(path)
        await work.empty_queue()
        expected = ["/one", "/two"] if together and count >= SYNCED_TOGETHER else paths
        assert files.synced == Counter(expected)

    run(main())


class Looked(Counter[str]):
    """Counts calls."""

    def watch(self, monkeypatch: pytest.MonkeyPatch, owner: type[object], name: str) -> None:
        original = getattr(owner, name)

        def counted(*args: object, **fields: object) -> object:
            self[name] += 1
            return original(*args, **fields)

        monkeypatch.setattr(owner, name, counted)


def test_high_watermarks_are_looked_at_only_after_one_has_moved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked = Looked()
    looked.watch(monkeypatch, CheckpointWriter, "high_watermarks")
    interval_s = 5.0

    async def main() -> None:
        files = MemoryFiles(RECORDED_MS)
        settings = log_manager_settings(high_watermark_checkpoint_interval_ms=5000)
        manager = await started(files, settings=settings)
        running = asyncio.ensure_future(manager.run())
        logs = [manager.get_or_create(name, TOPIC_ID, is_new=True) for name in (A, B)]
        for _ in range(5):
            append(logs[0], 1)
        await asyncio.sleep(1)  # not at the moment of a look

        async def looks(intervals: int) -> int:
            looked.clear()
            await asyncio.sleep(intervals * interval_s)
            return looked["high_watermarks"]

        assert await looks(4) == 1, "logs were made"
        assert await looks(4) == 0
        logs[0].set_high_watermark(3)
        assert await looks(4) == 1
        assert decode_offsets(files.read(f"/data/{REPLICATION_CHECKPOINT}")) == {A: 3, B: 0}
        logs[0].truncate_to(2)
        assert await looks(4) == 1
        assert decode_offsets(files.read(f"/data/{REPLICATION_CHECKPOINT}")) == {A: 2, B: 0}
        logs[0].truncate_fully_and_start_at(9)
        assert await looks(4) == 1
        await manager.delete(B)
        assert await looks(4) == 1
        assert decode_offsets(files.read(f"/data/{REPLICATION_CHECKPOINT}")) == {A: 9}
        assert await looks(100) == 0
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await manager.shutdown()

    run(main())


def test_the_cleaner_looks_at_logs_of_compacted_topics(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked = Looked()
    looked.watch(monkeypatch, LogCleaner, "range_of")

    async def main() -> None:
        manager = await started(MemoryFiles(RECORDED_MS))
        for number in range(20):
            for topic, policy in (("plain", "delete"), ("keyed", "compact")):
                name = TopicPartition(topic, number)
                config = log_config(cleanup_policy=policy)
                manager.get_or_create(name, TOPIC_ID, is_new=True, config=config)
        assert not await manager.cleaner.clean_dirtiest()
        assert looked["range_of"] == 20
        assert {log.topic_partition.topic for log in manager.cleaner._compacted()} == {"keyed"}
        await manager.shutdown()

    run(main())


def test_retention_of_idle_logs_takes_few_turns_of_the_loop() -> None:
    async def main() -> None:
        manager = await started(MemoryFiles(RECORDED_MS))
        for number in range(4 * STEPS_PER_TURN):
            manager.get_or_create(TopicPartition("t", number), TOPIC_ID, is_new=True)
        turns = 0
        working = asyncio.ensure_future(manager.apply_retention())
        while not working.done():
            await asyncio.sleep(0)
            turns += 1
        assert turns <= 6
        await manager.shutdown()

    run(main())
