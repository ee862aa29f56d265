"""ISR and high-watermark rules: reference 5.2 and 5.4, traps 4, 6, 7, 22, 24, 25."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barnabas.errors import ErrorCode
from barnabas.replication.isr import (
    AlterPartitionAnswer,
    Committed,
    IsrState,
    PendingExpand,
    PendingShrink,
    Reaction,
    effective_min_isr,
    high_watermark_candidate,
    may_expand,
    out_of_sync,
    reaction,
)
from barnabas.replication.replica import NEVER, Replica

LAG_MS = 30_000


def replica(end: int, caught_up_ms: int = NEVER) -> Replica:
    state = Replica()
    state.log_end_offset = end
    state.last_caught_up_ms = caught_up_ms
    return state


def candidate(
    state: IsrState,
    leader_end: int,
    remotes: dict[int, Replica],
    *,
    min_isr: int = 1,
    eligible: tuple[int, ...] = (1, 2, 3),
    now_ms: int = 100_000,
) -> int | None:
    return high_watermark_candidate(
        state,
        leader=1,
        leader_end=leader_end,
        remotes=remotes,
        eligible=eligible,
        min_isr=min_isr,
        now_ms=now_ms,
        lag_max_ms=LAG_MS,
    )


COMMITTED = Committed(isr=(1, 2))


def test_views_of_the_three_states() -> None:
    expand = PendingExpand(last=COMMITTED, new_replica=3)
    shrink = PendingShrink(last=Committed(isr=(3, 1, 2)), out_of_sync=(1,))
    assert (COMMITTED.committed, COMMITTED.maximal, COMMITTED.in_flight) == ((1, 2), (1, 2), False)
    assert (expand.committed, expand.maximal, expand.proposed) == ((1, 2), (1, 2, 3), (1, 2, 3))
    assert (shrink.committed, shrink.maximal) == ((3, 1, 2), (3, 1, 2))
    assert shrink.proposed == (3, 2), "the order of those who stay is kept"
    assert expand.in_flight
    assert shrink.in_flight


def test_high_watermark_is_the_slowest_member_of_the_isr() -> None:
    assert candidate(COMMITTED, 10, {2: replica(7), 3: replica(3)}) == 7


def test_pending_expand_counts_the_newcomer_already() -> None:
    state = PendingExpand(last=COMMITTED, new_replica=3)
    assert candidate(state, 10, {2: replica(9), 3: replica(4)}) == 4


def test_pending_shrink_counts_the_laggard_still() -> None:
    state = PendingShrink(last=COMMITTED, out_of_sync=(2,))
    assert candidate(state, 10, {2: replica(4)}) == 4


def test_no_advance_below_min_isr_of_the_committed_isr() -> None:
    state = PendingExpand(last=Committed(isr=(1,)), new_replica=2)
    assert candidate(state, 10, {2: replica(10)}, min_isr=2) is None
    assert candidate(Committed(isr=(1, 2)), 10, {2: replica(10)}, min_isr=2) == 10


def test_waits_for_a_replica_that_is_about_to_join() -> None:
    remotes = {2: replica(10), 3: replica(6, caught_up_ms=99_000)}
    assert candidate(COMMITTED, 10, remotes) == 6
    assert candidate(COMMITTED, 10, remotes, eligible=(1, 2)) == 10, "dead or shutting down"
    remotes[3].last_caught_up_ms = 100_000 - LAG_MS - 1
    assert candidate(COMMITTED, 10, remotes) == 10, "far behind"


def test_unknown_positions_and_members_without_state_hold_it_back() -> None:
    assert candidate(COMMITTED, 10, {2: replica(-1)}) == -1
    assert candidate(Committed(isr=(1, 2, 9)), 10, {2: replica(10)}) == -1, "trap 25: unknown"


def test_effective_min_isr() -> None:
    assert effective_min_isr(2, 1) == 1
    assert effective_min_isr(2, 3) == 2


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"replica_end": 9}, False),
        ({"leader_epoch_start": 11}, False),
        ({"eligible": False}, False),
        ({"state": Committed(isr=(1, 2, 3))}, False),
        ({"state": PendingShrink(last=COMMITTED, out_of_sync=(2,))}, False),
        ({"state": PendingExpand(last=COMMITTED, new_replica=3)}, False),
    ],
)
def test_expand_rule(change: dict[str, object], expected: bool) -> None:
    values: dict[str, object] = {
        "state": COMMITTED,
        "replica_end": 10,
        "high_watermark": 10,
        "leader_epoch_start": 10,
        "eligible": True,
    }
    values.update(change)
    state = values.pop("state")
    assert may_expand(state, 3, **values) is expected  # type: ignore[arg-type]


def test_shrink_rule() -> None:
    state = Committed(isr=(1, 2, 3, 4))
    remotes = {
        2: replica(10),  # level, although it has not been heard of for long
        3: replica(9, caught_up_ms=100_000 - LAG_MS),
        4: replica(9, caught_up_ms=100_000 - LAG_MS - 1),
    }
    late = out_of_sync(
        state, leader=1, leader_end=10, remotes=remotes, now_ms=100_000, lag_max_ms=LAG_MS
    )
    assert late == (4,)
    pending = PendingShrink(last=state, out_of_sync=(4,))
    assert not out_of_sync(
        pending, leader=1, leader_end=10, remotes=remotes, now_ms=200_000, lag_max_ms=LAG_MS
    )


@pytest.mark.parametrize(
    ("error", "leader_epoch", "partition_epoch", "expected"),
    [
        (ErrorCode.NONE, 5, 8, Reaction.COMMIT),
        (ErrorCode.NONE, 5, 7, Reaction.COMMIT),
        (ErrorCode.NONE, 5, 6, Reaction.IGNORE),
        (ErrorCode.NONE, 6, 8, Reaction.IGNORE),
        (ErrorCode.OPERATION_NOT_ATTEMPTED, -1, -1, Reaction.REVERT),
        (ErrorCode.INELIGIBLE_REPLICA, -1, -1, Reaction.REVERT),
        (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1, -1, Reaction.GIVE_UP),
        (ErrorCode.UNKNOWN_TOPIC_ID, -1, -1, Reaction.GIVE_UP),
        (ErrorCode.FENCED_LEADER_EPOCH, -1, -1, Reaction.GIVE_UP),
        (ErrorCode.INVALID_UPDATE_VERSION, -1, -1, Reaction.GIVE_UP),
        (ErrorCode.INVALID_REQUEST, -1, -1, Reaction.GIVE_UP),
        (ErrorCode.NEW_LEADER_ELECTED, -1, -1, Reaction.GIVE_UP),
        (ErrorCode.UNKNOWN_SERVER_ERROR, -1, -1, Reaction.RETRY),
        (ErrorCode.NOT_CONTROLLER, -1, -1, Reaction.RETRY),
    ],
)
def test_reaction_table(
    error: ErrorCode, leader_epoch: int, partition_epoch: int, expected: Reaction
) -> None:
    answer = AlterPartitionAnswer(
        error=error, leader_epoch=leader_epoch, partition_epoch=partition_epoch, isr=(1,)
    )
    assert reaction(answer, still_sent=True, leader_epoch=5, partition_epoch=7) is expected
    assert reaction(answer, still_sent=False, leader_epoch=5, partition_epoch=7) is Reaction.IGNORE


members = st.lists(st.integers(1, 5), min_size=1, max_size=5, unique=True)


@st.composite
def isr_states(draw: st.DrawFn) -> IsrState:
    isr = tuple(draw(members))
    last = Committed(isr=isr)
    outside = [m for m in range(1, 6) if m not in isr]
    kinds = ["committed"] + (["expand"] if outside else []) + (["shrink"] if len(isr) > 1 else [])
    kind = draw(st.sampled_from(kinds))
    if kind == "expand":
        return PendingExpand(last=last, new_replica=draw(st.sampled_from(outside)))
    if kind == "shrink":
        out = draw(st.lists(st.sampled_from(isr[1:]), min_size=1, unique=True))
        return PendingShrink(last=last, out_of_sync=tuple(out))
    return last


@given(
    isr_states(),
    st.integers(0, 50),
    st.dictionaries(st.integers(1, 5), st.integers(-1, 50)),
    st.dictionaries(st.integers(1, 5), st.integers(0, 100_000)),
    st.integers(1, 3),
)
def test_high_watermark_never_passes_the_maximal_isr(
    state: IsrState,
    leader_end: int,
    ends: dict[int, int],
    caught_up: dict[int, int],
    min_isr: int,
) -> None:
    remotes = {r: replica(end, caught_up.get(r, NEVER)) for r, end in ends.items()}
    result = candidate(state, leader_end, remotes, min_isr=min_isr, eligible=(1, 2, 3, 4, 5))
    if len(state.committed) < min_isr:
        assert result is None
        return
    assert result is not None
    assert result <= leader_end
    for member in state.maximal:
        if member != 1:
            assert result <= ends.get(member, -1)


@given(isr_states())
def test_the_maximal_isr_holds_both_outcomes(state: IsrState) -> None:
    assert set(state.committed) <= set(state.maximal)
    if not isinstance(state, Committed):
        assert set(state.proposed) <= set(state.maximal)
        assert state.proposed
        assert state.last.isr == state.committed
