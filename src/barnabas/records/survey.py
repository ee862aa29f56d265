"""Looks at every record of a batch without taking any out: is each one, and what do they add up to?

This is what a leader must know before it stores a client's batch (``validate.py``): that readers
can take out as many records as the header says, and which timestamp is the largest, for retention,
rolling and lookups go by it. None of it can be believed of the header. Where a record begins
follows from the lengths of all before it, so there is no proof without a look at each.

It is had in two ways, chosen as the records come:

- **One by one**: not quite a microsecond a record, some with headers or other unusual fields.
- **In columns**, where records of one shape follow one another: as long as the one before, as long
  a key and value, no headers. The one before ends where its lengths say. If the bytes of the
  following that make up their lengths and the number of headers are the same as in that one, at
  the same distances, then each of them ends where its lengths say, and there the next begins:
  that is the whole proof. A strided view compares one such byte of all records at once, 2 ns each.
  Offsets are compared with what they must be; timestamps may differ within their one byte, and
  need a closer look only if the header's word is not the largest of them.

So records of equal size cost 30 to 60 ns each, and a batch 10 us; all others cost the time of the
first way (bench/README.md): Python has no loop in C over fields of varying length.

Records are read as Kafka reads them (``DefaultRecord.readFrom``): attributes have no meaning, any
negative length of a key or value is null, numbers may be longer than they need be.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from barnabas.records.batch import invalid_record
from barnabas.records.varint import read_varint, read_varlong

RECORD_BYTES_MIN = 7
"""Length, attributes, timestamp, offset, and three empty fields."""

_unpack_fields = struct.Struct("x5B").unpack_from
"""What follows a record's length: no record has less than these six bytes."""
_NULL = 1
"""The length -1, zig-zag encoded."""
_TWO_BYTES = 1 << 14
"""Above what a number of two bytes can be, zig-zag encoded."""
_I64 = 2**63

