"""Zig-zag varints."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barnabas.errors import KafkaError
from barnabas.records.varint import read_varint, read_varlong, write_varint


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (0, "00"),
        (-1, "01"),
        (1, "02"),
        (63, "7e"),
        (-64, "7f"),
        (64, "8001"),
        (-65, "8101"),
        (2**31 - 1, "feffffff0f"),
        (-(2**31), "ffffffff0f"),
        (2**63 - 1, "feffffffffffffffff01"),
        (-(2**63), "ffffffffffffffffff01"),
    ],
)
def test_known_values(value: int, encoded: str) -> None:
    data = bytes.fromhex(encoded)
    assert write_varint(value) == data
    assert read_varlong(data, 0) == (value, len(data))


@given(st.integers(-(2**31), 2**31 - 1))
def test_round_trip_32(value: int) -> None:
    data = b"\xff" + write_varint(value)
    assert read_varint(data, 1) == (value, len(data))


@given(st.integers(-(2**63), 2**63 - 1))
def test_round_trip_64(value: int) -> None:
    data = write_varint(value) + b"\xff"
    assert read_varlong(data, 0) == (value, len(data) - 1)


def test_endless_ones_are_refused() -> None:
    with pytest.raises(KafkaError):
        read_varint(b"\x80" * 5 + b"\0", 0)
    with pytest.raises(KafkaError):
        read_varlong(b"\x80" * 10 + b"\0", 0)
    with pytest.raises(IndexError):
        read_varint(b"\x80", 0)


@given(st.binary(min_size=1, max_size=12))
def test_values_stay_in_their_width(data: bytes) -> None:
    for read, bits in ((read_varint, 32), (read_varlong, 64)):
        try:
            value, at = read(data, 0)
        except (IndexError, KafkaError):
            continue
        assert -(2 ** (bits - 1)) <= value < 2 ** (bits - 1)
        assert 0 < at <= len(data)
