"""Compares records with one of their kind, in columns: one byte of all of them at once.

What is proven here is only ever that records are right. One that is not proven may be right too.
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
"""Most bytes of a record before its value, or behind it, that are compared in windows."""
_NULL = 1
"""The length -1, zig-zag encoded."""
_VARIED_KEY = 24
"""Windows have room for keys of so many bytes, whatever the first record's."""
_ONE_BYTE_KEY = 63
_OTHERS_MAX = 8000
"""What ``_less`` has tables for."""
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

# A record's length and the bytes of it, by its first byte and, if there is one, its second. What
# is negative or longer is beyond every end.
_BEYOND = 1 << 40
_STEP = [
    _BEYOND if b & 1 else 1 + (b >> 1) if b < 0x80 else 2 + (b - 0x80 >> 1) for b in range(256)
]
_MORE = [b << 6 if b < 0x80 else _BEYOND for b in range(256)]


def offset_bytes(number: int) -> tuple[int, int]:
    """In how many bytes this offset delta is encoded, and before which number columns of such end.
    Nothing if there are none."""
    if number < _ONE_BYTE:
        return 1, _ONE_BYTE
    if number >= _OFFSETS_MAX:
        return 0, 0
    return 2 if number < _BLOCK else 3, number - number % _BLOCK + _BLOCK


def _offset_columns(number: int, count: int) -> tuple[bytes, ...]:
    """The bytes of the offset deltas of so many records from ``number`` on."""
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
    """How many of the ``limit`` records behind ``like`` are right and as long as it, and the bytes
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
    """The bytes around the beginnings of records that follow one another."""

    before: int
    """Bytes of the record before."""
    after: int
    """Bytes of the record that begins."""
    cuts: list[bytes]
    """One more than there are records."""
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
        """How many lengths keys have, beside one."""
        place = self.before + like.key_at - like.start
        return len({cut[place] for cut in self.cuts[:-1]}) - 1


def cut_windows(data: bytes, at: int, stop: int, count: int, before: int, after: int) -> Windows:
    """Follow the lengths of up to ``count`` records from ``at`` to at most ``stop``.

    ``data`` goes on for ``after`` bytes behind ``stop``, and begins ``before`` ahead of ``at``.
    Ends ahead of a record whose length is negative or takes more than two bytes."""
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
    # To ask in the loop whether it has gone too far would cost more.
    while at > stop:
        at -= _step_of(cuts.pop(), before)
    append(data[at - before : at + after])
    return Windows(before, after, cuts, at)


def _step_of(cut: bytes, before: int) -> int:
    first = cut[before]
    return _STEP[first] if first < 0x80 else _STEP[first] + _MORE[cut[before + 1]]


def window_sizes(like: Shape) -> tuple[int, int] | None:
    """How many bytes to cut before and after the beginnings of records of this kind, so that all
    that is compared is in them. None if that is too much, or the record is too unusual."""
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
    """The bytes of their timestamps, if all these records are right, with keys as long as that of
    ``like`` and lengths of values that take as many bytes; else None. The first has ``number``.
    ``tail``: what must be how many bytes before their end.

    What ``Group`` finds out for each record, in less time for all of them."""
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
    """Whether all records' lengths are ``others`` more than those of their values. The first and
    second bytes of both, if there are second ones."""
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
    """Records to be compared with one, by their windows."""

    __slots__ = ("after", "before", "count", "heads", "keys", "offsets", "stop", "tails", "width")

    def __init__(self, windows: Windows, number: int) -> None:
        """All of them; the first has ``number``."""
        self.before, self.after = windows.before, windows.after
        self.width = width = windows.before + windows.after
        self.count = len(windows.cuts) - 1
        self.stop = self.count * width
        self.heads = b"".join(windows.cuts)
        """The windows in which they begin."""
        self.tails = self.heads[width:]
        """The windows in which they end."""
        self.offsets = _offset_columns(number, self.count)
        self.keys = b""
        """The lengths of their keys as encoded, once compared."""

    def keep(self, heads: list[bytes], tails: list[bytes], kept: bytes) -> None:
        """Only these of them, for which ``kept`` is 1."""
        self.heads, self.tails = b"".join(heads), b"".join(tails)
        self.count = len(heads)
        self.stop = self.count * self.width
        self.offsets = tuple(select(column, kept) for column in self.offsets)

    def compare(self, like: Shape, tail: Sequence[tuple[int, int]]) -> tuple[int, list[bytes]]:
        """The bytes of a number, little-endian, by record: 0 for those that are right if this one
        is. And the bytes of their timestamps. ``tail``: what must be how many bytes before their
        end."""
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
        """Those whose own length is not that of their fields, if all but the key and value are as
        long as that one's."""
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
        """Those whose value is not as long as what ``others`` leave of the record, if their keys
        are of ``key`` bytes. ``more``: the second bytes of their lengths."""
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
            # Nothing may be left for it, as for one of no bytes.
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
    """By record 1 if it is right, else 0."""
    return wrong.to_bytes(count, "little").translate(_IF_ZERO) if wrong >= 0 else bytes(count)


def select(column: bytes, kept: bytes) -> bytes:
    """Those bytes for which ``kept`` is not 0."""
    return bytes(compress(column, kept))


@lru_cache(maxsize=512)
def _less(others: int, width: int) -> tuple[bytes, bytes]:
    """By the first byte of a record's length: the first byte of its value's, and what must be
    added to the second to get that of the record. ``width``: bytes of the value's length."""
    lengths = [(first & 0x7F) >> 1 for first in range(256)]
    flag = 0x80 if width == 2 else 0
    return (
        bytes((length - others) % 64 << 1 | flag for length in lengths),
        bytes(-((length - others) // 64) for length in lengths),
    )


@lru_cache(maxsize=256)
def _if_equal(byte: int) -> bytes:
    """By byte: all bits if it is this one, none else."""
    return bytes(0xFF * (b == byte) for b in range(256))


def _differing(column: bytes, expected: bytes) -> int:
    return int.from_bytes(column, "little") ^ int.from_bytes(expected, "little")


def _if(column: bytes, table: bytes) -> int:
    return int.from_bytes(column.translate(table), "little")


def _wrong_times(columns: list[bytes]) -> int:
    """Those whose timestamps do not take as many bytes as there are columns."""
    last = columns[-1]
    wrong = 0 if last.isascii() else _if(last, _IF_CONTINUED)
    for column in columns[:-1]:
        if column.translate(None, _CONTINUED):
            wrong |= _if(column, _IF_LAST)
    return wrong
