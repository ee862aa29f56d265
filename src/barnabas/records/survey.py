"""Looks at every record of a batch without taking any out: is each one, and what do they add up to?

This is what a leader must know before it stores a client's batch (``validate.py``): that readers
can take out as many records as the header says, and which timestamp is the largest, for retention,
rolling and lookups go by it. None of it can be believed of the header. Where a record begins
follows from the lengths of all before it, so there is no proof without a look at each.

There are three ways, chosen as the records come:

- **One by one** (``shape.read_each``): 0.8 us a record of the usual form, 4 us one with headers.
  A few records, and those that differ too much to be compared.
- **Records of one size**: one is read field by field, and its followers are compared with it in
  columns: one byte of all of them at once. It ends where its lengths say. If the bytes of the
  following that make up their lengths and the number of headers are the same as in that one, at
  the same distances, then each of them ends where its lengths say, and there the next begins: that
  is the whole proof. The columns are strided slices of the batch itself, 5 ns a record each.
- **Others** (``_windows``): a loop follows the records' lengths alone and cuts out the bytes
  around each beginning: the headers of the record before (of as many bytes as the first's) and all
  of the next before its value. Joined they have one size, so their columns are strided slices as
  well. A record is right if its value's length is its own less what the other fields take, and if
  its key's length and those of its headers are the first's: then it ends where it says. What is
  of another shape is sorted out, and compared among itself.

What columns prove is only ever that a record is right; one that differs in any byte that matters
is read, which decides. Offsets are compared with what they must be. Timestamps may differ within
the bytes they take; the largest is found at the end.

What it costs (bench/README.md has all figures): equal records 12 to 60 ns each where there are
many, others 250 to 900. A produce request costs more than 3 % more where records are small or few:
there is no loop in C over fields of varying length in the standard library or in what Barnabas
depends on.
"""

from __future__ import annotations

from ctypes import addressof, c_char
from itertools import compress

from barnabas.records.batch import invalid_record
from barnabas.records.columns import (
    COUNT_MIN,
    WINDOW_MAX,
    Group,
    Windows,
    all_alike,
    cut_windows,
    offset_bytes,
    right,
    same_size,
    select,
    window_sizes,
)
from barnabas.records.shape import Shape, Survey, read_each, read_shape
from barnabas.types import Buffer

RECORD_BYTES_MIN = 7
"""Length, attributes, timestamp, offset, and three empty fields."""

_PADDING = bytes(WINDOW_MAX)
_CHUNK = 1 << 18
"""Larger batches are copied in parts: what was just copied is read fast."""
_FEW = 32
"""Fewer records of one size are compared together with those that follow."""
_LOOP_MAX = 20
"""Records without headers are faster read one by one than compared, if there are not more."""
_SORT_MIN = 48
"""The same, if they are of several sizes and fewer;"""
_A_KEY_MIN = 100
"""if their keys have several lengths, and they are fewer for each but one of these;"""
_KEYS_MIN = 1000
"""and if they are fewer and the first two keys differ."""
_KINDS_MAX = 8
_PATIENCE_MIN = 48
_PATIENCE_MAX = 384
"""So many records are read one by one between two attempts at columns."""
_ONE_IF_ZERO = b"\1" + bytes(0xFF)
_I64 = 2**63

# Timestamp deltas as they are encoded: in one byte from -64 to 63, in two from -8192 to 8191.
_NOT_LATER = tuple(bytes(z for z in range(0x80) if z & 1 or z <= 2 * t) for t in range(64))
"""By a timestamp delta from 0 to 63: the bytes of those that are not greater."""
_ONE_BYTE_TIMES = 64
_EVEN = bytes(range(0, 0x100, 2))


def survey(data: memoryview, count: int, claimed: int) -> Survey:
    """Read the ``count`` (> 0) records that ``data`` must consist of.

    ``claimed`` is the greatest timestamp delta by the header's word, which is checked. Raises
    KafkaError(INVALID_RECORD) if ``data`` is anything but so many records."""
    size = len(data)
    if count * RECORD_BYTES_MIN > size:
        raise invalid_record(f"{count} records in {size} bytes")
    # Bytes are much faster to index and to slice than a view of them. Who reads on in the padding
    # ends behind the end.
    padded = b"".join((data, _PADDING)) if size <= _CHUNK else b""
    whole, start = (padded, 0) if padded else _memory_of(data)
    stop = start + size
    try:
        if count < _SORT_MIN and _loop_is_faster(whole, start, count):
            at, found = read_each(whole, 0, count, start)
        else:
            surveyor = _Surveyor(whole, padded, start, stop, count)
            surveyor.read_all()
            at, found = surveyor.at, surveyor.found(claimed)
    except IndexError:
        raise invalid_record("the last records are cut short") from None
    beyond = at - stop
    if beyond:
        raise invalid_record(f"records do not end where their batch does: {beyond:+} bytes")
    return found


