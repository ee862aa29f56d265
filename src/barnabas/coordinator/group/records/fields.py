"""Fields of the keys and values in ``__consumer_offsets``, plain and flexible. Pure.

Keys and the records of classic groups have plain lengths; the values of consumer groups (KIP-848)
have compact ones and tagged fields (KIP-482).
"""

from __future__ import annotations

import struct
import uuid
from typing import Final

from barnabas.errors import ErrorCode, InvalidRequest, KafkaError
from barnabas.protocol.wire import MALFORMED, encode_uvarint, read_length, read_tags

_I8 = struct.Struct(">b")
_I16 = struct.Struct(">h")
_I32 = struct.Struct(">i")
_I64 = struct.Struct(">q")

# Writing


def plain_string(text: str) -> bytes:
    """Behind an int16 length."""
    data = text.encode("utf-8", "surrogatepass")
    return _I16.pack(len(data)) + data


def plain_nullable(text: str | None) -> bytes:
    """The same; None has length -1."""
    return b"\xff\xff" if text is None else plain_string(text)


def plain_bytes(data: bytes) -> bytes:
    """Behind an int32 length."""
    return _I32.pack(len(data)) + data


def compact_string(text: str) -> bytes:
    """Behind a varint of its length plus one."""
    data = text.encode("utf-8", "surrogatepass")
    return encode_uvarint(len(data) + 1) + data


def compact_nullable(text: str | None) -> bytes:
    """The same; None is 0."""
    return b"\x00" if text is None else compact_string(text)


def compact_count(count: int) -> bytes:
    """How many elements follow."""
    return encode_uvarint(count + 1)


# Reading


class Reader:
    """Fields of one key or value in order; both the plain and the flexible encoding."""

    __slots__ = ("_at", "_data", "_flexible", "version")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._flexible = False
        self.version = self.i16()

    def flexible(self) -> None:
        """From here on lengths are compact (KIP-482)."""
        self._flexible = True

    def _number(self, form: struct.Struct) -> int:
        (value,) = form.unpack_from(self._data, self._at)
        self._at += form.size
        return int(value)

    def i8(self) -> int:
        return self._number(_I8)

    def i16(self) -> int:
        return self._number(_I16)

    def i32(self) -> int:
        return self._number(_I32)

    def i64(self) -> int:
        return self._number(_I64)

    def _length(self, *, wide: bool) -> int:
        length, self._at = read_length(self._data, self._at, flexible=self._flexible, wide=wide)
        return length

    def _take(self, length: int) -> bytes:
        end = self._at + length
        if end > len(self._data):
            raise IndexError(f"{length} bytes at {self._at} of {len(self._data)}")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def nullable(self) -> str | None:
        length = self._length(wide=False)
        return None if length < 0 else self._take(length).decode("utf-8", "surrogatepass")

    def string(self) -> str:
        text = self.nullable()
        if text is None:
            raise ValueError("null where a string must be")
        return text

    def bytes(self) -> bytes:
        length = self._length(wide=True)
        return b"" if length < 0 else self._take(length)

    def topic_id(self) -> uuid.UUID:
        return uuid.UUID(bytes=self._take(16))

    def count(self) -> int:
        count = self._length(wide=True)
        if not 0 <= count <= len(self._data):
            raise ValueError(f"{count} elements in {len(self._data)} bytes")
        return count

    def tags(self) -> None:
        if self._flexible:
            self._at = read_tags(self._data, self._at)


BROKEN: Final = (*MALFORMED, ValueError, InvalidRequest)
"""What a Reader raises on bad bytes."""


def corrupt(what: str, error: Exception) -> KafkaError:
    """The same for callers: CORRUPT_MESSAGE."""
    return KafkaError(ErrorCode.CORRUPT_MESSAGE, f"__consumer_offsets {what}: {error}")
