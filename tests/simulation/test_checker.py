"""Each anomaly in a hand-made history, and beside it the history that is almost the same and
sound."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.simulation.checker import check
from tests.simulation.history import (
    Assigned,
    Commit,
    Committed,
    History,
    Outcome,
    Poll,
    Scan,
    Send,
    Update,
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


def kinds(*events: Any, **options: Any) -> list[str]:
    """The kinds of anomaly in a history."""
    history = History(**options)
    lists: dict[type[Any], list[Any]] = {
        Send: history.sends,
        Poll: history.polls,
        Commit: history.commits,
        Committed: history.committed,
        Assigned: history.assigned,
        Update: history.updates,
        Scan: history.scans,
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


def in_generation(generation: int, offset: int, invoked: float, completed: float) -> Commit:
    return replace(commit(offset, invoked, completed), generation=generation)


def assigned(generation: int, member: str, completed: float, *keys: str) -> Assigned:
    return Assigned(group="g", generation=generation, member=member, keys=keys, completed=completed)


def test_an_offset_that_was_read_counts_as_committed() -> None:
    seen = Committed(group="g", key="t-0", offset=7, invoked=3.0, completed=4.0)
    unsure = commit(7, 1.0, 2.0, INFO)
    assert kinds(commit(5, 0.0, 1.0), unsure, reads_back(5, 5.0)) == []
    assert kinds(commit(5, 0.0, 1.0), unsure, seen, reads_back(5, 5.0)) == ["lost-group-offset"]
    again = replace(seen, offset=5, invoked=5.0, completed=6.0)
    assert kinds(commit(5, 0.0, 1.0), unsure, seen, again) == ["lost-group-offset"]


def test_a_commit_that_was_given_up_may_arrive_late() -> None:
    given_up = commit(5, 1.0, 2.0, INFO)
    assert kinds(given_up, commit(7, 3.0, 4.0), reads_back(5, 5.0)) == []
    assert kinds(given_up, commit(7, 3.0, 4.0), reads_back(4, 5.0)) == ["lost-group-offset"]


def test_one_owner_in_a_generation() -> None:
    ours, theirs = assigned(1, "a", 1.0, "t-0"), assigned(1, "b", 1.0, "t-1")
    assert kinds(ours, theirs, assigned(2, "b", 2.0, "t-0")) == []
    assert kinds(ours, theirs, assigned(1, "b", 2.0, "t-0")) == ["two-owners"]


def test_a_commit_of_an_old_generation() -> None:
    later = assigned(2, "b", 2.0, "t-0")
    assert kinds(assigned(1, "a", 1.0), in_generation(1, 5, 1.5, 3.0), later) == []
    assert kinds(later, in_generation(1, 5, 2.5, 3.0)) == ["stale-generation"]
    assert kinds(later, replace(in_generation(1, 5, 2.5, 3.0), outcome=FAIL)) == []


def test_a_group_that_does_not_read_everything() -> None:
    mine = replace(poll((0, "a"), by="m"), group="g", assigned=False)
    both = poll((0, "a"), (1, "b"))
    sent = (send("a", 0), send("b", 1))
    assert kinds(*sent, both, mine, drained=True) == ["unseen"]
    rest = replace(poll((1, "b"), by="n"), group="g", assigned=False)
    assert kinds(*sent, both, mine, rest, drained=True) == []


def test_what_retention_deleted_is_not_missed() -> None:
    history = History(drained=True, starts={"t-0": 1})
    history.sends += [send("a", 0), send("b", 1)]
    history.polls.append(poll((1, "b")))
    assert check(history) == []
    history.starts.clear()
    assert {anomaly.kind for anomaly in check(history)} == {"unseen", "lost-write"}


def update(version: int, value: str | None, offset: int | None, outcome: Outcome = OK) -> Update:
    return Update(key="k-0", name="n", version=version, value=value, outcome=outcome, offset=offset)


def scan(*records: tuple[int, str | None], end: int = 9, final: bool = False) -> Scan:
    found = tuple((offset, "n", value) for offset, value in records)
    return Scan(process="r", key="k-0", end=end, records=found, final=final)


def test_the_newest_value_of_a_key() -> None:
    updates = (update(1, "a", 0), update(2, "b", 4))
    assert kinds(*updates, scan((4, "b"))) == []
    assert kinds(*updates, scan((0, "a"), end=4)) == []
    assert kinds(*updates, scan((0, "a"), end=5)) == ["lost-update"]
    assert kinds(*updates, scan((0, "a"), end=4, final=True)) == ["lost-update"]
    assert kinds(*updates, update(3, "c", None, INFO), scan((5, "c"), final=True)) == []


def test_a_deletion_of_a_key_is_a_value_too() -> None:
    updates = (update(1, "a", 0), update(2, None, 4))
    assert kinds(*updates, scan((0, "a"), (4, None), final=True)) == []
    assert kinds(*updates, scan((0, "a"), final=True)) == ["lost-update"]


def test_a_key_may_be_deleted_twice() -> None:
    updates = (update(1, None, 0), update(2, "b", 3), update(3, None, 4))
    assert kinds(*updates, scan((0, None), (3, "b"), (4, None))) == []


def test_keys_do_not_go_back() -> None:
    assert kinds(update(1, "a", 0), update(2, "b", 4), scan((0, "a"), (4, "b"))) == []
    back = kinds(update(1, "a", 5), update(2, "b", 4), scan((4, "b"), (5, "a")))
    assert back == ["key-went-back"]
    assert kinds(update(1, "a", 0), scan((0, "b"))) == ["inconsistent-offsets", "lost-update"]
    assert kinds(scan((1, "b"), (0, "a"))) == ["nonmonotonic-poll"]
