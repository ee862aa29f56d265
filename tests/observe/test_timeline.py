"""What a node's timeline keeps, and whom it tells."""

from __future__ import annotations

from tests.observe.support import Clock, Heard, a_timeline

from barnabas.observe.events import Event
from barnabas.observe.timeline import BY_CLIENTS_PER_SECOND_MAX, Timeline
from barnabas.seams import SilentObserver

ELECTED: dict[str, object] = {
    "topic": "t",
    "partition": 0,
    "leader": 3,
    "epoch": 5,
    "isr": [3, 1],
    "unclean": False,
    "was": 2,
    "isr_before": [2, 3, 1],
    "strategy": "offline",
    "reason": "broker 2 is gone",
    "passed_over": {2: "offline"},
}


def test_an_election_is_told_with_its_reasons() -> None:
    timeline = a_timeline(Clock(77))
    timeline.note("controller_order", kind="leader_and_isr", controller_epoch=4)
    timeline.note("leader_elected", **ELECTED)
    (event,) = timeline.events()
    assert event == Event(
        kind="leader_elected",
        time_ms=77,
        source="broker:1",
        sequence=1,
        controller_epoch=4,
        broker=3,
        topic="t",
        partition=0,
        text="t-0: leader 2 -> 3, epoch 5, ISR [3, 1] (offline); passed over: 2 (offline)",
        fields={**ELECTED, "passed_over": {"2": "offline"}},
    )


def test_an_unclean_election_is_an_error() -> None:
    timeline = a_timeline()
    timeline.note("leader_elected", **{**ELECTED, "unclean": True})
    (event,) = timeline.events()
    assert event.level == "error"
    assert "records may be lost" in event.text


def test_an_isr_shrinks_or_expands() -> None:
    timeline = a_timeline()
    change = {"topic": "t", "partition": 0, "epoch": 1, "reason": "broker 2 is gone"}
    timeline.note("isr_changed", isr=[1, 3], isr_before=[1, 2, 3], **change)
    timeline.note("isr_changed", isr=[1, 3, 2], isr_before=[1, 3], **change)
    timeline.note("isr_changed", isr=(1, 3, 2), partition_epoch=2)  # its leader hears of it
    shrank, expanded = timeline.events()
    assert (shrank.kind, expanded.kind) == ("isr_shrank", "isr_expanded")
    assert shrank.text == "t-0: ISR [1, 2, 3] -> [1, 3], without 2: broker 2 is gone"


def test_all_it_hears_goes_on_to_the_next_observer() -> None:
    heard = Heard()
    timeline = Timeline(Clock(), "broker:1", heard)
    timeline.note("high_watermark", offset=1)
    timeline.note("broker_down", broker=2, reason="session gone")
    assert [name for name, _ in heard.notes] == ["high_watermark", "broker_down"]
    assert timeline.hears_steps
    assert not Timeline(Clock(), "broker:1", SilentObserver()).hears_steps


def test_what_is_no_event_is_not_kept() -> None:
    timeline = a_timeline()
    for name in ("high_watermark", "offset_committed", "became_leader", "transaction_state"):
        timeline.note(name)
    assert timeline.events() == []


def test_an_event_without_its_fields_ends_nothing() -> None:
    timeline = a_timeline()
    timeline.note("partition_offline")
    (event,) = timeline.events()
    assert event.text == "partition_offline"


def test_old_events_make_room() -> None:
    timeline = a_timeline(kept_max=3)
    for broker in range(5):
        timeline.note("broker_down", broker=broker, reason="gone")
    assert [event.broker for event in timeline.events()] == [2, 3, 4]
    assert [event.sequence for event in timeline.events(after=4)] == [5]
    assert timeline.counts == {"broker_down": 5}


def test_a_flood_by_clients_drives_out_no_election() -> None:
    clock = Clock()
    timeline = a_timeline(clock, kept_max=10, kept_by_clients_max=25)
    timeline.note("leader_elected", **ELECTED)
    for _ in range(100):
        for _ in range(100):
            timeline.note("authentication_failed", listener="SASL", peer="1.2.3.4", why="bad")
        clock.now_ms += 1_000
    kinds = [event.kind for event in timeline.events()]
    assert kinds == ["leader_elected", *["authentication_failed"] * 25]
    assert timeline.counts["authentication_failed"] == 10_000
    assert timeline.left_out == 10_000 - 100 * BY_CLIENTS_PER_SECOND_MAX


def test_who_follows_is_told_until_he_leaves() -> None:
    timeline = a_timeline()
    told: list[str] = []
    leave = timeline.follow(lambda noted: told.append(noted.event().text))
    timeline.note("broker_down", broker=2, reason="session gone")
    leave()
    leave()
    timeline.note("broker_down", broker=3, reason="session gone")
    assert told == ["broker 2 is gone: session gone"]
