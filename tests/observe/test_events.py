"""The form of events and their order in a cluster."""

from __future__ import annotations

import json
import random

import msgspec
import pytest

from barnabas.observe.events import Event, from_json, merged, plain, to_json


def event(time_ms: int, *, epoch: int = 1, source: str = "broker:1", sequence: int = 1) -> Event:
    return Event(
        kind="broker_up",
        time_ms=time_ms,
        source=source,
        sequence=sequence,
        controller_epoch=epoch,
        text="",
    )


def test_an_event_survives_json() -> None:
    told = Event(
        kind="leader_elected",
        time_ms=7,
        source="broker:1",
        sequence=3,
        broker=2,
        topic="t",
        partition=0,
        text="moved",
        fields={"isr": [1, 2], "passed_over": {"3": "offline"}},
    )
    line = to_json(told)
    assert b"\n" not in line
    assert from_json(line) == told
    assert "level" not in json.loads(line)


def test_what_later_versions_add_is_passed_over() -> None:
    line = to_json(event(1))[:-1] + b', "colour": "red"}'
    assert from_json(line) == event(1)
    with pytest.raises(msgspec.MsgspecError):
        from_json(b"{}")


def test_a_newer_controller_comes_later_whatever_the_clocks_say() -> None:
    early_clock = event(900, epoch=2, source="broker:2")
    late_clock = event(1_000, epoch=1, source="broker:1")
    assert merged([early_clock, late_clock]) == [late_clock, early_clock]


def test_who_knows_no_epoch_is_placed_by_time() -> None:
    first, second = event(10, epoch=1), event(30, epoch=2, sequence=2)
    between = event(20, epoch=-1, source="coordinator")
    after = event(40, epoch=-1, source="coordinator", sequence=2)
    wanted = [first, between, second, after]
    for seed in range(20):
        mixed = list(wanted)
        random.Random(seed).shuffle(mixed)
        assert merged(mixed) == wanted


def test_within_a_millisecond_a_source_is_in_its_own_order() -> None:
    told = [event(5, sequence=n) for n in (3, 1, 2)]
    assert [e.sequence for e in merged(told)] == [1, 2, 3]


def test_values_of_a_note_become_plain_and_bounded() -> None:
    assert plain({1: "offline"}) == {"1": "offline"}
    assert plain((1, (2, None))) == [1, [2, None]]
    assert plain("a\nb\x1b[31m") == "a\\nb\\x1b[31m"
    assert len(str(plain("x" * 5_000))) < 1_100
    assert plain(list(range(1_000))) == list(range(100))
    assert plain(ValueError("bad")) == "bad"
