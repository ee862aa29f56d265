"""Each anomaly of transactions in a hand-made history, beside one that is almost the same."""

from __future__ import annotations

import pytest
from tests.coordinator.transaction.checker import Transaction, TransactionHistory, check
from tests.simulation.history import Outcome

OK, FAIL, INFO = Outcome.OK, Outcome.FAIL, Outcome.INFO
Row = tuple[str, int, str]


def txn(number: int, outcome: Outcome, *values: str, group: str = "") -> Transaction:
    """Values are written like ``a1``: to partition ``a``."""
    return Transaction(
        producer="p",
        number=number,
        values=tuple((value[0], value) for value in values),
        outcome=outcome,
        group=group,
    )


def rows(*texts: str) -> list[Row]:
    """``a1@0``: value a1 in partition a at offset 0."""
    return [(t[0], int(t.split("@")[1]), t.split("@")[0]) for t in texts]


def kinds(
    transactions: list[Transaction],
    final: list[Row],
    *,
    early: list[Row] | None = None,
    position: int | None = None,
) -> list[str]:
    history = TransactionHistory(transactions=transactions, final="last")
    history.reads = {"early": [*(early or [])], "last": [*final]}
    if position is not None:
        history.positions["g"] = position
    return sorted({fault.kind for fault in check(history)})


BOTH = [txn(1, OK, "a1", "b1"), txn(2, FAIL, "a2", "b2")]


@pytest.mark.parametrize(
    ("transactions", "final", "early", "expected"),
    [
        (BOTH, rows("a1@0", "b1@0"), rows("a1@0"), []),
        (BOTH, rows("a1@0", "b1@0", "b2@2"), [], ["aborted-read"]),
        (BOTH, rows("a1@0", "b1@0"), rows("a1@0", "a2@2"), ["aborted-read", "changed"]),
        (BOTH, rows("a1@0"), [], ["lost-transaction"]),
        (BOTH, rows("a1@0", "a1@5", "b1@0"), [], ["disorder", "duplicate"]),
        ([txn(1, INFO, "a1", "b1")], [], [], []),
        ([txn(1, INFO, "a1", "b1")], rows("a1@0", "b1@0"), rows("b1@0"), []),
        ([txn(1, INFO, "a1", "b1")], rows("a1@0"), [], ["torn-transaction"]),
        ([txn(1, INFO, "a1", "b1")], [], rows("a1@0"), ["changed", "torn-transaction"]),
        (BOTH, rows("a1@0", "b1@0"), rows("a1@1"), ["changed"]),
        ([txn(1, OK, "a1"), txn(2, OK, "a2")], rows("a1@0", "a2@2"), rows("a2@2"), ["changed"]),
        ([txn(1, OK, "a1"), txn(2, OK, "a2")], rows("a2@0", "a1@2"), [], ["disorder"]),
        ([txn(1, OK, "a1", "a2")], rows("a2@0", "a1@1"), [], ["disorder"]),
    ],
)
def test_values(
    transactions: list[Transaction], final: list[Row], early: list[Row], expected: list[str]
) -> None:
    assert kinds(transactions, final, early=early) == expected


@pytest.mark.parametrize(
    ("second", "there", "position", "expected"),
    [
        (FAIL, False, 1, []),
        (FAIL, False, 2, ["aborted-position"]),
        (FAIL, False, -1, ["lost-position"]),
        (OK, True, 2, []),
        (OK, True, 1, ["lost-position"]),
        (INFO, True, 2, []),
        (INFO, True, 1, ["lost-position"]),
        (INFO, False, 1, []),
        (INFO, False, 2, ["aborted-position"]),
    ],
)
def test_positions(second: Outcome, there: bool, position: int, expected: list[str]) -> None:
    transactions = [txn(1, OK, "a1", group="g"), txn(2, second, "a2", group="g")]
    final = rows("a1@0", "a2@2") if there else rows("a1@0")
    assert kinds(transactions, final, position=position) == expected
