"""The four strategies, by example and by property."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.controller.leadership import IDS, SUBSET, state

from barnabas.controller.election import STRATEGIES, Situation, Strategy, held_back
from barnabas.types import LeaderAndIsr


def situation(current: LeaderAndIsr, *online: int, **more: object) -> Situation:
    base = Situation(assignment=(1, 2, 3), current=current, online=online, controller_epoch=2)
    return replace(base, **more)


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
