"""The key-only walk against the full reader."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barnabas.errors import KafkaError
from barnabas.records.batch import HEADER_BYTES, Record, build_batch, iterate_records, parse_header
from barnabas.records.keys import has_value, read_keys, timestamp_delta, with_timestamp_delta

sizes = st.sampled_from([0, 1, 15, 63, 64, 200, 8191, 8192, 20_000])
field = st.one_of(st.none(), sizes.map(lambda size: b"x" * size))
records = st.builds(
    Record,
    timestamp=st.integers(0, 2**42),
    key=field,
    value=field,
    headers=st.sampled_from([(), (("h", b"v"),), (("h", None), ("", b""))]),
)


@given(st.lists(records, min_size=1, max_size=80))
def test_the_walk_finds_what_the_reader_finds(made: list[Record]) -> None:
    batch = build_batch(made)
    data, base = bytes(batch[HEADER_BYTES:]), parse_header(batch).base_timestamp
    found = read_keys(data, 0, len(made))
    read = list(iterate_records(batch))
    assert found.deltas == [r.offset for r in read]
    assert found.keys == [r.key for r in read]
    assert found.ends[-1] == len(data)
    starts = [0, *found.ends]
    for number, record in enumerate(read):
        assert has_value(data, found.values_at[number]) == (record.value is not None)
        assert timestamp_delta(data, starts[number]) == record.timestamp - base


@given(st.lists(records, min_size=1, max_size=3), st.integers(-(2**42), 2**42))
def test_another_timestamp_changes_nothing_else(made: list[Record], shift: int) -> None:
    batch = build_batch(made)
    data, base = bytes(batch[HEADER_BYTES:]), parse_header(batch).base_timestamp
    found = read_keys(data, 0, len(made))
    changed = b"".join(
        with_timestamp_delta(data, start, end, timestamp_delta(data, start) - shift)
        for start, end in zip([0, *found.ends], found.ends, strict=False)
    )
    again = build_batch([r._replace(timestamp=r.timestamp) for r in made])
    header = parse_header(again)
    rebuilt = bytearray(again[:HEADER_BYTES]) + changed
    rebuilt[8:12] = (len(rebuilt) - 12).to_bytes(4, "big")
    rebuilt[27:35] = (base + shift).to_bytes(8, "big", signed=True)
    assert list(iterate_records(rebuilt)) == list(iterate_records(batch))
    assert header.record_count == len(made)


@pytest.mark.parametrize("cut", [1, 3, 6, 8, 20])
def test_cut_records_are_refused(cut: int) -> None:
    data = bytes(build_batch([Record(key=b"key", value=b"value" * 3)])[HEADER_BYTES:])
    with pytest.raises(KafkaError):
        read_keys(data[:cut], 0, 1)


@given(st.binary(max_size=60))
def test_garbage_raises_nothing_else(data: bytes) -> None:
    try:
        read_keys(data, 0, 3)
    except KafkaError:
        return
