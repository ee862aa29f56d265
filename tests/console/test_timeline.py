"""What is told about the difference of two snapshots, and why."""

from __future__ import annotations

from dataclasses import replace

from tests.console.kit import cluster, partition

from barnabas.console import timeline
from barnabas.console.model import (
    BrokerState,
    ControllerState,
    PartitionState,
    Snapshot,
    TopicState,
)
from barnabas.console.timeline import Event, events_between

NOW = 1_000


def told(before: Snapshot, after: Snapshot) -> list[Event]:
    return events_between(before, after, NOW)


def election(
    brokers_before: str, brokers_after: str, old: PartitionState, new: PartitionState
) -> Event:
    events = told(cluster(brokers_before, old), cluster(brokers_after, new))
    (found,) = [e for e in events if e.topic is not None]
    return found


def test_nothing_happens_between_equals() -> None:
    snapshot = cluster("12", partition("12", 1, "12"))
    assert told(snapshot, snapshot) == []


def test_the_leader_is_gone() -> None:
    event = election("1234", "234", partition("1234", 1, "134"), partition("1234", 3, "34", 1))
    assert event.kind == "leader_elected"
    assert event.strategy == timeline.OFFLINE
    assert event.text == "orders/0 leader 1 → 3, epoch 1, in sync [3, 4]"
    assert event.why == (
        "Broker 1 is gone. Broker 3 is the first in-sync replica that is there, in the order of"
        " assignment. Broker 2 was passed over: it was not in sync."
    )
    assert event.fields["passed_over"] == {"2": "it was not in sync"}


def test_an_unclean_election() -> None:
    event = election("12", "2", partition("12", 1, "1"), partition("12", 2, "2", 1))
    assert event.strategy == timeline.UNCLEAN
    assert "records that only they had are lost" in event.why


def test_nobody_can_lead() -> None:
    event = election("12", "2", partition("12", 1, "1"), partition("12", -1, "1", 1))
    assert event.kind == "partition_offline"
    assert "It waits for broker 1" in event.why


def test_a_leader_is_about_to_be_elected() -> None:
    event = election("123", "23", partition("123", 1, "123"), partition("123", -1, "23", 1))
    assert event.why == "Its leader is gone; in-sync replica 2 or 3 can be elected next."


def test_a_leader_comes_back() -> None:
    event = election("2", "12", partition("12", -1, "1", 1), partition("12", 1, "1", 2))
    assert event.strategy == timeline.OFFLINE
    assert event.text == "orders/0 is led again, by broker 1, epoch 2, in sync [1]"


def test_the_preferred_leader_leads_again() -> None:
    event = election("12", "12", partition("12", 2, "21", 1), partition("12", 1, "21", 2))
    assert event.strategy == timeline.PREFERRED


def test_a_broker_hands_over() -> None:
    event = election("123", "123", partition("123", 1, "123"), partition("123", 2, "23", 1))
    assert event.strategy == timeline.HANDED_OVER
    assert "it shuts down, or the controller cannot reach it" in event.why


def test_a_leader_that_was_started_anew() -> None:
    old, new = partition("12", 1, "12"), partition("12", 2, "2", 1)
    after = cluster("12", new)
    after = replace(after, brokers={**after.brokers, 1: BrokerState(id=1, epoch=77)})
    events = told(cluster("12", old), after)
    assert [e.kind for e in events] == ["broker_registered", "leader_elected"]
    assert events[1].why.startswith("Broker 1 has restarted.")


def test_a_partition_moves_away() -> None:
    old = replace(partition("123", 1, "123"), adding=(3,), removing=(1,))
    new = replace(partition("23", 2, "23", 1))
    kinds = [(e.kind, e.strategy) for e in told(cluster("123", old), cluster("123", new))]
    assert kinds == [("leader_elected", timeline.REASSIGN), ("reassignment_done", "")]


def test_a_new_partition() -> None:
    unborn = PartitionState(replicas=(1, 2))
    event = election("12", "12", unborn, partition("12", 1, "12"))
    assert event.strategy == timeline.FIRST
    assert event.text == "orders/0 is led by broker 1, epoch 0, in sync [1, 2]"


def test_a_shrink_and_a_growth() -> None:
    whole, less = partition("123", 1, "123"), partition("123", 1, "12", 0)
    shrink = election("123", "123", whole, less)
    assert (shrink.kind, shrink.text) == ("isr_shrank", "orders/0 in sync [1, 2, 3] → [1, 2]")
    assert "replica.lag.time.max.ms" in shrink.why
    growth = election("123", "123", less, whole)
    assert (growth.kind, growth.broker) == ("isr_expanded", 3)
    gone = election("123", "12", whole, replace(less, leader_epoch=1))
    assert (gone.kind, gone.why) == ("isr_shrank", "Broker 3 is gone.")


def test_what_was_too_quick_to_be_seen_is_counted() -> None:
    event = election("123", "23", partition("123", 1, "123"), partition("123", 3, "3", 3))
    assert event.fields["unseen"] == 2


def test_times_are_zookeepers_where_it_says_them() -> None:
    event = election(
        "12", "2", partition("12", 1, "12"), partition("12", 2, "2", 1, zxid=9, time_ms=555)
    )
    assert (event.time_ms, event.zxid) == (555, 9)


def test_a_failover_is_told_in_order() -> None:
    before = cluster(
        "123", partition("123", 1, "123"), partition("231", 2, "231"), partition("132", 1, "132")
    )
    after = cluster(
        "23",
        partition("123", 2, "23", 1, zxid=12),
        partition("231", 2, "23", 1, zxid=12),
        partition("132", 3, "32", 1, zxid=12),
    )
    after = replace(after, controller=ControllerState(broker=3, epoch=2, zxid=11))
    kinds = [e.kind for e in told(before, after)]
    assert kinds == [
        "broker_down",
        "controller_elected",
        "leader_elected",
        "leader_elected",
        "isr_shrank",
    ]


def test_topics_come_and_go() -> None:
    empty, full = cluster("1"), cluster("1", partition("1", 1, "1"))
    assert [e.kind for e in told(empty, full)] == ["topic_created"]
    assert [e.kind for e in told(full, empty)] == ["topic_deleted"]
    another: dict[str, TopicState] = {"orders": replace(full.topics["orders"], topic_id="another")}
    kinds = [e.kind for e in told(full, replace(full, topics=another))]
    assert kinds == ["topic_deleted", "topic_created"]


def test_partitions_are_added() -> None:
    one = partition("1", 1, "1")
    events = told(cluster("1", one), cluster("1", one, one))
    assert [e.text for e in events] == ["Topic orders has 1 more partition"]
