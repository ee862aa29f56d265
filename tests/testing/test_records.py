"""What is said of records that are not as expected."""

from __future__ import annotations

import re

import pytest

from barnabas.testing.records import Expected, TestRecord, difference


def found(*values: bytes | None, key: bytes | None = None) -> list[TestRecord]:
    return [
        TestRecord(topic="t", partition=0, offset=i, key=key, value=v, timestamp=0)
        for i, v in enumerate(values)
    ]


@pytest.mark.parametrize(
    ("have", "expected", "in_order", "said"),
    [
        (found(b"a", b"b"), ["a", b"b"], True, None),
        (found(b"b", b"a"), ["a", "b"], False, None),
        (found(b"b", b"a"), ["a", "b"], True, "in another order from record 0 on: b'b', b'a'"),
        (found(b"a"), ["a", "a"], False, "1 records, 2 expected; missing: b'a'"),
        (found(b"a", b"c"), ["a"], True, "not expected: b'c'"),
        (found(b"v", key=b"k"), [("k", "v")], True, None),
        (found(b"v", key=b"k"), [("other", "v")], True, r"missing: \(b'other', b'v'\)"),
        (found(None), [(None, None)], True, None),
        (found(*[b"x"] * 12), [], True, "and 2 more"),
    ],
)
def test_difference(
    have: list[TestRecord], expected: list[Expected], in_order: bool, said: str | None
) -> None:
    told = difference(have, expected, in_order=in_order)
    if said is None:
        assert told is None
    else:
        assert told is not None
        assert re.search(said, told)


def test_keys_are_given_for_all_or_for_none() -> None:
    with pytest.raises(TypeError, match="all records"):
        difference([], [("k", "v"), "v"], in_order=True)
