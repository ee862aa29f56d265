"""Names in a directory of logs: odd ones are left alone, long ones come and go."""

from __future__ import annotations

import asyncio
import errno

import pytest
from tests.storage.support import RECORDED_MS, killed, manager, started

from barnabas.errors import ErrorCode, KafkaError
from barnabas.storage.directories.log_dir import is_odd, partition_of
from barnabas.storage.memory_files import MemoryFiles
from barnabas.types import TopicPartition


class SmallNames(MemoryFiles):
    """A file system that holds names of 143 bytes (eCryptfs)."""

    def _check(self, path: str) -> None:
        if len(path.rpartition("/")[2]) > 143:
            raise OSError(errno.ENAMETOOLONG, "File name too long", path)

    def make_directories(self, path: str) -> None:
        self._check(path)
        super().make_directories(path)

    def rename(self, source: str, target: str) -> None:
        self._check(target)
        super().rename(source, target)


def test_a_name_too_long_for_the_file_system_is_no_failing_disk() -> None:
    async def main() -> None:
        files = SmallNames(RECORDED_MS)
        logs = await started(files)
        with pytest.raises(KafkaError) as refused:
            logs.get_or_create(TopicPartition("x" * 200, 0), None, is_new=True)
        assert refused.value.code == ErrorCode.INVALID_TOPIC_EXCEPTION
        fits = TopicPartition("y" * 141, 0)
        logs.get_or_create(fits, None, is_new=True)
        await logs.delete(fits)
        assert logs.offline_dirs == []
        names = [p for p in files.directories if p.endswith("-delete")]
        assert len(names) == 1
        assert names[0].startswith("/data/yyy")

    asyncio.run(main())


def test_longest_names_come_and_go() -> None:
    async def main() -> None:
        files = MemoryFiles(RECORDED_MS)
        logs = await started(files)
        for number in (0, 11, 99_999):
            name = TopicPartition("w" * 249, number)
            logs.get_or_create(name, None, is_new=True)
            await logs.delete(name)
        names = [p.rpartition("/")[2] for p in files.directories if p.endswith("-delete")]
        assert len(names) == 3
        assert max(map(len, names)) == 255

    asyncio.run(main())


ODD = ["t-\u00b2", "t-007", "t-", "-0", "a b-0", "t-2147483648", "x", "ä-0"]


def test_odd_directories_are_told_and_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        files = MemoryFiles(RECORDED_MS)
        logs = await started(files)
        logs.get_or_create(TopicPartition("t", 0), None, is_new=True)
        for name in ODD:
            files.make_directories(f"/data/{name}")
        again = manager(killed(files))
        await again.load(broker_id=1, cluster_id="cluster")
        assert list(again.logs) == [TopicPartition("t", 0)]
        assert again.offline_dirs == []

    asyncio.run(main())
    for name in ODD:
        assert is_odd(name)
        assert partition_of(name) is None
        assert f"/data/{name} is not the directory of a partition" in caplog.text
    for name in ("t-0", "t-0.abc-delete", "t-0.abc-future", "t-0.abc-stray", "lost+found"):
        assert not is_odd(name)


def test_odd_files_of_a_partition_are_left_alone() -> None:
    async def main() -> None:
        files = MemoryFiles(RECORDED_MS)
        logs = await started(files)
        logs.get_or_create(TopicPartition("t", 0), None, is_new=True)
        odd = ["x.log", "\u00b2" * 20 + ".log", "1.index", "y.snapshot", ".swap", "z.log.swap"]
        for name in odd:
            files.open(f"/data/t-0/{name}", create=True).close()
        again = manager(killed(files))
        await again.load(broker_id=1, cluster_id="cluster")
        assert list(again.logs) == [TopicPartition("t", 0)]
        assert again.offline_dirs == []

    asyncio.run(main())
