"""Offset, time and transaction indexes: lookups, spilling to the file, cutting."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barnabas.storage.index import (
    AbortedTransaction,
    CorruptIndex,
    OffsetIndex,
    TimeIndex,
    TransactionIndex,
)
from barnabas.storage.memory_files import MemoryFiles


def files() -> MemoryFiles:
    made = MemoryFiles()
    made.make_directories("/d")
    return made


def filled(count: int) -> tuple[MemoryFiles, OffsetIndex]:
    disk = files()
    index = OffsetIndex(disk, "/d/i", 100)
    for number in range(count):
        index.add(100 + 10 * number + 9, 1000 * number)
    return disk, index


@given(count=st.integers(0, 1300), offset=st.integers(95, 13_200))
def test_lookup_is_the_largest_entry_not_above(count: int, offset: int) -> None:
    _, index = filled(count)
    wanted = [(100 + 10 * n + 9, 1000 * n) for n in range(count)]
    below = [entry for entry in wanted if entry[0] <= offset]
    assert index.lookup(offset) == (below[-1] if below else (100, 0))


def test_blocks_reach_the_file_and_the_rest_with_finish() -> None:
    disk, index = filled(600)
    assert disk.size("/d/i") == 512 * 8
    index.finish()
    assert disk.size("/d/i") == 600 * 8
    again = OffsetIndex(disk, "/d/i", 100)
    again.load()
    assert len(again) == 600
    assert again.last() == index.last()


@pytest.mark.parametrize("keep", [0, 1, 300, 512, 599, 600])
def test_truncation_reaches_into_the_file(keep: int) -> None:
    disk, index = filled(600)
    index.truncate_to(100 + 10 * keep + 9)
    assert len(index) == keep
    index.add(90_000, 7)
    index.finish()
    assert disk.size("/d/i") == (keep + 1) * 8
    assert index.last() == (90_000, 7)


def test_finish_cuts_a_preallocated_tail() -> None:
    disk, index = filled(2)
    disk.files["/d/i"] = bytearray(65536)
    index.finish()
    assert disk.size("/d/i") == 16


@pytest.mark.parametrize("content", [b"abc", bytes(16), b"\xff" * 16, b"\x00\x00\x00\x09" * 2])
def test_an_index_that_contradicts_its_segment_is_corrupt(content: bytes) -> None:
    disk = files()
    disk.files["/d/i"] = bytearray(content)
    index = OffsetIndex(disk, "/d/i", 100)

    def open_it() -> None:
        index.load()
        index.check(log_size=8)

    with pytest.raises(CorruptIndex):
        open_it()


def test_time_index_grows_in_timestamp_only() -> None:
    index = TimeIndex(files(), "/d/t", 50)
    index.add(1000, 55)
    index.add(1000, 60)
    index.add(900, 70)
    index.add(2000, 80)
    assert [index.at(n) for n in range(len(index))] == [(1000, 55), (2000, 80)]
    assert index.lookup(999) == (-1, 50)
    assert index.lookup(1999) == (1000, 55)
    index.truncate_to(80)
    assert index.last() == (1000, 55)


def test_time_index_without_timestamps_stays_empty() -> None:
    index = TimeIndex(files(), "/d/t", 50)
    index.add(-1, 55)
    assert len(index) == 0


def test_aborted_transactions_are_written_through() -> None:
    disk = files()
    index = TransactionIndex(disk, "/d/x")
    assert index.entries == []
    assert not disk.exists("/d/x")
    first = AbortedTransaction(7, 10, 20, 15)
    index.add(first)
    index.add(AbortedTransaction(8, 15, 30, 31))
    assert TransactionIndex(disk, "/d/x").entries[0] == first
    index.truncate_to(30)
    assert TransactionIndex(disk, "/d/x").entries == [first]
    asyncio.run(index.fsync())
    index.reset()
    assert disk.size("/d/x") == 0


def test_a_cut_transaction_index_is_corrupt() -> None:
    disk = files()
    disk.files["/d/x"] = bytearray(33)
    with pytest.raises(CorruptIndex):
        _ = TransactionIndex(disk, "/d/x").entries
