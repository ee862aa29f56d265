"""The records that a test reads, and their comparison with the expected ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Expected: TypeAlias = "bytes | str | tuple[bytes | str | None, bytes | str | None]"
"""A value, or a key and a value. Text is UTF-8."""
SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class TestRecord:
    """One record of a topic."""

    __test__ = False  # tells pytest that this class is no test

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp: int
    """Milliseconds since 1970."""


def difference(
    found: Sequence[TestRecord], expected: Iterable[Expected], *, in_order: bool
) -> str | None:
    """The difference in words: what is missing and what is not expected. None if there is none.
    Pure."""
    wanted = list(expected)
    with_keys = any(isinstance(each, tuple) for each in wanted)
    want = [_pair(each, with_keys=with_keys) for each in wanted]
    have = [(r.key if with_keys else None, r.value) for r in found]
    if have == want or (not in_order and sorted(map(_order, have)) == sorted(map(_order, want))):
        return None
    missing = _without(want, have)
    surplus = _without(have, want)
    told = [f"{len(have)} records, {len(want)} expected"]
    if missing:
        told.append(f"missing: {_shown(missing)}")
    if surplus:
        told.append(f"not expected: {_shown(surplus)}")
    if not missing and not surplus:
        first = next(i for i, (a, b) in enumerate(zip(have, want, strict=True)) if a != b)
        told.append(f"in another order from record {first} on: {_shown(have[first:])}")
    return "; ".join(told)


_Pair: TypeAlias = "tuple[bytes | None, bytes | None]"


def _pair(expected: Expected, *, with_keys: bool) -> _Pair:
    if with_keys and not isinstance(expected, tuple):
        raise TypeError(f"{expected!r}: either all records are given with keys, or none")
    return as_pair(expected)


def as_pair(given: Expected) -> tuple[bytes | None, bytes | None]:
    """(key, value) in bytes."""
    key, value = given if isinstance(given, tuple) else (None, given)
    return _bytes(key), _bytes(value)


def _bytes(text: bytes | str | None) -> bytes | None:
    return text.encode() if isinstance(text, str) else text


def _order(pair: _Pair) -> tuple[bool, bytes, bool, bytes]:
    key, value = pair
    return key is not None, key or b"", value is not None, value or b""


def _without(some: list[_Pair], others: list[_Pair]) -> list[_Pair]:
    """``some`` without ``others``; a pair that is there twice counts twice."""
    counts: dict[_Pair, int] = {}
    for each in others:
        counts[each] = counts.get(each, 0) + 1
    left = []
    for each in some:
        if counts.get(each, 0):
            counts[each] -= 1
        else:
            left.append(each)
    return left


def _shown(pairs: list[_Pair]) -> str:
    texts = [repr(value if key is None else (key, value)) for key, value in pairs[:SHOWN]]
    more = f" and {len(pairs) - SHOWN} more" if len(pairs) > SHOWN else ""
    return ", ".join(texts) + more
