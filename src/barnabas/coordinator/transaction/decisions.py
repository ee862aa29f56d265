"""TransactionCoordinator, rules: the outcome of a request (reference 7.6, KIP-98, KIP-360). Pure.

A decision returns the next step, which the caller writes. It returns None if nothing is to be done,
and raises KafkaError with the error for the producer. Times are wall ms.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from barnabas.coordinator.transaction.states import TransactionState, check_transition
from barnabas.coordinator.transaction.transaction import (
    EPOCH_MAX,
    Transaction,
    TransactionValue,
    is_exhausted,
)
from barnabas.errors import ErrorCode, FatalError, KafkaError
from barnabas.types import NO_PRODUCER_EPOCH, NO_TIMESTAMP, TopicPartition

_ENDING = (TransactionState.PREPARE_COMMIT, TransactionState.PREPARE_ABORT)
_COMPLETE = {
    TransactionState.PREPARE_COMMIT: TransactionState.COMPLETE_COMMIT,
    TransactionState.PREPARE_ABORT: TransactionState.COMPLETE_ABORT,
}
_IDLE = (
    TransactionState.EMPTY,
    TransactionState.COMPLETE_COMMIT,
    TransactionState.COMPLETE_ABORT,
)


class Expected(NamedTuple):
    """The identity that a producer says it has (InitProducerId v3+)."""

    producer_id: int
    epoch: int


def new_transaction(
    transactional_id: str, producer_id: int, timeout_ms: int, now_ms: int
) -> Transaction:
    """A transactional id that was never used, before its first step."""
    value = TransactionValue(
        producer_id=producer_id,
        producer_epoch=NO_PRODUCER_EPOCH,
        timeout_ms=timeout_ms,
        state=TransactionState.EMPTY,
        last_update_ms=now_ms,
    )
    return Transaction(transactional_id, value)


# InitProducerId


def check_init(transaction: Transaction, expected: Expected | None) -> None:
    """Whether InitProducerId may go on. Raises CONCURRENT_TRANSACTIONS, PRODUCER_FENCED."""
    value = transaction.value
    if transaction.pending is not None:
        raise KafkaError(ErrorCode.CONCURRENT_TRANSACTIONS)
    if expected is not None and not (
        value.producer_epoch == NO_PRODUCER_EPOCH
        or expected.producer_id == value.producer_id
        or (expected.producer_id == value.last_producer_id and is_exhausted(expected.epoch))
    ):
        raise KafkaError(ErrorCode.PRODUCER_FENCED)
    if transaction.state in _ENDING:
        raise KafkaError(ErrorCode.CONCURRENT_TRANSACTIONS)
    if (
        transaction.state is TransactionState.ONGOING
        and expected is not None
        and expected != (value.producer_id, value.producer_epoch)
    ):
        # The original lets a producer that is fenced already abort its successor's transaction.
        raise KafkaError(ErrorCode.PRODUCER_FENCED)


def needs_producer_id(transaction: Transaction, expected: Expected | None) -> bool:
    """Whether the producer id has no epoch left."""
    return (
        transaction.state in _IDLE
        and transaction.is_epoch_exhausted
        and (expected is None or expected.epoch == transaction.value.producer_epoch)
    )


def begin_producer(
    transaction: Transaction,
    timeout_ms: int,
    expected: Expected | None,
    now_ms: int,
    fresh_id: int | None,
) -> TransactionValue:
    """A producer begins: it gets a higher epoch, or ``fresh_id`` when no epoch is left.
    ``check_init`` has passed and no transaction is open. Raises PRODUCER_FENCED;
    CONCURRENT_TRANSACTIONS if a fresh id is needed after all."""
    value = transaction.value
    if needs_producer_id(transaction, expected):
        if fresh_id is None:
            raise KafkaError(ErrorCode.CONCURRENT_TRANSACTIONS)
        producer_id, epoch = fresh_id, 0
        last_epoch = NO_PRODUCER_EPOCH if expected is None else value.producer_epoch
    else:
        producer_id = value.producer_id
        epoch, last_epoch = _next_epoch(value, expected)
    return transaction.prepare(
        TransactionValue(
            producer_id=producer_id,
            producer_epoch=epoch,
            timeout_ms=timeout_ms,
            state=TransactionState.EMPTY,
            last_update_ms=now_ms,
            last_producer_id=value.producer_id,
            last_producer_epoch=last_epoch,
        )
    )


def _next_epoch(value: TransactionValue, expected: Expected | None) -> tuple[int, int]:
    """(epoch, the previous one, which a repeated request may still name)."""
    current = value.producer_epoch
    if expected is None:
        return current + 1, NO_PRODUCER_EPOCH
    if current in (NO_PRODUCER_EPOCH, expected.epoch):
        return current + 1, current
    if expected.epoch == value.last_producer_epoch:
        return current, value.last_producer_epoch  # The same request again: its answer was lost.
    raise KafkaError(ErrorCode.PRODUCER_FENCED)


# Partitions


def _check_producer(transaction: Transaction, producer_id: int, epoch: int) -> None:
    if transaction.value.producer_id != producer_id:
        raise KafkaError(ErrorCode.INVALID_PRODUCER_ID_MAPPING)
    if transaction.value.producer_epoch != epoch:
        raise KafkaError(ErrorCode.PRODUCER_FENCED)


def add_partitions(
    transaction: Transaction,
    producer_id: int,
    epoch: int,
    partitions: Iterable[TopicPartition],
    now_ms: int,
) -> TransactionValue | None:
    """More partitions take part; None if all of them do already. Raises
    INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED, CONCURRENT_TRANSACTIONS."""
    _check_producer(transaction, producer_id, epoch)
    value = transaction.value
    if transaction.pending is not None or transaction.state in _ENDING:
        raise KafkaError(ErrorCode.CONCURRENT_TRANSACTIONS)
    ongoing = transaction.state is TransactionState.ONGOING
    known = dict.fromkeys(value.partitions)
    added = [p for p in dict.fromkeys(partitions) if p not in known]
    if ongoing and not added:
        return None
    return transaction.prepare(
        replace(
            value,
            state=TransactionState.ONGOING,
            partitions=(*value.partitions, *added),
            last_update_ms=now_ms,
            start_ms=value.start_ms if ongoing else now_ms,
        )
    )


def verify(
    transaction: Transaction, producer_id: int, epoch: int, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, ErrorCode]:
    """Whether partitions take part (KIP-890): TRANSACTION_ABORTABLE for those that do not. Raises
    INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED, CONCURRENT_TRANSACTIONS."""
    _check_producer(transaction, producer_id, epoch)
    if transaction.state in _ENDING:
        raise KafkaError(ErrorCode.CONCURRENT_TRANSACTIONS)
    known = dict.fromkeys(transaction.value.partitions)
    return {
        p: ErrorCode.NONE if p in known else ErrorCode.TRANSACTION_ABORTABLE for p in partitions
    }


# The end


def end(
    transaction: Transaction, producer_id: int, epoch: int, *, commit: bool, now_ms: int
) -> TransactionValue | None:
    """EndTxn; None if it has ended so before. Raises INVALID_PRODUCER_ID_MAPPING,
    PRODUCER_FENCED, CONCURRENT_TRANSACTIONS, INVALID_TXN_STATE."""
    _check_producer(transaction, producer_id, epoch)
    preparing = TransactionState.PREPARE_COMMIT if commit else TransactionState.PREPARE_ABORT
    if transaction.pending is not None or transaction.state is preparing:
        raise KafkaError(ErrorCode.CONCURRENT_TRANSACTIONS)
    if transaction.state is TransactionState.ONGOING:
        return _end(transaction, preparing, now_ms)
    if transaction.state is _COMPLETE[preparing]:
        return None
    raise KafkaError(ErrorCode.INVALID_TXN_STATE)


def _end(transaction: Transaction, state: TransactionState, now_ms: int) -> TransactionValue:
    return transaction.prepare(replace(transaction.value, state=state, last_update_ms=now_ms))


def fence_and_abort(transaction: Transaction, now_ms: int) -> TransactionValue:
    """End an open transaction without its producer, whose epoch is raised. The epoch is raised in
    memory at once, even if the write then fails. No step is under way."""
    value = transaction.value
    epoch = value.producer_epoch if transaction.failed_fence else value.producer_epoch + 1
    if epoch > EPOCH_MAX:
        raise FatalError(f"{transaction.id}: epoch {epoch}")
    check_transition(transaction.state, TransactionState.PREPARE_EPOCH_FENCE)
    check_transition(TransactionState.PREPARE_EPOCH_FENCE, TransactionState.PREPARE_ABORT)
    transaction.value = replace(value, producer_epoch=epoch, last_producer_epoch=NO_PRODUCER_EPOCH)
    return _end(transaction, TransactionState.PREPARE_ABORT, now_ms)


def complete(transaction: Transaction, now_ms: int) -> TransactionValue:
    """The step after the markers. It is prepared before they are sent, so that no other step begins
    in between."""
    transaction.failed_fence = False
    return transaction.prepare(
        replace(
            transaction.value,
            state=_COMPLETE[transaction.state],
            partitions=(),
            last_update_ms=now_ms,
        )
    )


def is_ending(transaction: Transaction) -> bool:
    """Whether its markers must be sent."""
    return transaction.state in _ENDING


# Time


def is_timed_out(transaction: Transaction, now_ms: int) -> bool:
    """Whether its open transaction has lasted too long."""
    value = transaction.value
    return (
        transaction.state is TransactionState.ONGOING
        and transaction.pending is None
        and value.start_ms + value.timeout_ms < now_ms
    )


def is_expired(transaction: Transaction, now_ms: int, expiration_ms: int) -> bool:
    """Whether the id has been unused for too long."""
    return (
        transaction.state in _IDLE
        and transaction.pending is None
        and transaction.value.last_update_ms <= now_ms - expiration_ms
    )


def expire(transaction: Transaction) -> TransactionValue:
    """The step that removes the id."""
    return transaction.prepare(
        replace(
            transaction.value,
            state=TransactionState.DEAD,
            partitions=(),
            start_ms=NO_TIMESTAMP,
        )
    )
