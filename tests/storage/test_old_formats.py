"""Logs with messages of formats 0 and 1, as brokers before Kafka 0.11 left them."""

from __future__ import annotations

import random
from collections.abc import Generator

import pytest
from tests.defaults import log_config
from tests.old_client import message, wrapper
from tests.storage.cleaner.kit import clean
from tests.storage.support import (
    DIRECTORY,
    RECORDED_MS,
    create,
    environment,
    image,
    memory_files,
    read_all,
    reopen,
    restored,
)

from barnabas.errors import ErrorCode, KafkaError
from barnabas.records.batch import (
    Record,
    build_batch,
    iterate_batches,
    iterate_records,
    parse_header,
)
from barnabas.records.legacy import messages_of
from barnabas.storage.cleaner.filter import BatchFilter
from barnabas.storage.cleaner.offset_map import OffsetMap, Survivors
from barnabas.storage.epochs import EpochEntry
from barnabas.storage.log import Log
from barnabas.storage.memory_files import MemoryFiles
from barnabas.storage.segment import file_name
from barnabas.types import Buffer

DAY_MS = 86_400_000
COMPACTED = log_config(cleanup_policy=("compact",), delete_retention_ms=DAY_MS)


def old_set(magic: int, first: int, count: int, *, packed: int = 0, step: int = 7) -> bytes:
    """Messages at consecutive offsets; the last ``packed`` of them in one wrapper."""

    def one(offset: int, base: int = 0) -> bytes:
        return message(
            b"value-%d" % offset,
            b"key-%d" % (offset % step),
            magic=magic,
            offset=offset - base,
            timestamp=RECORDED_MS + offset,
        )

    last = first + count - 1
    plain = b"".join(one(offset) for offset in range(first, first + count - packed))
    if not packed:
        return plain
    start = first + count - packed
    inner = b"".join(one(offset, start if magic else 0) for offset in range(start, last + 1))
    return plain + wrapper(inner, magic=magic, offset=last, timestamp=RECORDED_MS + last)


def written(magic: int) -> MemoryFiles:
    """Three segments and no index, ending in one of format 2."""
    files = memory_files()
    segments = {
        0: old_set(magic, 0, 40, packed=10),
        40: old_set(magic, 40, 60, packed=60),
        100: old_set(magic, 100, 5)
        + bytes(build_batch([Record(timestamp=RECORDED_MS + 105, value=b"new")], base_offset=105)),
    }
    for base, data in segments.items():
        files.files[f"{DIRECTORY}/{file_name(base, '.log')}"] = bytearray(data)
    return files


def records_of(log: Log) -> list[Record]:
    """All records, read as a consumer does, once each."""
    found: dict[int, Record] = {}
    offset = log.log_start_offset
    while offset < log.log_end_offset:
        piece = log.read(offset, 500, up_to=log.log_end_offset, min_one=True)
        data = b"".join(piece.buffers)
        for _, at, _ in iterate_batches(data):
            found.update({r.offset: r for r in iterate_records(data, at)})
        offset = max(found) + 1
    return list(found.values())


@pytest.mark.parametrize("magic", [0, 1])
@pytest.mark.parametrize("clean_stop", [False, True])
def test_they_are_opened_and_read(magic: int, clean_stop: bool) -> None:
    log = reopen(environment(written(magic)), clean=clean_stop)
    assert log.log_end_offset == 106
    records = records_of(log)
    assert [r.offset for r in records] == list(range(106))
    assert records[33].value == b"value-33"
    assert records[33].timestamp == (RECORDED_MS + 33 if magic else -1)
    assert log.epochs.entries == ()
    log.assign_epoch(4, log.log_end_offset)
    batch = build_batch([Record(timestamp=1, value=b"v")])
    info = log.append_as_leader(memoryview(batch), 4, now_ms=RECORDED_MS)
    assert info.first_offset == 106
    assert log.end_offset_for_epoch(4) == (4, 107)


def test_a_read_may_begin_inside_of_a_wrapper() -> None:
    log = reopen(environment(written(1)))
    piece = log.read(70, 10_000, up_to=106, min_one=True)
    (header, at, _), *_ = iterate_batches(b"".join(piece.buffers))
    assert (header.base_offset, header.last_offset, at) == (40, 99, 0)


