"""ConfigDef.parseType: reads and writes numbers, lists and Booleans as Java does."""

from __future__ import annotations

import math
import re

_SPACE = "".join(map(chr, range(0x21)))
"""What ``String.trim`` removes at both ends."""
_INTEGER = re.compile(r"[+-]?\d+")
_DOUBLE = re.compile(
    r"[+-]?(NaN|Infinity|(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?[fFdD]?)", flags=re.ASCII
)
_HEXADECIMAL = re.compile(
    r"[+-]?0[xX]([0-9a-fA-F]+\.?|[0-9a-fA-F]*\.[0-9a-fA-F]+)[pP][+-]?[0-9]+[fFdD]?"
)
_NUMBER_CHARACTERS_MAX = 4096
"""The most characters of a double. No double needs more, and a very long text takes long to read.
"""
_BLANK = " \t\n\r\f\v"
_PLAIN_FROM, _PLAIN_BELOW = 1e-3, 1e7


def trim(text: str) -> str:
    """``text`` without spaces and control characters at both ends. Other Unicode spaces stay."""
    return text.strip(_SPACE)


def parse_integer(text: str, bits: int) -> int:
    """``Integer.parseInt``: an optional sign and decimal digits of any script. Raises ValueError
    for anything else, and for a number that does not fit into ``bits``."""
    if not _INTEGER.fullmatch(text) or any(ord(c) > 0xFFFF for c in text):
        raise ValueError(f"not a number: {text!r}")
    value = int(text)
    if not -(1 << bits - 1) <= value < 1 << bits - 1:
        raise ValueError(f"not a number of {bits} bits: {text!r}")
    return value


def parse_double(text: str) -> float:
    """``Double.parseDouble``: also ``NaN``, ``Infinity``, ``0.5f`` and ``0x1p-2``. ValueError."""
    if len(text) <= _NUMBER_CHARACTERS_MAX and _HEXADECIMAL.fullmatch(text):
        try:
            return float.fromhex(text.rstrip("fFdD"))
        except OverflowError:
            return -math.inf if text.startswith("-") else math.inf
    if len(text) > _NUMBER_CHARACTERS_MAX or not _DOUBLE.fullmatch(text):
        raise ValueError(f"not a number: {text!r}")
    return float(text if text.endswith(("NaN", "Infinity")) else text.rstrip("fFdD"))


def parse_boolean(text: str) -> bool:
    """``true`` or ``false`` in any case. ValueError for anything else."""
    lowered = text.lower()
    if lowered not in ("true", "false"):
        raise ValueError(f"neither true nor false: {text!r}")
    return lowered == "true"


def parse_list(text: str) -> tuple[str, ...]:
    """The items between commas. Empty items are kept, but an empty text has no items."""
    return tuple(item.strip(_BLANK) for item in text.split(",")) if text else ()


def parse_csv(text: str) -> tuple[str, ...]:
    """The items of a text that Kafka splits with ``Csv.parseCsvList``, which drops empty items."""
    return tuple(item for item in parse_list(text) if item)


def double_text(value: float) -> str:
    """``Double.toString``: ``0.5``, ``1.0E7``, ``1.7976931348623157E308``."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0 or _PLAIN_FROM <= abs(value) < _PLAIN_BELOW:
        return repr(value) if "e" not in repr(value) else f"{value:f}".rstrip("0")
    sign = "-" if value < 0 else ""
    digits, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, fraction = digits.partition(".")
    fraction = "" if fraction == "0" else fraction
    power = int(exponent or 0) + len(whole) - 1
    significant = (whole + fraction).lstrip("0")
    if whole == "0":
        power = -(len(fraction) - len(fraction.lstrip("0"))) - 1
    rest = significant[1:].rstrip("0") or "0"
    return f"{sign}{significant[0]}.{rest}E{power}"
