"""Message formats 0 and 1, beside what the original made of the same bytes."""

from __future__ import annotations

import gzip
import json
import random
import struct
from typing import Any

import pytest
from tests.old_cases import LZ4_RIGHT, LZ4_WRONG, NOW_MS, OLD_CASES, TOPICS, OldCase
from tests.old_client import GZIP, message, read_messages, wrapper
from tests.places import GOLDEN

from barnabas.errors import ErrorCode, KafkaError
from barnabas.records.batch import (
    LOG_APPEND_TIME,
    Record,
    build_batch,
    crc_ok,
    iterate_batches,
    iterate_records,
    parse_header,
)
from barnabas.records.compression import Codec
from barnabas.records.legacy import build_set, messages_of, read_set
from barnabas.records.old_lz4 import xxh32
from barnabas.records.up_conversion import NothingWhole
from barnabas.records.validate import validate_client_batch

with gzip.open(GOLDEN / "old-formats.json.gz", "rt") as _file:
    RECORDED: dict[str, dict[str, Any]] = json.load(_file)

_ANSWERED = [name for name in OLD_CASES if not RECORDED[name].get("closed")]


def _validated(case: OldCase) -> tuple[ErrorCode, bytes, int]:
    """(error, batch, append time) of what a topic makes of a case's records."""
    topic = TOPICS[case.topic]
    try:
        found = validate_client_batch(
            memoryview(bytearray(case.records or b"")),
            produce_version=case.version,
            max_message_bytes=int(topic.get("max.message.bytes", 1048588)),
            compacted="cleanup.policy" in topic,
            timestamp_type=LOG_APPEND_TIME if "message.timestamp.type" in topic else 0,
            before_max_ms=int(topic.get("message.timestamp.before.max.ms", 2**63 - 1)),
            after_max_ms=int(topic.get("message.timestamp.after.max.ms", 2**63 - 1)),
            now_ms=NOW_MS + 3_000_000,
            compression_type=topic.get("compression.type", "producer"),
            in_transaction=False,
        )
    except KafkaError as error:
        return error.code, b"", -1
    return ErrorCode.NONE, bytes(found.records), found.append_time_ms


@pytest.mark.parametrize("name", _ANSWERED)
def test_what_is_stored_is_what_the_original_stores(name: str) -> None:
    case, recorded = OLD_CASES[name], RECORDED[name]
    error, batch, append_time = _validated(case)
    assert error == recorded["error"], name
    stored = bytes.fromhex(recorded.get("stored", ""))
    if not stored:
        assert batch == b""
        return
    assert crc_ok(batch, 0, len(batch))
    header, theirs = parse_header(batch), parse_header(stored)
    if theirs.codec == Codec.NONE and append_time < 0:
        assert b"\0" * 8 + batch[8:12] + bytes(4) + batch[16:] == stored
        return
    # Compressed by another library, or stamped at another time.
    same = ("attributes", "last_offset_delta", "base_timestamp", "record_count", "producer_id")
    for field in same:
        assert getattr(header, field) == getattr(theirs, field), field
    ours = list(iterate_records(batch))
    if append_time < 0:
        assert header.max_timestamp == theirs.max_timestamp
        assert ours == list(iterate_records(stored))
    else:
        assert header.max_timestamp == append_time
        plain = [r._replace(timestamp=0) for r in ours]
        assert plain == [r._replace(timestamp=0) for r in iterate_records(stored)]
        create_time = header._replace(attributes=header.attributes & ~8)
        assert create_time.base_timestamp == theirs.base_timestamp


def test_old_messages_are_refused_in_newer_requests() -> None:
    view = memoryview(bytearray(message(b"value", timestamp=NOW_MS)))
    with pytest.raises(KafkaError) as refused:
        validate_client_batch(
            view, produce_version=3, max_message_bytes=1000, compacted=False, now_ms=NOW_MS
        )
    assert refused.value.code is ErrorCode.INVALID_RECORD


def test_batches_of_format_2_are_taken_in_old_requests() -> None:
    batch = build_batch([Record(timestamp=NOW_MS, value=b"v")])
    found = validate_client_batch(
        memoryview(batch), produce_version=0, max_message_bytes=999, compacted=False, now_ms=NOW_MS
    )
    assert bytes(found.records) == bytes(batch)
    assert found.converted == 0


def test_a_set_without_a_whole_message_is_told_apart() -> None:
    with pytest.raises(NothingWhole):
        validate_client_batch(
            memoryview(bytearray(7)),
            produce_version=2,
            max_message_bytes=999,
            compacted=False,
            now_ms=NOW_MS,
        )


