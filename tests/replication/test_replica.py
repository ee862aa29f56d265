"""Follower tracking: reference 5.3."""

from __future__ import annotations

from barnabas.replication.replica import NEVER, Replica

LAG_MS = 1_000


def fetch(state: Replica, offset: int, leader_end: int, now_ms: int, epoch: int = 7) -> None:
    state.note_fetch(
        offset=offset, log_start_offset=0, leader_end=leader_end, now_ms=now_ms, broker_epoch=epoch
    )


def test_level_fetch_counts_now_and_a_chasing_fetch_counts_the_one_before() -> None:
    state = Replica()
    fetch(state, 0, 10, 100)
    assert state.last_caught_up_ms == NEVER
    fetch(state, 10, 20, 200)  # reached what was the end at 100
    assert state.last_caught_up_ms == 100
    fetch(state, 20, 20, 300)
    assert state.last_caught_up_ms == 300
    assert (state.log_end_offset, state.broker_epoch) == (20, 7)


def test_a_follower_that_keeps_pace_under_endless_writes_stays_caught_up() -> None:
    state = Replica()
    for step in range(1, 50):
        fetch(state, step * 10, step * 10 + 10, step * 100)
        if step > 1:
            assert state.is_caught_up(step * 10 + 10, step * 100, LAG_MS)


def test_a_position_may_go_down() -> None:
    state = Replica()
    fetch(state, 20, 20, 100)
    fetch(state, 5, 20, 200)
    assert state.log_end_offset == 5
    assert state.last_caught_up_ms == 100


def test_caught_up_is_level_or_recent() -> None:
    state = Replica()
    fetch(state, 10, 10, 100)
    assert state.is_caught_up(10, 10**9, LAG_MS)
    assert state.is_caught_up(11, 1_100, LAG_MS)
    assert not state.is_caught_up(11, 1_101, LAG_MS)


def test_reset_for_a_new_leader_forgets_positions() -> None:
    state = Replica()
    fetch(state, 10, 10, 100)
    state.reset(now_ms=500, in_isr=True, new_leader=True, last_end=10)
    assert (state.log_end_offset, state.last_caught_up_ms) == (-1, 500)
    state.reset(now_ms=600, in_isr=False, new_leader=True, last_end=10)
    assert state.last_caught_up_ms == NEVER


def test_reset_of_a_leader_that_stays_keeps_positions() -> None:
    state = Replica()
    fetch(state, 8, 10, 100)
    state.reset(now_ms=500, in_isr=True, new_leader=False, last_end=10)
    assert (state.log_end_offset, state.last_caught_up_ms) == (8, 500)


def test_reset_of_a_leader_that_stays_waits_for_nobody_outside_of_the_isr() -> None:
    state = Replica()
    fetch(state, 10, 10, 100)
    state.reset(now_ms=500, in_isr=False, new_leader=False, last_end=10)
    assert state.is_caught_up(10, 500, LAG_MS)
    assert not state.is_caught_up(11, 501, LAG_MS), "it has not fetched in this epoch"
    fetch(state, 11, 11, 502)
    assert state.is_caught_up(12, 503, LAG_MS)


def test_silent_session_fetches_keep_an_idle_follower_level() -> None:
    state = Replica()
    fetch(state, 10, 10, 100)
    state.note_silent_fetch(9_000)
    assert state.is_caught_up(11, 9_900, LAG_MS)
    state.note_silent_fetch(200)
    assert state.last_caught_up_ms == 9_000
