"""Batches: what the original wrote is read and rebuilt byte for byte; hostile bytes only raise."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.places import GOLDEN
from tests.records.recordings import expect, files, rebuild

from barnabas.errors import ErrorCode, KafkaError
from barnabas.records.batch import (
    CREATE_TIME,
    HEADER_BYTES,
    LOG_APPEND_TIME,
    SEQUENCE_MAX,
    Codec,
    ControlType,
    EndTransactionMarker,
    Record,
    batch_size,
    build_batch,
    build_marker,
    crc_ok,
    iterate_batches,
    iterate_records,
    parse_header,
    parse_marker,
    read_marker,
    stamp,
    stamp_crc,
    stamp_timestamp,
)
from barnabas.records.header import TIMESTAMP_TYPE_BIT

LOGS = files("*.log")
I64 = st.integers(-(2**63), 2**63 - 1)
TIMESTAMPS = st.integers(-1, 2**48)
FIELDS = st.none() | st.binary(max_size=300)
RECORDS = st.lists(
    st.builds(
        Record,
        timestamp=TIMESTAMPS,
        key=FIELDS,
        value=FIELDS,
        headers=st.lists(st.tuples(st.text(max_size=20), FIELDS), max_size=3).map(tuple),
    ),
    min_size=1,
    max_size=20,
)


def test_recorded_logs_read_to_the_end_and_rebuild() -> None:
    codecs: Counter[int] = Counter()
    controls = 0
    for path in LOGS:
        data = path.read_bytes()
        end = 0
        for header, pos, size in iterate_batches(data):
            assert pos == end
            assert size == header.size == batch_size(data, pos)
            assert crc_ok(data, pos, size), (path, pos)
            records = list(iterate_records(data, pos))
            assert len(records) == header.record_count
            codecs[header.codec] += 1
            if header.codec == Codec.NONE:
                assert rebuild(header, records) == data[pos : pos + size], (path, pos)
            else:
                copy = rebuild(header, records)
                assert list(iterate_records(copy)) == records
            if header.is_control:
                controls += 1
                assert read_marker(data, pos, header) is not None
            end = pos + size
        assert end == len(data)
    assert set(codecs) == set(Codec)
    assert controls > 0


@pytest.mark.parametrize("directory", ["killed", "recovered-and-stopped"])
def test_compacted_log_ends_in_the_last_values_sent(directory: str) -> None:
    sent = json.loads((GOLDEN / "storage" / "compacted-sent.json").read_text())
    expected = {key.encode(): value and bytes.fromhex(value) for key, value in sent}
    found: dict[bytes | None, bytes | None] = {}
    for path in sorted(Path(GOLDEN / "storage" / directory / "compacted-0").glob("*.log")):
        data = path.read_bytes()
        for _, pos, _ in iterate_batches(data):
            for record in iterate_records(data, pos):
                assert sent[record.offset][0].encode() == record.key
                found[record.key] = record.value
    assert {k: v for k, v in found.items() if v is not None} == {
        k: v for k, v in expected.items() if v is not None
    }


@given(RECORDS, st.sampled_from(Codec), st.integers(0, 2**40), st.booleans())
def test_what_is_built_is_read_back(
    records: list[Record], codec: Codec, base_offset: int, transactional: bool
) -> None:
    batch = build_batch(
        records,
        base_offset=base_offset,
        codec=codec,
        producer_id=7,
        producer_epoch=3,
        base_sequence=SEQUENCE_MAX,
        transactional=transactional,
        leader_epoch=5,
    )
    header = parse_header(batch)
    assert crc_ok(batch, 0, len(batch))
    assert header.size == len(batch)
    assert (header.producer_id, header.producer_epoch, header.partition_leader_epoch) == (7, 3, 5)
    assert header.last_offset == base_offset + len(records) - 1
    assert header.next_offset == header.last_offset + 1
    assert header.last_sequence == (len(records) - 2 if len(records) > 1 else SEQUENCE_MAX)
    assert header.max_timestamp == max(record.timestamp for record in records)
    assert header.is_transactional is transactional
    assert not header.is_control
    assert header.timestamp_type == CREATE_TIME
    expected = [r._replace(offset=base_offset + i) for i, r in enumerate(records)]
    assert list(iterate_records(batch)) == expected


def test_stamps_change_what_the_leader_decides_and_keep_the_checksum_right() -> None:
    records = [Record(timestamp=10, value=b"a"), Record(timestamp=20, value=b"b")]
    view = memoryview(bytearray(5) + build_batch(records))
    stamp(view, 5, 1234, 8)
    header = parse_header(view, 5)
    assert (header.base_offset, header.partition_leader_epoch) == (1234, 8)
    assert crc_ok(view, 5, header.size)
    stamp_timestamp(view, 5, header.size, TIMESTAMP_TYPE_BIT, 99)
    assert crc_ok(view, 5, header.size)
    assert parse_header(view, 5).timestamp_type == LOG_APPEND_TIME
    assert [(r.offset, r.timestamp) for r in iterate_records(view, 5)] == [(1234, 99), (1235, 99)]


def test_a_cleaned_batch_keeps_offsets_and_its_horizon() -> None:
    kept = [Record(offset=12, timestamp=50, key=b"k")]
    batch = build_batch(
        kept,
        base_offset=10,
        keep_offsets=True,
        last_offset=19,
        delete_horizon_ms=1000,
        max_timestamp=70,
    )
    header = parse_header(batch)
    assert (header.last_offset, header.delete_horizon_ms, header.max_timestamp) == (19, 1000, 70)
    assert list(iterate_records(batch)) == kept
    empty = build_batch([], base_offset=10, last_offset=19, producer_id=1, base_sequence=4)
    assert len(empty) == HEADER_BYTES
    assert parse_header(empty).last_sequence == 13
    assert parse_header(empty).base_timestamp == -1
    assert list(iterate_records(empty)) == []


def test_markers() -> None:
    for kind in ControlType:
        batch = build_marker(
            EndTransactionMarker(kind, 42), producer_id=9, producer_epoch=1, timestamp_ms=5
        )
        header = parse_header(batch)
        assert header.is_control
        assert header.is_transactional
        assert (header.record_count, header.base_sequence) == (1, -1)
        assert read_marker(batch, 0, header) == EndTransactionMarker(kind, 42)
    assert parse_marker(Record(key=bytes.fromhex("00000002"))) is None
    for key, value in [(None, None), (b"\0\0", None), (b"\0\0\0\1", b""), (b"\xff\xff\0\1", b"")]:
        with pytest.raises(KafkaError):
            parse_marker(Record(key=key, value=value))
    emptied = build_batch([], last_offset=0, control=True, transactional=True)
    assert read_marker(emptied, 0, parse_header(emptied)) is None


def test_slices_may_end_inside_a_batch() -> None:
    batch = bytes(build_batch([Record(value=b"x" * 100)]))
    for cut in range(len(batch)):
        assert [pos for _, pos, _ in iterate_batches(batch + batch[:cut])] == [0]


@pytest.mark.parametrize("length", [-(2**31), -12, -1, 0, 48])
@pytest.mark.parametrize("tail", [0, 17, 60, 200])
def test_lengths_that_cannot_be(length: int, tail: int) -> None:
    good = build_batch([Record(value=b"x")])
    bad = bytearray(build_batch([Record(value=b"y" * 300)]))
    bad[8:12] = length.to_bytes(4, "big", signed=True)
    batches = iterate_batches(bytes(good + bad[: tail or len(bad)]))
    assert next(batches)[1] == 0
    with pytest.raises(KafkaError) as caught:
        next(batches)
    assert caught.value.code is ErrorCode.CORRUPT_MESSAGE


def test_a_length_beyond_the_data_is_a_cut_batch() -> None:
    bad = build_batch([Record(value=b"y")])
    bad[8:12] = (2**31 - 1).to_bytes(4, "big")
    assert list(iterate_batches(bad)) == []
    with pytest.raises(KafkaError):
        list(iterate_records(bad))


@pytest.mark.parametrize("magic", [3, 255])
def test_other_formats_are_corrupt(magic: int) -> None:
    bad = build_batch([Record(value=b"y")])
    bad[16] = magic
    for read in (parse_header, batch_size, lambda b: list(iterate_batches(b))):
        with pytest.raises(KafkaError) as caught:
            read(bad)
        assert caught.value.code is ErrorCode.CORRUPT_MESSAGE


def test_the_checksum_covers_everything_behind_it() -> None:
    batch = build_batch([Record(value=b"y")])
    for pos in range(len(batch)):
        batch[pos] ^= 1
        assert crc_ok(batch, 0, len(batch)) is (pos < 17)
        batch[pos] ^= 1


@given(st.binary(max_size=200))
@example(bytes(61))
def test_any_bytes_as_batches(data: bytes) -> None:
    try:
        for header, pos, size in iterate_batches(data):
            crc_ok(data, pos, size)
            list(iterate_records(data, pos, limit=10_000))
            assert header.size == size
    except KafkaError:
        pass


@settings(max_examples=300)
@given(
    RECORDS,
    st.sampled_from(Codec),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4),
    st.integers(0, 100),
)
def test_damaged_batches_raise_nothing_but_kafka_errors(
    records: list[Record], codec: Codec, damage: list[tuple[int, int]], cut: int
) -> None:
    batch = build_batch(records, codec=codec)
    for where, value in damage:
        batch[where % len(batch)] = value
    if len(batch) > HEADER_BYTES:
        stamp_crc(batch, 0, len(batch))
    whole = bytes(batch[: len(batch) - cut])
    try:
        for _, pos, _ in iterate_batches(whole):
            for record in iterate_records(whole, pos, limit=100_000):
                header = parse_header(whole, pos)
                assert header.base_offset <= record.offset <= header.last_offset
                assert -(2**63) <= record.timestamp < 2**63
    except KafkaError as error:
        expect(error, ErrorCode.CORRUPT_MESSAGE, ErrorCode.INVALID_RECORD)


@given(st.binary(max_size=60), st.integers(-5, 5), I64, I64)
def test_any_bytes_as_records(body: bytes, count: int, base: int, latest: int) -> None:
    batch = build_batch([], base_offset=0, last_offset=max(0, count), max_timestamp=latest) + body
    batch[8:12] = (len(batch) - 12).to_bytes(4, "big")
    batch[27:35] = base.to_bytes(8, "big", signed=True)
    batch[57:61] = count.to_bytes(4, "big", signed=True)
    try:
        assert len(list(iterate_records(batch))) == max(0, count)
    except KafkaError as error:
        expect(error, ErrorCode.INVALID_RECORD)
