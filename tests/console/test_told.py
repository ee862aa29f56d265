"""What brokers tell, put together with what znodes show."""

from __future__ import annotations

from typing import Any

from tests.console.kit import cluster, partition

from barnabas.console import timeline
from barnabas.console.hub import Hub
from barnabas.console.timeline import Event
from barnabas.observe.events import Event as Told

BEFORE = cluster("123", partition("123", 1, "123"))
AFTER = cluster("123", partition("123", 2, "23", 1, zxid=9, time_ms=1_005))


def told(kind: str = "leader_elected", time_ms: int = 1_002, **fields: Any) -> Told:
    about = {
        "topic": "orders",
        "partition": 0,
        "epoch": 1,
        "isr": [2, 3],
        "was": 1,
        "strategy": "offline",
        "reason": "broker 1 is gone",
        "passed_over": {"1": "offline"},
        **fields,
    }
    return Told(
        kind=kind,
        time_ms=time_ms,
        source="broker:3",
        sequence=1,
        broker=2,
        topic="orders",
        partition=0,
        text="orders-0: leader 1 -> 2",
        fields=about,
    )


def seen() -> Hub:
    hub = Hub()
    hub.publish(BEFORE, 1_000)
    hub.publish(AFTER, 1_010)
    return hub


def only(hub: Hub) -> Event:
    ((_, event),) = hub.events()
    return event


def test_znodes_alone_leave_a_doubt() -> None:
    assert only(seen()).strategy == timeline.HANDED_OVER


def test_a_broker_says_why_afterwards() -> None:
    hub = seen()
    version, noted = hub.version, hub.noted
    hub.hear(told())
    event = only(hub)
    assert (event.strategy, event.time_ms) == (timeline.OFFLINE, 1_002)
    assert event.why == (
        "Broker 1 is gone. Broker 2 is the first in-sync replica that is there, in the order of"
        " assignment."
    )
    assert event.text == "orders/0 leader 1 → 2, epoch 1, in sync [2, 3]"
    assert hub.refined_since(version, noted) == [(0, event)]
    assert hub.refined_since(hub.version, noted) == []


def test_a_broker_says_why_before_the_znode_is_seen() -> None:
    hub = Hub()
    hub.publish(BEFORE, 1_000)
    hub.hear(told(strategy="controlled shutdown", reason="broker 1 shuts down"))
    assert hub.events() == []
    hub.publish(AFTER, 1_010)
    event = only(hub)
    assert event.strategy == timeline.CONTROLLED_SHUTDOWN
    assert event.why == "Broker 1 shuts down. Broker 2 is in sync and stays."


def test_another_election_is_not_mistaken_for_it() -> None:
    hub = seen()
    hub.hear(told(epoch=2))
    hub.hear(told(isr=[2]))
    assert only(hub).strategy == timeline.HANDED_OVER


def test_what_no_znode_shows_is_an_event() -> None:
    hub = Hub()
    hub.publish(BEFORE, 1_000)
    hub.hear(told("session_expired", why="no sign of life"))
    hub.hear(told("session_created"))
    hub.hear(told("broker_up"))
    assert [e.kind for _, e in hub.events()] == ["session_expired"]


def test_what_was_before_the_console_is_told_by_brokers() -> None:
    hub = Hub()
    hub.hear(told(time_ms=900))
    hub.publish(BEFORE, 1_000)
    hub.hear(told(time_ms=950))
    hub.hear(told(time_ms=1_001, epoch=3))
    assert [e.time_ms for _, e in hub.events()] == [900, 950]


def test_what_is_kept_of_brokers_words_is_bounded() -> None:
    hub = Hub(events_max=5)
    hub.publish(BEFORE, 1_000)
    for epoch in range(12_000):
        hub.hear(told(epoch=epoch))
    assert len(hub._told) == 10_000


def test_a_broker_that_goes_twice_is_not_confused() -> None:
    hub = Hub()
    hub.publish(cluster("12"), 1_000)
    hub.publish(cluster("1"), 1_500)
    hub.hear(told("broker_down", time_ms=1_490))
    hub.publish(cluster("12"), 2_000)
    hub.hear(told("broker_down", time_ms=99_990))
    hub.publish(cluster("1"), 100_000)
    downs = [e.time_ms for _, e in hub.events() if e.kind == "broker_down"]
    assert downs == [1_490, 99_990]
