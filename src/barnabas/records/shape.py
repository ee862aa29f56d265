"""Where the fields of one record are: its shape, if all its numbers are right.

Records are read as Kafka reads them (``DefaultRecord.readFrom``): attributes have no meaning, any
negative length of a key or value is null, numbers may be longer than they need be.
"""

from __future__ import annotations

from typing import NamedTuple

from barnabas.records.batch import invalid_record
from barnabas.records.varint import read_varint, read_varlong
from barnabas.types import Buffer

_new = tuple.__new__
"""Makes a ``Shape`` of its fields without the cost of a call in Python."""


class Shape(NamedTuple):
    """One record that is right. Places are indexes of the data it is in."""

    start: int
    body: int
    """Behind its length."""
    time_at: int
    delta_at: int
    key_at: int
    """Where the key's length is."""
    key_end: int
    """Where the key's length ends."""
    value_at: int
    """Where the value's length is."""
    value_end: int
    """Where the value's length ends."""
    tail: int
    """Where the number of headers is."""
    end: int
    time: int
    """Its timestamp delta."""
    delta: int
    """Its offset delta."""
    keyless: bool
    """It has no key."""
    valueless: bool
    """It has no value."""

    def tail_places(self, data: Buffer) -> list[int]:
        """Of every byte that says how many headers there are and how long their fields."""
        headers, at = read_varint(data, self.tail)
        places = list(range(self.tail, at))
        for _ in range(2 * headers):
            length, stop = read_varint(data, at)
            places += range(at, stop)
            at = stop + max(length, 0)
        return places


def read_shape(data: Buffer, start: int) -> Shape:
    """The record at ``start``. INVALID_RECORD if there is none; IndexError past the end of
    ``data``."""
    length, body = read_varint(data, start)
    end = body + length
    if length < 0 or end > len(data):
        raise invalid_record(f"record of {length} bytes at {start} of {len(data)}")
    # The numbers that mostly are of one byte do not cost a call.
    time_at = body + 1
    byte = data[time_at]
    if byte < 0x80:
        time, delta_at = (byte >> 1) ^ -(byte & 1), time_at + 1
    else:
        time, delta_at = read_varlong(data, time_at)
    byte = data[delta_at]
    if byte < 0x80:
        delta, key_at = (byte >> 1) ^ -(byte & 1), delta_at + 1
    else:
        delta, key_at = read_varint(data, delta_at)
    key, value_at = read_varint(data, key_at)
    key_end = value_at
    if key > 0:
        value_at += key
    value, tail = read_varint(data, value_at)
    value_end = tail
    if value > 0:
        tail += value
    at = tail + 1 if data[tail] == 0 else _end_of_headers(data, tail, end)
    if at != end:
        raise invalid_record(f"record of {length} bytes at {start} ends {at - end:+} bytes away")
    places = start, body, time_at, delta_at, key_at, key_end, value_at, value_end, tail, end
    return _new(Shape, (*places, time, delta, key < 0, value < 0))


def _end_of_headers(data: Buffer, at: int, end: int) -> int:
    headers, at = read_varint(data, at)
    if not 0 <= headers <= max(end - at, 0):
        raise invalid_record(f"{headers} headers where {end - at} bytes are left")
    for _ in range(headers):
        name, at = read_varint(data, at)
        if name < 0:
            raise invalid_record("header without a key")
        value, at = read_varint(data, at + name)
        at += max(value, 0)
    return at
