"""Codecs: framings of other clients, damage, and streams that unfold to too much."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterable

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.records.recordings import expect

from barnabas.errors import ErrorCode, KafkaError
from barnabas.records.compression import (
    XERIAL_MAGIC,
    Codec,
    compress,
    decompress,
    lz4_frame_readable,
)

COMPRESSING = [Codec.GZIP, Codec.SNAPPY, Codec.LZ4, Codec.ZSTD]
LIMIT = 10_000_000


@pytest.mark.parametrize("codec", Codec)
@pytest.mark.parametrize("size", [0, 1, 100, 32 * 1024, 32 * 1024 + 1, 1_000_000])
def test_round_trip(codec: Codec, size: int) -> None:
    data = (bytes(range(256)) * (size // 256 + 1))[:size]
    for kind in (bytes, bytearray, memoryview):
        assert bytes(decompress(codec, kind(compress(codec, kind(data))), LIMIT)) == data


@given(st.binary(max_size=5000), st.sampled_from(Codec))
def test_round_trip_of_anything(data: bytes, codec: Codec) -> None:
    assert bytes(decompress(codec, compress(codec, data), LIMIT)) == data


def test_framings() -> None:
    data = b"seven days " * 10_000
    assert bytes(decompress(Codec.GZIP, gzip.compress(data), LIMIT)) == data
    raw = bytes(cramjam.snappy.compress_raw(data))
    assert bytes(decompress(Codec.SNAPPY, raw, LIMIT)) == data
    assert compress(Codec.SNAPPY, data)[:16] == XERIAL_MAGIC + bytes.fromhex("0000000100000001")
    assert lz4_frame_readable(compress(Codec.LZ4, data))
    assert not lz4_frame_readable(bytes(cramjam.lz4.compress(data)))


@pytest.mark.parametrize("codec", COMPRESSING)
def test_bombs(codec: Codec) -> None:
    bomb = compress(codec, bytes(LIMIT))
    assert len(decompress(codec, bomb, LIMIT)) == LIMIT
    for limit in (0, 1, 70_000, LIMIT - 1):
        with pytest.raises(KafkaError, match="decompresses to more") as caught:
            decompress(codec, bomb, limit)
        assert caught.value.code is ErrorCode.CORRUPT_MESSAGE
    with pytest.raises(KafkaError):
        decompress(Codec.NONE, b"12345", 4)


@pytest.mark.parametrize("codec", COMPRESSING)
def test_streams_cut_short_are_corrupt(codec: Codec) -> None:
    data = bytes(range(256)) * 500
    whole = compress(codec, data)
    for size in (1, 5, 13, 18, len(whole) // 2, len(whole) - 1):
        with pytest.raises(KafkaError) as caught:
            decompress(codec, whole[:size], LIMIT)
        assert caught.value.code is ErrorCode.CORRUPT_MESSAGE


@given(st.binary(max_size=300), st.sampled_from(COMPRESSING))
def test_any_bytes_as_a_stream(data: bytes, codec: Codec) -> None:
    for stream in (data, compress(codec, b"abc")[:9] + data, XERIAL_MAGIC + data):
        try:
            decompress(codec, stream, 100_000)
        except KafkaError as error:
            expect(error, ErrorCode.CORRUPT_MESSAGE)


@pytest.mark.parametrize("codec", [5, 6, 7])
def test_unknown_codecs(codec: int) -> None:
    with pytest.raises(KafkaError):
        compress(codec, b"")
    with pytest.raises(KafkaError):
        decompress(codec, b"", 10)


@pytest.mark.parametrize(
    ("codec", "levels"),
    [
        (Codec.GZIP, range(1, 10)),
        (Codec.LZ4, range(1, 18)),
        (Codec.ZSTD, (-131072, -5, 0, 1, 3, 19, 22)),
    ],
)
def test_every_level_that_kafka_accepts_can_be_read(codec: Codec, levels: Iterable[int]) -> None:
    words = random.Random(1).choices(("leader", "follower", "epoch", "isr"), k=9000)
    data = " ".join(words).encode()
    sizes = []
    for level in levels:
        packed = compress(codec, data, level)
        assert bytes(decompress(codec, packed, LIMIT)) == data
        assert codec != Codec.LZ4 or lz4_frame_readable(packed)
        sizes.append(len(packed))
    assert sizes[0] > sizes[-1]