@pytest.mark.parametrize("magic", [0, 1])
def test_their_indexes_are_rebuilt(magic: int) -> None:
    config = log_config(index_interval_bytes=100)
    log = reopen(environment(written(magic)), config)
    first = log.segments.first
    assert len(first.index) > 3
    for offset in range(40):
        batch = next(first.walk(first.locate(offset)))
        assert batch.base_offset <= offset <= batch.last_offset


def test_format_1_can_be_looked_up_by_time() -> None:
    log = reopen(environment(written(1)))
    for offset in (0, 17, 29, 30, 39, 40, 77, 104):
        found = log.offset_for_timestamp(RECORDED_MS + offset)
        assert found is not None
        assert (found.offset, found.leader_epoch) == (offset, -1)
    newest = log.offset_of_max_timestamp()
    assert newest is not None
    assert newest.offset == 105


def test_format_0_has_no_times_to_look_up() -> None:
    log = reopen(environment(written(0)))
    found = log.offset_for_timestamp(RECORDED_MS)
    assert found is not None
    assert found.offset == 105  # of format 2, the first that has a time
    assert log.offset_for_timestamp(RECORDED_MS + 106) is None


def test_format_0_is_kept_by_the_time_of_the_file() -> None:
    files = written(0)
    log = reopen(environment(files), log_config(retention_ms=DAY_MS))
    log.set_high_watermark(106)
    assert log.apply_retention(RECORDED_MS + DAY_MS - 1000) == 0
    assert log.apply_retention(RECORDED_MS + DAY_MS + 50) == 2


@pytest.mark.parametrize("magic", [0, 1])
def test_damage_is_cut_off(magic: int) -> None:
    for spoiled in (30, 700, 5):
        files = restored(image(written(magic)))
        path = f"{DIRECTORY}/{file_name(40, '.log')}"
        files.files[path][-spoiled] ^= 1
        log = reopen(environment(files))
        assert log.log_end_offset == 40
        assert read_all(log)[-1][1] == 39


def test_every_cut_of_a_file_leaves_whole_messages() -> None:
    whole = old_set(1, 0, 12, packed=4)
    for size in range(len(whole)):
        files = memory_files()
        files.files[f"{DIRECTORY}/{file_name(0, '.log')}"] = bytearray(whole[:size])
        log = reopen(environment(files))
        assert [r.offset for r in records_of(log)] == list(range(log.log_end_offset))
        assert log.log_end_offset in (*range(9), 12)
        assert (log.log_end_offset == 12) == (size == len(whole))


@pytest.mark.parametrize("magic", [0, 1])
def test_they_can_be_truncated(magic: int) -> None:
    for offset in (3, 29, 30, 35, 40, 41, 99, 102, 105):
        log = reopen(environment(written(magic)))
        log.truncate_to(offset)
        # A wrapper goes as a whole.
        inside = 30 if 30 < offset < 40 else 40 if 40 < offset < 100 else offset
        assert log.log_end_offset == inside
        assert [r.offset for r in records_of(log)] == list(range(inside))
        again = old_set(magic, inside, 8, packed=3)
        log.append_as_follower(again)
        assert [r.offset for r in records_of(log)] == list(range(inside + 8))


@pytest.mark.parametrize("magic", [0, 1])
def test_followers_copy_them(magic: int) -> None:
    leader = reopen(environment(written(magic)))
    follower = create(environment(memory_files()), log_config(segment_bytes=600))
    while follower.log_end_offset < leader.log_end_offset:
        piece = leader.read(follower.log_end_offset, 700, up_to=106, min_one=True)
        follower.append_as_follower(b"".join(piece.buffers))
    assert records_of(follower) == records_of(leader)
    assert follower.segment_count > 3
    bases = [segment.base_offset for segment in follower.segments]
    firsts = [next(segment.walk()).base_offset for segment in follower.segments if segment.size]
    assert firsts == bases[: len(firsts)]


def test_a_copied_message_of_an_old_format_ends_the_epochs() -> None:
    """Then both sides go by the high watermark, as Kafka does."""
    log = create(environment(memory_files()))
    log.append_as_follower(build_batch([Record(value=b"v")], leader_epoch=3))
    assert log.epochs.latest_epoch == 3
    log.append_as_follower(message(b"old", offset=1))
    assert not log.epochs
    log.append_as_follower(build_batch([Record(value=b"v")], base_offset=2, leader_epoch=4))
    assert log.epochs.entries == (EpochEntry(4, 2),)


