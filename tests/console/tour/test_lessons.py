"""What lessons decide of what they saw: each fact that is otherwise than expected is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from barnabas.console.tour.acts.all import ACTS
from barnabas.console.tour.lesson import Seen
from barnabas.console.tour.lessons import (
    controller_dies,
    in_sync,
    last_replica,
    leader_dies,
    leaders,
    no_zookeeper,
    rebalance,
)
from barnabas.console.tour.lessons.all import LESSONS, lesson_named
from barnabas.console.tour.lessons.in_sync import Write

DONE = Write(answer="NONE", ms=2)
REFUSED = Write(answer="NOT_ENOUGH_REPLICAS", ms=1)
SIX = tuple(range(6))

GOOD: dict[str, Any] = {
    "leaders": leaders.Facts(
        leaders={0: 1, 1: 2, 2: 3},
        ends={0: (10, 10, 10), 1: (8, 8, 8), 2: (12, 12, 12)},
        written=30,
        copied_ms=1,
        follower=2,
        answer="NOT_LEADER_OR_FOLLOWER",
    ),
    "in-sync": in_sync.Facts(
        calm={"0": DONE, "1": DONE, "all": DONE},
        paused=1,
        one=DONE,
        all=Write(answer="NONE", ms=3_000),
        isr_after=(2, 3),
        isr_alone=(2,),
        alone_one=DONE,
        alone_all=REFUSED,
        isr_back=(2, 1, 3),
        back_ms=500,
    ),
    "leader-dies": leader_dies.Facts(
        replicas=(1, 3, 2),
        old=1,
        old_epoch=0,
        isr_before=(1, 2, 3),
        new=3,
        new_epoch=1,
        elected_ms=60,
        acked=100,
        acked_after=50,
        still_ms=70,
        lost=0,
        twice=0,
        back_ms=300,
        leader_then=3,
    ),
    "controller-dies": controller_dies.Facts(
        old=2,
        old_epoch=1,
        new=3,
        new_epoch=2,
        elected_ms=120,
        leader=1,
        led_ms=150,
        acked=200,
        acked_after=120,
        acked_between=80,
        led_before=(1, 0),
        led_after=(1, 0),
        still_ms=5,
        lost=0,
        twice=0,
    ),
    "no-zookeeper": no_zookeeper.Facts(
        written=100,
        wanted=100,
        read=100,
        wrote_ms=80,
        dead=3,
        elected_without=False,
        watched_ms=2_500,
        leader=1,
        elected_ms=900,
        whole_ms=2_600,
    ),
    "last-replica": last_replica.Facts(
        leader=1,
        follower=2,
        safe_acked=10,
        unclean_acked=10,
        watched_ms=2_000,
        safe_leader=-1,
        unclean_leader=2,
        elected_ms=40,
        unclean_read=5,
        unclean_read_at_end=5,
        safe_leader_at_end=1,
        safe_read=10,
    ),
    "rebalance": rebalance.Facts(
        alone={"A": SIX},
        shared={"A": (0, 3), "B": (2, 5), "C": (1, 4)},
        shared_ms=90,
        after_leave={"A": (0, 2, 4), "C": (1, 3, 5)},
        left_ms=80,
        after_death={"A": SIX},
        died_ms=6_020,
        session_ms=6_000,
        generations=(1, 2, 3, 4),
        written=180,
        read=180,
        again=0,
    ),
}
JUDGES: dict[str, Callable[[Any], Sequence[Seen]]] = {
    "leaders": leaders.seen,
    "in-sync": in_sync.seen,
    "leader-dies": leader_dies.seen,
    "controller-dies": controller_dies.seen,
    "no-zookeeper": no_zookeeper.seen,
    "last-replica": last_replica.seen,
    "rebalance": rebalance.seen,
}
BAD = [
    ("leaders", {"leaders": {0: 1, 1: 1, 2: 3}}, "spread"),
    ("leaders", {"leaders": {0: 1, 1: 2}}, "spread"),
    ("leaders", {"copied_ms": None}, "copied"),
    ("leaders", {"ends": {0: (10, 9, 10), 1: (8, 8, 8), 2: (12, 12, 12)}}, "copied"),
    ("leaders", {"written": 31}, "copied"),
    ("leaders", {"answer": "NONE"}, "refused"),
    ("in-sync", {"calm": {"0": DONE, "1": REFUSED, "all": DONE}}, "calm"),
    ("in-sync", {"all": DONE}, "waits"),
    ("in-sync", {"isr_after": (1, 2, 3)}, "waits"),
    ("in-sync", {"one": Write(answer="NONE", ms=3_000)}, "waits"),
    ("in-sync", {"alone_all": DONE}, "refused"),
    ("in-sync", {"alone_one": REFUSED}, "refused"),
    ("in-sync", {"back_ms": None, "isr_back": (2, 3)}, "back"),
    ("leader-dies", {"new": 2, "leader_then": 2}, "elected"),
    ("leader-dies", {"new_epoch": 3}, "elected"),
    ("leader-dies", {"acked_after": 0}, "goes-on"),
    ("leader-dies", {"lost": 1}, "kept"),
    ("leader-dies", {"twice": 1}, "kept"),
    ("leader-dies", {"back_ms": None}, "back"),
    ("leader-dies", {"leader_then": 1}, "back"),
    ("controller-dies", {"new": -1}, "elected"),
    ("controller-dies", {"new_epoch": 1}, "elected"),
    ("controller-dies", {"leader": -1}, "led"),
    ("controller-dies", {"acked_after": 0}, "undisturbed"),
    ("controller-dies", {"led_after": (3, 1)}, "undisturbed"),
    ("controller-dies", {"led_after": (1, 1)}, "undisturbed"),
    ("controller-dies", {"lost": 2}, "kept"),
    ("no-zookeeper", {"written": 99}, "serves"),
    ("no-zookeeper", {"read": 99}, "serves"),
    ("no-zookeeper", {"elected_without": True}, "stuck"),
    ("no-zookeeper", {"elected_ms": None, "leader": -1}, "resumes"),
    ("no-zookeeper", {"whole_ms": None}, "whole"),
    ("last-replica", {"safe_acked": 5}, "acked"),
    ("last-replica", {"safe_leader": 2}, "waits"),
    ("last-replica", {"unclean_leader": -1}, "unclean"),
    ("last-replica", {"unclean_read": 10}, "lost"),
    ("last-replica", {"unclean_read_at_end": 10}, "lost"),
    ("last-replica", {"safe_read": 9}, "kept"),
    ("last-replica", {"safe_leader_at_end": -1}, "kept"),
    ("rebalance", {"alone": {"A": SIX[1:]}}, "alone"),
    ("rebalance", {"shared": {"A": (0, 3), "B": (3, 5), "C": (1, 4)}}, "shared"),
    ("rebalance", {"shared": {"A": (0, 1, 2), "B": (3, 4, 5), "C": ()}}, "shared"),
    ("rebalance", {"left_ms": None}, "left"),
    ("rebalance", {"left_ms": 6_100}, "left"),
    ("rebalance", {"after_death": {"A": (0,)}}, "died"),
    ("rebalance", {"died_ms": 100}, "died"),
    ("rebalance", {"died_ms": None}, "died"),
    ("rebalance", {"read": 179}, "read"),
]


def test_every_lesson_is_described_acted_and_judged() -> None:
    names = [lesson.name for lesson in LESSONS]
    assert names == list(ACTS) == list(JUDGES) == list(GOOD)
    assert [lesson.number for lesson in LESSONS] == list(range(1, 8))
    for lesson in LESSONS:
        steps = [step.name for step in lesson.steps]
        assert len(set(steps)) == len(steps) > 1
        assert lesson_named(lesson.name) is lesson_named(str(lesson.number)) is lesson
    assert lesson_named("8") is None


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_what_is_as_expected_is_seen(lesson: Any) -> None:
    seen = JUDGES[lesson.name](GOOD[lesson.name])
    assert [one.name for one in seen] == [one.name for one in lesson.expects]
    assert all(one.holds for one in seen), seen
    assert all(one.saw.endswith(".") for one in seen)


@pytest.mark.parametrize(("lesson", "otherwise", "name"), BAD)
def test_what_is_otherwise_is_told(lesson: str, otherwise: dict[str, Any], name: str) -> None:
    good = {one.name: one.saw for one in JUDGES[lesson](GOOD[lesson])}
    seen = JUDGES[lesson](replace(GOOD[lesson], **otherwise))
    assert [one.name for one in seen if not one.holds] == [name]
    told = {one.name: one.saw for one in seen}
    hidden = {"written", "new_epoch"}  # what was expected, not what was seen
    assert told[name] != good[name] or hidden & set(otherwise), told[name]
