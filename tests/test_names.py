"""Names of topics and numbers of partitions: what can be and what cannot."""

from __future__ import annotations

import pytest
from tests.storage.support import ILLEGAL

from barnabas.names import is_partition, number_in, topic_problem
from barnabas.types import TopicPartition


@pytest.mark.parametrize("name", ILLEGAL)
def test_illegal_topics(name: str) -> None:
    assert topic_problem(name) is not None
    assert not is_partition(TopicPartition(name, 0))


@pytest.mark.parametrize("name", ["a", "...", "-", "__x", "x" * 249, "A.b_c-9"])
def test_legal_topics(name: str) -> None:
    assert topic_problem(name) is None
    assert is_partition(TopicPartition(name, 0))


def test_numbers_of_partitions() -> None:
    assert not is_partition(TopicPartition("t", -1))
    assert not is_partition(TopicPartition("t", 2**31))
    assert is_partition(TopicPartition("t", 2**31 - 1))
    assert not is_partition(TopicPartition("x" * 249, 100_000)), "no directory has a longer name"
    plain = [(text, number_in(text)) for text in ("0", "7", "2147483647")]
    assert plain == [("0", 0), ("7", 7), ("2147483647", 2**31 - 1)]
    for odd in ("", "-1", "+1", "007", "1_0", " 1", "2147483648", "²", "\u0663", "9" * 5000):
        assert number_in(odd) is None, odd
