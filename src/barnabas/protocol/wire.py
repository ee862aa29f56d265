"""Kafka's primitives of variable length, for the generated and the hand-written codecs.

Readers take ``(buffer, position)`` and return ``(value, next position)``. A reader may read past
the end without an error, since Python shortens the slice. But it advances by the full length, so
the position is then beyond the end; every parser checks ``position == len(buffer)`` at its end.
Malformed input raises InvalidRequest or one of ``MALFORMED``.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Generator
from functools import lru_cache
from typing import Final, TypeVar

from barnabas.errors import InvalidRequest
from barnabas.types import Buffer

T = TypeVar("T")

MALFORMED: Final = (struct.error, IndexError, UnicodeDecodeError)
"""The errors that readers raise for malformed bytes, in addition to InvalidRequest."""

STRING_BYTES_MAX: Final = 0x7FFF
ZERO_UUID_BYTES: Final = bytes(16)

_INT16 = struct.Struct(">h")
_INT32 = struct.Struct(">i")


def run_to_end(steps: Generator[int, None, T]) -> T:
    """The result of work with pauses, without them."""
    try:
        while True:
            next(steps)
    except StopIteration as end:
        result: T = end.value
        return result


def encode_uvarint(value: int) -> bytes:
    """An unsigned varint (KIP-482): seven bits a byte, lowest first."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


_LAYOUTS = tuple(struct.Struct(f">{count}i") for count in range(16))
SHORT_INT32S_PACK: Final = tuple(layout.pack for layout in _LAYOUTS)
SHORT_INT32S_UNPACK: Final = tuple(layout.unpack_from for layout in _LAYOUTS)
"""Packers by the number of ints: arrays of partitions and replicas are short, and making a format
for each is slow."""

SHORT_UVARINTS: Final = tuple(encode_uvarint(value) for value in range(512))


def uvarint_bytes(value: int) -> bytes:
    """``encode_uvarint``, with the small values precomputed."""
    return SHORT_UVARINTS[value] if value < 512 else encode_uvarint(value)


def finish_uvarint(buffer: Buffer, position: int, first: int) -> tuple[int, int]:
    """The rest of a varint whose byte ``first`` (128 or more) was read; the value is below
    2**31."""
    value = first & 127
    for shift in (7, 14, 21, 28):
        byte = buffer[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            if value > 0x7FFFFFFF:
                break
            return value, position
    raise InvalidRequest("varint beyond 31 bits")


def read_uvarint(buffer: Buffer, position: int) -> tuple[int, int]:
    """An unsigned varint below 2**31."""
    first = buffer[position]
    if first < 128:
        return first, position + 1
    return finish_uvarint(buffer, position + 1, first)


def skip_tags(buffer: Buffer, position: int, count: int) -> int:
    """Skip ``count`` tagged fields; returns the position after them."""
    for _ in range(count):
        _, position = read_uvarint(buffer, position)
        size, position = read_uvarint(buffer, position)
        position += size
    return position


def read_tags(buffer: Buffer, position: int) -> int:
    """Skip a whole tagged section; returns the position after it."""
    if buffer[position] == 0:
        return position + 1
    count, position = read_uvarint(buffer, position)
    return skip_tags(buffer, position, count)


def read_length(buffer: Buffer, position: int, *, flexible: bool, wide: bool) -> tuple[int, int]:
    """The length of a string (``wide`` False), of bytes or of an array (True); -1 is null."""
    if flexible:
        length, position = read_uvarint(buffer, position)
        length -= 1
    elif wide:
        length = _INT32.unpack_from(buffer, position)[0]
        position += 4
    else:
        length = _INT16.unpack_from(buffer, position)[0]
        position += 2
    if length < -1:
        raise InvalidRequest(f"length {length}")
    return length, position


def read_nullable_string(
    buffer: Buffer, position: int, *, flexible: bool
) -> tuple[str | None, int]:
    """A string or None."""
    length, position = read_length(buffer, position, flexible=flexible, wide=False)
    if length < 0:
        return None, position
    if length > STRING_BYTES_MAX:
        raise InvalidRequest(f"string of {length} bytes")
    end = position + length
    return str(buffer[position:end], "utf-8"), end


def read_string(buffer: Buffer, position: int, *, flexible: bool) -> tuple[str, int]:
    """A string that may not be null."""
    value, position = read_nullable_string(buffer, position, flexible=flexible)
    if value is None:
        raise InvalidRequest("null where a string is required")
    return value, position


def read_count(buffer: Buffer, position: int, least: int, *, flexible: bool) -> tuple[int, int]:
    """The length of an array that may not be null. Its elements (at least ``least`` bytes each)
    must fit into the rest of the buffer, so that no memory is allocated for a false length."""
    count, position = read_length(buffer, position, flexible=flexible, wide=True)
    if count < 0:
        raise InvalidRequest("null where an array is required")
    if count * least > len(buffer) - position:
        raise InvalidRequest(f"array of {count} elements in {len(buffer) - position} bytes")
    return count, position


def string_bytes(value: str | None, *, flexible: bool) -> bytes:
    """A nullable string with its length."""
    if value is None:
        return b"\0" if flexible else b"\xff\xff"
    data = value.encode()
    if flexible:
        return uvarint_bytes(len(data) + 1) + data
    return _INT16.pack(len(data)) + data


def array_length_bytes(count: int, *, flexible: bool) -> bytes:
    """The length of an array; -1 for null."""
    return uvarint_bytes(count + 1) if flexible else _INT32.pack(count)


def uuid_bytes(value: uuid.UUID | None) -> bytes:
    """Sixteen bytes; None is the zero uuid."""
    return ZERO_UUID_BYTES if value is None else value.bytes


@lru_cache(maxsize=4096)
def uuid_or_none(raw: bytes) -> uuid.UUID | None:
    """The uuid of sixteen bytes; None for the zero uuid. Fewer bytes are malformed input. Those met
    most recently are remembered: to make one, and to compare two, takes a microsecond each."""
    if len(raw) != 16:
        raise InvalidRequest(f"uuid of {len(raw)} bytes")
    value = int.from_bytes(raw, "big")
    return uuid.UUID(int=value) if value else None