# Offset deltas as they are encoded: in one byte below 64, in two below 8192, else in three.
_ONE_BYTE_DELTAS = 64
_TWO_BYTE_DELTAS = 8192
_THREE_BYTE_DELTAS = 1 << 20
_DELTAS = 65536
"""Records from this number on are read one by one."""
_LONGER_FROM = (0, _ONE_BYTE_DELTAS, _TWO_BYTE_DELTAS, _DELTAS)
"""Numbers of the first records with one byte more."""
_LAST = bytes(range(0, 0x80, 2))
_FIRST = bytes(range(0x80, 0x100, 2)) * (_DELTAS // 64)
_SECOND_LAST = b"".join(bytes((i,)) * 64 for i in range(0x80))
_SECOND = b"".join(bytes((i,)) * 64 for i in range(0x80, 0x100)) * (_DELTAS // 8192)
_THIRD_LAST = b"".join(bytes((i,)) * 8192 for i in range(_DELTAS // 8192))
_DELTA_BYTES = ((), (_LAST,), (_FIRST, _SECOND_LAST), (_FIRST, _SECOND, _THIRD_LAST))
"""By the number of bytes, the table of each byte by record number."""

# Timestamp deltas as they are encoded: in one byte from -64 to 63, in two from -8192 to 8191.
_TIMES_FROM = (0, -64, -8192)
"""By the number of bytes."""
_NOT_LATER = tuple(bytes(z for z in range(0x80) if z & 1 or z <= 2 * t) for t in range(64))
"""By a timestamp delta from 0 to 63: the bytes of those that are not greater."""
_FEW = 64
_CONTINUED = bytes(range(0x80, 0x100))

_RUN_MIN = 8
"""Columns of fewer records cost more than they save."""
_RUN_RETRY = 16
_RUN_STEP = 8
_PATIENCE_MAX = 64
"""At most so many records are read one by one between two attempts at columns."""


class Survey(NamedTuple):
    """What the records of one batch say together."""

    earliest: int
    """No timestamp delta is below this."""
    latest: int
    """The greatest timestamp delta."""
    keyless: bool
    """Some record has no key."""
    in_order: bool
    """The offset deltas are 0, 1, 2 and so on."""


def survey(data: memoryview, count: int, claimed: int) -> Survey:
    """Read the ``count`` (> 0) records that ``data`` must consist of.

    ``claimed`` is the greatest timestamp delta by the header's word, which is checked. Raises
    KafkaError(INVALID_RECORD) if ``data`` is anything but so many records."""
    if count * RECORD_BYTES_MIN > len(data):
        raise invalid_record(f"{count} records in {len(data)} bytes")
    surveyor = _Surveyor(data, count, claimed)
    try:
        surveyor.read_all()
    except (IndexError, struct.error):
        raise invalid_record("the last records are cut short") from None
    beyond = surveyor.at - len(data)
    if beyond:
        raise invalid_record(f"records do not end where their batch does: {beyond:+} bytes")
    return Survey(surveyor.earliest, surveyor.latest, surveyor.keyless, surveyor.in_order)


class _Surveyor:
    """Goes through the records of one batch."""

    __slots__ = (
        "at",
        "claimed",
        "count",
        "data",
        "earliest",
        "in_order",
        "keyless",
        "latest",
        "number",
        "previous",
        "value",
    )

    def __init__(self, data: memoryview, count: int, claimed: int) -> None:
        self.data = data
        self.count = count
        self.claimed = claimed
        self.number = 0
        """Of the next record."""
        self.at = 0
        """Where it begins."""
        self.previous = 0
        """Where the one before begins."""
        self.value = 0
        """Where its value's length is; 0 if it is not of the usual form."""
        self.earliest = _I64
        self.latest = -_I64
        self.keyless = False
        self.in_order = True

    def read_all(self) -> None:
        """To the end of the last record. IndexError or struct.error if it is not in the data."""
        run, patience = self.count, 1
        while self.number < self.count:
            if self.number in _LONGER_FROM or self.number > _DELTAS:
                self._one_by_one(self.number + 1)
            elif self._in_columns(run):
                run, patience = _RUN_STEP * run, 1
            else:
                self._one_by_one(min(self.number + patience, self.count))
                run = max(run // _RUN_STEP, _RUN_RETRY)
                patience = min(2 * patience, _PATIENCE_MAX)

    def _one_by_one(self, stop: int) -> None:
        """The records before number ``stop``. The loop itself reads the usual form: length,
        timestamp and value length take up to two bytes, the key's length one, and no headers."""
        data, start, end = self.data, self.previous, self.at
        earliest, latest = self.earliest, self.latest
        value_at = keys = 0
        same_time = None
        for number in range(self.number, stop):
            start = end
            length = data[start]
            at = start + 1
            if length >= 0x80:
                length += (data[at] << 7) - 0x80
                at += 1
            end = at + (length >> 1)
            time, delta, key, more, most = _unpack_fields(data, at)
            at += 4
            if time >= 0x80:
                time += (delta << 7) - 0x80
                delta, key, more = key, more, most
                at += 1
            if number < _ONE_BYTE_DELTAS:
                in_order = delta == 2 * number
            elif number < _TWO_BYTE_DELTAS:
                in_order = delta == 2 * number & 0x7F | 0x80 and key == number >> 6
                key = more
                at += 1
            else:
                delta |= key << 8 | more << 16
                expected = 2 * number & 0x7F | number << 2 & 0x7F00 | number << 3 & 0x7F0000
                in_order = delta == expected | 0x8080 and number < _THREE_BYTE_DELTAS
                at += 2
                key = data[at - 1]
            usual = in_order and (length | time) < _TWO_BYTES and not length & 1
            if usual and (key == _NULL or not key & 0x81):
                value_at = at = at + (key >> 1)
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
                        latest, earliest = max(latest, time), min(earliest, time)
                    continue
            value_at = 0
            time, delta, is_keyless, end = _read_any(data, start)
            latest, earliest = max(latest, time), min(earliest, time)
            keys |= is_keyless
            self.in_order = self.in_order and delta == number
        self.number, self.previous, self.value, self.at = stop, start, value_at, end
        self.earliest, self.latest = earliest, latest
        # Lengths of keys are even, but for the one that means null.
        self.keyless = self.keyless or bool(keys & 1)

    def _in_columns(self, run: int) -> bool:
        """Up to ``run`` records of the shape of the one before, or none."""
        data, at, number = self.data, self.at, self.number
        delta_bytes = 1 if number < _ONE_BYTE_DELTAS else 2 if number < _TWO_BYTE_DELTAS else 3
        size = at - self.previous
        count = min(
            run, self.count - number, _LONGER_FROM[delta_bytes] - number, (len(data) - at) // size
        )
        places = self._places(delta_bytes) if count >= _RUN_MIN else None
        if places is None:
            return False
        alike, time, delta, key = places
        span = (count - 1) * size + 1
        for place in alike:
            column = data[place : place + span : size]
            if column != bytes((data[place - size],)) * count:
                return False
        for place, table in enumerate(_DELTA_BYTES[delta_bytes], delta):
            if data[place : place + span : size] != table[number : number + count]:
                return False
        times = [data[place : place + span : size].tobytes() for place in range(time, delta)]
        latest = _latest(times, self.claimed)
        if latest is None:
            return False
        self.latest = max(self.latest, latest)
        self.earliest = min(self.earliest, _TIMES_FROM[delta - time])
        self.keyless = self.keyless or data[key] == _NULL
        self.number = number + count
        moved = count * size
        self.previous += moved
        self.value += moved
        self.at += moved
        return True

    def _places(self, delta_bytes: int) -> tuple[list[int], int, int, int] | None:
        """Where in the next record, if it is like the last, those bytes are that must be alike,
        its timestamp, its offset, and its key's length. None if it is not like it at first sight,
        or the last is not of the usual form."""
        data, start, at, value = self.data, self.previous, self.at, self.value
        if not value or data[at] != data[start] or data[at + 1] != data[start + 1]:
            return None
        size = at - start
        body = at + (1 if data[start] < 0x80 else 2)
        value += size
        time = body + 1
        delta = time + (1 if data[time - size] < 0x80 else 2)
        key = delta + delta_bytes
        alike = [at, key, value, at + size - 1]
        if body - at == 2:
            alike.append(at + 1)
        if data[value - size] >= 0x80:
            alike.append(value + 1)
        return alike, time, delta, key


def _latest(columns: list[bytes], claimed: int) -> int | None:
    """The greatest of timestamp deltas that are encoded in as many bytes as there are columns; None
    if some are not."""
    if len(columns) == 1:
        column = columns[0]
        highest = max(column) if len(column) < _FEW else 1
        if not highest & 1:
            return highest >> 1 if highest < 0x80 else None
        is_near = 0 <= claimed < len(_NOT_LATER) and 2 * claimed in column
        if is_near and not column.translate(None, _NOT_LATER[claimed]):
            return claimed
        encoded = set(column)
    else:
        low, high = columns
        if low.translate(None, _CONTINUED):
            return None
        encoded = {first & 0x7F | second << 7 for first, second in set(zip(low, high, strict=True))}
    if max(encoded) >= 0x80 ** len(columns):
        return None
    return max(~(z >> 1) if z & 1 else z >> 1 for z in encoded)


def _read_any(data: memoryview, start: int) -> tuple[int, int, bool, int]:
    """(timestamp delta, offset delta, whether it has no key, end) of any record."""
    length, at = read_varint(data, start)
    end = at + length
    if length < 0 or end > len(data):
        raise invalid_record(f"record of {length} bytes at {start} of {len(data)}")
    time, at = read_varlong(data, at + 1)
    delta, at = read_varint(data, at)
    key, at = read_varint(data, at)
    value, at = read_varint(data, at + max(key, 0))
    headers, at = read_varint(data, at + max(value, 0))
    if not 0 <= headers <= max(end - at, 0):
        raise invalid_record(f"{headers} headers where {end - at} bytes are left")
    for _ in range(headers):
        name, at = read_varint(data, at)
        if name < 0:
            raise invalid_record("header without a key")
        value, at = read_varint(data, at + name)
        at += max(value, 0)
    if at != end:
        raise invalid_record(f"record of {length} bytes at {start} ends {at - end:+} bytes away")
    return time, delta, key < 0, end
