"""LegacyRecord, AbstractLegacyRecordBatch: messages of formats 0 and 1, read and built (KIP-31,
KIP-32, KIP-57).

A message is its own batch. One with a codec is a wrapper: its value is a compressed set of further
messages. In format 0 these have their own offsets; in format 1 they count from 0, and the wrapper
has the offset of the last. So where a wrapper begins is only known once it is decompressed.

    offset i64, size i32, crc u32 of all that follows, magic i8, attributes i8,
    timestamp i64 (format 1), key (i32 length, -1 for null), value (the same)

``KafkaError``: CORRUPT_MESSAGE for a size or checksum, INVALID_RECORD for a wrapper that cannot be
one, UNKNOWN_SERVER_ERROR for a codec's stream that cannot be read, all as in Kafka.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from typing import NamedTuple

from barnabas.errors import ErrorCode, KafkaError
from barnabas.limits import DECOMPRESSED_BATCH_BYTES_MAX, RECORDS_MAX
from barnabas.records.compression import Codec, compress, decompress, lz4_frame_readable
from barnabas.records.old_lz4 import with_broken_checksum, with_right_checksum
from barnabas.types import NO_TIMESTAMP, Buffer

MESSAGE_OVERHEAD = 26
"""The least bytes of a message, in format 0."""
LEGACY_MAGICS = (0, 1)

_LOG_OVERHEAD = 12
_MAGIC_POSITION = 16
_CRC_POSITION = 12
_CODEC_MASK = 0x07
_TIMESTAMP_TYPE_BIT = 0x08
_START = struct.Struct(">qiIBB")
_TIMED_START = struct.Struct(">qiIBBq")
_I32 = struct.Struct(">i")
_I64 = struct.Struct(">q")
_CRC = struct.Struct(">I")
_new = tuple.__new__


class Message(NamedTuple):
    """One message. Its timestamp is ms, -1 in format 0."""

    offset: int
    magic: int
    attributes: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    is_sound: bool = True
    """It matches its checksum."""

    @property
    def codec(self) -> int:
        """Not 0 in a wrapper."""
        return self.attributes & _CODEC_MASK

    @property
    def has_append_time(self) -> bool:
        """Its timestamp is a broker's (LogAppendTime)."""
        return bool(self.attributes & _TIMESTAMP_TYPE_BIT) and self.magic > 0


def is_legacy(view: Buffer, pos: int = 0) -> bool:
    """Whether what begins at ``pos`` says that it is a message of format 0 or 1."""
    return len(view) - pos > _MAGIC_POSITION and view[pos + _MAGIC_POSITION] in LEGACY_MAGICS


def message_size(view: Buffer, pos: int) -> int:
    """Bytes of the message at ``pos``, 0 if it is cut off by the end of ``view``.
    CORRUPT_MESSAGE for an impossible size."""
    left = len(view) - pos
    if left < _LOG_OVERHEAD:
        return 0
    size = _LOG_OVERHEAD + int(_I32.unpack_from(view, pos + 8)[0])
    if size < MESSAGE_OVERHEAD:
        raise _corrupt(f"message of {size} bytes")
    return size if size <= left else 0


def stored_crc(view: Buffer, pos: int = 0) -> int:
    """The checksum that the message at ``pos`` has."""
    crc: int = _CRC.unpack_from(view, pos + _CRC_POSITION)[0]
    return crc


def crc_matches(view: Buffer, pos: int, size: int) -> bool:
    """Whether the message matches its checksum (CRC-32)."""
    crc = zlib.crc32(memoryview(view)[pos + _MAGIC_POSITION : pos + size])
    return crc == stored_crc(view, pos)


