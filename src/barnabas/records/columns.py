"""Compares many records with one that is known to be valid, one column (byte position) at a time.

A comparison can only prove that records are valid. A record that is not proven may be valid too.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import compress
from typing import NamedTuple

from barnabas.records.shape import Shape

COUNT_MIN = 6
"""Columns of fewer records cost more than they save."""
WINDOW_MAX = 250
"""The most bytes before a record's value, or after it, that are compared in windows."""
_NULL = 1
"""The length -1, zig-zag encoded."""
_VARIED_KEY = 24
"""Windows have room for keys of this many bytes, even if the first record's is shorter."""
_ONE_BYTE_KEY = 63
_OTHERS_MAX = 8000
"""The largest number that ``_less`` makes tables for."""
_TIME_BYTES_MAX = 5

# Offset deltas as they are encoded: in one byte below 64, in two below 8192, in three below 2^20.
_ONE_BYTE = 64
_BLOCK = 8192
_OFFSETS_MAX = 1 << 20
_LAST = bytes(range(0, 0x80, 2))
_FIRST = bytes(range(0x80, 0x100, 2)) * (_BLOCK // 64)
_SECOND_LAST = b"".join(bytes((i,)) * 64 for i in range(0x80))
_SECOND = b"".join(bytes((i,)) * 64 for i in range(0x80, 0x100))

_REPEATED = tuple(bytes((b,)) for b in range(256))
_CONTINUED = bytes(range(0x80, 0x100))
_IF_CONTINUED = bytes(0x80) + b"\1" * 0x80
_IF_LAST = b"\1" * 0x80 + bytes(0x80)
_IF_ZERO = b"\1" + bytes(0xFF)
_LOW_BITS = bytes(range(0x80)) * 2

# A record's length plus the bytes that encode it, by its first byte and, if there is one, its
# second. A negative or longer length gives a number beyond every end.
_BEYOND = 1 << 40
_STEP = [
    _BEYOND if b & 1 else 1 + (b >> 1) if b < 0x80 else 2 + (b - 0x80 >> 1) for b in range(256)
]
_MORE = [b << 6 if b < 0x80 else _BEYOND for b in range(256)]


def offset_bytes(number: int) -> tuple[int, int]:
    """How many bytes encode this offset delta, and before which number its columns end.
    (0, 0) if the number is too large for columns."""
    if number < _ONE_BYTE:
        return 1, _ONE_BYTE
    if number >= _OFFSETS_MAX:
        return 0, 0
    return 2 if number < _BLOCK else 3, number - number % _BLOCK + _BLOCK


def _offset_columns(number: int, count: int) -> tuple[bytes, ...]:
    """The encoded offset deltas of ``count`` records from ``number`` on, as columns of bytes."""
    if number < _ONE_BYTE:
        return (_LAST[number : number + count],)
    first = number % _BLOCK
    stop = first + count
    if number < _BLOCK:
        return _FIRST[first:stop], _SECOND_LAST[first:stop]
    return _FIRST[first:stop], _SECOND[first:stop], bytes((number // _BLOCK,)) * count


def same_size(
    data: bytes | bytearray | memoryview, size: int, like: Shape, number: int, limit: int
) -> tuple[int, list[bytes]]:
    """How many of the ``limit`` records after ``like`` are valid and as long as it, and the bytes
    of their timestamps. The first has ``number``, ``data`` ends at ``size``."""
    start, body, time_at, delta_at, key_at, key_end, value_at, value_end, tail, end = like[:10]
    step = end - start
    count = min(limit, (size - end) // step)
    if count < COUNT_MIN or data[end] != data[start] or data[body - 1 + step] != data[body - 1]:
        return 0, []
    places = [start, key_at, value_at, tail]
    if body - start > 1:
        places += range(start + 1, body)
    if key_end - key_at > 1 or value_end - value_at > 1:
        places += [*range(key_at + 1, key_end), *range(value_at + 1, value_end)]
    if end - tail > 1:
        places += like.tail_places(data)
    for place in places:
        at = place + step
        byte = _REPEATED[data[place]]
        if data[at : at + count * step : step] != byte * count:
            count -= len(bytes(data[at : at + count * step : step]).lstrip(byte))
            if count < COUNT_MIN:
                return 0, []
    offsets = _offset_columns(number, count)
    span = (count - 1) * step + 1
    for at, expected in enumerate(offsets, delta_at + step):
        if data[at : at + span : step] != expected:
            return 0, []
    times = [bytes(data[at : at + span : step]) for at in range(time_at + step, delta_at + step)]
    return (count, times) if not _wrong_times(times) else (0, [])


class Windows(NamedTuple):
    """The bytes around the beginning of each record in a row of records."""

    before: int
    """How many bytes of the previous record each window has."""
    after: int
    """How many bytes of the record that begins each window has."""
    cuts: list[bytes]
    """The windows: one more than there are records."""
    at: int
    """Where the last record ends."""

    def starts(self, at: int) -> list[int]:
        """Where each record begins, the first at ``at``."""
        starts = []
        before = self.before
        for cut in self.cuts[:-1]:
            starts.append(at)
            at += _step_of(cut, before)
        return starts

    def key_lengths(self, like: Shape) -> int:
        """How many different lengths the keys have, less one."""
        place = self.before + like.key_at - like.start
        return len({cut[place] for cut in self.cuts[:-1]}) - 1


def cut_windows(data: bytes, at: int, stop: int, count: int, before: int, after: int) -> Windows:
    """Follow the lengths of up to ``count`` records from ``at`` to at most ``stop``.

    ``data`` has ``after`` more bytes after ``stop``, and ``before`` bytes before ``at``. Stops
    before a record whose length is negative or takes more than two bytes."""
    step, more = _STEP, _MORE
    cuts: list[bytes] = []
    append = cuts.append
    second = before + 1
    try:
        for _ in range(count):
            cut = data[at - before : at + after]
            append(cut)
            first = cut[before]
            at += step[first] if first < 0x80 else step[first] + more[cut[second]]
    except IndexError:
        del cuts[-1]
    # Checking this inside the loop would cost more.
    while at > stop:
        at -= _step_of(cuts.pop(), before)
    append(data[at - before : at + after])
    return Windows(before, after, cuts, at)


def _step_of(cut: bytes, before: int) -> int:
    first = cut[before]
    return _STEP[first] if first < 0x80 else _STEP[first] + _MORE[cut[before + 1]]


def window_sizes(like: Shape) -> tuple[int, int] | None:
    """How many bytes before and after the beginning of such a record a window needs, so that it
    holds everything that is compared. None if it needs too many, or the record is too unusual."""
    start, body, time_at, delta_at, _, key_end, value_at, value_end, tail, end = like[:10]
    if body - start > 2 or delta_at - time_at > _TIME_BYTES_MAX or value_end - value_at > 2:
        return None
    before = end - tail
    after = key_end - start + 4
    if value_at != key_end:
        after += max(value_at - key_end, _VARIED_KEY)
    return (before, after) if before <= WINDOW_MAX and after <= WINDOW_MAX else None


def all_alike(
    like: Shape, windows: Windows, number: int, tail: Sequence[tuple[int, int]]
) -> list[bytes] | None:
    """The bytes of the records' timestamps if all of them are proven valid, else None.

    For that their keys must be as long as that of ``like``, and the lengths of their values must
    take as many bytes. The first has ``number``. ``tail``: (bytes before the record's end, byte
    that must be there). ``Group`` finds the same for each record; this is faster for all."""
    start, body, time_at, delta_at, key_at, key_end, value_at, value_end, value_stop, end = like[
        :10
    ]
    key = value_at - key_end
    if like.valueless or key > _ONE_BYTE_KEY or key_end - key_at != 1:
        return None
    before, after, cuts, _ = windows
    width = before + after
    count = len(cuts) - 1
    stop = count * width
    heads = b"".join(cuts)
    start -= before
    if (
        heads[key_at - start : stop : width]
        != _REPEATED[_NULL if like.keyless else key << 1] * count
    ):
        return None
    at = delta_at - start
    for expected in _offset_columns(number, count):
        if heads[at:stop:width] != expected:
            return None
        at += 1
    for back, byte in tail:
        if heads[width + before - back :: width] != _REPEATED[byte] * count:
            return None
    length = heads[before:stop:width]
    more = heads[before + 1 : stop : width] if body - start - before == 2 else b""
    at = value_at - start
    value = heads[at:stop:width]
    second = heads[at + 1 : stop : width] if value_end - value_at == 2 else b""
    if not _fit(length, more, value, second, end - body - value_stop + value_end):
        return None
    times = [heads[at:stop:width] for at in range(time_at - start, delta_at - start)]
    return None if _wrong_times(times) else times


def _fit(length: bytes, more: bytes, value: bytes, second: bytes, others: int) -> bool:
    """Whether each record's length is ``others`` more than that of its value. The arguments are
    the columns of first and second bytes of both lengths, empty if there is no second byte."""
    if others > _OTHERS_MAX or not second.isascii():
        return False
    if length.translate(None, _CONTINUED) if more else not length.isascii():
        return False
    expected, carry = _less(others, 2 if second else 1)
    if value != length.translate(expected):
        return False
    carried = length.translate(carry)
    if not second:
        return carried == (more or bytes(len(length)))
    total = int.from_bytes(carried, "little") + int.from_bytes(second, "little")
    return total == int.from_bytes(more, "little")


class Group:
    """The windows of records that are to be compared with one."""

    __slots__ = ("after", "before", "count", "heads", "keys", "offsets", "stop", "tails", "width")

    def __init__(self, windows: Windows, number: int) -> None:
        """Begins with all records; the first has ``number``."""
        self.before, self.after = windows.before, windows.after
        self.width = width = windows.before + windows.after
        self.count = len(windows.cuts) - 1
        self.stop = self.count * width
        self.heads = b"".join(windows.cuts)
        """The windows in which the records begin."""
        self.tails = self.heads[width:]
        """The windows in which the records end."""
        self.offsets = _offset_columns(number, self.count)
        self.keys = b""
        """The encoded lengths of the keys, once ``compare`` was called."""

    def keep(self, heads: list[bytes], tails: list[bytes], kept: bytes) -> None:
        """Drop all records but these, for which ``kept`` is 1."""
        self.heads, self.tails = b"".join(heads), b"".join(tails)
        self.count = len(heads)
        self.stop = self.count * self.width
        self.offsets = tuple(select(column, kept) for column in self.offsets)

    def compare(self, like: Shape, tail: Sequence[tuple[int, int]]) -> tuple[int, list[bytes]]:
        """Compare all records with ``like``, which is valid.

        Returns a number whose little-endian byte N is 0 if record N is proven valid, and the bytes
        of the timestamps. ``tail``: (bytes before the record's end, byte that must be there)."""
        if len(self.offsets) != like.key_at - like.delta_at or like.end - like.tail > self.before:
            return -1, []
        heads, stop, width, start = self.heads, self.stop, self.width, self.before - like.start
        wrong = 0
        at = start + like.delta_at
        for expected in self.offsets:
            column = heads[at:stop:width]
            if column != expected:
                wrong |= _differing(column, expected)
            at += 1
        for back, byte in tail:
            column = self.tails[self.before - back : stop : width]
            expected = _REPEATED[byte] * self.count
            if column != expected:
                wrong |= _differing(column, expected)
        times = [heads[at:stop:width] for at in range(start + like.time_at, start + like.delta_at)]
        return wrong | _wrong_times(times) | self._wrong_fields(like), times

    def _wrong_fields(self, like: Shape) -> int:
        """The records whose length is not the sum of their fields' lengths. All fields but key and
        value are taken to be as long as those of ``like``."""
        heads, stop, width, start = self.heads, self.stop, self.width, self.before - like.start
        length = heads[self.before : stop : width]
        more = 0
        if like.body - like.start == 1:
            wrong = 0 if length.isascii() else _if(length, _IF_CONTINUED)
        else:
            wrong = _if(length, _IF_LAST)
            more = int.from_bytes(heads[self.before + 1 : stop : width], "little")
        key = like.value_at - like.key_end
        others = like.end - like.body - (like.tail - like.value_end) - key
        at = start + like.key_at
        self.keys = column = heads[at:stop:width]
        if like.key_end != like.key_at + 1:
            return -1
        byte = heads[at]
        if column == _REPEATED[byte] * self.count:
            size = 0 if byte & 1 else byte >> 1
            return wrong | self._wrong_values(like, length, more, size, others + size)
        for byte in set(column):
            mask = column.translate(_if_equal(byte))
            size = 0 if byte & 1 else byte >> 1
            if byte > 0x7F:
                wrong |= int.from_bytes(mask, "little")
            else:
                found = self._wrong_values(like, length, more, size, others + size)
                wrong |= found & int.from_bytes(mask, "little")
        return wrong

    def _wrong_values(self, like: Shape, length: bytes, more: int, key: int, others: int) -> int:
        """The records whose value is not as long as the record less ``others`` bytes, if their
        keys have ``key`` bytes. ``more``: the second bytes of the records' lengths."""
        at = self.before + like.key_end - like.start + key
        value_bytes = like.value_end - like.value_at
        if at + value_bytes > self.width or others > _OTHERS_MAX:
            return -1
        value = self.heads[at : self.stop : self.width]
        wrong = 0
        if like.valueless:
            if value_bytes != 1:
                return -1
            wrong = _differing(value, _REPEATED[_NULL] * self.count)
            # A null takes no bytes of the record, like an empty value.
            value = bytes(self.count)
        expected, carry = _less(others, value_bytes)
        of_length = length.translate(expected)
        if value != of_length:
            wrong |= _differing(value, of_length)
        total = int.from_bytes(length.translate(carry), "little")
        if value_bytes == 2:
            second = self.heads[at + 1 : self.stop : self.width]
            if not second.isascii():
                wrong |= _if(second, _IF_CONTINUED)
                second = second.translate(_LOW_BITS)
            total += int.from_bytes(second, "little")
        return wrong | total ^ more


def right(wrong: int, count: int) -> bytes:
    """For each record 1 if it is proven valid, else 0."""
    return wrong.to_bytes(count, "little").translate(_IF_ZERO) if wrong >= 0 else bytes(count)


def select(column: bytes, kept: bytes) -> bytes:
    """The bytes of ``column`` for which ``kept`` is not 0."""
    return bytes(compress(column, kept))


@lru_cache(maxsize=512)
def _less(others: int, width: int) -> tuple[bytes, bytes]:
    """Two tables by the first byte of a record's length. One has the first byte of its value's
    length, the other what must be added to that length's second byte to get the record's.
    ``width``: how many bytes the value's length takes."""
    lengths = [(first & 0x7F) >> 1 for first in range(256)]
    flag = 0x80 if width == 2 else 0
    return (
        bytes((length - others) % 64 << 1 | flag for length in lengths),
        bytes(-((length - others) // 64) for length in lengths),
    )


@lru_cache(maxsize=256)
def _if_equal(byte: int) -> bytes:
    """A table by byte: 0xFF for this one, 0 for all others."""
    return bytes(0xFF * (b == byte) for b in range(256))


def _differing(column: bytes, expected: bytes) -> int:
    return int.from_bytes(column, "little") ^ int.from_bytes(expected, "little")


def _if(column: bytes, table: bytes) -> int:
    return int.from_bytes(column.translate(table), "little")


def _wrong_times(columns: list[bytes]) -> int:
    """The records whose timestamps do not take as many bytes as there are columns."""
    last = columns[-1]
    wrong = 0 if last.isascii() else _if(last, _IF_CONTINUED)
    for column in columns[:-1]:
        if column.translate(None, _CONTINUED):
            wrong |= _if(column, _IF_LAST)
    return wrong
