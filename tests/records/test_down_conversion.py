"""What old consumers get, beside what the original gave them of the same batches."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Generator
from typing import Any

import pytest
from tests.old_client import read_messages
from tests.places import GOLDEN

from barnabas.errors import ErrorCode, KafkaError
from barnabas.records.batch import (
    EndTransactionMarker,
    Record,
    build_batch,
    build_marker,
    iterate_batches,
    stamp,
)
from barnabas.records.compression import Codec
from barnabas.records.down_conversion import CHUNK_BYTES, Converted, down_converted
from barnabas.records.legacy import build_set, messages_of

with gzip.open(GOLDEN / "old-formats.json.gz", "rt") as _file:
    RECORDED: dict[str, dict[str, Any]] = json.load(_file)

NOW_MS = 1_700_000_000_000
HEADERS = (("a", b"b"),)


def converted(data: bytes | bytearray, magic: int, offset: int = 0) -> bytes:
    """All of it at once."""
    found = result_of(down_converted(memoryview(data), magic, offset))
    joined = b"".join(found.buffers)
    assert len(joined) == found.size
    return joined


def result_of(steps: Generator[int, None, Converted]) -> Converted:
    try:
        while True:
            next(steps)
    except StopIteration as end:
        made: Converted = end.value
        return made


def values(data: bytes) -> list[tuple[int, bytes | None]]:
    """(offset, value) of all whole messages."""
    found = []
    for _, at, _ in iterate_batches(data):
        found += [(message.offset, message.value) for message in messages_of(data, at)]
    return found


@pytest.mark.parametrize("version", range(4))
@pytest.mark.parametrize("name", [name for name, case in RECORDED.items() if "fetched" in case])
def test_answers_are_those_of_the_original(name: str, version: int) -> None:
    case = RECORDED[name]
    batch, base = bytearray.fromhex(case["stored"]), case["base"]
    stamp(batch, 0, base, 0)
    theirs = bytes.fromhex(case["fetched"][version]["records"])
    ours = converted(batch, 0 if version < 2 else 1, base)
    (header, _, _), *_ = iterate_batches(batch)
    if header.codec == Codec.NONE:
        assert ours == theirs
        return
    # Compressed by another library, so the wrapper may be some bytes longer or shorter.
    (one, _, one_size), (two, _, two_size) = (
        next(iterate_batches(ours)),
        next(iterate_batches(theirs)),
    )
    assert one._replace(crc=0, batch_length=0) == two._replace(crc=0, batch_length=0)
    assert messages_of(ours) == messages_of(theirs)
    assert len(ours) == max(len(batch), one_size)
    assert len(theirs) == max(len(batch), two_size)


def test_the_first_batch_is_whole_however_long_it_becomes() -> None:
    records = [Record(timestamp=NOW_MS, value=b"%d" % n) for n in range(100)]
    batch = build_batch(records)
    for magic in (0, 1):
        data = converted(batch, magic)
        assert len(data) > len(batch)
        assert [m.offset for m in read_messages(data)] == list(range(100))


def test_later_batches_are_cut_where_the_answer_ends() -> None:
    log = bytearray()
    for base in range(0, 30, 3):
        records = [Record(timestamp=NOW_MS, value=b"v") for _ in range(3)]
        log += build_batch(records, base_offset=base)
    data = converted(log, 1)
    assert len(data) == len(log)
    offsets = [m.offset for m in read_messages(data)]
    assert offsets == list(range(len(offsets)))
    assert 3 < len(offsets) < 30


def test_what_is_left_over_looks_like_a_message_that_was_cut() -> None:
    batch = build_batch([Record(timestamp=NOW_MS, value=b"v", headers=HEADERS * 99)])
    data = converted(batch, 0)
    assert len(data) == len(batch)
    assert values(data) == [(0, b"v")]
    size = 12 + 14 + 1
    offset, length = struct.unpack_from(">qi", data, size)
    assert offset == -1
    assert length == len(batch) - size + 1
    assert not any(data[size + 12 :])


def test_very_much_that_is_left_over_is_filled_in_pieces() -> None:
    headers = (("a", bytes(3 * CHUNK_BYTES)),)
    batch = build_batch([Record(timestamp=NOW_MS, value=b"v", headers=headers)])
    found = result_of(down_converted(memoryview(batch), 1, 0))
    assert max(map(len, found.buffers)) == CHUNK_BYTES
    assert values(b"".join(found.buffers)) == [(0, b"v")]


def test_records_before_the_offset_are_left_out_unless_compressed() -> None:
    records = [Record(timestamp=NOW_MS + n, value=b"%d" % n) for n in range(4)]
    plain = build_batch(records, base_offset=10)
    packed = build_batch(records, base_offset=10, codec=Codec.GZIP)
    for magic in (0, 1):
        assert [o for o, _ in values(converted(plain, magic, 12))] == [12, 13]
        assert [o for o, _ in values(converted(packed, magic, 12))] == [10, 11, 12, 13]


@pytest.mark.parametrize("codec", [Codec.GZIP, Codec.SNAPPY, Codec.LZ4])
def test_offsets_with_gaps_stay_what_they_are(codec: Codec) -> None:
    records = [Record(offset=n, timestamp=NOW_MS, value=b"%d" % n) for n in (10, 12, 17)]
    batch = build_batch(records, base_offset=10, codec=codec, keep_offsets=True, last_offset=19)
    for magic in (0, 1):
        data = converted(batch, magic, 10)
        assert values(data) == [(10, b"10"), (12, b"12"), (17, b"17")]
        assert next(iterate_batches(data))[0].last_offset == 17


def test_markers_are_left_out_and_nothing_is_given_twice() -> None:
    """The original gives the batch after a marker twice (docs/differences.md)."""
    marker = build_marker(
        EndTransactionMarker(0, 0), producer_id=5, producer_epoch=0, timestamp_ms=1, base_offset=0
    )
    log = bytes(marker) + bytes(build_batch([Record(value=b"a" * 50)], base_offset=1))
    log += bytes(build_batch([Record(value=b"b" * 50)], base_offset=2))
    for magic in (0, 1):
        assert [o for o, _ in values(converted(log, magic))] == [1, 2]


def test_markers_alone_are_told_as_something_too_long() -> None:
    marker = build_marker(
        EndTransactionMarker(1, 0), producer_id=5, producer_epoch=0, timestamp_ms=1
    )
    assert converted(marker, 1) == struct.pack(">qi", -1, 61)
    assert converted(b"", 1) == b""
    assert converted(marker[:-1], 1) == b""


def test_aborted_records_are_given() -> None:
    batch = build_batch(
        [Record(value=b"aborted")],
        producer_id=5,
        producer_epoch=0,
        base_sequence=0,
        transactional=True,
    )
    assert values(converted(batch, 1)) == [(0, b"aborted")]


def test_zstd_is_refused_or_ends_the_answer() -> None:
    plain = bytes(build_batch([Record(value=b"a")]))
    packed = bytes(build_batch([Record(value=b"b")], base_offset=1, codec=Codec.ZSTD))
    with pytest.raises(KafkaError) as refused:
        converted(packed, 1)
    assert refused.value.code is ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
    assert values(converted(plain + packed, 1)) == [(0, b"a")]


def test_old_messages_are_given_as_they_are() -> None:
    for stored in (0, 1):
        old = build_set(stored, [(3, 5, b"k", b"v"), (4, 6, b"k", b"w")])
        assert converted(old, 1) == old
    old = build_set(1, [(3, 5, b"k", b"v"), (4, 6, b"k", b"w")], codec=Codec.GZIP)
    assert [m.magic for m in messages_of(converted(old, 0))] == [0, 0]
    assert values(converted(old, 0)) == [(3, b"v"), (4, b"w")]


def test_the_work_of_one_batch_has_pauses() -> None:
    batch = build_batch([Record(value=b"%d" % n) for n in range(1000)])
    assert sum(1 for _ in down_converted(memoryview(batch), 1, 0)) == 1000 // 32


def test_damage_ends_the_answer() -> None:
    good = bytes(build_batch([Record(value=b"a")]))
    bad = bytearray(build_batch([Record(value=b"b")], base_offset=1))
    bad[61] = 0x7F
    with pytest.raises(KafkaError):
        converted(bad, 1)
    assert values(converted(good + bytes(bad), 1)) == [(0, b"a")]
