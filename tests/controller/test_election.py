"""The four strategies, by example and by property."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from barnabas.controller.election import STRATEGIES, Situation, Strategy, held_back
from barnabas.controller.partition_states import (
    VALID_PREVIOUS as PARTITION_TABLE,
)
from barnabas.controller.partition_states import PartitionState, initial_leadership
from barnabas.controller.replica_states import VALID_PREVIOUS as REPLICA_TABLE
from barnabas.controller.replica_states import ReplicaState, without_replicas
from barnabas.types import LeaderAndIsr


def state(leader: int, *isr: int, epoch: int = 5, recovering: bool = False) -> LeaderAndIsr:
    return LeaderAndIsr(
        leader=leader,
        leader_epoch=epoch,
        isr=isr,
        partition_epoch=9,
        controller_epoch=1,
        recovering=recovering,
    )


def situation(current: LeaderAndIsr, *online: int, **more: object) -> Situation:
    base = Situation(assignment=(1, 2, 3), current=current, online=online, controller_epoch=2)
    return replace(base, **more)  # type: ignore[arg-type]


def elect(strategy: Strategy, s: Situation) -> tuple[int, tuple[int, ...], tuple[int, ...]] | None:
    election = STRATEGIES[strategy](s)
    if election is None:
        return None
    return election.leadership.leader, election.leadership.isr, election.recipients


def test_offline_takes_the_first_live_isr_member_in_assignment_order() -> None:
    assert elect(Strategy.OFFLINE, situation(state(1, 3, 1, 2), 2, 3)) == (2, (3, 2), (2, 3))
    assert elect(Strategy.OFFLINE, situation(state(1, 1), 2, 3)) is None


def test_offline_is_unclean_only_if_allowed_and_needed() -> None:
    dead = situation(state(1, 1), 2, 3, unclean_allowed=True)
    assert elect(Strategy.OFFLINE, dead) == (2, (2,), (2, 3))
    clean = situation(state(1, 1, 3), 2, 3, unclean_allowed=True)
    assert elect(Strategy.OFFLINE, clean) == (3, (3,), (2, 3))


def test_reassignment_takes_targets_and_tells_them() -> None:
    s = situation(state(1, 1, 3), 1, 2, 3, assignment=(2, 3))
    assert elect(Strategy.REASSIGN, s) == (3, (1, 3), (2, 3))
    assert elect(Strategy.REASSIGN, situation(state(1, 1, 3), 1, 2, assignment=(2, 3))) is None


def test_a_leader_is_renewed_where_it_is() -> None:
    assert elect(Strategy.RENEW, situation(state(2, 2, 1), 1, 2, 3)) == (2, (2, 1), (1, 2, 3))
    assert elect(Strategy.RENEW, situation(state(2, 2, 1), 1, 3)) is None
    assert elect(Strategy.RENEW, situation(state(2, 2, 1), 1, 2, assignment=(1, 3))) is None
    assert elect(Strategy.RENEW, situation(state(2, 2, 1), 1, 2, doubtful=(2,))) is None
    assert elect(Strategy.RENEW, situation(state(-1, 2, 1), 1, 2)) is None
    recovering = STRATEGIES[Strategy.RENEW](situation(state(2, 2, recovering=True), 1, 2))
    assert recovering is not None
    assert recovering.leadership.recovering, "only the leader itself settles that"


def test_preferred_takes_the_first_replica_or_nobody() -> None:
    assert elect(Strategy.PREFERRED, situation(state(2, 2, 1), 1, 2)) == (1, (2, 1), (1, 2, 3))
    assert elect(Strategy.PREFERRED, situation(state(2, 2), 1, 2)) is None
    assert elect(Strategy.PREFERRED, situation(state(2, 2, 1), 2)) is None


def test_controlled_shutdown_moves_to_who_stays() -> None:
    s = situation(state(1, 1, 2, 3), 1, 2, 3, shutting_down=(1,))
    assert elect(Strategy.CONTROLLED_SHUTDOWN, s) == (2, (2, 3), (1, 2, 3))
    alone = situation(state(1, 1), 1, 2, shutting_down=(1,))
    assert elect(Strategy.CONTROLLED_SHUTDOWN, alone) is None


def test_a_doubtful_last_member_is_held() -> None:
    s = situation(state(1, 1), 1, 2, doubtful=(1,))
    assert elect(Strategy.OFFLINE, s) is None
    held = held_back(s)
    assert held == replace(state(-1, 1, epoch=6, recovering=True), controller_epoch=2)
    assert held_back(replace(s, current=held)) is None
    assert elect(Strategy.OFFLINE, replace(s, unclean_allowed=True)) == (1, (1,), (1, 2))


def test_a_doubtful_member_waits_for_the_others() -> None:
    waiting = situation(state(1, 1, 2), 1, doubtful=(1,))
    assert elect(Strategy.OFFLINE, waiting) is None
    assert held_back(waiting) is None
    assert elect(Strategy.OFFLINE, replace(waiting, online=(1, 2))) == (2, (2,), (1, 2))
    both = replace(waiting, online=(1, 2), doubtful=(1, 2))
    assert elect(Strategy.OFFLINE, both) == (1, (1,), (1, 2))


def test_new_partitions_are_led_by_the_first_live_replica() -> None:
    first = initial_leadership((3, 1, 2), (1, 2), 4)
    assert first is not None
    assert (first.leader, first.isr, first.leader_epoch, first.controller_epoch) == (
        1,
        (1, 2),
        0,
        4,
    )
    assert initial_leadership((3,), (1, 2), 4) is None


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
    # nobody vouches for a doubtful one that stays: a leader that is recorded still is not alive
    assert shrunk(state(1, 1, 2, 3), 2, doubtful=(3,)) == (-1, (1, 3), 6, False)
    # an unclean leader that dies unconfirmed is not held: what it lost had been accepted
    assert shrunk(state(1, 1, recovering=True), 1) == (-1, (1,), 6, False)


def test_tables_are_complete() -> None:
    assert set(PARTITION_TABLE) == set(PartitionState)
    assert set(REPLICA_TABLE) == set(ReplicaState)


IDS = st.integers(1, 5)
SUBSET = st.lists(IDS, unique=True, max_size=5).map(tuple)


@given(
    strategy=st.sampled_from(list(Strategy)),
    assignment=st.lists(IDS, unique=True, min_size=1, max_size=5).map(tuple),
    data=st.data(),
    online=SUBSET,
    shutting_down=SUBSET,
    unclean=st.booleans(),
)
def test_every_election(
    strategy: Strategy,
    assignment: tuple[int, ...],
    data: st.DataObject,
    online: tuple[int, ...],
    shutting_down: tuple[int, ...],
    unclean: bool,
) -> None:
    some = st.lists(st.sampled_from(assignment), unique=True, min_size=1).map(tuple)
    isr = data.draw(some)
    doubtful = data.draw(st.lists(st.sampled_from(isr), unique=True).map(tuple))
    s = Situation(
        assignment=assignment,
        current=state(data.draw(st.sampled_from((*isr, -1))), *isr),
        online=online,
        controller_epoch=7,
        unclean_allowed=unclean,
        doubtful=doubtful,
        shutting_down=shutting_down,
    )
    election = STRATEGIES[strategy](s)
    if election is None:
        return
    new = election.leadership
    assert new.leader in new.isr
    assert new.leader in online
    assert new.leader in assignment
    assert new.leader_epoch == s.current.leader_epoch + 1
    assert new.partition_epoch == s.current.partition_epoch
    assert new.controller_epoch == 7
    if new.recovering:
        assert unclean
        assert new.isr == (new.leader,)
        return
    assert set(new.isr) <= set(isr)
    assert [m for m in isr if m in new.isr] == list(new.isr), "the order of joining is kept"
    if new.leader in doubtful:
        assert strategy is Strategy.OFFLINE
        assert len(isr) > 1
        assert set(isr) <= set(doubtful) & set(online)
        assert new.isr == (new.leader,), "the others may have less: they come back by fetching"
    else:
        assert not set(new.isr) & set(doubtful), "doubt does not end with an election"


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
