"""Names and numbers that no topic and no partition can have: refused before they become a path, and
left alone where they are found on the disk."""

from __future__ import annotations

import asyncio
import errno
import uuid

import pytest
from tests.storage.support import RECORDED_MS
from tests.storage.test_log_manager import killed, manager, started

from barnabas.errors import ErrorCode, KafkaError
from barnabas.names import is_partition, number_in, topic_problem
from barnabas.storage.checkpoints import CheckpointError, decode_offsets
from barnabas.storage.directories.log_dir import is_odd, partition_of
from barnabas.storage.memory_files import MemoryFiles
from barnabas.types import TopicPartition

ILLEGAL = ["", ".", "..", "a/b", "../escape", "nul\0l", "a b", "ä", "a\n", "x" * 250, "\ud800"]


@pytest.mark.parametrize("name", ILLEGAL)
def test_illegal_topics(name: str) -> None:
    assert topic_problem(name) is not None
    assert not is_partition(TopicPartition(name, 0))


@pytest.mark.parametrize("name", ["a", "...", "-", "__x", "x" * 249, "A.b_c-9"])
def test_legal_topics(name: str) -> None:
    assert topic_problem(name) is None
    assert is_partition(TopicPartition(name, 0))


def test_numbers_of_partitions() -> None:
    assert not is_partition(TopicPartition("t", -1))
    assert not is_partition(TopicPartition("t", 2**31))
    assert is_partition(TopicPartition("t", 2**31 - 1))
    assert not is_partition(TopicPartition("x" * 249, 100_000)), "no directory has a longer name"
    plain = [(text, number_in(text)) for text in ("0", "7", "2147483647")]
    assert plain == [("0", 0), ("7", 7), ("2147483647", 2**31 - 1)]
    for odd in ("", "-1", "+1", "007", "1_0", " 1", "2147483648", "²", "\u0663", "9" * 5000):
        assert number_in(odd) is None, odd


@pytest.mark.parametrize(
    "partition", [TopicPartition(name, 0) for name in ILLEGAL] + [TopicPartition("t", -1)]
)
def test_no_path_is_built_from_what_is_not_legal(partition: TopicPartition) -> None:
    async def main() -> None:
        files = MemoryFiles(RECORDED_MS)
        logs = await started(files)
        before = set(files.directories) | set(files.files)
        with pytest.raises(KafkaError) as refused:
            logs.get_or_create(partition, uuid.UUID(int=1), is_new=True)
        assert refused.value.code in (
            ErrorCode.INVALID_TOPIC_EXCEPTION,
            ErrorCode.INVALID_PARTITIONS,
        )
        with pytest.raises(KafkaError):
            logs.place(partition, "/data")
        assert set(files.directories) | set(files.files) == before
        assert logs.offline_dirs == []

    asyncio.run(main())


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


BAD_LINES = [
    " 0 5",
    "t 0",
    "t -1 5",
    "t 0 -5",
    "t x 5",
    "t \u00b2 5",
    "../t 0 5",
    "t 0 9223372036854775808",
    "a\x0bb 0 1",
    "t 0 \u0665",
]


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_bad_line_of_a_checkpoint_is_set_aside_alone(line: str) -> None:
    data = f"0\n3\nt 1 7\n{line}\nt 2 8\n".encode()
    bad: list[str] = []
    assert decode_offsets(data, bad) == {TopicPartition("t", 1): 7, TopicPartition("t", 2): 8}
    assert bad == [line]
    with pytest.raises(CheckpointError):
        decode_offsets(data)


def test_a_start_goes_on_after_a_bad_line(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        files = MemoryFiles(RECORDED_MS)
        logs = await started(files)
        logs.get_or_create(TopicPartition("t", 0), None, is_new=True)
        await logs.checkpoint()
        await logs.checkpoint_high_watermarks()
        for path in [p for p in files.files if p.endswith("-checkpoint")]:
            if b"\nt 0 " in bytes(files.files[path]):
                files.files[path] = bytearray(b"0\n2\n 0 5\nt 0 0\n")
        again = manager(killed(files))
        await again.load(broker_id=1, cluster_id="cluster")
        assert again.offline_dirs == []
        await again.checkpoint_high_watermarks()
        await again.checkpoint()

    asyncio.run(main())
    assert "a line is ignored:  0 5" in caplog.text
