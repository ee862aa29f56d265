"""All lessons, in the order in which they are best taken. Pure."""

from __future__ import annotations

from typing import Final

from barnabas.console.tour.lesson import Lesson
from barnabas.console.tour.lessons import (
    controller_dies,
    in_sync,
    last_replica,
    leader_dies,
    leaders,
    no_zookeeper,
    rebalance,
)

LESSONS: Final[tuple[Lesson, ...]] = (
    leaders.LESSON,
    in_sync.LESSON,
    leader_dies.LESSON,
    controller_dies.LESSON,
    no_zookeeper.LESSON,
    last_replica.LESSON,
    rebalance.LESSON,
)


def lesson_named(name: str) -> Lesson | None:
    """The lesson of this name or number; None if there is none."""
    return next((one for one in LESSONS if name in (one.name, str(one.number))), None)
