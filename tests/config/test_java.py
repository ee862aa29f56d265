"""Numbers and lists as Java reads and writes them; the values were tried there."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barnabas.config.java import (
    double_text,
    parse_double,
    parse_integer,
    parse_list,
    trim,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [("+5", 5), ("-0", 0), ("007", 7), ("\u0665", 5), ("\uff11\uff12", 12), ("-32768", -32768)],
)
def test_integers(text: str, value: int) -> None:
    assert parse_integer(text, 16) == value


@pytest.mark.parametrize(
    "text",
    ["", "+", "--5", "1_000", "1e3", "0x10", "1L", "5.", "32768", "\U0001d7ce", " 5", "9" * 5000],
)
def test_no_integers(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a number|digits"):
        parse_integer(text, 16)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.5f", 0.5),
        ("5.", 5.0),
        (".5D", 0.5),
        ("1e-1", 0.1),
        ("1E400", math.inf),
        ("-Infinity", -math.inf),
        ("0x1p-2", 0.25),
        ("-0x1p9999", -math.inf),
    ],
)
def test_doubles(text: str, value: float) -> None:
    assert parse_double(text) == value


@pytest.mark.parametrize("text", ["", ".", "nan", "inf", "infinity", "0_1", "1L", "\u0665", "NaNf"])
def test_no_doubles(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a number|digits"):
        parse_double(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.5, "0.5"),
        (100.0, "100.0"),
        (0.001, "0.001"),
        (9.99e-4, "9.99E-4"),
        (1e7, "1.0E7"),
        (2147483647.0, "2.147483647E9"),
        (9.223372036854775807e18, "9.223372036854776E18"),
        (1.7976931348623157e308, "1.7976931348623157E308"),
        (-0.0, "-0.0"),
        (math.nan, "NaN"),
        (-math.inf, "-Infinity"),
    ],
)
def test_how_doubles_are_shown(value: float, text: str) -> None:
    assert double_text(value) == text


@given(st.floats(allow_nan=False))
def test_what_is_shown_is_read_as_the_same(value: float) -> None:
    read = parse_double(double_text(value))
    assert struct.pack(">d", read) == struct.pack(">d", value)


def test_long_texts_take_no_long_time() -> None:
    """Each is quadratic for a careless expression, and a client may send a megabyte."""
    many = 300_000
    for text in ("1" * many + "x", "." + "1" * many, "0x" + "f" * many, "1e" + "1" * many):
        with pytest.raises(ValueError, match="not a number"):
            parse_double(text)
    assert parse_list("a" + " " * many + "b") == ("a" + " " * many + "b",)
    with pytest.raises(ValueError, match="digits"):
        parse_integer("1" * many, 64)


def test_lists_and_spaces() -> None:
    assert parse_list("a , b,,c") == ("a", "b", "", "c")
    assert parse_list("") == ()
    assert trim("\x0b 5\x1f") == "5"
    assert trim("\u00a05\u2003") == "\u00a05\u2003"
