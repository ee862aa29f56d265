"""ReplicaStateMachine: its table, and ISRs without the replicas that went."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.controller.leadership import IDS, SUBSET, state

from barnabas.controller.replica_states import VALID_PREVIOUS as REPLICA_TABLE
from barnabas.controller.replica_states import ReplicaState, without_replicas
from barnabas.types import LeaderAndIsr


def test_shrinking() -> None:
    def shrunk(current: LeaderAndIsr, *gone: int, doubtful: tuple[int, ...] = ()) -> object:
        new = without_replicas(current, gone, controller_epoch=2, doubtful=doubtful)
        return new and (new.leader, new.isr, new.leader_epoch, new.recovering)

    assert shrunk(state(1, 3, 1, 2), 1) == (-1, (3, 2), 6, False)
    assert shrunk(state(1, 3, 1, 2), 3) == (1, (1, 2), 6, False)
    assert shrunk(state(1, 1), 1) == (-1, (1,), 6, False)
    assert shrunk(state(-1, 1), 1) is None
    assert shrunk(state(1, 1, 2), 3) is None
    assert shrunk(state(1, 1, 2), 1, 2) == (-1, (1, 2), 6, False)
    # doubt: the last member is marked; a trusted one never leaves only doubtful ones behind
    assert shrunk(state(1, 1), 1, doubtful=(1,)) == (-1, (1,), 6, True)
    assert shrunk(state(-1, 1, recovering=True), 1, doubtful=(1,)) is None
    assert shrunk(state(2, 1, 2), 2, doubtful=(1,)) is None
    assert shrunk(state(2, 1, 2), 1, 2, doubtful=(1,)) == (-1, (2,), 6, False)
    # a doubtful member that stays leads nothing: the leader that is still recorded is not alive
    assert shrunk(state(1, 1, 2, 3), 2, doubtful=(3,)) == (-1, (1, 3), 6, False)
    # an unclean leader that dies unconfirmed is not held: what it lost had been accepted
    assert shrunk(state(1, 1, recovering=True), 1) == (-1, (1,), 6, False)


def test_every_replica_state_has_its_row() -> None:
    assert set(REPLICA_TABLE) == set(ReplicaState)


@given(
    isr=st.lists(IDS, unique=True, min_size=1).map(tuple),
    gone=SUBSET,
    doubtful=SUBSET,
    leads=st.booleans(),
    recovering=st.booleans(),
)
def test_every_shrink(
    isr: tuple[int, ...],
    gone: tuple[int, ...],
    doubtful: tuple[int, ...],
    leads: bool,
    recovering: bool,
) -> None:
    current = state(isr[0] if leads else -1, *isr, recovering=recovering)
    new = without_replicas(current, gone, controller_epoch=7, doubtful=doubtful)
    if new is None:
        return
    assert new.isr
    assert set(new.isr) <= set(isr)
    assert new.leader_epoch == current.leader_epoch + 1
    assert new.leader in (-1, current.leader)
    assert new.leader not in gone
    if set(new.isr) & set(gone):
        assert set(isr) <= set(gone), "whoever goes stays listed only if nobody remains"
    if not set(isr) <= set(doubtful):
        assert not set(new.isr) <= set(doubtful), "trust does not end with a shrink"
    if set(new.isr) & set(doubtful):
        assert new.leader == -1, "doubt does not end with a shrink"
