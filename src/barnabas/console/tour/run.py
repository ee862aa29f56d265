"""One run of a lesson: what was done, how long each step took, and what was seen. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from barnabas.console.documents import event_document
from barnabas.console.timeline import Event
from barnabas.console.tour.lesson import Lesson, Picture, Seen

EVENTS_MAX: Final = 60
"""Events of one lesson that are shown; the first ones."""
QUIET: Final = frozenset({"topic_created", "topic_deleted"})
"""What the lesson itself does before and after."""

PREPARING, RUNNING, MENDING, DONE = "preparing", "running", "mending", "done"


@dataclass(slots=True)
class StepRun:
    """A step that has begun. ``ms`` is None while it goes on."""

    name: str
    began_ms: int
    ms: int | None = None
    said: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Run:
    """One run of a lesson. Times are wall times in ms."""

    lesson: Lesson
    began_ms: int
    state: str = PREPARING
    steps: list[StepRun] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    failure: str | None = None
    """Why it could not be carried to its end."""
    not_mended: str | None = None
    """What was still wrong with the cluster at its end."""
    zero_ms: int | None = None
    """When the thing was done that the lesson is about; events are told relative to it."""
    topics: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    first_event: int = 0
    """The number of the first event that can be of this run."""
    events: list[tuple[int, Event]] = field(default_factory=list)
    """Those of the lesson, by their numbers."""

    @property
    def holds(self) -> bool:
        """Whether all that the lesson expects was seen, and the cluster is whole again."""
        names = [one.name for one in self.lesson.expects]
        return (
            self.state == DONE
            and self.failure is None
            and self.not_mended is None
            and [one.name for one in self.seen] == names
            and all(one.holds for one in self.seen)
        )


def belongs(run: Run, event: Event) -> bool:
    """Whether an event is shown with this run: one of its topics or groups, or one of a broker, of
    the controller or of a session."""
    if event.kind in QUIET:
        return False
    if event.kind.startswith("group"):
        return event.fields.get("group") in run.groups
    return event.topic is None or event.topic in run.topics


def lesson_document(lesson: Lesson) -> dict[str, Any]:
    """A lesson's description."""
    return {
        "number": lesson.number,
        "name": lesson.name,
        "title": lesson.title,
        "gist": lesson.gist,
        "about": list(lesson.about),
        "steps": [{"name": s.name, "will": s.will} for s in lesson.steps],
        "expects": [{"name": e.name, "text": e.text} for e in lesson.expects],
        "lasts_s": lesson.lasts_s,
    }


def run_document(run: Run) -> dict[str, Any]:
    """A run as it is now. ``seen`` is empty until all is judged."""
    begun = {step.name: step for step in run.steps}
    texts = {expected.name: expected.text for expected in run.lesson.expects}
    return {
        "lesson": run.lesson.name,
        "state": run.state,
        "holds": run.holds,
        "began_ms": run.began_ms,
        "zero_ms": run.zero_ms,
        "failure": run.failure,
        "not_mended": run.not_mended,
        "steps": [_step(one.name, begun.get(one.name), run) for one in run.lesson.steps],
        "pictures": [_picture(picture) for picture in run.pictures],
        "seen": [
            {"name": s.name, "text": texts.get(s.name, ""), "holds": s.holds, "saw": s.saw}
            for s in run.seen
        ],
        "events": _events(run.events),
        "events_left_out": max(len(run.events) - EVENTS_MAX, 0),
    }


def _step(name: str, begun: StepRun | None, run: Run) -> dict[str, Any]:
    if begun is None:
        return {"name": name, "state": "waits" if run.state != DONE else "left out"}
    state = "done" if begun.ms is not None else "failed" if run.failure is not None else "now"
    return {"name": name, "state": state, "ms": begun.ms, "said": list(begun.said)}


def _picture(picture: Picture) -> dict[str, Any]:
    return {
        "title": picture.title,
        "columns": list(picture.columns),
        "rows": [
            {
                "name": row.name,
                "cells": [{"state": c.state, "note": c.note} for c in row.cells],
                "note": row.note,
            }
            for row in picture.rows
        ],
        "note": picture.note,
    }


def _events(events: Sequence[tuple[int, Event]]) -> list[dict[str, Any]]:
    ordered = sorted(events, key=lambda pair: (pair[1].time_ms, pair[0]))
    return [event_document(number, event) for number, event in ordered[:EVENTS_MAX]]
