"""What becomes of requests about a transactional id (reference 7.6), by example and at random."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.coordinator.transaction.steps import T0, T1, S, add, begin, end, finish, fresh, in_state

from barnabas.coordinator.transaction import decisions
from barnabas.coordinator.transaction.decisions import Expected
from barnabas.coordinator.transaction.states import TransactionState
from barnabas.coordinator.transaction.transaction import EPOCH_MAX, Transaction, TransactionValue
from barnabas.errors import ErrorCode, KafkaError


def refusal(call: Callable[[], object]) -> ErrorCode:
    with pytest.raises(KafkaError) as caught:
        call()
    return caught.value.code


STATES = [s for s in S if s not in (S.DEAD, S.PREPARE_EPOCH_FENCE)]


@pytest.mark.parametrize(
    ("state", "commit", "expected"),
    [
        (S.EMPTY, True, ErrorCode.INVALID_TXN_STATE),
        (S.EMPTY, False, ErrorCode.INVALID_TXN_STATE),
        (S.PREPARE_COMMIT, True, ErrorCode.CONCURRENT_TRANSACTIONS),
        (S.PREPARE_COMMIT, False, ErrorCode.INVALID_TXN_STATE),
        (S.PREPARE_ABORT, False, ErrorCode.CONCURRENT_TRANSACTIONS),
        (S.PREPARE_ABORT, True, ErrorCode.INVALID_TXN_STATE),
        (S.COMPLETE_COMMIT, True, None),
        (S.COMPLETE_COMMIT, False, ErrorCode.INVALID_TXN_STATE),
        (S.COMPLETE_ABORT, False, None),
        (S.COMPLETE_ABORT, True, ErrorCode.INVALID_TXN_STATE),
    ],
)
def test_ending_what_is_not_open(
    state: TransactionState, commit: bool, expected: ErrorCode | None
) -> None:
    txn = in_state(state)

    def ask() -> object:
        return decisions.end(txn, 7, 0, commit=commit, now_ms=1)

    if expected is None:
        assert ask() is None
    else:
        assert refusal(ask) is expected


@pytest.mark.parametrize(
    ("committed", "told"), [(True, ErrorCode.INVALID_TXN_STATE), (False, None)]
)
def test_an_abort_of_what_never_began_is_refused_after_a_commit(
    committed: bool, told: ErrorCode | None
) -> None:
    """A partition is refused while the end before is still being completed; a producer that aborts
    as if it had been added ends a transaction that was committed. Kafka 3.9.1 gives the same
    answers to the same requests, and librdkafka calls the last one fatal (docs/transactions.md)."""
    txn = fresh()
    add(txn, T0)
    end(txn, committed)
    concurrent = ErrorCode.CONCURRENT_TRANSACTIONS

    def abort() -> object:
        return decisions.end(txn, 7, 0, commit=False, now_ms=1)

    step = decisions.complete(txn, 30)
    assert refusal(lambda: decisions.add_partitions(txn, 7, 0, [T1], 1)) is concurrent
    assert refusal(abort) is concurrent
    txn.complete(step)
    if told is None:
        assert abort() is None
    else:
        assert refusal(abort) is told
    add(txn, T1)
    assert txn.state is S.ONGOING, "nothing is wrong with the id itself"


@pytest.mark.parametrize("state", STATES)
def test_strangers_and_zombies_are_told_apart(state: TransactionState) -> None:
    txn = in_state(state)
    asks: tuple[Callable[[int, int], object], ...] = (
        lambda pid, epoch: decisions.end(txn, pid, epoch, commit=True, now_ms=1),
        lambda pid, epoch: decisions.add_partitions(txn, pid, epoch, [T0], 1),
        lambda pid, epoch: decisions.verify(txn, pid, epoch, [T0]),
    )
    for ask in asks:
        assert refusal(partial(ask, 8, 0)) is ErrorCode.INVALID_PRODUCER_ID_MAPPING
        assert refusal(partial(ask, 7, 1)) is ErrorCode.PRODUCER_FENCED
        assert refusal(partial(ask, 7, -1)) is ErrorCode.PRODUCER_FENCED
    assert txn.state is state


@pytest.mark.parametrize("state", STATES)
def test_nothing_begins_while_a_step_is_written(state: TransactionState) -> None:
    txn = in_state(state)
    txn.pending = S.ONGOING
    for ask in (
        lambda: decisions.end(txn, 7, 0, commit=True, now_ms=1),
        lambda: decisions.add_partitions(txn, 7, 0, [T0], 1),
        lambda: decisions.check_init(txn, None),
    ):
        assert refusal(ask) is ErrorCode.CONCURRENT_TRANSACTIONS
    assert not decisions.is_timed_out(txn, 10**9)
    assert not decisions.is_expired(txn, 10**9, 1)


def test_partitions_join_once_and_the_first_one_starts_the_clock() -> None:
    txn = fresh()
    add(txn, T0, at=10)
    assert (txn.value.partitions, txn.value.start_ms) == ((T0,), 10)
    assert decisions.add_partitions(txn, 7, 0, [T0], 11) is None
    add(txn, T1, T0, at=12)
    assert (txn.value.partitions, txn.value.start_ms) == ((T0, T1), 10)
    assert txn.value.last_update_ms == 12
    end(txn, commit=True)
    assert refusal(lambda: decisions.add_partitions(txn, 7, 0, [T0], 1)) is (
        ErrorCode.CONCURRENT_TRANSACTIONS
    )
    finish(txn)
    assert (txn.value.partitions, txn.value.start_ms) == ((), 10)
    add(txn, T1, at=40)
    assert (txn.value.partitions, txn.value.start_ms) == ((T1,), 40)


def test_verification() -> None:
    txn = in_state(S.ONGOING)
    assert decisions.verify(txn, 7, 0, [T0, T1]) == {
        T0: ErrorCode.NONE,
        T1: ErrorCode.TRANSACTION_ABORTABLE,
    }
    for state in (S.PREPARE_COMMIT, S.PREPARE_ABORT):
        ending = in_state(state)
        assert refusal(partial(decisions.verify, ending, 7, 0, [T0])) is (
            ErrorCode.CONCURRENT_TRANSACTIONS
        )
    done = in_state(S.COMPLETE_COMMIT)
    assert decisions.verify(done, 7, 0, [T0]) == {T0: ErrorCode.TRANSACTION_ABORTABLE}


def test_a_new_producer_raises_the_epoch_and_a_known_one_goes_on() -> None:
    txn = fresh()
    assert begin(txn) == (7, 1)
    assert begin(txn, Expected(7, 1)) == (7, 2)
    # The answer was lost and the request came again.
    assert begin(txn, Expected(7, 1)) == (7, 2)
    assert refusal(lambda: begin(txn, Expected(7, 0))) is ErrorCode.PRODUCER_FENCED
    assert refusal(lambda: begin(txn, Expected(8, 2))) is ErrorCode.PRODUCER_FENCED
    assert begin(txn) == (7, 3)
    # Somebody else has begun since: nothing is left to repeat.
    assert refusal(lambda: begin(txn, Expected(7, 1))) is ErrorCode.PRODUCER_FENCED


def test_an_unknown_id_takes_any_producer() -> None:
    txn = decisions.new_transaction("x", 7, 1000, 1)
    assert begin(txn, Expected(99, 5)) == (7, 0)


def test_used_up_epochs_need_another_id() -> None:
    txn = fresh()
    last = EPOCH_MAX - 1
    txn.value = TransactionValue(
        producer_id=7, producer_epoch=last, timeout_ms=1000, state=S.COMPLETE_COMMIT, start_ms=1
    )
    assert decisions.needs_producer_id(txn, None)
    assert not decisions.needs_producer_id(txn, Expected(7, last - 1))
    assert refusal(lambda: begin(txn)) is ErrorCode.CONCURRENT_TRANSACTIONS
    assert begin(txn, Expected(7, last), fresh=9) == (9, 0)
    # The same again: the answer with the new id was lost.
    assert begin(txn, Expected(7, last)) == (9, 0)
    assert refusal(lambda: begin(txn, Expected(7, last - 1))) is ErrorCode.PRODUCER_FENCED


def test_fencing_raises_the_epoch_once_even_if_the_write_fails() -> None:
    txn = in_state(S.ONGOING)
    step = decisions.fence_and_abort(txn, 50)
    assert (step.state, step.producer_epoch) == (S.PREPARE_ABORT, 1)
    txn.give_up()
    txn.failed_fence = True
    assert txn.state is S.ONGOING
    assert refusal(lambda: decisions.end(txn, 7, 0, commit=True, now_ms=1)) is (
        ErrorCode.PRODUCER_FENCED
    )
    again = decisions.fence_and_abort(txn, 60)
    assert again.producer_epoch == 1
    txn.complete(again)
    finish(txn)
    assert not txn.failed_fence
    assert begin(txn) == (7, 2)


def test_the_highest_epoch_can_still_be_fenced() -> None:
    txn = in_state(S.ONGOING)
    txn.value = TransactionValue(
        producer_id=7, producer_epoch=EPOCH_MAX - 1, timeout_ms=1, state=S.ONGOING, start_ms=1
    )
    assert decisions.fence_and_abort(txn, 1).producer_epoch == EPOCH_MAX


def test_a_fenced_producer_cannot_abort_its_successor() -> None:
    txn = in_state(S.ONGOING)
    assert refusal(lambda: decisions.check_init(txn, Expected(7, -2))) is ErrorCode.PRODUCER_FENCED
    decisions.check_init(txn, Expected(7, 0))
    decisions.check_init(txn, None)


def test_time() -> None:
    txn = in_state(S.ONGOING)
    assert not decisions.is_timed_out(txn, 1010)
    assert decisions.is_timed_out(txn, 1011)
    assert not decisions.is_expired(txn, 10**9, 100)
    idle = in_state(S.COMPLETE_ABORT)
    assert not decisions.is_timed_out(idle, 10**9)
    assert not decisions.is_expired(idle, 129, 100)
    assert decisions.is_expired(idle, 130, 100)
    assert decisions.expire(idle).state is S.DEAD
    assert refusal(lambda: decisions.check_init(idle, None)) is ErrorCode.CONCURRENT_TRANSACTIONS


REQUESTS = st.lists(
    st.tuples(
        st.sampled_from(["init", "again", "add", "commit", "abort", "fence", "markers", "expire"]),
        st.integers(0, 2),
        st.booleans(),
    ),
    max_size=40,
)


@given(REQUESTS)
def test_no_series_of_requests_leaves_the_table(requests: list[tuple[str, int, bool]]) -> None:
    """Epochs never fall, a decision once replicated never changes, failed writes leave no trace."""
    txn = fresh()
    for kind, back, written in requests:
        before = txn.value
        epoch = before.producer_epoch - back
        try:
            step = _ask(txn, kind, epoch)
        except KafkaError:
            assert txn.pending is None
            assert txn.value == before
            continue
        if step is None:
            continue
        if not written:
            txn.give_up()
            txn.failed_fence = txn.failed_fence or kind == "fence"
            assert txn.state is before.state
            continue
        if step.state is S.DEAD:
            return
        txn.complete(step)
        assert txn.value.producer_epoch >= before.producer_epoch
        if before.state is S.PREPARE_COMMIT:
            assert txn.state is S.COMPLETE_COMMIT
        if before.state is S.PREPARE_ABORT:
            assert txn.state is S.COMPLETE_ABORT


def _ask(txn: Transaction, kind: str, epoch: int) -> TransactionValue | None:
    if kind in ("init", "again"):
        expected = Expected(7, epoch) if kind == "again" else None
        decisions.check_init(txn, expected)
        if txn.state is S.ONGOING:
            return decisions.fence_and_abort(txn, 1)
        return decisions.begin_producer(txn, 1000, expected, 1, 9)
    if kind == "add":
        return decisions.add_partitions(txn, 7, epoch, [T0], 1)
    if kind == "fence":
        return decisions.fence_and_abort(txn, 1) if txn.state is S.ONGOING else None
    if kind == "markers":
        return decisions.complete(txn, 1) if decisions.is_ending(txn) else None
    if kind == "expire":
        return decisions.expire(txn) if decisions.is_expired(txn, 10**9, 1) else None
    return decisions.end(txn, 7, epoch, commit=kind == "commit", now_ms=1)