@pytest.mark.parametrize("codec", [Codec.NONE, Codec.GZIP, Codec.SNAPPY, Codec.LZ4])
@pytest.mark.parametrize("magic", [0, 1])
def test_sets_can_be_read_again(magic: int, codec: Codec) -> None:
    records = [
        (40, NOW_MS + 2, b"key", b"value"),
        (41, NOW_MS, None, None),
        (44, NOW_MS + 1, b"", b"v" * 300),
    ]
    data = build_set(magic, records, codec=codec)
    headers = list(iterate_batches(data))
    assert len(headers) == (1 if codec else 3)
    assert headers[0][0].base_offset == 40
    assert headers[-1][0].last_offset == 44
    assert sum(header.record_count for header, _, _ in headers) == 3
    assert all(crc_ok(data, at, size) for _, at, size in headers)
    found = [record for _, at, _ in headers for record in iterate_records(data, at)]
    expected = [(o, time if magic else -1, k, v) for o, time, k, v in records]
    assert [(r.offset, r.timestamp, r.key, r.value) for r in found] == expected
    if codec in (Codec.NONE, Codec.GZIP):
        assert [tuple(m)[:4] for m in read_messages(data)] == expected


def test_a_wrapper_stamped_by_a_broker_gives_its_time_to_all() -> None:
    records = [(5, 1, None, b"a"), (6, 2, None, b"b")]
    for codec in (Codec.NONE, Codec.GZIP):
        data = build_set(1, records, codec=codec, append_time_ms=NOW_MS)
        found = [r for _, at, _ in iterate_batches(data) for r in iterate_records(data, at)]
        assert [r.timestamp for r in found] == [NOW_MS, NOW_MS]
        assert all(
            header.timestamp_type == LOG_APPEND_TIME for header, _, _ in iterate_batches(data)
        )


def test_the_checksum_of_lz4_headers() -> None:
    descriptor = b"\x60\x40"
    assert xxh32(descriptor) >> 8 & 0xFF == LZ4_RIGHT
    assert xxh32(b"\x04\x22\x4d\x18" + descriptor) >> 8 & 0xFF == LZ4_WRONG


def test_format_0_has_the_wrong_checksum_in_its_lz4_headers() -> None:
    for magic, own in ((0, b"\x04\x22\x4d\x18"), (1, b"")):
        (outer,) = _raw(build_set(magic, [(0, 0, None, b"x" * 99)], codec=Codec.LZ4))
        header_end = 6 + (8 if outer[4] & 8 else 0)
        assert outer[header_end] == xxh32(own + outer[4:header_end]) >> 8 & 0xFF


def _raw(data: bytes) -> list[bytes]:
    """The values of plain messages as they are."""
    return [each.value or b"" for each in read_set(data)]


def test_damage_is_told_and_nothing_else_is_raised() -> None:
    chance = random.Random(8230001)
    sound = [
        message(b"value", b"key", timestamp=NOW_MS),
        message(b"value", b"key", magic=0),
        wrapper(message(b"a") + message(b"b", offset=1), offset=1),
        build_set(0, [(3, 0, b"k", b"v" * 50)], codec=Codec.LZ4),
        build_set(1, [(3, 0, b"k", b"v" * 50)], codec=Codec.SNAPPY),
    ]
    for _ in range(3000):
        data = bytearray(chance.choice(sound))
        for _ in range(chance.randint(1, 3)):
            data[chance.randrange(8, len(data))] = chance.randrange(256)
        del data[chance.choice((len(data), chance.randrange(len(data)))) :]
        try:
            for header, at, size in iterate_batches(data):
                crc_ok(data, at, size)
                assert size == header.size
                list(iterate_records(data, at))
        except KafkaError:
            pass
        try:
            messages_of(data)
        except KafkaError:
            pass
        try:
            validate_client_batch(
                memoryview(data),
                produce_version=2,
                max_message_bytes=10_000,
                compacted=False,
                now_ms=NOW_MS,
            )
        except KafkaError:
            pass


@pytest.mark.parametrize("magic", [0, 1])
def test_a_wrapper_that_swells_is_bounded(magic: int) -> None:
    inner = message(bytes(120_000_000), magic=magic)
    data = wrapper(inner, GZIP, magic=magic)
    with pytest.raises(KafkaError) as refused:
        messages_of(data)
    assert refused.value.code is ErrorCode.UNKNOWN_SERVER_ERROR


def test_very_many_small_messages_are_bounded() -> None:
    one = message(b"", magic=0)
    with pytest.raises(KafkaError) as refused:
        messages_of(wrapper(one * 200_001, magic=0))
    assert refused.value.code is ErrorCode.MESSAGE_TOO_LARGE


def test_lengths_that_cannot_be_are_refused() -> None:
    for length in (-(2**31), -1, 0, 13):
        data = struct.pack(">qi", 0, length) + bytes(60)
        with pytest.raises(KafkaError):
            list(iterate_batches(data))
