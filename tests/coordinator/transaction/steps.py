"""Transactional ids, one decision a line."""

from __future__ import annotations

from barnabas.coordinator.transaction import decisions
from barnabas.coordinator.transaction.decisions import Expected
from barnabas.coordinator.transaction.states import TransactionState
from barnabas.coordinator.transaction.transaction import Transaction
from barnabas.types import TopicPartition

S = TransactionState
T0, T1 = TopicPartition("t", 0), TopicPartition("t", 1)


def begin(
    txn: Transaction, expected: Expected | None = None, fresh: int | None = None
) -> tuple[int, int]:
    """InitProducerId to its end; (producer id, epoch)."""
    decisions.check_init(txn, expected)
    step = decisions.begin_producer(txn, 1000, expected, 5, fresh)
    txn.complete(step)
    return step.producer_id, step.producer_epoch


def add(txn: Transaction, *partitions: TopicPartition, at: int = 10) -> None:
    value = txn.value
    step = decisions.add_partitions(
        txn, value.producer_id, value.producer_epoch, partitions, now_ms=at
    )
    if step is not None:
        txn.complete(step)


def end(txn: Transaction, commit: bool) -> None:
    """EndTxn, as far as the replicated decision."""
    value = txn.value
    step = decisions.end(txn, value.producer_id, value.producer_epoch, commit=commit, now_ms=20)
    assert step is not None
    txn.complete(step)


def finish(txn: Transaction) -> None:
    txn.complete(decisions.complete(txn, 30))


def fresh() -> Transaction:
    txn = decisions.new_transaction("x", 7, 1000, 1)
    assert begin(txn) == (7, 0)
    return txn


def in_state(state: TransactionState) -> Transaction:
    """A transactional id whose last step led here."""
    txn = fresh()
    if state is S.EMPTY:
        return txn
    add(txn, T0)
    if state is S.ONGOING:
        return txn
    end(txn, commit=state in (S.PREPARE_COMMIT, S.COMPLETE_COMMIT))
    if state in (S.COMPLETE_COMMIT, S.COMPLETE_ABORT):
        finish(txn)
    assert txn.state is state
    return txn