def test_damaged_copies_are_refused() -> None:
    chance = random.Random(8230002)
    data = old_set(1, 0, 20, packed=8)
    for _ in range(300):
        log = create(environment(memory_files()))
        bad = bytearray(data)
        bad[chance.randrange(len(bad))] ^= 1 << chance.randrange(8)
        codes = (ErrorCode.CORRUPT_MESSAGE, ErrorCode.OFFSET_OUT_OF_RANGE, None)
        assert refusal(log, bad) in codes
        # Offsets are not covered by checksums.
        sound = data[: len(bad)]
        assert log.log_end_offset == 0 or sound[16:100] == bytes(bad[16:100])


def refusal(log: Log, data: bytearray) -> ErrorCode | None:
    """The error of copying some bytes, None if they were taken."""
    try:
        log.append_as_follower(data)
    except KafkaError as error:
        return error.code
    return None


@pytest.mark.parametrize("magic", [0, 1])
def test_the_cleaner_keeps_the_last_of_each_key(magic: int) -> None:
    env = environment(written(magic))
    log = reopen(env, COMPACTED)
    log.set_high_watermark(106)
    batch = build_batch([Record(timestamp=RECORDED_MS, key=b"key-5", value=b"newer")])
    log.append_as_leader(memoryview(batch), 0, now_ms=RECORDED_MS)
    log.set_high_watermark(107)
    log.roll()
    before = {r.key: r for r in records_of(log) if r.key is not None}
    clean(env, log)
    after = records_of(log)
    assert {r.key: r for r in after} == before
    assert len(after) == len(before) == 7
    again = reopen(environment(restored(image(env.files))), COMPACTED)  # type: ignore[arg-type]
    assert records_of(again) == after


@pytest.mark.parametrize("magic", [0, 1])
def test_old_tombstones_go_when_their_segment_is_old_enough(magic: int) -> None:
    messages = message(None, b"a", magic=magic), message(b"v", b"b", magic=magic, offset=1)
    offsets = OffsetMap(0, 100)
    offsets.offsets, offsets.end = {b"a": 0, b"b": 1}, 2
    batch = memoryview(wrapper(b"".join(messages), magic=magic, offset=1))
    header = parse_header(batch)
    for keeps in (True, False):
        filter_ = BatchFilter(
            offsets,
            Survivors(iter(())),
            lambda _: None,
            now_ms=RECORDED_MS,
            delete_retention_ms=DAY_MS,
            last_offset=1,
        )
        filter_.keeps_old_tombstones = keeps
        left = result_of(filter_.filter(header, batch))
        assert left is not None
        found = [(r.offset, r.key, r.value) for r in iterate_records(left)]
        assert found == [(0, b"a", None), (1, b"b", b"v")][not keeps :]
        assert parse_header(left).last_offset == 1


def result_of(steps: Generator[int, None, Buffer | None]) -> Buffer | None:
    """What a generator returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Buffer | None = end.value
            return result


def test_the_first_pass_keeps_all_tombstones() -> None:
    files = memory_files()
    data = message(b"v", b"a") + message(None, b"a", offset=1)
    files.files[f"{DIRECTORY}/{file_name(0, '.log')}"] = bytearray(data)
    env = environment(files)
    log = reopen(env, COMPACTED)
    log.roll()
    log.set_high_watermark(2)
    clean(env, log)
    assert [(r.offset, r.value) for r in records_of(log)] == [(1, None)]


def test_an_inner_message_of_another_format_gets_that_of_its_wrapper() -> None:
    """KAFKA-4298: a cleaner of Kafka 0.10 wrote such wrappers."""
    files = memory_files()
    inner = message(b"v", b"a", magic=0) + message(b"w", b"b", offset=1)
    files.files[f"{DIRECTORY}/{file_name(0, '.log')}"] = bytearray(wrapper(inner, offset=1))
    env = environment(files)
    log = reopen(env, COMPACTED)
    log.roll()
    log.set_high_watermark(2)
    before = records_of(log)
    clean(env, log)
    assert records_of(log) == before
    piece = log.read(0, 1000, up_to=2, min_one=True)
    found = messages_of(b"".join(piece.buffers))
    assert [each.magic for each in found] == [1, 1]
