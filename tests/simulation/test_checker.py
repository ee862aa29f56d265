"""Each anomaly in a hand-made history, and beside it the history that is almost the same and
sound."""

from __future__ import annotations

from typing import Any

import pytest
from tests.simulation.checker import (
    Commit,
    Committed,
    History,
    Outcome,
    Poll,
    Send,
    check,
)

OK, FAIL, INFO = Outcome.OK, Outcome.FAIL, Outcome.INFO


def send(value: str, offset: int | None = None, outcome: Outcome = OK, by: str = "p") -> Send:
    return Send(process=by, key="t-0", value=value, outcome=outcome, offset=offset)


def poll(*records: tuple[int, str], by: str = "c", segment: int = 0, assigned: bool = True) -> Poll:
    return Poll(
        process=by,
        segment=segment,
        records=tuple(("t-0", offset, value) for offset, value in records),
        assigned=assigned,
    )


def commit(offset: int, invoked: float, completed: float, outcome: Outcome = OK) -> Commit:
    return Commit(
        group="g", key="t-0", offset=offset, outcome=outcome, invoked=invoked, completed=completed
    )


def reads_back(offset: int, invoked: float) -> Committed:
    return Committed(group="g", key="t-0", offset=offset, invoked=invoked)


def kinds(*events: Any, **options: bool) -> list[str]:
    """The kinds of anomaly in a history."""
    history = History(**options)
    lists: dict[type[Any], list[Any]] = {
        Send: history.sends,
        Poll: history.polls,
        Commit: history.commits,
        Committed: history.committed,
    }
    for event in events:
        lists[type(event)].append(event)
    return sorted({anomaly.kind for anomaly in check(history)})


def test_a_sound_history() -> None:
    history = (
        send("a", 0),
        send("b", 1),
        send("x", 0, by="q", outcome=INFO),
        send("c", 3),
        poll((0, "a"), (1, "b")),
        poll((3, "c")),
        poll((0, "a"), by="d"),
        commit(2, 1, 2),
        reads_back(2, 3),
    )
    assert kinds(*history, drained=True) == []


CASES: list[tuple[str, tuple[Any, ...], tuple[Any, ...]]] = [
    (
        "inconsistent-offsets",
        (send("a", 0), poll((0, "b"))),
        (send("a", 0), poll((0, "a"))),
    ),
    (
        "inconsistent-offsets",
        (poll((0, "a")), poll((0, "b"), by="d")),
        (poll((0, "a")), poll((0, "a"), by="d")),
    ),
    (
        "duplicate",
        (send("a", 0), poll((0, "a"), (1, "a"))),
        (send("a", 0), send("b", 1), poll((0, "a"), (1, "b"))),
    ),
    (
        "lost-write",
        (send("a", 0), send("b", 1), poll((1, "b"))),
        (send("a", 0), send("b", 1), poll((0, "a"))),  # b is late, not lost
    ),
    (
        "lost-write",
        (send("a", 0), send("b", 5), poll((5, "b"))),
        (send("a", None, INFO), send("b", 5), poll((5, "b"))),  # nobody promised a
    ),
    (
        "G1a",
        (send("a", None, FAIL), poll((0, "a"))),
        (send("a", None, INFO), poll((0, "a"))),
    ),
    (
        "poll-skip",
        (poll((0, "a")), poll((2, "c")), poll((1, "b"), by="d")),
        (poll((0, "a")), poll((2, "c"))),  # nobody ever saw offset 1: a gap
    ),
    (
        "int-poll-skip",
        (poll((0, "a"), (2, "c")), poll((1, "b"), by="d")),
        (poll((0, "a"), (2, "c")),),
    ),
    (
        "nonmonotonic-poll",
        (poll((0, "a"), (1, "b")), poll((1, "b"))),
        (poll((0, "a"), (1, "b")), poll((1, "b"), segment=1)),
    ),
    (
        "nonmonotonic-poll",
        (poll((0, "a"), (1, "b")), poll((0, "a"))),
        (poll((0, "a"), (1, "b")), poll((0, "a"), assigned=False)),
    ),
    (
        "int-nonmonotonic-poll",
        (poll((1, "b"), (0, "a")),),
        (poll((0, "a"), (1, "b")),),
    ),
    (
        "nonmonotonic-send",
        (send("a", 1), send("b", 0)),
        (send("a", 1), send("b", 0, by="q")),
    ),
    (
        "lost-group-offset",
        (commit(10, 1, 2), reads_back(5, 3)),
        (commit(10, 1, 2), reads_back(10, 3)),
    ),
    (
        "lost-group-offset",
        (commit(10, 1, 2), reads_back(-1, 3)),
        (commit(10, 1, 4), reads_back(-1, 3)),  # not acknowledged yet
    ),
    (
        "lost-group-offset",
        (commit(5, 1, 2), commit(10, 3, 4), reads_back(5, 5)),
        (commit(10, 1, 2), commit(5, 3, 4), reads_back(5, 5)),  # set back by the client
    ),
    (
        "lost-group-offset",
        (commit(10, 1, 2), commit(5, 3, 4, FAIL), reads_back(5, 5)),
        (commit(10, 1, 2), commit(5, 3, 4, INFO), reads_back(5, 5)),
    ),
]


@pytest.mark.parametrize(("kind", "bad", "good"), CASES)
def test_each_anomaly(kind: str, bad: tuple[Any, ...], good: tuple[Any, ...]) -> None:
    assert kind in kinds(*bad)
    assert kinds(*good) == []


def test_unseen_counts_only_after_the_drain() -> None:
    history = (send("a", 0), send("b", 1), poll((0, "a")))
    assert kinds(*history, drained=True) == ["unseen"]
    assert kinds(*history) == []
    assert kinds(send("a", None, INFO), drained=True) == []


def test_what_plain_producers_may_do() -> None:
    retried = (send("a", 0), poll((0, "a"), (1, "a")))
    assert kinds(*retried, idempotent=False) == []
    overtaken = (send("a", 1), send("b", 0))
    assert kinds(*overtaken, ordered=False) == []


def test_an_anomaly_says_where() -> None:
    history = History(sends=[send("a", 7)], polls=[poll((7, "b"))])
    assert "offset 7" in str(check(history)[0])
    assert "t-0" in str(check(history)[0])
