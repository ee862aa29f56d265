"""What is kept of a log's end is what its files have, and no more than there is memory for."""

from __future__ import annotations

import random

import pytest
from tests.defaults import log_config
from tests.storage.support import RECORDED_MS, batch, create, environment, memory_files

from barnabas.memory import Account
from barnabas.storage import segments, tail
from barnabas.storage.log import Log
from barnabas.storage.segment import Segment

KEPT = 75
"""A batch with one record of 5 B or more."""


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Are kept in these tests."""
    for module in (segments, tail):
        monkeypatch.setattr(module, "KEPT_BYTES_MIN", KEPT)


def append(log: Log, account: Account, count: int = 1, *, size: int = 10) -> int:
    """The size of the batch."""
    records = batch(count, size=size)
    log.append_as_leader(records, 0, now_ms=RECORDED_MS, kept=account)
    return len(records)


def read(log: Log, offset: int, max_bytes: int) -> bytes:
    piece = log.read(offset, max_bytes, up_to=log.log_end_offset, min_one=True)
    return b"".join(piece.buffers)


def read_files(log: Log, offset: int, max_bytes: int) -> bytes:
    """The same without what is kept."""
    kept, log.segments._tail = log.segments._tail, None
    try:
        return read(log, offset, max_bytes)
    finally:
        log.segments._tail = kept


def test_followers_get_what_was_appended_without_a_read_of_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log, account = create(environment(memory_files())), Account(1 << 20)
    whole = [append(log, account, count) for count in (1, 3, 2)]
    monkeypatch.setattr(Segment, "read", None)
    assert len(read(log, 0, 1 << 20)) == sum(whole)
    assert len(read(log, 1, 1 << 20)) == sum(whole[1:])
    assert len(read(log, 1, whole[1] + 20)) == whole[1] + 20


def test_nothing_is_kept_that_all_have() -> None:
    log, account = create(environment(memory_files())), Account(1 << 20)
    sizes = [append(log, account, 2) for _ in range(3)]
    assert account.held == sum(sizes)
    log.set_high_watermark(3)  # within the second batch
    assert account.held == sum(sizes[1:])
    log.set_high_watermark(6)
    assert account.held == 0


def test_a_batch_does_not_hold_the_rest_of_its_request() -> None:
    log, account = create(environment(memory_files())), Account(1 << 20)
    records = batch()
    frame = memoryview(bytearray(bytes(records) + bytes(1000)))
    log.append_as_leader(frame[: len(records)], 0, now_ms=RECORDED_MS, kept=account)
    (kept,) = log.read(0, 1 << 20, up_to=1, min_one=True).buffers
    assert isinstance(kept, bytes)


def test_a_full_account_keeps_nothing() -> None:
    log, account = create(environment(memory_files())), Account(2000)
    for _ in range(10):
        append(log, account, size=100)
        assert account.held < 2000 + 200
    other = create(environment(memory_files()))
    account.held += 2000
    append(other, account)
    append(log, account)
    assert account.held == 2000, "a log that cannot keep its newest batch keeps none"
    assert read(log, 0, 1 << 20)


def test_small_batches_and_those_before_them_are_not_kept() -> None:
    log, account = create(environment(memory_files())), Account(1 << 20)
    append(log, account, size=0)
    assert log.segments._tail is None
    append(log, account, size=100)
    assert account.held
    append(log, account, size=0)
    assert account.held == 0
    assert len(read(log, 0, 1 << 20)) == log.size_bytes


@pytest.mark.parametrize("how", ["retire", "close", "drop_tail"])
def test_a_log_that_ends_gives_its_memory_back(how: str) -> None:
    log, account = create(environment(memory_files())), Account(1 << 20)
    append(log, account)
    getattr(log, how)()
    assert account.held == 0


@pytest.mark.parametrize("seed", range(30))
def test_any_history_reads_as_the_files_do(seed: int) -> None:
    chance = random.Random(seed)
    config = log_config(segment_bytes=2000, index_interval_bytes=200)
    log, account = (
        create(environment(memory_files()), config),
        Account(chance.choice((1500, 1 << 20))),
    )
    for _ in range(60):
        step = chance.random()
        end = log.log_end_offset
        if step < 0.6:
            kept = account if chance.random() < 0.9 else None
            records = batch(chance.randint(1, 4), size=chance.randint(0, 150))
            log.append_as_leader(records, 0, now_ms=RECORDED_MS, kept=kept)
        elif step < 0.7:
            log.set_high_watermark(chance.randint(log.high_watermark, end))
        elif step < 0.75:
            log.truncate_to(chance.randint(log.high_watermark, end))
        elif step < 0.77:
            log.roll()
        elif step < 0.78:
            log.truncate_fully_and_start_at(end + 5)
        end, start = log.log_end_offset, log.log_start_offset
        if start == end:
            continue
        for _ in range(3):
            offset, size = chance.randint(start, end - 1), chance.randint(1, 3000)
            assert read(log, offset, size) == read_files(log, offset, size), (offset, size)
    log.close()
    assert account.held == 0
