"""Expressions over topic names: what they mean, what is refused, and that they cost little."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barnabas.errors import ErrorCode, KafkaError
from barnabas.groups.consumer.regex import TopicPattern

ATOMS = st.sampled_from(
    ["a", "b", ".", "[ab]", "[^a]", r"\d", "[a-c]", r"\.", "^", "$", r"[\W]", r"[^\d]", r"\w"]
)
REPEATS = st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{0,}", "{2,}", "*?", "{0}"])
PATTERNS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda two: f"(?:{two[0]}|{two[1]})"),
        st.tuples(inner, REPEATS).map(lambda two: f"(?:{two[0]}){two[1]}"),
        inner.map(lambda one: f"({one})"),
        inner.map(lambda one: f"(?P<n>{one})" if "(?P" not in one else one),
        inner.map(lambda one: f"(?i:{one})"),
    ),
    max_leaves=8,
)


@given(PATTERNS, st.lists(st.text("abcA1._", max_size=6), max_size=8))
def test_it_means_what_python_says(pattern: str, names: list[str]) -> None:
    try:
        expected = re.compile(pattern)
    except re.error:  # the name of a group twice
        return
    ours = TopicPattern(pattern)
    for name in names:
        assert ours.matches(name) is bool(expected.fullmatch(name)), name


@pytest.mark.parametrize(
    ("pattern", "fits", "does_not"),
    [
        (r"\Qa.b\E.*", "a.bc", "axb"),
        (r"\Aa\z", "a", "ab"),
        ("(?i)red-.*", "RED-x", "blue"),
        ("(?s:a.b)", "a\nb", "ab"),
        ("a{,2}", "a{,2}", "aa"),
        ("[]a]", "]", "b"),
        ("[a-]+", "a-", "b"),
        ("[^\\d]", "x", "1"),
        ("(?<name>x)", "x", "y"),
        ("", "", "a"),
        ("orders|payments-[0-9]+", "payments-17", "payments-"),
    ],
)
def test_forms_of_re2(pattern: str, fits: str, does_not: str) -> None:
    compiled = TopicPattern(pattern)
    assert compiled.matches(fits)
    assert not compiled.matches(does_not)


@pytest.mark.parametrize(
    "pattern",
    [
        *("(", ")", "a)", "[", "[a", "*", "+a", "a**", "a{2}{3}", "a{2,1}", "a{1001}", "\\"),
        *(
            r"\b",
            r"\1",
            r"\pL",
            "(?=a)",
            "(?!a)",
            "(?<=a)",
            "(?P<n",
            "(?x:a)",
            "[b-a]",
            "[[:alpha:]]",
        ),
        *(r"[a-\d]", "(?", "((a{100}){100}){100}", "(" * 200 + ")" * 200, "a" * 1001),
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
    large = TopicPattern("(?:[ab].{0,150}){2}")
    for length in range(200):  # more transitions than are kept
        assert large.matches("ab" * length) is (0 < length <= 151)
