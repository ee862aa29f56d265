"""Small files that become durable in the background."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.storage.support import environment
from tests.virtual_time import run

from barnabas.storage.background import SYNCED_TOGETHER, BackgroundWork
from barnabas.storage.directories.checkpoint_writer import CheckpointWriter
from barnabas.storage.directories.log_directories import LogDirectories
from barnabas.storage.memory_files import MemoryFile, MemoryFiles


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
        work = BackgroundWork(environment(files), directories, writer, syncs_together=together)
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
