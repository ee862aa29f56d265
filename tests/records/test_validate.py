"""What a leader accepts from clients: the table of reference 6.7, row by row."""

from __future__ import annotations

import gzip
import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.places import GOLDEN
from tests.records.recordings import expect, files

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
from barnabas.records.compression import compress
from barnabas.records.header import HEADER
from barnabas.records.validate import (
    UNBOUNDED_MS,
    InvalidRecords,
    ValidatedBatch,
    validate_client_batch,
    validate_plain,
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
    settings |= options
    with_all_limits = options.keys() <= {"produce_version", "max_message_bytes"}
    plain = None
    if with_all_limits:
        copy = memoryview(bytearray(view))
        try:
            plain = validate_plain(copy, settings["max_message_bytes"])
        except KafkaError as error:  # then it is refused in the long way too
            with pytest.raises(KafkaError, match=re.escape(str(error))):
                validate_client_batch(copy, **settings)
    found = validate_client_batch(memoryview(view), **settings)
    if plain is not None:
        assert plain == found, "the short way agrees with the long one"
    return found


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
def test_good_batches_are_left_as_they_are(codec: Codec) -> None:
    batch = build_batch(RECORDS, codec=codec, producer_id=1, producer_epoch=0, base_sequence=0)
    before = bytes(batch)
    accepted = validate(batch)
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
            assert validate(batch).records == batch
            assert crc_ok(batch, 0, size)
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
            request: Any = decode_request(0, header.api_version, raw, start)
            for topic in request.topic_data:
                for partition in topic.partition_data:
                    batch = bytearray(partition.records)
                    accepted = validate(batch, produce_version=header.api_version)
                    assert accepted.records == partition.records
                    codecs.add(accepted.header.codec)
    assert codecs == set(Codec)


@pytest.mark.parametrize(
    ("batch", "code"),
    [
        (b"", ErrorCode.INVALID_RECORD),
        (build_batch(RECORDS) * 2, ErrorCode.INVALID_RECORD),
        (build_batch(RECORDS)[:-1], ErrorCode.INVALID_RECORD),
        (build_batch(RECORDS)[:60], ErrorCode.INVALID_RECORD),
        (build_batch(RECORDS)[:-1] + b"x", ErrorCode.CORRUPT_MESSAGE),
        (changed(base_offset=1), ErrorCode.INVALID_RECORD),
        (changed(magic=1), ErrorCode.INVALID_RECORD),
        (changed(magic=3), ErrorCode.CORRUPT_MESSAGE),
        (changed(record_count=0), ErrorCode.INVALID_RECORD),
        (changed(record_count=-1), ErrorCode.INVALID_RECORD),
        (changed(record_count=4), ErrorCode.INVALID_RECORD),
        (changed(record_count=4, last_offset_delta=3), ErrorCode.INVALID_RECORD),
        (changed(record_count=2, last_offset_delta=1), ErrorCode.INVALID_RECORD),
        (changed(record_count=2**31 - 1, last_offset_delta=2**31 - 2), ErrorCode.INVALID_RECORD),
        (changed(last_offset_delta=-1), ErrorCode.INVALID_RECORD),
        (changed(attributes=0x20), ErrorCode.INVALID_RECORD),
        (changed(attributes=0x30), ErrorCode.INVALID_RECORD),
        (changed(attributes=5), ErrorCode.UNSUPPORTED_COMPRESSION_TYPE),
        (changed(attributes=1), ErrorCode.INVALID_RECORD),
        (changed(attributes=3), ErrorCode.INVALID_RECORD),
        (changed(attributes=4), ErrorCode.INVALID_RECORD),
        (changed(producer_id=5), ErrorCode.INVALID_RECORD),
    ],
)
def test_refusals(batch: bytearray, code: ErrorCode) -> None:
    refused(batch, code)


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


_I64_MAX = 2**63 - 1
_HOUR_MS = 3_600_000
_OLDEST = NOW - _I64_MAX
"""One older than this, and its age passes 64 bits."""
_STAMPS = (
    _I64_MAX,
    NOW + 2**62 + _HOUR_MS,
    NOW + 2**62 - _HOUR_MS,
    NOW + _HOUR_MS,
    NOW - _HOUR_MS,
    0,
    -1,  # none
    -2,
    NOW - 2**62 + _HOUR_MS,
    NOW - 2**62 - _HOUR_MS,
    _OLDEST + _HOUR_MS,
    _OLDEST - _HOUR_MS,
    -(2**63),
)


@pytest.mark.parametrize(
    ("bounds", "answers"),
    [
        ({}, "............."),
        ({"after_max_ms": 0}, "xxxx.......xx"),
        ({"after_max_ms": 1000}, "xxxx.......xx"),
        ({"after_max_ms": 2**62}, "xx.........xx"),
        ({"after_max_ms": _I64_MAX - 1}, "............."),
        ({"before_max_ms": 0}, "....xx.xxxx.."),
        ({"before_max_ms": 1000}, "....xx.xxxx.."),
        ({"before_max_ms": 2**62}, ".........xx.."),
        ({"before_max_ms": _I64_MAX - 1}, "............."),
        ({"before_max_ms": 1000, "after_max_ms": 1000}, "xxxxxx.xxxxxx"),
    ],
)
def test_timestamps_near_the_ends_of_64_bits(bounds: dict[str, int], answers: str) -> None:
    """As Kafka 3.9.1 answered (x: INVALID_TIMESTAMP). Its arithmetic wraps: the oldest timestamps
    of all are refused as being too far in the future, and pass for not being old."""
    for stamp, answer in zip(_STAMPS, answers, strict=True):
        batch = build_batch([Record(timestamp=stamp, value=b"")])
        if answer == "x":
            refused(batch, ErrorCode.INVALID_TIMESTAMP, **bounds)
        else:
            validate(batch, **bounds)


def test_a_record_between_two_that_are_timely_is_looked_at_too() -> None:
    """The ends of a batch do not tell, once an age has passed 64 bits."""
    times = [_OLDEST - _HOUR_MS, NOW - _HOUR_MS, NOW]
    error = refused(
        build_batch([Record(timestamp=t, value=b"") for t in times]),
        ErrorCode.INVALID_TIMESTAMP,
        before_max_ms=1000,
    )
    assert isinstance(error, InvalidRecords)
    assert [index for index, _ in error.record_errors] == [1]


def test_log_append_time_is_stamped_in_place() -> None:
    batch = build_batch(RECORDS)
    accepted = validate(batch, timestamp_type=LOG_APPEND_TIME, now_ms=NOW + 9)
    assert accepted.append_time_ms == NOW + 9
    assert accepted.header == parse_header(batch)
    assert accepted.header.max_timestamp == NOW + 9
    assert crc_ok(batch, 0, len(batch))
    assert {r.timestamp for r in iterate_records(accepted.records)} == {NOW + 9}


@pytest.mark.parametrize("codec", Codec)
@pytest.mark.parametrize("claimed", [-(2**63), -5, -1, 0, 1, NOW, NOW + 3, NOW + 10**9, 2**62])
def test_a_wrong_largest_timestamp_is_corrected(codec: Codec, claimed: int) -> None:
    """kafkajs, sarama and librdkafka each send one in some case."""
    batch = build_batch(RECORDS, codec=codec, max_timestamp=claimed)
    assert validate(batch).header.max_timestamp == NOW + 2
    assert parse_header(batch).max_timestamp == NOW + 2
    assert crc_ok(batch, 0, len(batch))


@pytest.mark.parametrize(
    ("times", "latest"),
    [
        ([-1, -1], -1),
        ([-7, -9], -1),
        ([-1, NOW], NOW),
        ([NOW, -1], NOW),
        ([0, 0], 0),
        ([NOW, 5], NOW),
        ([5, NOW, 6], NOW),
        ([2**63 - 1, 0], 2**63 - 1),
    ],
)
def test_the_largest_timestamp_is_that_of_the_records(times: list[int], latest: int) -> None:
    for claimed in (-1, 0, NOW, 2**62):
        batch = build_batch([Record(timestamp=t) for t in times], max_timestamp=claimed)
        assert validate(batch).header.max_timestamp == latest


def test_timestamps_beyond_64_bits_wrap_as_in_java() -> None:
    batch = build_batch([Record(timestamp=0), Record(timestamp=2**62)])
    header = parse_header(batch)._replace(base_timestamp=2**62)
    HEADER.pack_into(batch, 0, *header)
    stamp_crc(batch, 0, len(batch))
    assert validate(batch).header.max_timestamp == 2**62
    assert [record.timestamp for record in iterate_records(batch)] == [2**62, -(2**63)]


def test_bits_that_only_brokers_set_are_cleared() -> None:
    """The time type and a delete horizon; those without a meaning stay, as in the original."""
    for bits, kept in ((0x08, 0), (0x40, 0), (0x48, 0), (0x80, 0x80), (0x7F00, 0x7F00), (0xC8, 0)):
        batch = changed(attributes=bits)
        assert validate(batch).header.attributes == kept
        assert crc_ok(batch, 0, len(batch))
    batch = changed(attributes=0x8, max_timestamp=-1)
    error = refused(batch, ErrorCode.INVALID_TIMESTAMP)
    assert isinstance(error, InvalidRecords)
    assert [index for index, _ in error.record_errors] == [0, 1, 2]
    refused(changed(attributes=0x8), ErrorCode.INVALID_TIMESTAMP, timestamp_type=LOG_APPEND_TIME)


def test_transactional_batches_need_a_transactional_id() -> None:
    validate(changed(attributes=0x10))
    code = ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    refused(changed(attributes=0x10), code, in_transaction=False)
    refused(changed(attributes=0x30), code, in_transaction=False)


@pytest.mark.parametrize("offsets", [[0, 0, 0], [2, 1, 0], [5, 6, 9], [-1, 0, 2**31 - 1]])
def test_offsets_that_do_not_follow_one_another(offsets: list[int]) -> None:
    """The original stores such deltas if it need not compress; its consumers meet them."""
    misplaced = [r._replace(offset=o) for r, o in zip(RECORDS, offsets, strict=True)]
    for codec in Codec:
        batch = build_batch(misplaced, codec=codec, keep_offsets=True, last_offset=2)
        for option in ({}, {"compression_type": "gzip"}, {"compression_type": "uncompressed"}):
            kept = option.get("compression_type", codec.name).upper() == codec.name
            if codec != Codec.NONE and kept:
                refused(batch, ErrorCode.INVALID_RECORD, **option)
                continue
            stored = list(iterate_records(validate(batch, **option).records))
            assert [(r.offset, r.value) for r in stored] == [
                (i, r.value) for i, r in enumerate(RECORDS)
            ]


def test_what_follows_the_batch_is_left_out_if_it_is_less_than_another() -> None:
    batch = build_batch(RECORDS)
    for rest in (b"\0", b"x" * 11, batch[:12], batch[:40], batch[:-1]):
        assert validate(batch + rest).records == batch
    refused(batch + bytes(12), ErrorCode.CORRUPT_MESSAGE)
    refused(batch + bytes(61), ErrorCode.CORRUPT_MESSAGE)


def test_headers_that_are_no_utf_8_survive_a_new_compression() -> None:
    batch = build_batch([Record(timestamp=NOW, headers=(("a\udcff", b"x"), ("ü", None)))])
    assert b"a\xff" in batch
    stored = list(iterate_records(validate(batch, compression_type="gzip").records))
    assert stored[0].headers == (("a\udcff", b"x"), ("ü", None))


def test_append_time_keeps_the_times_of_the_records_in_a_new_compression() -> None:
    batch = build_batch(RECORDS)
    valid = validate(batch, timestamp_type=LOG_APPEND_TIME, compression_type="gzip", now_ms=NOW + 9)
    assert (valid.header.base_timestamp, valid.header.max_timestamp) == (NOW, NOW + 9)
    bare = bytearray(valid.records)
    bare[22] &= ~0x08
    assert [r.timestamp for r in iterate_records(bare)] == [NOW, NOW + 1, NOW + 2]


def test_a_timestamp_out_of_bounds_decides_the_code_beside_a_missing_key() -> None:
    records = [Record(timestamp=NOW), Record(timestamp=NOW - 200, key=b"k"), RECORDS[0]]
    for some in (records, records[::-1]):
        error = refused(
            build_batch(some), ErrorCode.INVALID_TIMESTAMP, compacted=True, before_max_ms=100
        )
        assert isinstance(error, InvalidRecords)
        assert len(error.record_errors) == 2


@pytest.mark.parametrize("codec", [Codec.GZIP, Codec.SNAPPY, Codec.LZ4, Codec.ZSTD])
def test_streams_that_hold_something_else(codec: Codec) -> None:
    def batch(body: bytes, count: int = 3) -> bytearray:
        made = build_batch([], codec=codec, last_offset=count - 1, max_timestamp=NOW) + body
        made[8:12] = (len(made) - 12).to_bytes(4, "big")
        made[57:61] = count.to_bytes(4, "big")
        made[22] = codec
        stamp_crc(made, 0, len(made))
        return made

    records = bytes(build_batch(RECORDS)[HEADER_BYTES:])
    validate(batch(compress(codec, records)))
    for body in (
        b"",
        b"rubbish" * 20,
        records,
        compress(codec, b""),
        compress(codec, records)[:-3],
        compress(codec, records) + b"rubbish!",
        compress(codec, records + b"\0"),
        compress(codec, records[:-1]),
        compress(codec, b"\2" + records[1:]),
    ):
        refused(batch(body), ErrorCode.INVALID_RECORD)
    for count in (2, 4, 40):
        refused(batch(compress(codec, records), count), ErrorCode.INVALID_RECORD)
    twice = batch(compress(codec, records) + compress(codec, records), 6)
    if codec == Codec.LZ4:
        # Java's reader stops after the first frame.
        refused(twice, ErrorCode.INVALID_RECORD)


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
    header = parse_header(batch)._replace(record_count=200_001, last_offset_delta=200_000)
    HEADER.pack_into(batch, 0, *header)
    stamp_crc(batch, 0, len(batch))
    refused(batch, ErrorCode.MESSAGE_TOO_LARGE)


def test_without_compression_the_number_of_records_is_bounded_as_well() -> None:
    one = Record(timestamp=0, value=b"")
    most = build_batch([one] * 200_000)
    accepted = validate(most, max_message_bytes=2**31 - 1)
    assert accepted.header.record_count == 200_000
    more = build_batch([one] * 200_001)
    refused(more, ErrorCode.MESSAGE_TOO_LARGE, max_message_bytes=2**31 - 1)


def test_more_records_than_there_is_room_for_are_none() -> None:
    batch = build_batch(RECORDS)
    header = parse_header(batch)._replace(record_count=200_001, last_offset_delta=200_000)
    HEADER.pack_into(batch, 0, *header)
    stamp_crc(batch, 0, len(batch))
    refused(batch, ErrorCode.INVALID_RECORD)


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
    # Every record can be read, and the header says what they say.
    stored = list(iterate_records(accepted.records))
    assert len(stored) == accepted.header.record_count
    assert [r.offset for r in stored] == list(range(len(stored)))
    assert accepted.header.max_timestamp == max(-1, *(r.timestamp for r in stored))
