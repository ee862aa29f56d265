"""A snapshot and the patch to the next one make the next one."""

from __future__ import annotations

from dataclasses import replace

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.console.kit import cluster, partition

from barnabas.console.documents import patch_document, snapshot_document
from barnabas.console.model import (
    BrokerState,
    ControllerState,
    PartitionState,
    Snapshot,
    TopicState,
    applied,
    patch_between,
)

ids = st.integers(0, 4)
sets = st.lists(ids, unique=True, max_size=3).map(tuple)
partitions = st.builds(
    PartitionState,
    replicas=sets,
    leader=st.integers(-2, 4),
    leader_epoch=st.integers(-1, 3),
    isr=sets,
    adding=sets,
    recovering=st.booleans(),
)


def topics(name: str) -> st.SearchStrategy[TopicState]:
    return st.builds(
        TopicState,
        name=st.just(name),
        topic_id=st.sampled_from(["a", "b", None]),
        min_isr=st.integers(1, 2),
        partitions=st.dictionaries(st.integers(0, 12), partitions, max_size=4).map(
            lambda found: dict(sorted(found.items()))
        ),
    )


snapshots = st.builds(
    Snapshot,
    cluster_id=st.sampled_from([None, "id"]),
    controller=st.builds(ControllerState, broker=ids, epoch=st.integers(0, 2)),
    brokers=st.dictionaries(ids, st.integers(1, 3), max_size=4).map(
        lambda found: {i: BrokerState(id=i, epoch=e) for i, e in sorted(found.items())}
    ),
    topics=st.fixed_dictionaries({}, optional={n: topics(n) for n in ("a", "b", "c")}).map(
        lambda found: dict(sorted(found.items()))
    ),
)


@given(snapshots, snapshots)
def test_a_patch_makes_the_next_snapshot(before: Snapshot, after: Snapshot) -> None:
    made = applied(before, patch_between(before, after))
    assert made == after
    assert list(made.topics) == list(after.topics)
    assert list(made.brokers) == list(after.brokers)
    assert [list(t.partitions) for t in made.topics.values()] == [
        list(t.partitions) for t in after.topics.values()
    ]


@given(snapshots)
def test_nothing_changes_between_equals(snapshot: Snapshot) -> None:
    assert not patch_between(snapshot, replace(snapshot))


@given(snapshots, snapshots)
def test_documents_are_json(before: Snapshot, after: Snapshot) -> None:
    for document in (snapshot_document(after), patch_document(patch_between(before, after))):
        assert msgspec.json.decode(msgspec.json.encode(document)) == document


def test_a_patch_names_only_what_changed() -> None:
    before = cluster("123", partition("123", 1, "123"), partition("231", 2, "231"))
    changed = partition("123", 2, "23", 1)
    orders = before.topics["orders"]
    after = replace(
        before, topics={"orders": replace(orders, partitions={**orders.partitions, 0: changed})}
    )
    patch = patch_between(before, after)
    assert patch.controller is None
    assert not patch.brokers
    change = patch.topics["orders"]
    assert change is not None
    assert change.partitions == {0: changed}


def test_the_states_of_a_replica() -> None:
    one = partition("1234", 1, "12")
    snapshot = cluster("123", one)
    states = {broker: snapshot.replica_state(one, broker) for broker in (1, 2, 3, 4, 5)}
    assert states == {1: "leader", 2: "in sync", 3: "lagging", 4: "offline", 5: ""}
    assert snapshot.missing_brokers() == [4]
