"""Compression: Kafka's five codecs, bounded, so that a few hostile bytes do not become gigabytes.

Sizes are bytes. Every failure to decode is ``KafkaError(CORRUPT_MESSAGE)`` (reference 6.2).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from enum import IntEnum
from typing import Any

import cramjam

from barnabas.errors import ErrorCode, KafkaError
from barnabas.types import Buffer


class Codec(IntEnum):
    """Bits 0-2 of a batch's attributes."""

    NONE = 0
    GZIP = 1
    SNAPPY = 2
    LZ4 = 3
    ZSTD = 4


XERIAL_MAGIC = b"\x82SNAPPY\x00"
_XERIAL_HEADER = XERIAL_MAGIC + struct.pack(">ii", 1, 1)
_XERIAL_BLOCK_BYTES = 32 * 1024
_I32 = struct.Struct(">i")

_LZ4_MAGIC = b"\x04\x22\x4d\x18"
_LZ4_HEADER_BYTES = 7
_LZ4_INDEPENDENT_BLOCKS = 0x20
_LZ4_BLOCK_CHECKSUMS = 0x10
_LZ4_CONTENT_SIZE = 0x08
_LZ4_CONTENT_CHECKSUM = 0x04
_LZ4_BLOCK_SIZE = struct.Struct("<I")
_LZ4_BLOCK_SIZE_MASK = 0x7FFFFFFF
"""The size without the top bit, which marks a block that is stored uncompressed."""
_GZIP_LEVEL = 6
_LZ4_FAST = 0
_ZSTD_LEVEL = 3
_FIRST_GUESS_BYTES = 64 * 1024


def compress(codec: int, data: Buffer, level: int | None = None) -> bytes:
    """``data`` in the framing that Kafka itself writes: xerial blocks for snappy, independent
    blocks of 64 KiB for lz4. ``level`` as the library of the codec has it; None: Kafka's default.
    """
    match codec:
        case Codec.NONE:
            return bytes(data)
        case Codec.GZIP:
            return bytes(cramjam.gzip.compress(data, level=_GZIP_LEVEL if level is None else level))
        case Codec.SNAPPY:
            return _compress_xerial(memoryview(data))
        case Codec.LZ4:
            # lz4.compress() links its blocks, which Kafka's reader refuses.
            compressor = cramjam.lz4.Compressor(
                level=level or _LZ4_FAST, content_checksum=False, block_linked=False
            )
            compressor.compress(bytes(data))
            return bytes(compressor.finish())
        case Codec.ZSTD:
            return bytes(cramjam.zstd.compress(data, level=_ZSTD_LEVEL if level is None else level))
        case _:
            raise KafkaError(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, f"unknown codec {codec}")


def decompress(codec: int, view: Buffer, limit: int) -> Buffer:
    """What ``view`` held before compression, at most ``limit`` bytes."""
    if codec == Codec.NONE:
        if len(view) > limit:
            raise _too_large(limit)
        return view
    if codec == Codec.SNAPPY:
        return _decompress_snappy(bytes(view), limit)
    module = _STREAMS.get(codec)
    if module is None:
        raise KafkaError(ErrorCode.CORRUPT_MESSAGE, f"unknown codec {codec}")
    return _decompress_stream(module, view, limit)


def lz4_frame_readable(view: Buffer) -> bool:
    """Whether this is an LZ4 frame that Kafka's clients can read: its blocks are independent, and
    nothing follows it. The Java client would not see what follows; librdkafka would fail."""
    if len(view) < _LZ4_HEADER_BYTES or view[:4] != _LZ4_MAGIC:
        return False
    flags = view[4]
    if not flags & _LZ4_INDEPENDENT_BLOCKS:
        return False
    at = _LZ4_HEADER_BYTES + (8 if flags & _LZ4_CONTENT_SIZE else 0)
    block_extra = 4 if flags & _LZ4_BLOCK_CHECKSUMS else 0
    while at + 4 <= len(view):
        (size,) = _LZ4_BLOCK_SIZE.unpack_from(view, at)
        at += 4
        if size == 0:
            return at + (4 if flags & _LZ4_CONTENT_CHECKSUM else 0) == len(view)
        at += (size & _LZ4_BLOCK_SIZE_MASK) + block_extra
    return False


_STREAMS: Mapping[int, Any] = {
    Codec.GZIP: cramjam.gzip,
    Codec.LZ4: cramjam.lz4,
    Codec.ZSTD: cramjam.zstd,
}


def _decompress_stream(module: Any, view: Buffer, limit: int) -> Buffer:
    """Decode into a buffer that grows fourfold until the data fits or the limit is passed.

    Frames of zstd and lz4 from Kafka's clients do not say how large their content is."""
    capacity = min(limit, max(_FIRST_GUESS_BYTES, 4 * len(view)))
    while True:
        output = bytearray(capacity)
        try:
            size = module.decompress_into(view, output)
        except cramjam.DecompressionError as error:
            # Only the error's text tells a buffer that is too small from damaged data.
            if "whole buffer" not in str(error):
                raise KafkaError(ErrorCode.CORRUPT_MESSAGE, str(error)) from error
            if capacity >= limit:
                raise _too_large(limit) from error
            capacity = min(limit, 4 * capacity)
        else:
            return memoryview(output)[:size]


def _compress_xerial(data: memoryview) -> bytes:
    pieces = [_XERIAL_HEADER]
    for start in range(0, len(data), _XERIAL_BLOCK_BYTES):
        block = bytes(cramjam.snappy.compress_raw(bytes(data[start : start + _XERIAL_BLOCK_BYTES])))
        pieces += (_I32.pack(len(block)), block)
    return b"".join(pieces)


def _decompress_snappy(data: bytes, limit: int) -> bytes:
    if data[:8] != XERIAL_MAGIC:
        return _decompress_raw_snappy(data, limit)
    pieces: list[bytes] = []
    total = 0
    position = len(_XERIAL_HEADER)
    if len(data) < position:
        raise KafkaError(ErrorCode.CORRUPT_MESSAGE, "snappy header is cut short")
    while position < len(data):
        if data.startswith(XERIAL_MAGIC, position):
            # Another stream may follow. Read as a length, its magic would be an impossible one.
            position += len(_XERIAL_HEADER)
            continue
        if position + 4 > len(data):
            raise KafkaError(ErrorCode.CORRUPT_MESSAGE, "snappy block length is cut short")
        (length,) = _I32.unpack_from(data, position)
        position += 4
        if not 0 < length <= len(data) - position:
            raise KafkaError(ErrorCode.CORRUPT_MESSAGE, f"snappy block of {length} bytes")
        piece = _decompress_raw_snappy(data[position : position + length], limit - total)
        total += len(piece)
        pieces.append(piece)
        position += length
    if position > len(data):
        raise KafkaError(ErrorCode.CORRUPT_MESSAGE, "snappy header is cut short")
    return b"".join(pieces)


def _decompress_raw_snappy(data: bytes, limit: int) -> bytes:
    try:
        if cramjam.snappy.decompress_raw_len(data) > limit:
            raise _too_large(limit)
        return bytes(cramjam.snappy.decompress_raw(data))
    except cramjam.DecompressionError as error:
        raise KafkaError(ErrorCode.CORRUPT_MESSAGE, str(error)) from error


def _too_large(limit: int) -> KafkaError:
    return KafkaError(ErrorCode.CORRUPT_MESSAGE, f"decompresses to more than {limit} bytes")
