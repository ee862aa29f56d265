"""Zig-zag varints as record batches use them (Protocol Buffers encoding)."""

from __future__ import annotations

from barnabas.errors import ErrorCode, KafkaError
from barnabas.types import Buffer

_VARINT_BITS = 32
_VARLONG_BITS = 64


def read_varint(data: Buffer, at: int) -> tuple[int, int]:
    """The 32-bit value at ``at`` and where it ends. IndexError past the end of ``data``."""
    byte = data[at]
    if byte < 0x80:
        return (byte >> 1) ^ -(byte & 1), at + 1
    second = data[at + 1]
    if second < 0x80:
        return (second << 6 | (byte & 0x7E) >> 1) ^ -(byte & 1), at + 2
    return _read_long(data, at, _VARINT_BITS)


def read_varlong(data: Buffer, at: int) -> tuple[int, int]:
    """The 64-bit value at ``at`` and where it ends. IndexError past the end of ``data``."""
    byte = data[at]
    if byte < 0x80:
        return (byte >> 1) ^ -(byte & 1), at + 1
    return _read_long(data, at, _VARLONG_BITS)


def write_varint(value: int) -> bytes:
    """Zig-zag encoding of a value of up to 64 bits, signed."""
    raw = (value << 1) ^ (value >> 63)
    if raw < 0x80:
        return _ONE_BYTE[raw]
    out = bytearray()
    while raw > 0x7F:
        out.append(raw & 0x7F | 0x80)
        raw >>= 7
    out.append(raw)
    return bytes(out)


_ONE_BYTE = tuple(bytes((value,)) for value in range(0x80))


def _read_long(data: Buffer, at: int, bits: int) -> tuple[int, int]:
    raw = shift = 0
    while True:
        byte = data[at]
        at += 1
        raw |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
        if shift >= bits:
            raise KafkaError(ErrorCode.INVALID_RECORD, f"varint of more than {bits} bits")
    # Bits beyond the type's width are dropped, as by Java's shifts.
    raw &= (1 << bits) - 1
    return (raw >> 1) ^ -(raw & 1), at