def read_message(data: bytes, pos: int, size: int) -> Message:
    """The message of ``size`` bytes at ``pos``, whether it matches its checksum or not."""
    offset, _, crc, magic, attributes = _START.unpack_from(data, pos)
    end = pos + size
    at = pos + _START.size
    timestamp = NO_TIMESTAMP
    if magic:
        if at + 8 > end:
            raise _corrupt(f"message of {size} bytes has no timestamp")
        (timestamp,) = _I64.unpack_from(data, at)
        at += 8
    key, at = _read_field(data, at, end)
    value, _ = _read_field(data, at, end)
    sound = zlib.crc32(data[pos + _MAGIC_POSITION : end]) == crc
    return _new(Message, (offset, magic, attributes, timestamp, key, value, sound))


def _read_field(data: bytes, at: int, end: int) -> tuple[bytes | None, int]:
    if at + 4 > end:
        raise _corrupt("message ends before its fields do")
    (size,) = _I32.unpack_from(data, at)
    at += 4
    if size < 0:
        return None, at
    if at + size > end:
        raise _corrupt(f"field of {size} bytes where {end - at} are left")
    return data[at : at + size], at + size


def read_set(data: bytes, *, count_max: int = RECORDS_MAX) -> list[Message]:
    """All whole messages in ``data``, one after the other; what is cut off at the end is left out.
    MESSAGE_TOO_LARGE if there are too many."""
    found: list[Message] = []
    at = 0
    while size := message_size(data, at):
        if len(found) == count_max:
            raise KafkaError(ErrorCode.MESSAGE_TOO_LARGE, f"more than {count_max} messages")
        found.append(read_message(data, at, size))
        at += size
    return found


def inner_messages(wrapper: Message, *, limit: int = DECOMPRESSED_BATCH_BYTES_MAX) -> list[Message]:
    """The messages in a wrapper, with absolute offsets; in format 1 with the wrapper's time if a
    broker stamped it. At most ``limit`` bytes are decompressed. Checksums are not looked at."""
    if wrapper.value is None:
        raise _invalid("compressed messages without a value")
    inner = read_set(_decompressed(wrapper, wrapper.value, limit))
    if not inner:
        raise _invalid("compressed messages without a message")
    if any(message.codec for message in inner):
        raise _invalid("compressed messages inside of compressed messages")
    if wrapper.magic == 0:
        return inner
    shift = 0
    if wrapper.offset:  # Some versions of librdkafka leave it 0.
        last = inner[-1].offset
        if wrapper.offset < last:
            raise _invalid(f"compressed messages end at {last}, beyond {wrapper.offset}")
        shift = wrapper.offset - last
    stamped = wrapper.timestamp if wrapper.has_append_time else None
    return [
        message._replace(
            offset=message.offset + shift,
            timestamp=message.timestamp if stamped is None or not message.magic else stamped,
        )
        for message in inner
    ]


def _decompressed(wrapper: Message, value: bytes, limit: int) -> bytes:
    codec = wrapper.codec
    if codec == Codec.ZSTD:
        raise _invalid(f"zstd in message format {wrapper.magic}")
    try:
        if codec == Codec.LZ4:
            if wrapper.magic == 0:
                value = with_right_checksum(value)
            if not lz4_frame_readable(value):
                raise _unreadable("not one LZ4 frame with independent blocks")
        return bytes(decompress(codec, value, limit))
    except KafkaError as error:
        raise _unreadable(error.message) from error


def messages_of(view: Buffer, pos: int = 0) -> list[Message]:
    """The messages of the batch at ``pos``: itself, or those in it if it is a wrapper. Raises
    CORRUPT_MESSAGE if one of them does not match its checksum."""
    size = message_size(view, pos)
    if not size:
        raise _corrupt("message is cut short")
    outer = read_message(bytes(memoryview(view)[pos : pos + size]), 0, size)
    found = inner_messages(outer) if outer.codec else [outer]
    if not (outer.is_sound and all(message.is_sound for message in found)):
        raise _corrupt(f"checksum of the messages at {outer.offset}")
    return found


