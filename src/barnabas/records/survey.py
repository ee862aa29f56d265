"""Checks every record of a batch without building record objects, and summarizes the batch.

A leader must know two things before it stores a client's batch (``validate.py``): readers can read
as many records as the header says, and which timestamp is the largest (retention, rolling and
look-ups use it). The header proves neither. A record begins where the one before it ends, so only
a look at each record proves both.

There are three ways to look, chosen as the records come:

- **One by one** (``shape.read_each``): 0.8 us for a record of the usual form, 4 us for one with
  headers. Used for a few records, and for those that differ too much to be compared.
- **Records of one size** (``columns.same_size``): one record is read field by field. The records
  after it are compared with it in columns (one byte position of all of them at once). Suppose that
  the bytes for lengths and for the number of headers are the same in all, at the same places. Then
  each record ends where its lengths say, and the next begins there. That is the whole proof. The
  columns are strided slices of the batch itself and cost 5 ns a record each.
- **Records of several sizes** (``_windows``): a loop follows the records' lengths and cuts out a
  window around each beginning. The window has the headers of the previous record (as many bytes as
  the first record's headers), and the next record up to its value. All windows have one size, so
  their columns are strided slices as well. A record is valid if two things hold: its length is that
  of its value plus all other fields, and the lengths of its key and headers are those of the record
  that it is compared with. Records of another shape are set apart and compared with one another.

Columns only prove that a record is valid. A record that differs in a byte that matters is read by
itself, and that decides. Offsets are compared with the expected ones. Timestamps may differ within
the bytes that they take; the largest is found at the end.

Cost (bench/README.md has all figures): 12 to 60 ns for each of many equal records, 250 to 900 ns
for others. With small or few records a produce request becomes more than 3 % dearer: neither the
standard library nor a dependency of Barnabas has a loop in C over fields of varying length.
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
"""Larger batches are copied in parts: data that was just copied is in the processor's cache."""
_FEW = 32
"""Fewer records of one size than this are compared together with those that follow."""
_LOOP_MAX = 20
"""Up to this many records without headers are read one by one: that is faster than comparing."""
_SORT_MIN = 48
"""Fewer records of several sizes than this are read one by one."""
_A_KEY_MIN = 100
"""The same, if there are fewer records than this for each length of keys beyond the first."""
_KEYS_MIN = 1000
"""The same, if there are fewer records than this and the first two keys differ in length."""
_KINDS_MAX = 8
_PATIENCE_MIN = 48
_PATIENCE_MAX = 384
"""How many records are read one by one between two attempts at columns, at most."""
_ONE_IF_ZERO = b"\1" + bytes(0xFF)
_I64 = 2**63

# Timestamp deltas as they are encoded: in one byte from -64 to 63, in two from -8192 to 8191.
_NOT_LATER = tuple(bytes(z for z in range(0x80) if z & 1 or z <= 2 * t) for t in range(64))
"""For each timestamp delta from 0 to 63: the encoded deltas that are not greater."""
_ONE_BYTE_TIMES = 64
_EVEN = bytes(range(0, 0x100, 2))


def survey(data: memoryview, count: int, claimed: int) -> Survey:
    """Read the ``count`` (> 0) records that ``data`` must consist of.

    ``claimed`` is the greatest timestamp delta as the header says; it is checked. Raises
    KafkaError(INVALID_RECORD) if ``data`` is anything else than ``count`` records."""
    size = len(data)
    if count * RECORD_BYTES_MIN > size:
        raise invalid_record(f"{count} records in {size} bytes")
    # Bytes are much faster to index and to slice than a view of them. A read that goes on into the
    # padding is noticed below, because it ends beyond the end.
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
    """The object that a view of bytes belongs to, and where the view begins in it; or the view
    itself and 0."""
    whole = view.obj
    if view.strides == (1,) and isinstance(whole, bytes | bytearray):
        if len(whole) == len(view):
            return whole, 0
        if isinstance(whole, bytearray) and not view.readonly:
            return whole, addressof(c_char.from_buffer(view)) - addressof(c_char.from_buffer(whole))
    return view, 0


def _loop_is_faster(data: Buffer, start: int, count: int) -> bool:
    """Whether these records are too few for columns, or the first two differ in length."""
    if count <= COUNT_MIN:
        return True
    first, second = data[start], data[start + 1]
    if first >= 0x80 and second >= 0x80:
        return False
    length = first if first < 0x80 else first & 0x7F | second << 7
    end = start + (1 if first < 0x80 else 2) + (length >> 1)
    if data[end - 1]:
        return False  # The record likely has headers, which the loop is slow at.
    return count <= _LOOP_MAX or data[end] != first or data[end + 1] != second


class _Surveyor:
    """Goes through the records of one batch."""

    number = 0
    """The number of the next record."""
    earliest = _I64
    latest = -_I64
    keyless = False
    in_order = True

    def __init__(self, data: Buffer, padded: bytes, start: int, stop: int, count: int) -> None:
        self.at = start
        """Where the next record begins."""
        self.size = stop
        """Where the last record must end; ``data`` may go on after it."""
        self.data = data
        self.padded = padded
        """``data`` with padding after it; empty for larger batches."""
        self.count = count
        self.times: list[list[bytes]] = []
        """Columns of timestamp deltas that ``found`` has still to look at."""

    def read_all(self) -> None:
        """Read to the end of the last record. IndexError if that is not in the data."""
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
        """Compare up to ``limit`` records after ``like``; how many are proven valid."""
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
        """Whether the key after ``like`` seems to have another length (if the record has not)."""
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
        """Read the records before number ``stop`` one by one."""
        self.at, found = read_each(self.data, self.number, stop, self.at)
        self.number = stop
        self.latest = max(self.latest, found.latest)
        self.earliest = min(self.earliest, found.earliest)
        self.keyless = self.keyless or found.keyless
        self.in_order = self.in_order and found.in_order

    def _windows(self, like: Shape, limit: int) -> int:
        """``_columns`` for records of different sizes."""
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
        """``_windows`` for records of several shapes: compare those of each shape together."""
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
        """(bytes before the record's end, byte) of each byte that says how many headers there are
        or how long their fields are."""
        if like.tail + 1 == like.end:
            return [(1, 0)]
        return [(like.end - at, self.data[at]) for at in like.tail_places(self.data)]

    def found(self, claimed: int) -> Survey:
        """The summary, once all is read. ``claimed``: likely the greatest timestamp delta."""
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
    """A lower bound, and the greatest, of timestamp deltas that are encoded in several bytes."""
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
