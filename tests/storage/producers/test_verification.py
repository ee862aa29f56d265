"""Guards of transactional batches (KIP-890, reference 7.3), in a whole log."""

from __future__ import annotations

import pytest
from tests.storage.support import RECORDED_MS, batch, create, environment, memory_files

from barnabas.errors import ErrorCode, KafkaError
from barnabas.records.batch import ControlType, EndTransactionMarker, build_marker
from barnabas.storage.log import Log
from barnabas.storage.producers.state import Origin
from barnabas.storage.producers.verification import NOT_NEEDED, UNVERIFIED, VerificationGuard

PID = 9


def fresh() -> Log:
    return create(environment(memory_files()))


def begin(log: Log, epoch: int = 0, sequence: int = 0) -> VerificationGuard:
    guard = log.producers.begin_verification(PID, epoch, sequence, RECORDED_MS)
    assert guard is not None
    return guard


def send(
    log: Log,
    guard: VerificationGuard | None,
    sequence: int = 0,
    epoch: int = 0,
    origin: Origin = Origin.CLIENT,
) -> ErrorCode:
    sent = batch(producer_id=PID, producer_epoch=epoch, base_sequence=sequence, transactional=True)
    try:
        log.append_as_leader(sent, 0, now_ms=RECORDED_MS, guard=guard, origin=origin)
    except KafkaError as error:
        return error.code
    return ErrorCode.NONE


def end(log: Log, kind: ControlType = ControlType.ABORT, epoch: int = 0) -> None:
    marker = build_marker(
        EndTransactionMarker(kind, 0),
        producer_id=PID,
        producer_epoch=epoch,
        timestamp_ms=RECORDED_MS,
    )
    log.append_as_leader(memoryview(marker), 0, now_ms=RECORDED_MS, origin=Origin.COORDINATOR)


def test_the_first_batch_needs_its_guard_and_the_others_none() -> None:
    log = fresh()
    assert send(log, None) is ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    assert send(log, UNVERIFIED) is ErrorCode.INVALID_TXN_STATE
    assert send(log, VerificationGuard()) is ErrorCode.INVALID_TXN_STATE
    assert send(log, UNVERIFIED, origin=Origin.COORDINATOR) is ErrorCode.INVALID_TXN_STATE
    guard = begin(log)
    assert begin(log) is guard
    assert send(log, guard) is ErrorCode.NONE
    assert log.producers.begin_verification(PID, 0, 1, RECORDED_MS) is None
    assert send(log, UNVERIFIED, 1) is ErrorCode.NONE
    assert log.log_end_offset == 2


@pytest.mark.parametrize("kind", ControlType)
def test_an_answer_that_comes_after_the_end_admits_nothing(kind: ControlType) -> None:
    log = fresh()
    late = begin(log)
    end(log, kind)
    assert send(log, late) is ErrorCode.INVALID_TXN_STATE
    again = begin(log)
    assert again is not late
    assert send(log, late) is ErrorCode.INVALID_TXN_STATE
    assert send(log, again) is ErrorCode.NONE
    end(log, kind)
    assert send(log, again, 1) is ErrorCode.INVALID_TXN_STATE


def test_a_later_batch_does_not_overtake_one_that_was_not_verified() -> None:
    log = fresh()
    guard = begin(log, sequence=0)
    assert begin(log, sequence=1) is guard
    assert send(log, guard, 1) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert send(log, guard, 0) is ErrorCode.NONE
    assert send(log, UNVERIFIED, 1) is ErrorCode.NONE


def test_a_new_epoch_has_a_guard_of_its_own() -> None:
    log = fresh()
    old = begin(log, sequence=5)
    new = begin(log, epoch=1, sequence=0)
    assert new is not old
    assert send(log, old, 5) is ErrorCode.INVALID_TXN_STATE
    assert send(log, new, 0, epoch=1) is ErrorCode.NONE


def test_without_verification_everything_is_admitted() -> None:
    log = fresh()
    assert send(log, NOT_NEEDED) is ErrorCode.NONE


def test_guards_expire_with_producers() -> None:
    log = fresh()
    guard = begin(log)
    log.producers.remove_expired(RECORDED_MS + log.producers.expiration_ms)
    assert send(log, guard) is ErrorCode.INVALID_TXN_STATE


def test_a_repetition_in_its_transaction_is_a_success_whatever_the_guard() -> None:
    log = fresh()
    assert send(log, begin(log)) is ErrorCode.NONE
    assert send(log, UNVERIFIED) is ErrorCode.NONE
    end(log, ControlType.COMMIT)
    assert send(log, begin(log)) is ErrorCode.INVALID_TXN_STATE
    assert log.log_end_offset == 2
