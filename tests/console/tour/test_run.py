"""A run as a document, and whether it holds."""

from __future__ import annotations

from barnabas.console.timeline import Event
from barnabas.console.tour.lesson import Seen
from barnabas.console.tour.lessons.leaders import LESSON
from barnabas.console.tour.run import DONE, EVENTS_MAX, Run, StepRun, belongs, run_document
from barnabas.console.tour.text import lesson_text, result_text, step_text, verdict


def made(**fields: object) -> Run:
    run = Run(LESSON, began_ms=1_000, state=DONE, zero_ms=2_000)
    run.seen = [Seen(name=e.name, holds=True, saw=f"{e.name} was seen.") for e in LESSON.expects]
    for name, value in fields.items():
        setattr(run, name, value)
    return run


def test_a_run_holds_only_if_all_was_seen_and_the_cluster_is_whole() -> None:
    assert made().holds
    assert not made(state="mending").holds
    assert not made(failure="no broker answers").holds
    assert not made(not_mended="broker 2 is not registered").holds
    assert not made(seen=made().seen[1:]).holds
    assert not made(seen=[]).holds
    run = made()
    run.seen[1] = Seen(name=run.seen[1].name, holds=False, saw="It was not so.")
    assert not run.holds


def test_steps_are_told_as_far_as_they_have_come() -> None:
    run = made(state="running", steps=[StepRun("create", 1, 7), StepRun("write", 8)])
    states = [step["state"] for step in run_document(run)["steps"]]
    assert states == ["done", "now", "waits", "waits"]
    run.failure, run.state = "gone", DONE
    states = [step["state"] for step in run_document(run)["steps"]]
    assert states == ["done", "failed", "left out", "left out"]


def event(**fields: object) -> Event:
    return Event(**{"time_ms": 5, "kind": "isr_shrank", "text": "it shrank", **fields})  # type: ignore[arg-type]


def test_only_events_of_the_lesson_belong_to_it() -> None:
    run = made(topics=["tour-leaders"], groups=["tour-g"])
    assert belongs(run, event(topic="tour-leaders"))
    assert not belongs(run, event(topic="orders"))
    assert belongs(run, event(kind="broker_down", broker=1))
    assert not belongs(run, event(kind="topic_created", topic="tour-leaders"))
    assert belongs(run, event(kind="group_rebalanced", fields={"group": "tour-g"}))
    assert not belongs(run, event(kind="group_rebalanced", fields={"group": "billing"}))


def test_events_are_in_the_order_of_their_times_and_bounded() -> None:
    events = [(n, event(time_ms=1_000 - n)) for n in range(EVENTS_MAX + 5)]
    document = run_document(made(events=events))
    times = [one["time_ms"] for one in document["events"]]
    assert times == sorted(times)
    assert (len(times), document["events_left_out"]) == (EVENTS_MAX, 5)


def test_the_terminal_is_told_the_same() -> None:
    from barnabas.console.tour.run import lesson_document

    lesson = lesson_document(LESSON)
    run = run_document(
        made(
            steps=[StepRun(step.name, 1, 1_234, ["It was so."]) for step in LESSON.steps],
            events=[(3, event(time_ms=2_050, why="broker 2 is gone"))],
        )
    )
    assert lesson_text(lesson, 7, 70).startswith("Lesson 1 of 7: Leaders and followers\n====")
    assert "(1.234 s)" in step_text(lesson, run, 0, 70)
    assert "> It was so." in step_text(lesson, run, 0, 70)
    told = result_text(run, 70)
    assert "+50  it shrank" in told
    assert "broker 2 is gone" in told
    assert all(one.text in " ".join(told.split()) for one in LESSON.expects)
    assert told.endswith("All 3 things were seen. The cluster is whole again.")
    assert all(len(line) <= 70 for line in told.splitlines())


def test_the_verdict_names_what_went_wrong() -> None:
    run = made()
    run.seen[0] = Seen(name=run.seen[0].name, holds=False, saw="It was not so.")
    assert verdict(run_document(run)).startswith("1 of 3 things did not happen")
    told = verdict(run_document(made(failure="no broker answers", not_mended="nobody is there")))
    assert "no broker answers" in told
    assert "not whole: nobody is there" in told
