"""What assignors promise: every partition has one owner, loads are even, members keep their own."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.coordinator.group.consumer.kit import of, topic_id

from barnabas.coordinator.group.consumer.assignors import (
    ASSIGNORS,
    AssigneeFacts,
    assign_ranges,
    assign_uniformly,
)
from barnabas.coordinator.group.records.assignment import Assignment, partitions_of, size, without

GroupFacts: TypeAlias = tuple[dict[str, AssigneeFacts], dict[uuid.UUID, int]]

few = settings(max_examples=40)

T, U, V = (topic_id(name) for name in "tuv")
MEMBERS = [f"m{number}" for number in range(6)]
TOPICS = st.dictionaries(st.sampled_from([T, U, V]), st.integers(0, 12), min_size=1)


def members(*names: str, topics: tuple[uuid.UUID, ...] = (T,)) -> dict[str, AssigneeFacts]:
    return {name: AssigneeFacts(topics=frozenset(topics)) for name in names}


def again(
    assignees: Mapping[str, AssigneeFacts], given: Mapping[str, Assignment]
) -> dict[str, AssigneeFacts]:
    """The same members, with what they were given."""
    return {
        name: AssigneeFacts(
            topics=facts.topics, instance_id=facts.instance_id, had=given.get(name, {})
        )
        for name, facts in assignees.items()
    }


@st.composite
def groups(draw: st.DrawFn, *, equal: bool = False) -> GroupFacts:
    topics = draw(TOPICS)
    names = draw(st.lists(st.sampled_from(MEMBERS), min_size=1, unique=True))
    wanted = st.frozensets(st.sampled_from(sorted(topics)))
    everything = frozenset(topics)
    had = st.dictionaries(st.sampled_from([T, U, V]), st.frozensets(st.integers(0, 14), max_size=4))
    return {
        name: AssigneeFacts(
            topics=everything if equal else draw(wanted),
            instance_id=draw(st.sampled_from([None, f"i{name}"])),
            had={t: tuple(sorted(n)) for t, n in draw(had).items() if n},
        )
        for name in names
    }, topics


@pytest.mark.parametrize("name", list(ASSIGNORS))
@few
@given(groups())
def test_every_partition_with_subscribers_has_one_of_them(name: str, group: GroupFacts) -> None:
    assignees, topics = group
    assigned = ASSIGNORS[name](assignees, topics)
    assert list(assigned) == list(assignees)
    for member, assignment in assigned.items():
        assert all(topic in assignees[member].topics for topic in assignment)
        assert all(list(n) == sorted(set(n)) and n for n in assignment.values())
    everything = [p for assignment in assigned.values() for p in partitions_of(assignment)]
    wanted = [t for t in topics if any(t in m.topics for m in assignees.values())]
    assert len(everything) == len(set(everything)) == sum(topics[t] for t in wanted)


@few
@given(groups(equal=True))
def test_uniform_loads_differ_by_one_at_most(group: GroupFacts) -> None:
    loads = [size(a) for a in assign_uniformly(*group).values()]
    assert max(loads) - min(loads) <= 1


@few
@given(groups())
def test_no_move_makes_uniform_loads_more_even(group: GroupFacts) -> None:
    assignees, topics = group
    assigned = assign_uniformly(assignees, topics)
    for owner, assignment in assigned.items():
        for topic in assignment:
            for other, facts in assignees.items():
                if topic in facts.topics:
                    assert size(assignment) - size(assigned[other]) <= 1, (owner, other)


@few
@given(groups())
def test_uniform_leaves_alone_what_is_even(group: GroupFacts) -> None:
    assignees, topics = group
    first = assign_uniformly(assignees, topics)
    assert assign_uniformly(again(assignees, first), topics) == first


@few
@given(groups(equal=True), st.sampled_from(MEMBERS))
def test_uniform_moves_no_more_than_it_must(group: GroupFacts, name: str) -> None:
    assignees, topics = group
    first = assign_uniformly(assignees, topics)
    if name in assignees:  # it goes: the others keep everything
        rest = {m: f for m, f in again(assignees, first).items() if m != name}
        if rest:
            second = assign_uniformly(rest, topics)
            assert all(not without(first[m], second[m]) for m in rest)
        return
    # It comes: it gets its share, and nobody gets anything from another.
    more = {**again(assignees, first), name: AssigneeFacts(topics=frozenset(topics))}
    second = assign_uniformly(more, topics)
    assert all(not without(second[m], first[m]) for m in assignees)
    lost = sum(size(without(first[m], second[m])) for m in assignees)
    assert lost == size(second[name]) == sum(topics.values()) // len(more)


@few
@given(groups(equal=True))
def test_ranges_are_runs_of_even_length(group: GroupFacts) -> None:
    assignees, topics = group
    assigned = assign_ranges(assignees, topics)
    for topic, count in topics.items():
        runs = [a.get(topic, ()) for a in assigned.values()]
        assert all(list(run) == list(range(run[0], run[-1] + 1)) for run in runs if run)
        lengths = [len(run) for run in runs]
        assert max(lengths) - min(lengths) <= 1
        assert sum(lengths) == count


def test_ranges_by_example() -> None:
    given_ = assign_ranges(members("b", "a", topics=(T, U)), {T: 3, U: 3})
    assert given_ == {
        "a": {T: (0, 1), U: (0, 1)},
        "b": {T: (2,), U: (2,)},
    }
    static = members("z", "b", "a")
    static["z"] = AssigneeFacts(topics=frozenset([T]), instance_id="one")
    assert assign_ranges(static, {T: 3}) == {"z": of("t", 0), "a": of("t", 1), "b": of("t", 2)}


def test_two_that_had_the_same_partition() -> None:
    assignees = members("a", "b")
    both = {name: of("t", 0, 1) for name in assignees}
    assigned = assign_uniformly(again(assignees, both), {T: 2})
    assert sorted(size(a) for a in assigned.values()) == [1, 1]