def header_fields(view: Buffer, pos: int) -> tuple[int, ...] | None:
    """The fields of a ``BatchHeader`` that says the same as the message at ``pos``; None if that is
    none, or cut off. A wrapper that cannot be read counts as one record at its last offset."""
    if not is_legacy(view, pos):
        return None
    size = _LOG_OVERHEAD + int(_I32.unpack_from(view, pos + 8)[0])
    if not MESSAGE_OVERHEAD <= size <= len(view) - pos:
        return None
    offset, length, crc, magic, attributes = _START.unpack_from(view, pos)
    timestamp = NO_TIMESTAMP
    if magic:
        if size < _TIMED_START.size:
            return None
        (timestamp,) = _I64.unpack_from(view, pos + _START.size)
    first, count = offset, 1
    if attributes & _CODEC_MASK:
        try:
            outer = read_message(bytes(memoryview(view)[pos : pos + size]), 0, size)
            inner = inner_messages(outer)
            first, count = inner[0].offset, len(inner)
        except KafkaError:
            pass
    kept = attributes & (_CODEC_MASK | (_TIMESTAMP_TYPE_BIT if magic else 0))
    # Neither epoch nor producer: the formats do not have them.
    times_and_producer = (timestamp, timestamp, -1, -1, -1)
    return (first, length, -1, magic, crc, kept, offset - first, *times_and_producer, count)


def encode_message(
    magic: int,
    offset: int,
    timestamp: int,
    key: bytes | None,
    value: Buffer | None,
    attributes: int = 0,
) -> bytes:
    """One message with its checksum."""
    start = bytes((magic, attributes)) + (_I64.pack(timestamp) if magic else b"")
    body = b"".join((start, *_sized(key), *_sized(value)))
    return _I64.pack(offset) + _I32.pack(len(body) + 4) + _CRC.pack(zlib.crc32(body)) + body


def _sized(value: Buffer | None) -> tuple[Buffer, ...]:
    return (b"\xff\xff\xff\xff",) if value is None else (_I32.pack(len(value)), value)


def build_set(
    magic: int,
    records: Iterable[tuple[int, int, bytes | None, bytes | None]],
    *,
    codec: int = Codec.NONE,
    append_time_ms: int | None = None,
) -> bytes:
    """(offset, timestamp, key, value) as messages of one format, in one wrapper if there is a
    codec. ``append_time_ms``: the time of the broker, as all messages have it then. There must be
    at least one record."""
    kind = _TIMESTAMP_TYPE_BIT if append_time_ms is not None and magic else 0
    taken = list(records)
    base = taken[0][0] if codec and magic else 0
    messages = [
        encode_message(
            magic,
            offset - base,
            timestamp if append_time_ms is None else append_time_ms,
            key,
            value,
            kind,
        )
        for offset, timestamp, key, value in taken
    ]
    if not codec:
        return b"".join(messages)
    latest = max(max(timestamp for _, timestamp, _, _ in taken), NO_TIMESTAMP)
    time = latest if append_time_ms is None else append_time_ms
    return encode_wrapper(magic, taken[-1][0], time, messages, codec, bool(kind))


def encode_wrapper(
    magic: int,
    offset: int,
    timestamp: int,
    messages: Iterable[bytes],
    codec: int,
    has_append_time: bool,
) -> bytes:
    """Messages compressed in one; ``offset`` is that of the last."""
    packed = compress(codec, b"".join(messages))
    if codec == Codec.LZ4 and magic == 0:
        packed = with_broken_checksum(packed)
    kind = _TIMESTAMP_TYPE_BIT if has_append_time and magic else 0
    return encode_message(magic, offset, timestamp, None, packed, codec | kind)


def _corrupt(why: str) -> KafkaError:
    return KafkaError(ErrorCode.CORRUPT_MESSAGE, why)


def _invalid(why: str) -> KafkaError:
    return KafkaError(ErrorCode.INVALID_RECORD, why)


def _unreadable(why: str) -> KafkaError:
    return KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR, why)
