"""The look at every record, beside an oracle that reads one byte after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from barnabas.errors import ErrorCode, KafkaError
from barnabas.records.batch import HEADER_BYTES, Record, build_batch
from barnabas.records.shape import Survey
from barnabas.records.survey import survey
from barnabas.records.varint import write_varint


class NotRecords(Exception):
    """The bytes are anything but so many records."""


@dataclass
class Oracle:
    """Kafka's ``DefaultRecord.readFrom``, as plain as can be."""

    data: bytes
    at: int = 0

    def byte(self) -> int:
        if self.at >= len(self.data):
            raise NotRecords
        self.at += 1
        return self.data[self.at - 1]

    def number(self, bits: int) -> int:
        """Zig-zag; bits beyond the type's are dropped, as Java's shifts drop them."""
        raw = 0
        for shift in range(0, bits, 7):
            byte = self.byte()
            raw |= (byte & 0x7F) << shift
            if byte < 0x80:
                raw %= 2**bits
                return -(raw // 2) - 1 if raw % 2 else raw // 2
        raise NotRecords

    def field(self) -> int:
        """Step over a key or value; its length."""
        length = self.number(32)
        for _ in range(min(max(length, 0), len(self.data) + 1)):
            self.byte()
        return length

    def record(self) -> tuple[int, int, bool]:
        length = self.number(32)
        start = self.at
        self.byte()
        time, offset = self.number(64), self.number(32)
        key = self.field()
        self.field()
        headers = self.number(32)
        if headers < 0:
            raise NotRecords
        for _ in range(headers):
            if self.field() < 0:
                raise NotRecords
            self.field()
        if self.at - start != length:
            raise NotRecords
        return time, offset, key < 0

    def survey(self, count: int) -> Survey:
        found = [self.record() for _ in range(count)]
        if self.at != len(self.data):
            raise NotRecords
        return Survey(
            earliest=min(time for time, _, _ in found),
            latest=max(time for time, _, _ in found),
            keyless=any(keyless for _, _, keyless in found),
            in_order=[offset for _, offset, _ in found] == list(range(count)),
        )


def agree(data: bytes, count: int, claimed: int) -> Survey | None:
    """Both find the same; None if both refuse."""
    try:
        expected = Oracle(data).survey(count)
    except NotRecords:
        with pytest.raises(KafkaError) as caught:
            survey(memoryview(data), count, claimed)
        assert caught.value.code is ErrorCode.INVALID_RECORD
        return None
    found = survey(memoryview(data), count, claimed)
    assert found.earliest <= expected.earliest
    # A bound, but a near one: topics with limits look closer only where it may matter.
    assert found.earliest in (expected.earliest, 0, -64, -8192)
    assert found._replace(earliest=expected.earliest) == expected
    return found


def number(value: int, width: int | None = None) -> bytes:
    """A varint, perhaps in more bytes than it needs."""
    plain = write_varint(value)
    if width is None or width <= len(plain):
        return plain
    return plain[:-1] + bytes((plain[-1] | 0x80,)) + b"\x80" * (width - len(plain) - 1) + b"\0"


def record_bytes(
    offset: int = 0,
    time: int = 0,
    key: bytes | None = b"k",
    value: bytes | None = b"v",
    headers: tuple[tuple[bytes | None, bytes | None], ...] = (),
    *,
    attributes: int = 0,
    widths: tuple[int | None, ...] = (None,) * 6,
    length: int | None = None,
    header_count: int | None = None,
) -> bytes:
    """Any record, also a wrong one."""

    def field(content: bytes | None, width: int | None = None) -> bytes:
        return number(-1, width) if content is None else number(len(content), width) + content

    count = len(headers) if header_count is None else header_count
    body = (
        bytes((attributes,))
        + number(time, widths[1])
        + number(offset, widths[2])
        + field(key, widths[3])
        + field(value, widths[4])
        + number(count, widths[5])
        + b"".join(field(name) + field(content) for name, content in headers)
    )
    return number(len(body) if length is None else length, widths[0]) + body


FIELD = st.none() | st.binary(max_size=70)
HEADERS = st.lists(st.tuples(st.binary(max_size=5), FIELD), max_size=2).map(tuple)
TIMES = st.integers(-70, 70) | st.integers(-9000, 9000) | st.integers(-(2**62), 2**62)
WIDTH = st.none() | st.integers(1, 6)


@st.composite
def runs(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Records, many of them of one shape: what columns are for."""
    found: list[dict[str, Any]] = []
    for _ in range(draw(st.integers(1, 4))):
        like = {
            "key": draw(FIELD),
            "value": draw(FIELD),
            "headers": draw(HEADERS) if draw(st.booleans()) else (),
            "widths": draw(st.tuples(*[WIDTH] * 6)) if draw(st.booleans()) else (None,) * 6,
            "attributes": draw(st.integers(0, 255)),
        }
        times = draw(st.lists(TIMES, min_size=1, max_size=3))
        found += [like | {"time": times[i % len(times)]} for i in range(draw(st.integers(1, 90)))]
    return found


@settings(max_examples=150, deadline=None)
@given(
    runs(),
    st.lists(st.tuples(st.integers(0, 2**31), st.integers(0, 255)), max_size=2),
    st.lists(st.tuples(st.integers(0, 400), st.integers(-3, 10_000)), max_size=1),
    st.integers(-2, 2),
    st.integers(-10, 100) | st.none(),
)
def test_whatever_records_it_finds_what_the_oracle_finds(
    shapes: list[dict[str, Any]],
    damage: list[tuple[int, int]],
    misplaced: list[tuple[int, int]],
    more: int,
    claimed: int | None,
) -> None:
    offsets = dict(misplaced)
    data = bytearray(
        b"".join(record_bytes(offsets.get(i, i), **shape) for i, shape in enumerate(shapes))
    )
    for where, value in damage:
        data[where % len(data)] = value
    latest = max(shape["time"] for shape in shapes)
    agree(bytes(data), max(len(shapes) + more, 1), latest if claimed is None else claimed)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60), st.integers(1, 8), st.integers(-5, 5))
@example(b"\x0e\0\0\0\2k\2v\0", 1, 0)
def test_any_bytes(data: bytes, count: int, claimed: int) -> None:
    agree(data, count, claimed)


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 300, 8193])
@pytest.mark.parametrize(("size", "step"), [(0, 0), (1, 3), (60, 1)])
def test_records_of_one_size_across_the_widths_of_offsets(count: int, size: int, step: int) -> None:
    batch = build_batch([Record(timestamp=i * step // 9, value=bytes(size)) for i in range(count)])
    data = bytes(batch[HEADER_BYTES:])
    latest = (count - 1) * step // 9
    for claimed in (latest, latest + 1, -1):
        found = agree(data, count, claimed)
        assert found is not None
        assert (found.latest, found.keyless, found.in_order) == (latest, True, True)


def test_far_more_records_than_columns_know() -> None:
    count = 70_000
    data = b"".join(record_bytes(i) for i in range(count))
    assert survey(memoryview(data), count, 0) == Survey(-64, 0, keyless=False, in_order=True)


@pytest.mark.parametrize("place", range(len(record_bytes(90, 5, b"key", b"value" * 13))))
def test_no_byte_of_a_record_in_a_run_escapes(place: int) -> None:
    """Each byte of one record, set to each other value."""
    records = [record_bytes(i, 5, b"key", b"value" * 13) for i in range(120)]
    start = sum(map(len, records[:90])) + place
    data = bytearray(b"".join(records))
    for value in range(0, 256, 17):
        data[start] = value
        agree(bytes(data), 120, 5)


@pytest.mark.parametrize("at", [0, 1, 40, 70, 299])
@pytest.mark.parametrize("time", [-1, -64, -65, 4, 6, 63, 64, 8191, 8192, -(2**40), 2**40])
def test_one_timestamp_differs(at: int, time: int) -> None:
    records = [record_bytes(i, time if i == at else 5) for i in range(300)]
    for claimed in (5, 4, 6, time, 0):
        found = agree(b"".join(records), 300, claimed)
        assert found is not None
        assert found.latest == max(5, time)


@pytest.mark.parametrize(
    "wrong",
    [
        record_bytes(length=7),
        record_bytes(length=9),
        record_bytes(length=-9),
        record_bytes(length=0),
        record_bytes(length=2**31 - 1),
        record_bytes(header_count=-1),
        record_bytes(header_count=1),
        record_bytes(header_count=2**31 - 1),
        record_bytes(headers=((None, b"x"),)),
        record_bytes(headers=((b"a", b"x"),), header_count=0),
        record_bytes(headers=((b"a", b"x"),), header_count=2),
        record_bytes(widths=(6, None, None, None, None, None)),
        record_bytes(widths=(None, 11, None, None, None, None)),
        record_bytes(widths=(None, None, 6, None, None, None)),
        record_bytes(widths=(None, None, None, 6, None, None)),
        record_bytes(widths=(None, None, None, None, 6, None)),
        record_bytes(widths=(None, None, None, None, None, 6)),
        b"",
        b"\0",
        b"\x0c" + b"\xff" * 40,
    ],
)
@pytest.mark.parametrize("before", [0, 1, 40])
def test_what_is_no_record(wrong: bytes, before: int) -> None:
    data = b"".join(record_bytes(i) for i in range(before)) + wrong
    assert agree(data, before + 1, 0) is None


@pytest.mark.parametrize(
    "right",
    [
        record_bytes(attributes=255),
        record_bytes(key=None, value=None),
        record_bytes(key=b"", value=b""),
        record_bytes(value=bytes(9000)),
        record_bytes(value=bytes(20_000)),
        record_bytes(key=bytes(100)),
        record_bytes(headers=((b"\xff\xfe", None), (b"", b""))),
        record_bytes(widths=(5, 10, 5, 5, 5, 5)),
        record_bytes(widths=(2, 2, 2, 2, 2, 2)),
        record_bytes(time=-(2**63)),
        record_bytes(time=2**63 - 1),
    ],
)
@pytest.mark.parametrize("count", [1, 2, 6, 7, 15, 30, 47, 48, 63])
def test_unusual_records(right: bytes, count: int) -> None:
    """Alone, first of several, and all of one kind."""
    usual = b"".join(record_bytes(i) for i in range(1, count))
    assert agree(right + usual, count, 0) is not None
    assert agree(right * count, count, 0) is not None
