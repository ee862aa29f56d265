"""Reads records one after the other: one with the places of its fields (``read_shape``), or many
with a summary of them (``read_each``).

Records are read as Kafka reads them (``DefaultRecord.readFrom``): attributes are ignored, any
negative length of a key or value means null, and varints may be longer than necessary.
"""

from __future__ import annotations

from typing import NamedTuple

from barnabas.records.batch import invalid_record
from barnabas.records.varint import read_varint, read_varlong
from barnabas.types import Buffer

_NULL = 1
"""The length -1, zig-zag encoded."""
_TWO_BYTES = 1 << 14
"""More than any zig-zag encoded number of two bytes."""
# Offset deltas as they are encoded: in one byte below 64, in two below 8192, else in three.
_ONE_BYTE_DELTAS = 64
_TWO_BYTE_DELTAS = 8192
_THREE_BYTE_DELTAS = 1 << 20
_I64 = 2**63

_new = tuple.__new__
"""Makes a ``Shape`` or ``Survey`` from its fields without the cost of a Python call."""


class Survey(NamedTuple):
    """A summary of many records."""

    earliest: int
    """No timestamp delta is below this."""
    latest: int
    """The greatest timestamp delta."""
    keyless: bool
    """Some record has no key."""
    in_order: bool
    """The offset deltas are 0, 1, 2 and so on."""


class Shape(NamedTuple):
    """Where the fields of one valid record are, as indexes of the data that it is in."""

    start: int
    body: int
    """Where the record's length ends."""
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
        """The place of every byte that says how many headers there are or how long their fields
        are."""
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
    # Numbers that mostly take one byte are read without a call.
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


def read_each(data: Buffer, first: int, stop: int, end: int) -> tuple[int, Survey]:
    """Read the records from number ``first`` to before ``stop``; the first begins at ``end``.
    Returns where the last one ends, and their summary. Raises what ``read_shape`` does.

    The loop itself reads the usual form: length, timestamp and value length take up to two bytes,
    the key's length takes one, and there are no headers. ``read_shape`` reads all others."""
    latest, earliest = -_I64, _I64
    keys = 0
    all_in_order = True
    same_time = None
    for number in range(first, stop):
        start = end
        length = data[start]
        at = start + 1
        if length >= 0x80:
            length += (data[at] << 7) - 0x80
            at += 1
        end = at + (length >> 1)
        at += 1
        time = data[at]
        at += 1
        if time >= 0x80:
            time += (data[at] << 7) - 0x80
            at += 1
        if number < _ONE_BYTE_DELTAS:
            in_order = data[at] == 2 * number
            at += 1
        elif number < _TWO_BYTE_DELTAS:
            in_order = data[at] == 2 * number & 0x7F | 0x80 and data[at + 1] == number >> 6
            at += 2
        else:
            delta = data[at] | data[at + 1] << 8 | data[at + 2] << 16
            expected = 2 * number & 0x7F | number << 2 & 0x7F00 | number << 3 & 0x7F0000
            in_order = delta == expected | 0x8080 and number < _THREE_BYTE_DELTAS
            at += 3
        key = data[at]
        at += 1
        usual = in_order and (length | time) < _TWO_BYTES and not length & 1
        if usual and (key == _NULL or not key & 0x81):
            at += key >> 1
            value = data[at]
            if value >= 0x80:
                at += 1
                value += (data[at] << 7) - 0x80
            at += 1 + (value >> 1)
            if at + 1 == end and (value == _NULL or not value & 1) and not data[at]:
                keys |= key
                if time != same_time:
                    same_time = time
                    time = ~(time >> 1) if time & 1 else time >> 1
                    # This costs half as much as max() and min().
                    latest = time if time > latest else latest
                    earliest = time if time < earliest else earliest
                continue
        shape = read_shape(data, start)
        end, time = shape.end, shape.time
        latest, earliest = max(latest, time), min(earliest, time)
        keys |= shape.keyless
        all_in_order = all_in_order and shape.delta == number
    # Encoded lengths of keys are even; only the one that means null is odd.
    return end, _new(Survey, (earliest, latest, bool(keys & 1), all_in_order))
