"""Reads DER, as much of it as certificates' names and key stores need. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

SEQUENCE: Final = 0x30
SET: Final = 0x31
OBJECT_IDENTIFIER: Final = 0x06
OCTET_STRING: Final = 0x04


class Element(NamedTuple):
    """One element: its tag, its content, and all its bytes."""

    tag: int
    content: bytes
    whole: bytes


def elements(data: bytes) -> Iterator[Element]:
    """The consecutive elements in ``data``. Raises ValueError."""
    position = 0
    while position < len(data):
        element = _element(data, position)
        yield element
        position += len(element.whole)


def _element(data: bytes, start: int) -> Element:
    try:
        tag, first = data[start], data[start + 1]
    except IndexError:
        raise ValueError("DER that ends too soon") from None
    position, length = start + 2, first
    if first & 0x80:
        count = first & 0x7F
        if not 1 <= count <= 4:
            raise ValueError("DER with an invalid length")
        length = int.from_bytes(data[position : position + count], "big")
        position += count
    end = position + length
    if end > len(data):
        raise ValueError("DER that ends too soon")
    return Element(tag, data[position:end], data[start:end])


def object_identifier(content: bytes) -> str:
    """The identifier as text, as ``1.2.840.113549.1.9.1``. Raises ValueError."""
    numbers: list[int] = []
    number = 0
    for byte in content:
        number = number << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(number)
            number = 0
    if not numbers or content[-1] & 0x80:
        raise ValueError("an object identifier that ends too soon")
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:])))
