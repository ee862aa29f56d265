"""The rules of one log."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from tests.defaults import log_config
from tests.storage.support import (
    DIRECTORY,
    RECORDED_MS,
    append,
    batch,
    create,
    environment,
    memory_files,
    read_all,
    reopen,
)

from barnabas.errors import ErrorCode, KafkaError
from barnabas.records.batch import (
    ControlType,
    EndTransactionMarker,
    Record,
    build_batch,
    build_marker,
    parse_header,
)
from barnabas.storage.checkpoints import EPOCH_CHECKPOINT, encode_epochs
from barnabas.storage.config import LogConfig
from barnabas.storage.index import AbortedTransaction
from barnabas.storage.log import Log
from barnabas.storage.log_owner import LogOwner, OwnedLog
from barnabas.storage.memory_files import MemoryFile, MemoryFiles
from barnabas.storage.producers.state import Origin
from barnabas.storage.segment import READ_PIECE_BYTES

SMALL = log_config(segment_bytes=1000, index_interval_bytes=100)


def fresh(config: LogConfig | None = None) -> Log:
    return create(environment(memory_files()), config)


def refused(code: ErrorCode, work: Any) -> None:
    with pytest.raises(KafkaError) as caught:
        work()
    assert caught.value.code == code


def test_a_follower_is_not_sent_parts_of_batches() -> None:
    log = fresh()
    sizes = [len(batch(count)) for count in (1, 2, 3)]
    for count in (1, 2, 3):
        append(log, count)

    def size(max_bytes: int, *, whole: bool, min_one: bool = True) -> int:
        return log.read(0, max_bytes, up_to=6, min_one=min_one, whole=whole).bytes

    for cut in (1, sizes[1] - 1):
        assert size(sizes[0] + cut, whole=False) == sizes[0] + cut
        assert size(sizes[0] + cut, whole=True) == sizes[0]
        assert size(sizes[0] + sizes[1] + cut, whole=True) == sizes[0] + sizes[1]
    assert size(1000, whole=True) == sum(sizes)
    assert size(20, whole=True) == sizes[0], "one at least"
    assert size(20, whole=True, min_one=False) == 0


def test_appends_are_stamped_and_read_back() -> None:
    log = fresh()
    assert append(log, 3, epoch=5) == (0, 2)
    sent = batch(2)
    info = log.append_as_leader(sent, 6, now_ms=RECORDED_MS)
    assert (info.first_offset, info.last_offset, info.bytes) == (3, 4, len(sent))
    assert log.log_end_offset == 5
    header = parse_header(sent)
    assert (header.base_offset, header.partition_leader_epoch) == (3, 6)
    found = log.read(3, 1 << 20, up_to=5, min_one=True)
    assert found.buffers == [bytes(sent)]
    assert [tuple(e) for e in log.epochs.entries] == [(5, 0), (6, 3)]


def test_a_read_ends_before_the_batch_that_reaches_the_limit() -> None:
    log = fresh()
    for _ in range(5):
        append(log, 10)
    size = log.size_bytes // 5
    assert log.read(0, 1 << 20, up_to=30, min_one=True).bytes == 3 * size
    assert log.read(0, 1 << 20, up_to=29, min_one=True).bytes == 2 * size
    assert log.read(15, 1 << 20, up_to=50, min_one=True).bytes == 4 * size
    assert log.read(15, 1 << 20, up_to=17, min_one=True).bytes == 0
    assert log.read(50, 1 << 20, up_to=50, min_one=True).bytes == 0


def test_the_byte_limit_cuts_but_one_batch_is_whole_if_wanted() -> None:
    log = fresh()
    for _ in range(3):
        append(log, size=1000)
    size = log.size_bytes // 3
    assert log.read(0, size + 7, up_to=3, min_one=True).bytes == size + 7
    assert log.read(0, size - 1, up_to=3, min_one=False).bytes == 0
    for small in (0, 1, 16, size - 1):
        assert log.read(1, small, up_to=3, min_one=True).bytes == size


def test_big_reads_come_in_pieces() -> None:
    log = fresh(log_config(max_message_bytes=10**7))
    append(log, size=700_000)
    found = log.read(0, 1, up_to=1, min_one=True)
    assert [len(b) for b in found.buffers[:-1]] == [READ_PIECE_BYTES] * 2
    assert found.bytes == log.size_bytes == sum(map(len, found.buffers))


def test_reading_outside_the_log_is_refused() -> None:
    log = fresh()
    append(log, 5)
    refused(ErrorCode.OFFSET_OUT_OF_RANGE, lambda: log.read(6, 1, up_to=6, min_one=True))
    refused(ErrorCode.OFFSET_OUT_OF_RANGE, lambda: log.read(-1, 1, up_to=6, min_one=True))


def test_segments_roll_by_size_and_reads_cross_them() -> None:
    log = fresh(SMALL)
    for _ in range(40):
        append(log, 2, size=100)
    assert log.segment_count == 14
    assert all(segment.size <= 1000 for segment in log.segments)
    assert read_all(log) == [(2 * n, 2 * n + 1) for n in range(40)]
    assert read_all(log, max_bytes=1) == [(2 * n, 2 * n + 1) for n in range(40)]


def test_segments_roll_by_time_of_records() -> None:
    log = fresh(log_config(segment_ms=1000))
    append(log, timestamp=RECORDED_MS)
    append(log, timestamp=RECORDED_MS + 1000)
    assert log.segment_count == 1
    append(log, timestamp=RECORDED_MS + 1001)
    assert log.segment_count == 2


def test_a_batch_larger_than_a_segment_is_refused() -> None:
    log = fresh(SMALL)
    refused(ErrorCode.RECORD_LIST_TOO_LARGE, lambda: append(log, size=1000))


def test_a_repeated_batch_is_answered_with_its_first_offsets() -> None:
    log = fresh()
    append(log, 4)
    sent = {"producer_id": 9, "producer_epoch": 0, "base_sequence": 0}
    append(log, 3, **sent)
    info = log.append_as_leader(batch(3, **sent), 0, now_ms=RECORDED_MS)
    assert info.duplicate
    assert (info.first_offset, info.last_offset, log.log_end_offset) == (4, 6, 7)
    gap = sent | {"base_sequence": 5}
    refused(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, lambda: append(log, **gap))
    assert log.log_end_offset == 7


def test_a_follower_keeps_offsets_and_epochs_in_one_write() -> None:
    log = fresh(log_config(index_interval_bytes=100))
    sent = b"".join(
        bytes(batch(2, base_offset=offset, leader_epoch=epoch, size=100))
        for offset, epoch in ((0, 1), (2, 1), (7, 3))
    )
    info = log.append_as_follower(sent + sent[:50])
    assert (info.first_offset, info.last_offset, info.bytes) == (0, 8, len(sent))
    assert log.log_end_offset == 9
    assert [tuple(e) for e in log.epochs.entries] == [(1, 0), (3, 7)]
    assert log.read(4, 1 << 20, up_to=9, min_one=True).bytes == len(sent) // 3
    assert [log.segments.active.index.at(n)[0] for n in range(2)] == [3, 8]


def test_a_follower_refuses_damage_and_disorder_without_writing() -> None:
    log = fresh()
    log.append_as_follower(batch(2, base_offset=0, leader_epoch=0))
    spoilt = bytearray(batch(1, base_offset=2, leader_epoch=0))
    spoilt[-1] ^= 1
    refused(ErrorCode.CORRUPT_MESSAGE, lambda: log.append_as_follower(spoilt))
    old = batch(1, base_offset=1, leader_epoch=0)
    refused(ErrorCode.OFFSET_OUT_OF_RANGE, lambda: log.append_as_follower(old))
    two = bytes(batch(2, base_offset=5)) + bytes(batch(1, base_offset=6))
    refused(ErrorCode.OFFSET_OUT_OF_RANGE, lambda: log.append_as_follower(two))
    assert log.log_end_offset == 2
    assert log.append_as_follower(b"").last_offset == -1


def test_a_follower_may_begin_inside_a_batch() -> None:
    log = fresh()
    log.truncate_fully_and_start_at(105)
    log.append_as_follower(batch(10, base_offset=100, leader_epoch=2))
    assert (log.log_start_offset, log.log_end_offset) == (100, 110)


def test_a_follower_may_begin_batches_before() -> None:
    """Kafka asks whether all batches together reach the end, not whether the first one does."""
    log = fresh()
    log.truncate_fully_and_start_at(105)
    two = bytes(batch(3, base_offset=100)) + bytes(batch(7, base_offset=103))
    log.append_as_follower(two)
    assert (log.log_start_offset, log.log_end_offset) == (100, 110)


@pytest.mark.parametrize(
    ("start", "sent", "error"),
    [
        (105, bytes(batch(5, base_offset=100)), ErrorCode.OFFSET_OUT_OF_RANGE),
        (5, bytes(batch(9, base_offset=-2)), ErrorCode.OFFSET_OUT_OF_RANGE),
        (105, bytes(batch(10, base_offset=100))[:-1] + b"!", ErrorCode.CORRUPT_MESSAGE),
    ],
    ids=["ends below", "below zero", "damaged"],
)
def test_a_follower_keeps_its_start_for_what_it_refuses(
    start: int, sent: bytes, error: ErrorCode
) -> None:
    log = fresh()
    log.truncate_fully_and_start_at(start)
    refused(error, lambda: log.append_as_follower(sent))
    assert (log.log_start_offset, log.log_end_offset) == (start, start)


def test_the_high_watermark_stays_inside_the_log() -> None:
    log = fresh()
    append(log, 5)
    assert log.set_high_watermark(9) == 5
    assert log.set_high_watermark(3) == 3
    assert log.set_high_watermark(-1) == 0


def test_truncation_takes_epochs_and_producers_along() -> None:
    log = fresh(SMALL)
    for number in range(30):
        append(
            log, epoch=number // 10, size=100, producer_id=4, producer_epoch=0, base_sequence=number
        )
    log.set_high_watermark(30)
    log.truncate_to(12)
    assert (log.log_end_offset, log.high_watermark) == (12, 12)
    assert log.epochs.latest_epoch == 1
    assert log.producers.entries[4].last_sequence == 11
    assert read_all(log) == [(n, n) for n in range(12)]
    append(log, epoch=3, size=100, producer_id=4, producer_epoch=0, base_sequence=12)
    assert log.log_end_offset == 13


def test_truncation_inside_a_batch_leaves_no_hole() -> None:
    log = fresh()
    append(log, 10)
    append(log, 10)
    log.truncate_to(15)
    assert log.log_end_offset == 10


def test_truncation_at_the_end_drops_an_epoch_without_records() -> None:
    log = fresh()
    append(log, 10)
    log.assign_epoch(4, 10)
    log.truncate_to(10)
    assert log.epochs.latest_epoch == 0
    assert log.log_end_offset == 10


def test_the_file_of_epochs_has_a_new_one_before_a_batch_of_it() -> None:
    files = memory_files()
    log = create(environment(files))

    def written() -> bytes:
        file = files.open(f"{log.directory}/{EPOCH_CHECKPOINT}")
        return bytes(file.pread(file.size(), 0))

    append(log, 10)
    before = written()
    log.assign_epoch(4, 10)
    assert log.epochs.latest_epoch == 4
    assert written() == before
    append(log, epoch=4)
    assert written() == encode_epochs(log.epochs.entries) != before
    log.assign_epoch(5, log.log_end_offset)
    log.complete_files()
    assert written() == encode_epochs(log.epochs.entries)


def test_truncating_below_the_first_segment_starts_anew() -> None:
    log = fresh()
    log.truncate_fully_and_start_at(50)
    append(log)
    log.truncate_to(20)
    assert (log.log_start_offset, log.log_end_offset, log.high_watermark) == (20, 20, 20)


def test_the_log_start_moves_up_to_the_high_watermark() -> None:
    log = fresh(SMALL)
    for _ in range(30):
        append(log, size=100)
    log.set_high_watermark(25)
    refused(ErrorCode.OFFSET_OUT_OF_RANGE, lambda: log.advance_log_start(26))
    log.advance_log_start(14)
    assert log.log_start_offset == 14
    assert log.segments.first.base_offset <= 14 < log.segments.bases[1]
    assert [tuple(e) for e in log.epochs.entries] == [(0, 14)]
    refused(ErrorCode.OFFSET_OUT_OF_RANGE, lambda: log.read(13, 1, up_to=30, min_one=True))
    log.advance_log_start(3)
    assert log.log_start_offset == 14


def test_retention_moves_the_log_start_and_keeps_an_active_segment() -> None:
    log = fresh(log_config(segment_bytes=1000, retention_ms=1000))
    for number in range(30):
        append(log, size=100, timestamp=RECORDED_MS + number)
    log.set_high_watermark(30)
    assert log.apply_retention(RECORDED_MS + 500) == 0
    count = log.segment_count
    assert log.apply_retention(RECORDED_MS + 10_000) == count
    assert (log.log_start_offset, log.log_end_offset, log.segment_count) == (30, 30, 1)
    assert append(log) == (30, 30)


def test_offsets_are_found_by_timestamp() -> None:
    log = fresh(log_config(segment_bytes=1000, index_interval_bytes=200))
    for number in range(20):
        append(log, 4, timestamp=1000 + 100 * number, size=20)
    assert log.offset_for_timestamp(0) == (1000, 0, 0)
    assert log.offset_for_timestamp(1501) == (1501, 21, 0)
    assert log.offset_for_timestamp(1504) == (1600, 24, 0)
    assert log.offset_for_timestamp(2904) is None
    assert log.offset_of_max_timestamp() == (2903, 79, 0)
    log.set_high_watermark(80)
    log.advance_log_start(30)
    assert log.offset_for_timestamp(0) == (1702, 30, 0)


def test_the_largest_timestamp_where_no_record_has_one_is_that_of_the_first() -> None:
    log = fresh(log_config(segment_bytes=1000))
    assert log.offset_of_max_timestamp() is None
    for _ in range(10):
        records = [Record(timestamp=-1, value=bytes(100))] * 2
        log.append_as_leader(memoryview(build_batch(records)), 0, now_ms=RECORDED_MS)
    assert log.segment_count > 1
    assert log.offset_of_max_timestamp() == (-1, 0, 0)
    assert log.offset_for_timestamp(0) is None


def test_the_epoch_of_a_record_below_the_log_start_is_still_known() -> None:
    log = fresh()
    append(log, 2, timestamp=RECORDED_MS + 5, epoch=3)
    append(log, 2, timestamp=RECORDED_MS, epoch=4)
    log.set_high_watermark(4)
    log.advance_log_start(3)
    assert log.offset_of_max_timestamp() == (RECORDED_MS + 6, 1, 3)


def test_the_largest_timestamp_counts_whatever_the_header_said() -> None:
    """Retention and lookups go by it."""
    log = fresh(log_config(retention_ms=1000))
    for claimed in (-1, 0, 10**15):
        records = [Record(timestamp=RECORDED_MS + i, value=b"v") for i in range(3)]
        batch = build_batch(records, max_timestamp=claimed)
        log.append_as_leader(memoryview(batch), 0, now_ms=RECORDED_MS)
    log.set_high_watermark(9)
    assert log.offset_of_max_timestamp() == (RECORDED_MS + 2, 2, 0)
    assert log.offset_for_timestamp(RECORDED_MS + 3) is None
    assert log.apply_retention(RECORDED_MS + 1000) == 0
    assert log.apply_retention(RECORDED_MS + 1003) == 1


def test_transactions_hold_the_last_stable_offset_back() -> None:
    log = fresh()
    begin = {"producer_id": 7, "producer_epoch": 1, "transactional": True}
    append(log, 2)
    append(log, 3, base_sequence=0, **begin)
    append(log, 2)
    log.set_high_watermark(7)
    assert log.last_stable_offset == 2
    marker = build_marker(
        EndTransactionMarker(ControlType.ABORT, 0),
        producer_id=7,
        producer_epoch=1,
        timestamp_ms=RECORDED_MS,
    )
    log.append_as_leader(memoryview(marker), 0, now_ms=RECORDED_MS, origin=Origin.COORDINATOR)
    assert log.last_stable_offset == 2
    log.set_high_watermark(8)
    assert log.last_stable_offset == 8
    assert log.aborted_transactions(0, 8) == [AbortedTransaction(7, 2, 7, 8)]
    assert log.aborted_transactions(0, 2) == []
    log.truncate_to(7)
    assert log.aborted_transactions(0, 8) == []
    assert log.last_stable_offset == 2


def test_what_is_flushed() -> None:
    log = fresh(SMALL)

    async def main() -> None:
        assert log.flushed_offset == 0
        for _ in range(30):
            append(log, size=100)
        await asyncio.gather(log.flush(), log.flush())
        assert (log.flushed_offset, log.recovery_point) == (30, 30)
        log.roll()
        assert log.recovery_point < 30
        await log.flush()
        assert log.recovery_point == 30
        log.truncate_to(12)
        assert log.flushed_offset == 12

    asyncio.run(main())


def test_a_flush_waits_for_nothing_appended_after_it() -> None:
    class Heard(LogOwner):
        def __init__(self) -> None:
            self.flushes = 0

        def flush_wanted(self, log: OwnedLog) -> None:
            self.flushes += 1

    owner = Heard()
    log = create(environment(memory_files()), log_config(flush_messages=10), owner=owner)
    append(log, 9)
    assert owner.flushes == 0
    append(log, 1)
    assert owner.flushes == 1


def test_idle_descriptors_are_given_back_and_taken_again() -> None:
    log = fresh()
    append(log, 3)
    log.release_idle()
    log.release_idle()
    assert read_all(log) == [(0, 2)]
    append(log, 1)
    assert log.log_end_offset == 4


def test_a_clean_stop_and_a_start() -> None:
    files = memory_files()
    env = environment(files)
    log = create(env, SMALL)
    for number in range(30):
        append(log, size=100, producer_id=1, producer_epoch=0, base_sequence=number)
    asyncio.run(log.close_cleanly())
    assert f"{DIRECTORY}/00000000000000000030.snapshot" in files.files
    before = dict(files.files)
    again = reopen(env, SMALL, clean=True)
    assert (again.log_end_offset, again.flushed_offset) == (30, 30)
    assert again.producers.entries[1].last_sequence == 29
    assert again.epochs.entries == log.epochs.entries
    asyncio.run(again.close_cleanly())
    assert files.files == before


def test_a_new_log_leaves_nothing() -> None:
    files = memory_files()
    log = create(environment(files))
    log.assign_epoch(4, 0)
    asyncio.run(log.close_cleanly())
    assert not files.files
    again = reopen(environment(files), clean=True)
    assert (again.log_start_offset, again.log_end_offset) == (0, 0)
    asyncio.run(again.close_cleanly())
    assert not files.files
    append(again, 1)
    asyncio.run(again.close_cleanly())
    assert reopen(environment(files), clean=True).log_end_offset == 1


def test_an_emptied_log_leaves_what_kafka_leaves() -> None:
    files = memory_files()
    log = create(environment(files))
    append(log, 1)
    log.truncate_fully_and_start_at(0)
    for path in [path for path in files.files if path.endswith(".deleted")]:
        files.remove(path)
    asyncio.run(log.close_cleanly())
    names = [path.removeprefix(DIRECTORY + "/") for path in sorted(files.files)]
    zeros = "0" * 20
    assert names == [
        f"{zeros}.index",
        f"{zeros}.log",
        f"{zeros}.timeindex",
        "leader-epoch-checkpoint",
    ]
    epochs = files.files.pop(f"{DIRECTORY}/leader-epoch-checkpoint")
    assert bytes(epochs) == b"0\n0\n"
    assert set(map(bytes, files.files.values())) == {b""}


class _Syncs(MemoryFiles):
    """Counts the syncs of each file."""

    def __init__(self) -> None:
        super().__init__(RECORDED_MS)
        self.make_directories(DIRECTORY)
        self.counts: Counter[str] = Counter()

    def open(self, path: str, *, create: bool = False) -> MemoryFile:
        opened = super().open(path, create=create)
        counts, fsync = self.counts, opened.fsync

        class Counted(MemoryFile):
            async def fsync(self) -> None:
                counts[path] += 1
                await fsync()

            def fsync_blocking(self) -> None:
                counts[path] += 1

        return Counted(opened.content)


@pytest.mark.parametrize("blocking", [False, True])
def test_epochs_are_durable_before_the_recovery_point_moves(blocking: bool) -> None:
    """Recovery puts a lost entry back only from batches above the recovery point."""

    async def main() -> None:
        files = _Syncs()
        log = create(environment(files))
        path = f"{DIRECTORY}/{EPOCH_CHECKPOINT}"
        for count, epoch in enumerate((0, 3), start=1):
            append(log, epoch=epoch)
            assert files.counts[path] == count - 1
            if blocking:
                log.flush_blocking()
            else:
                await log.flush()
            assert log.flushed_offset == log.log_end_offset == count
            assert files.counts[path] == count

    asyncio.run(main())
