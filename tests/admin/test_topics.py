"""Names and placement."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barnabas import names
from barnabas.admin import topics
from barnabas.errors import ErrorCode, KafkaError


@pytest.mark.parametrize("name", ["a", "A.b_c-9", "x" * 249])
def test_legal_names(name: str) -> None:
    names.check_topic(name)


@pytest.mark.parametrize("name", ["", ".", "..", "x" * 250, "a b", "ü", "a/b", "a\n"])
def test_illegal_names(name: str) -> None:
    with pytest.raises(KafkaError) as caught:
        names.check_topic(name)
    assert caught.value.code is ErrorCode.INVALID_TOPIC_EXCEPTION


def test_colliding_names() -> None:
    assert names.colliding_topics("a.b", ["x", "a_b"]) == ["a_b"]
    assert names.colliding_topics("a.b", ["a-b"]) == []


def test_placement_as_kafka_documents_it() -> None:
    """The example of AdminUtils: 5 brokers, 10 partitions, factor 3, start and shift 0."""
    made = topics.assign_replicas(
        dict.fromkeys(range(5)),
        partitions=10,
        replication_factor=3,
        rng=random.Random(0),
        fixed_start=0,
    )
    assert [made[n] for n in range(10)] == [
        (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 0), (4, 0, 1),
        (0, 2, 3), (1, 3, 4), (2, 4, 0), (3, 0, 1), (4, 1, 2),
    ]  # fmt: skip


def test_placement_over_racks_as_kafka_documents_it() -> None:
    """The example of AdminUtils: racks alternate 0, 3, 1, 5, 4, 2."""
    racks: dict[int, str | None] = {
        0: "rack1", 1: "rack3", 2: "rack3", 3: "rack2", 4: "rack2", 5: "rack1",
    }  # fmt: skip
    made = topics.assign_replicas(
        racks, partitions=7, replication_factor=3, rng=random.Random(0), fixed_start=0
    )
    assert [made[n] for n in range(7)] == [
        (0, 3, 1), (3, 1, 5), (1, 5, 4), (5, 4, 2), (4, 2, 0), (2, 0, 3), (0, 4, 2),
    ]  # fmt: skip


@given(
    brokers=st.dictionaries(st.integers(0, 40), st.sampled_from("abc"), min_size=1, max_size=12),
    racked=st.booleans(),
    partitions=st.integers(1, 40),
    seed=st.integers(0, 99),
    data=st.data(),
)
def test_every_placement(
    brokers: dict[int, str], racked: bool, partitions: int, seed: int, data: st.DataObject
) -> None:
    factor = data.draw(st.integers(1, len(brokers)))
    racks: dict[int, str | None] = {b: r if racked else None for b, r in brokers.items()}
    made = topics.assign_replicas(
        racks, partitions=partitions, replication_factor=factor, rng=random.Random(seed)
    )
    assert list(made) == list(range(partitions))
    leaders = Counter(replicas[0] for replicas in made.values())
    assert max(leaders.values()) - min((leaders[b] for b in brokers), default=0) <= 1
    for replicas in made.values():
        assert len(set(replicas)) == factor
        assert set(replicas) <= set(brokers)
        if racked:
            wanted = min(factor, len(set(brokers.values())))
            assert len({brokers[r] for r in replicas}) >= wanted
    topics.check_assignment(made, list(brokers))


@pytest.mark.parametrize(
    ("partitions", "factor", "code"),
    [
        (0, 1, ErrorCode.INVALID_PARTITIONS),
        (10**9, 1, ErrorCode.INVALID_PARTITIONS),
        (1, 0, ErrorCode.INVALID_REPLICATION_FACTOR),
        (1, 4, ErrorCode.INVALID_REPLICATION_FACTOR),
    ],
)
def test_impossible_counts(partitions: int, factor: int, code: ErrorCode) -> None:
    with pytest.raises(KafkaError) as caught:
        topics.assign_replicas(
            dict.fromkeys((1, 2, 3)),
            partitions=partitions,
            replication_factor=factor,
            rng=random.Random(0),
        )
    assert caught.value.code is code


@pytest.mark.parametrize(
    "assignment", [{}, {1: (1,)}, {0: ()}, {0: (1, 1)}, {0: (9,)}, {0: (1, 2), 1: (1,)}]
)
def test_impossible_assignments(assignment: topics.Assignment) -> None:
    with pytest.raises(KafkaError) as caught:
        topics.check_assignment(assignment, [1, 2, 3])
    assert caught.value.code is ErrorCode.INVALID_REPLICA_ASSIGNMENT


def test_growing() -> None:
    brokers = dict.fromkeys((1, 2, 3))
    rng = random.Random(0)
    added = topics.grow({0: (2, 3), 1: (3, 1)}, 4, brokers, rng=rng)
    assert list(added) == [2, 3]
    assert [replicas[0] for replicas in added.values()] == [1, 2]
    assert topics.grow({0: (2, 3)}, 2, brokers, rng=rng, placement=[(1, 2)]) == {1: (1, 2)}
    for total, placement in ((1, None), (3, [(1, 2)]), (2, [(1,)]), (2, [(8, 9)])):
        with pytest.raises(KafkaError):
            topics.grow({0: (2, 3)}, total, brokers, rng=rng, placement=placement)
