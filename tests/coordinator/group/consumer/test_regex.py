"""Expressions over topic names: what they mean, what is refused, and that they cost little."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barnabas.coordinator.group.consumer.regex import TopicPattern
from barnabas.errors import ErrorCode, KafkaError


@pytest.mark.parametrize(
    ("pattern", "fits", "does_not"),
    [
        (r"\Qa.b\E.*", "a.bc", "axb"),
        ("(?i)red-.*", "RED-x", "blue"),
        ("(?P<name>x)", "x", "y"),
        (r"\p{Greek}+", "λόγος".replace("ό", "ο"), "logos"),
        ("", "", "a"),
        ("orders|payments-[0-9]+", "payments-17", "payments-"),
        ("b", "b", "abc"),
    ],
)
def test_the_whole_name_must_fit(pattern: str, fits: str, does_not: str) -> None:
    compiled = TopicPattern(pattern)
    assert compiled.matches(fits)
    assert not compiled.matches(does_not)


@pytest.mark.parametrize(
    "pattern",
    [
        *("(", "a)", "[", "*", "+a", "a{2,1}", "a{1001}", "[b-a]", "\\", r"\1", "(?=a)", "(?<=a)"),
        *("((a{100}){100}){100}", "(" * 999, "a" * 1001, "\ud800"),
    ],
)
def test_what_is_refused(pattern: str) -> None:
    with pytest.raises(KafkaError) as raised:
        TopicPattern(pattern)
    assert raised.value.code == ErrorCode.INVALID_REGULAR_EXPRESSION


@given(st.text("ab()[]{}|*+?^$\\.,-:<>P012!=i", max_size=30))
def test_anything_is_an_expression_or_refused(pattern: str) -> None:
    with suppress(KafkaError):
        TopicPattern(pattern).matches("abab")


def test_what_would_take_for_ever_with_backtracking() -> None:
    compiled = TopicPattern("(a*)*(b|a)*(a|aa)+c")
    assert not compiled.matches("a" * 249)
    assert compiled.matches("a" * 248 + "c")
