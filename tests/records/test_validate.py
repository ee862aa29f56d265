"""What a leader accepts from clients: the table of reference section 6.7, row by row."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.records.recordings import GOLDEN, expect, files

from barnabas.errors import ErrorCode, KafkaError
from barnabas.protocol.codec import decode_request
from barnabas.protocol.header import parse_request_header
from barnabas.records.batch import (
    CREATE_TIME,
    HEADER_BYTES,
    LOG_APPEND_TIME,
    Codec,
    Record,
    build_batch,
    crc_ok,
    iterate_batches,
    iterate_records,
    parse_header,
    stamp_crc,
)
from barnabas.records.header import HEADER
from barnabas.records.validate import (
    CHAIN_RECORDS_MAX,
    UNBOUNDED_MS,
    InvalidRecords,
    ValidatedBatch,
    validate_client_batch,
)

NOW = 1_700_000_000_000
RECORDS = [Record(timestamp=NOW + i, key=b"k%d" % i, value=b"v" * 50) for i in range(3)]


def validate(view: bytearray | bytes, **options: Any) -> ValidatedBatch:
    settings: dict[str, Any] = {
        "produce_version": 11,
        "max_message_bytes": 1_048_588,
        "compacted": False,
        "now_ms": NOW,
    }
    return validate_client_batch(memoryview(view), **(settings | options))


def refused(view: bytearray | bytes, code: ErrorCode, **options: Any) -> KafkaError:
    with pytest.raises(KafkaError) as caught:
        validate(view, **options)
    assert caught.value.code is code, caught.value
    return caught.value


def changed(**fields: int) -> bytearray:
    """A good batch with header fields replaced and the checksum renewed."""
    batch = build_batch(RECORDS)
    header = parse_header(batch)._replace(**fields)
    HEADER.pack_into(batch, 0, *header)
    stamp_crc(batch, 0, len(batch))
    return batch


@pytest.mark.parametrize("codec", Codec)
@pytest.mark.parametrize("walk", [False, True])
def test_good_batches_are_left_as_they_are(codec: Codec, walk: bool) -> None:
    batch = build_batch(RECORDS, codec=codec, producer_id=1, producer_epoch=0, base_sequence=0)
    before = bytes(batch)
    accepted = validate(batch, walk=walk)
    assert bytes(accepted.records) == before
    assert accepted.header == parse_header(before)
    assert accepted.append_time_ms == -1


def test_recorded_client_batches_pass() -> None:
    """Batches of librdkafka, as stored; Kafka has only stamped their offset and epoch."""
    passed = 0
    for path in [p for p in files("*.log") if "__" not in str(p) and "compacted" not in str(p)]:
        data = path.read_bytes()
        for header, pos, size in iterate_batches(data):
            if header.is_control:
                continue
            batch = bytearray(data[pos : pos + size])
            batch[0:8] = bytes(8)
            assert validate(batch).header.max_timestamp == header.max_timestamp
            assert validate(batch, walk=True).records == batch
            passed += 1
    assert passed > 100


def test_recorded_produce_requests_pass() -> None:
    codecs = set()
    with gzip.open(GOLDEN / "kafka-wire.jsonl.gz", "rt") as lines:
        for line in lines:
            frame = json.loads(line)
            if frame["api"] != 0 or frame["dir"] != "request":
                continue
            raw = bytes.fromhex(frame["hex"])
            header, start = parse_request_header(raw)
            request = decode_request(0, header.api_version, raw, start)
            for topic in request.topic_data:
                for partition in topic.partition_data:
                    batch = bytearray(partition.records)
                    for walk in (False, True):
                        accepted = validate(batch, produce_version=header.api_version, walk=walk)
                        assert accepted.records == partition.records
                        codecs.add(accepted.header.codec)
    assert codecs == set(Codec)


@pytest.mark.parametrize(
    ("batch", "code"),
    [
        (b"", ErrorCode.INVALID_RECORD),
        (build_batch(RECORDS) * 2, ErrorCode.INVALID_RECORD),
        (build_batch(RECORDS) + b"\0", ErrorCode.INVALID_RECORD),
        (build_batch(RECORDS)[:-1], ErrorCode.CORRUPT_MESSAGE),
        (build_batch(RECORDS)[:60], ErrorCode.CORRUPT_MESSAGE),
        (build_batch(RECORDS)[:-1] + b"x", ErrorCode.CORRUPT_MESSAGE),
        (changed(base_offset=1), ErrorCode.INVALID_RECORD),
        (changed(magic=1), ErrorCode.INVALID_RECORD),
        (changed(magic=3), ErrorCode.INVALID_RECORD),
        (changed(record_count=0), ErrorCode.INVALID_RECORD),
        (changed(record_count=-1), ErrorCode.INVALID_RECORD),
        (changed(record_count=4), ErrorCode.INVALID_RECORD),
        (changed(record_count=4, last_offset_delta=3), ErrorCode.INVALID_RECORD),
        (changed(record_count=2, last_offset_delta=1), ErrorCode.INVALID_RECORD),
        (changed(record_count=2**31 - 1, last_offset_delta=2**31 - 2), ErrorCode.INVALID_RECORD),
        (changed(last_offset_delta=-1), ErrorCode.INVALID_RECORD),
        (changed(attributes=0x20), ErrorCode.INVALID_RECORD),
        (changed(attributes=0x30), ErrorCode.INVALID_RECORD),
        (changed(attributes=0x40), ErrorCode.INVALID_RECORD),
        (changed(attributes=0x08), ErrorCode.INVALID_TIMESTAMP),
        (changed(attributes=5), ErrorCode.UNSUPPORTED_COMPRESSION_TYPE),
        (changed(attributes=1), ErrorCode.INVALID_RECORD),
        (changed(attributes=3), ErrorCode.INVALID_RECORD),
        (changed(attributes=4), ErrorCode.INVALID_RECORD),
        (changed(producer_id=5), ErrorCode.INVALID_RECORD),
    ],
)
def test_refusals(batch: bytearray, code: ErrorCode) -> None:
    refused(batch, code)
    refused(batch, code, walk=True)


def test_too_large() -> None:
    batch = build_batch(RECORDS)
    validate(batch, max_message_bytes=len(batch))
    refused(batch, ErrorCode.MESSAGE_TOO_LARGE, max_message_bytes=len(batch) - 1)
    # The size is judged before the checksum.
    batch[-1] ^= 1
    refused(batch, ErrorCode.MESSAGE_TOO_LARGE, max_message_bytes=len(batch) - 1)


def test_zstd_needs_produce_7() -> None:
    batch = build_batch(RECORDS, codec=Codec.ZSTD)
    refused(batch, ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, produce_version=6)
    validate(batch, produce_version=7)


def test_linked_lz4_blocks_are_refused() -> None:
    """Java clients cannot read them ("Dependent block stream is unsupported")."""
    batch = build_batch(RECORDS, codec=Codec.LZ4)
    batch[HEADER_BYTES + 4] &= ~0x20
    stamp_crc(batch, 0, len(batch))
    refused(batch, ErrorCode.INVALID_RECORD)


@pytest.mark.parametrize("count", [1, CHAIN_RECORDS_MAX, CHAIN_RECORDS_MAX + 1, 300])
@pytest.mark.parametrize("size", [0, 10, 100, 9000, 20_000])
def test_records_are_followed_by_their_lengths(count: int, size: int) -> None:
    batch = build_batch([Record(timestamp=NOW, value=bytes(size))] * count)
    validate(batch, max_message_bytes=2**30)
    batch[HEADER_BYTES] ^= 2 if size else 4
    stamp_crc(batch, 0, len(batch))
    if count <= CHAIN_RECORDS_MAX:
        refused(batch, ErrorCode.INVALID_RECORD, max_message_bytes=2**30)
    refused(batch, ErrorCode.INVALID_RECORD, max_message_bytes=2**30, walk=True)


def test_a_record_of_more_than_a_mebibyte_passes() -> None:
    batch = build_batch([Record(timestamp=NOW, value=bytes(3_000_000))])
    validate(batch, max_message_bytes=2**30)


@pytest.mark.parametrize("codec", Codec)
def test_compacted_topics_need_keys(codec: Codec) -> None:
    records = [RECORDS[0], Record(timestamp=NOW, value=b"1"), RECORDS[1], Record(timestamp=NOW)]
    batch = build_batch(records, codec=codec)
    validate(batch)
    error = refused(batch, ErrorCode.INVALID_RECORD, compacted=True)
    assert isinstance(error, InvalidRecords)
    assert [index for index, _ in error.record_errors] == [1, 3]
    validate(build_batch(RECORDS, codec=codec), compacted=True)


def test_timestamps_out_of_bounds() -> None:
    times = [NOW, NOW - 101, NOW - 100, NOW + 51, NOW + 50, -1]
    batch = build_batch([Record(timestamp=t, value=b"") for t in times])
    error = refused(batch, ErrorCode.INVALID_TIMESTAMP, before_max_ms=100, after_max_ms=50)
    assert isinstance(error, InvalidRecords)
    assert [index for index, _ in error.record_errors] == [1, 3]
    error = refused(batch, ErrorCode.INVALID_TIMESTAMP, before_max_ms=UNBOUNDED_MS, after_max_ms=50)
    validate(batch)
    # Nobody looks at create times where the broker writes its own.
    validate(batch, before_max_ms=100, after_max_ms=50, timestamp_type=LOG_APPEND_TIME)


def test_log_append_time_is_stamped_in_place() -> None:
    for walk in (False, True):
        batch = build_batch(RECORDS)
        accepted = validate(batch, timestamp_type=LOG_APPEND_TIME, walk=walk, now_ms=NOW + 9)
        assert accepted.append_time_ms == NOW + 9
        assert accepted.header == parse_header(batch)
        assert accepted.header.max_timestamp == NOW + 9
        assert crc_ok(batch, 0, len(batch))
        assert {r.timestamp for r in iterate_records(accepted.records)} == {NOW + 9}


def test_a_wrong_largest_timestamp_is_corrected_when_records_are_read() -> None:
    batch = changed(max_timestamp=NOW + 10**9)
    assert validate(batch).header.max_timestamp == NOW + 10**9
    assert validate(batch, walk=True).header.max_timestamp == NOW + 2
    assert crc_ok(batch, 0, len(batch))


@pytest.mark.parametrize("source", Codec)
@pytest.mark.parametrize("target", ["uncompressed", "gzip", "snappy", "lz4", "zstd"])
@pytest.mark.parametrize("timestamp_type", [CREATE_TIME, LOG_APPEND_TIME])
def test_recompression(source: Codec, target: str, timestamp_type: int) -> None:
    batch = build_batch(
        RECORDS,
        codec=source,
        producer_id=3,
        producer_epoch=2,
        base_sequence=7,
        transactional=True,
        leader_epoch=0,
    )
    accepted = validate(batch, compression_type=target, timestamp_type=timestamp_type)
    header = accepted.header
    assert header == parse_header(accepted.records)
    assert header.codec == (0 if target == "uncompressed" else Codec[target.upper()])
    assert crc_ok(accepted.records, 0, header.size)
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (3, 2, 7)
    assert header.is_transactional
    assert header.timestamp_type == timestamp_type
    stored = list(iterate_records(accepted.records))
    assert [(r.key, r.value) for r in stored] == [(r.key, r.value) for r in RECORDS]
    if timestamp_type == CREATE_TIME:
        assert [r.timestamp for r in stored] == [r.timestamp for r in RECORDS]
    else:
        assert {r.timestamp for r in stored} == {NOW}


def test_recompression_may_make_a_batch_too_large() -> None:
    batch = build_batch([Record(timestamp=NOW, value=bytes(10_000))], codec=Codec.GZIP)
    validate(batch, max_message_bytes=1000)
    refused(
        batch,
        ErrorCode.MESSAGE_TOO_LARGE,
        max_message_bytes=1000,
        compression_type="uncompressed",
    )


def test_a_stream_of_nothing_but_records_is_not_read_without_end() -> None:
    batch = build_batch(RECORDS, codec=Codec.ZSTD)
    header = parse_header(batch)._replace(record_count=1_000_001, last_offset_delta=1_000_000)
    HEADER.pack_into(batch, 0, *header)
    stamp_crc(batch, 0, len(batch))
    for option in ({"walk": True}, {"compacted": True}):
        refused(batch, ErrorCode.MESSAGE_TOO_LARGE, **option)


def _damage(batch: bytearray, damage: list[tuple[int, int]]) -> None:
    for where, value in damage:
        batch[where % len(batch)] = value


@settings(max_examples=400)
@given(
    st.sampled_from(Codec),
    st.integers(1, 6),
    st.lists(st.tuples(st.integers(0, 500), st.integers(0, 255)), max_size=5),
    st.integers(-3, 3),
    st.booleans(),
    st.sampled_from(
        [
            {},
            {"walk": True},
            {"compacted": True},
            {"after_max_ms": 5},
            {"compression_type": "lz4"},
            {"timestamp_type": LOG_APPEND_TIME},
        ]
    ),
)
def test_whatever_comes_is_accepted_or_refused(
    codec: Codec,
    count: int,
    damage: list[tuple[int, int]],
    extra: int,
    renew: bool,
    options: dict[str, Any],
) -> None:
    batch = build_batch((RECORDS * 2)[:count], codec=codec)
    _damage(batch, damage)
    if renew:
        stamp_crc(batch, 0, len(batch))
    view = batch + bytes(extra) if extra >= 0 else batch[:extra]
    try:
        accepted = validate(view, **options)
    except KafkaError as error:
        expect(
            error,
            ErrorCode.CORRUPT_MESSAGE,
            ErrorCode.INVALID_RECORD,
            ErrorCode.INVALID_TIMESTAMP,
            ErrorCode.MESSAGE_TOO_LARGE,
            ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
        )
        return
    assert crc_ok(accepted.records, 0, accepted.header.size)
    assert accepted.header.size == len(accepted.records)
    kept = options.get("compression_type") == "lz4" and codec == Codec.LZ4
    if options and "timestamp_type" not in options and not kept:
        # Every record has been read.
        assert len(list(iterate_records(accepted.records))) == accepted.header.record_count