def _memory_of(view: memoryview) -> tuple[Buffer, int]:
    """What a view of bytes is a part of, and where it begins there; or the view itself."""
    whole = view.obj
    if view.strides == (1,) and isinstance(whole, bytes | bytearray):
        if len(whole) == len(view):
            return whole, 0
        if isinstance(whole, bytearray) and not view.readonly:
            return whole, addressof(c_char.from_buffer(view)) - addressof(c_char.from_buffer(whole))
    return view, 0


def _loop_is_faster(data: Buffer, start: int, count: int) -> bool:
    """Whether these records are too few for columns, or the second is not as long as the first."""
    if count <= COUNT_MIN:
        return True
    first, second = data[start], data[start + 1]
    if first >= 0x80 and second >= 0x80:
        return False
    length = first if first < 0x80 else first & 0x7F | second << 7
    end = start + (1 if first < 0x80 else 2) + (length >> 1)
    if data[end - 1]:
        return False  # Headers, likely: the loop is slow at them.
    return count <= _LOOP_MAX or data[end] != first or data[end + 1] != second


class _Surveyor:
    """Goes through the records of one batch."""

    number = 0
    """Of the next record."""
    earliest = _I64
    latest = -_I64
    keyless = False
    in_order = True

    def __init__(self, data: Buffer, padded: bytes, start: int, stop: int, count: int) -> None:
        self.at = start
        """Where the next record begins."""
        self.size = stop
        """Where the last must end; ``data`` may go on."""
        self.data = data
        self.padded = padded
        """The same, with more behind it; empty for larger batches."""
        self.count = count
        self.times: list[list[bytes]] = []
        """The bytes of timestamp deltas not looked at yet."""

    def read_all(self) -> None:
        """To the end of the last record. IndexError if it is not in the data."""
        patience = _PATIENCE_MIN
        while self.number < self.count:
            like = self._read_one(self.number, self.at)
            self.number += 1
            self.at = like.end
            width, stop = offset_bytes(self.number)
            limit = min(stop, self.count) - self.number
            if width != like.key_at - like.delta_at or limit < COUNT_MIN:
                limit = 0
            if limit and self._columns(like, limit) >= COUNT_MIN:
                patience = _PATIENCE_MIN
            else:
                self._read_each(min(self.number + patience, self.count))
                patience = min(2 * patience, _PATIENCE_MAX)

    def _columns(self, like: Shape, limit: int) -> int:
        """How many records behind ``like``, at most ``limit``, were proven to be right at once."""
        count, times = same_size(self.data, self.size, like, self.number, limit)
        if count < limit and count < _FEW:
            if limit < _SORT_MIN and like.tail + 1 == like.end:
                return 0
            if limit < _KEYS_MIN and self._other_key(like):
                return 0
            return self._windows(like, limit)
        self.times.append(times)
        self.number += count
        self.at += count * (like.end - like.start)
        return count

    def _other_key(self, like: Shape) -> bool:
        """Whether the key of the record behind ``like`` is of another length, at first sight."""
        key = like.key_at
        return self.data[key] != self.data[key + like.end - like.start]

    def _read_one(self, number: int, at: int) -> Shape:
        shape = read_shape(self.data, at)
        time = shape.time
        if time > self.latest:
            self.latest = time
        if time < self.earliest:
            self.earliest = time
        if shape.keyless:
            self.keyless = True
        if shape.delta != number:
            self.in_order = False
        return shape

    def _read_each(self, stop: int) -> None:
        """The records before number ``stop``, one by one."""
        self.at, found = read_each(self.data, self.number, stop, self.at)
        self.number = stop
        self.latest = max(self.latest, found.latest)
        self.earliest = min(self.earliest, found.earliest)
        self.keyless = self.keyless or found.keyless
        self.in_order = self.in_order and found.in_order

    def _windows(self, like: Shape, limit: int) -> int:
        """The same for records of any size."""
        sizes = window_sizes(like)
        if sizes is None:
            return 0
        before, after = sizes
        if self.padded:
            windows = cut_windows(self.padded, self.at, self.size, limit, before, after)
            end = windows.at
        else:
            base = self.at - before
            chunk = self.data[base : min(base + _CHUNK, self.size)]
            stop = len(chunk) - (0 if base + len(chunk) == self.size else after)
            windows = cut_windows(b"".join((chunk, _PADDING)), before, stop, limit, before, after)
            end = base + windows.at
        count = len(windows.cuts) - 1
        if count < COUNT_MIN:
            return 0
        tail = self._tail(like)
        times = all_alike(like, windows, self.number, tail)
        if times is not None:
            self.times.append(times)
            proven = count
        elif count < max(_SORT_MIN, _A_KEY_MIN * windows.key_lengths(like)):
            self._read_each(self.number + count)
            return 0
        else:
            proven = self._sort(like, tail, windows)
        self.number += count
        self.at = end
        return proven

    def _sort(self, like: Shape, tail: list[tuple[int, int]], windows: Windows) -> int:
        """The same for records of several kinds."""
        group = Group(windows, self.number)
        wrong, times = group.compare(like, tail)
        heads, tails = windows.cuts[:-1], windows.cuts[1:]
        starts = windows.starts(self.at)
        numbers = list(range(self.number, self.number + group.count))
        proven = 0
        for _ in range(_KINDS_MAX):
            kept = right(wrong, group.count)
            count = kept.count(1)
            if count:
                self.times.append([select(column, kept) for column in times])
                if not self.keyless and select(group.keys, kept).translate(None, _EVEN):
                    self.keyless = True
                proven += count
            rest = kept.translate(_ONE_IF_ZERO)
            numbers = list(compress(numbers, rest))
            starts = list(compress(starts, rest))
            if len(numbers) < COUNT_MIN or 16 * count < group.count:
                break
            heads = list(compress(heads, rest))
            tails = list(compress(tails, rest))
            group.keep(heads, tails, rest)
            like = self._read_one(numbers[0], starts[0])
            wrong, times = group.compare(like, self._tail(like))
        for number, start in zip(numbers, starts, strict=True):
            self._read_one(number, start)
        return proven

    def _tail(self, like: Shape) -> list[tuple[int, int]]:
        """What makes up the number of its headers and their lengths: how many bytes before its end
        each byte is, and what it is."""
        if like.tail + 1 == like.end:
            return [(1, 0)]
        return [(like.end - at, self.data[at]) for at in like.tail_places(self.data)]

    def found(self, claimed: int) -> Survey:
        """All of it, once all is read. ``claimed``: the greatest timestamp delta, likely."""
        pending = self.times
        if len(pending) > 1:
            pending.sort(key=len, reverse=True)
        for times in pending:
            if len(times) == 1:
                earliest = -64
                self.latest = _latest_of_one_byte(times[0], self.latest, claimed)
            else:
                earliest, latest = _span(times)
                self.latest = max(self.latest, latest)
            if earliest < self.earliest:
                self.earliest = earliest
        return Survey(self.earliest, self.latest, self.keyless, self.in_order)


def _latest_of_one_byte(column: bytes, latest: int, claimed: int) -> int:
    """The greatest of ``latest`` and timestamp deltas that are encoded in one byte."""
    if latest >= _ONE_BYTE_TIMES - 1:
        return latest
    bound = max(latest, claimed)
    is_bound = 0 <= bound < _ONE_BYTE_TIMES and not column.translate(None, _NOT_LATER[bound])
    if is_bound and (bound == latest or 2 * bound in column):
        return bound
    return max(latest, *(~(z >> 1) if z & 1 else z >> 1 for z in set(column)))


def _span(columns: list[bytes]) -> tuple[int, int]:
    """Not more than the least, and the greatest of timestamp deltas in several bytes."""
    low, high, *higher = columns
    if not higher and not low.translate(None, _EVEN):
        # None is negative: the greatest are among those with the greatest second byte.
        top = max(high)
        lows = set(compress(low, map(top.__eq__, high)))
        return 0, (max(lows) & 0x7F | top << 7) >> 1
    encoded = {
        sum((byte & 0x7F) << 7 * place for place, byte in enumerate(each))
        for each in set(zip(*columns, strict=True))
    }
    times = [~(z >> 1) if z & 1 else z >> 1 for z in encoded]
    return min(times), max(times)
