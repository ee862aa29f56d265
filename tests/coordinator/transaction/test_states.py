"""States of transactions: the table is the original's, and the documentation shows it."""

from __future__ import annotations

import pytest
from tests.coordinator.transaction.steps import S, in_state
from tests.places import DOCS

from barnabas.coordinator.transaction import decisions
from barnabas.coordinator.transaction.states import TRANSITIONS, TransactionState, transition_table
from barnabas.errors import FatalError


def test_the_documented_table_is_the_table() -> None:
    page = DOCS / "transactions.md"
    assert transition_table() in page.read_text()


def test_the_table_is_the_original_one() -> None:
    """Reference 7.5: the states that may come before each."""
    s = TransactionState
    done = {s.COMPLETE_COMMIT, s.COMPLETE_ABORT}
    before = {new: {old for old, other in TRANSITIONS if other is new} for new in s}
    assert before == {
        s.EMPTY: {s.EMPTY} | done,
        s.ONGOING: {s.ONGOING, s.EMPTY} | done,
        s.PREPARE_COMMIT: {s.ONGOING},
        s.PREPARE_ABORT: {s.ONGOING, s.PREPARE_EPOCH_FENCE},
        s.COMPLETE_COMMIT: {s.PREPARE_COMMIT},
        s.COMPLETE_ABORT: {s.PREPARE_ABORT},
        s.DEAD: {s.EMPTY} | done,
        s.PREPARE_EPOCH_FENCE: {s.ONGOING},
    }


def test_a_step_that_the_table_lacks_is_a_fault() -> None:
    txn = in_state(S.PREPARE_COMMIT)
    with pytest.raises(FatalError):
        decisions.fence_and_abort(txn, 1)
    with pytest.raises(FatalError):
        decisions.expire(txn)
