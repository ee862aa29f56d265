"""A few seeds of the real thing: coordinator and clients, then whole brokers, under faults."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.simulation import coordination
from tests.simulation.bombs import arm
from tests.simulation.mutants import MUTANTS, Mutant, hunt, planted
from tests.simulation.nemesis import FAULTS
from tests.simulation.options import HOSTILE, LONE, draw_options, force
from tests.simulation.planted import PLANTED
from tests.simulation.run import CORPUS, load
from tests.simulation.scenario import KINDS, Scenario, options_of
from tests.simulation.stories import ALL_FAULTS


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("seed", [1, 2])
def test_coordinator_and_client(seed: int) -> None:
    coordination.run(seed, seconds=4.0)


def test_brokers_that_log_in_keep_what_they_acknowledged() -> None:
    """SCRAM between brokers, under faults; each session ends after seconds."""
    drawn = options_of(5, 5.0, ("kill", "pause", "isolate", "coordinator"))
    result = Scenario(force(drawn, ["secure=true"], ()), settle_s=5.0).run()
    assert result.acknowledged > 100


def test_brokers_that_are_watched_do_the_same() -> None:
    """With a listener for metrics, and events in a file, under faults; and the same twice."""
    drawn = options_of(7, 5.0, ("kill", "pause", "isolate", "coordinator"))
    runs = [Scenario(force(drawn, ["watched=true"], ()), settle_s=5.0) for _ in range(2)]
    first, second = (scenario.run() for scenario in runs)
    assert first.acknowledged == second.acknowledged > 100


def test_tokens_let_in_while_they_last() -> None:
    """The same, with clients who log in by delegation token."""
    drawn = options_of(6, 5.0, ("kill", "pause", "isolate", "coordinator"))
    scenario = Scenario(force(drawn, ["tokens=true"], ()), settle_s=5.0)
    assert scenario.run().acknowledged > 100
    assert scenario.bearers.logins > 10
    assert scenario.bearers.answers > 10


@pytest.mark.parametrize("seed", [3, 4])
def test_brokers_keep_what_they_acknowledged(seed: int) -> None:
    options = options_of(seed, 5.0, ("kill", "pause", "isolate", "coordinator"))
    result = Scenario(options, settle_s=5.0).run()
    assert result.acknowledged > 100


@pytest.mark.parametrize("kinds", [("kill", "bounce", "slow"), HOSTILE])
def test_real_brokers_repeat_themselves_and_reach_for_nothing(
    monkeypatch: pytest.MonkeyPatch, kinds: tuple[str, ...]
) -> None:
    options = options_of(9, 3.0, kinds)
    first = Scenario(options, settle_s=5.0).run()
    arm(monkeypatch)
    try:
        second = Scenario(options, settle_s=5.0).run()
    finally:
        monkeypatch.undo()
    assert first == second


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.json")), ids=lambda path: path.stem)
def test_what_was_mended_stays_mended(path: Path) -> None:
    Scenario(load(path), timeline=100).run()


def test_a_witness_judges_what_is_said_of_leaders() -> None:
    options = replace(options_of(5, 5.0, ("kill",)), witness=True, cpu_delay=False)
    scenario = Scenario(options, settle_s=5.0)
    scenario.run()
    assert scenario.witness.answers > 50


FOUND_SOON = (
    "truncate-to-watermark",
    "ack-before-isr",
    "unclean-election",
    "successor-awaited-too-long",
)


@pytest.mark.parametrize("name", FOUND_SOON)
def test_planted_bugs_are_found(name: str) -> None:
    found = hunt(next(m for m in MUTANTS if m.name == name), 3)
    assert found.seeds


def test_every_planted_bug_is_hunted_with_known_faults() -> None:
    assert [m.name for m in MUTANTS] == list(PLANTED)
    assert {kind for m in MUTANTS for kind in m.kinds} <= set(ALL_FAULTS)


def test_options_depend_on_the_seed_alone_and_name_known_faults() -> None:
    drawn = [draw_options(seed, tuple(FAULTS), 10.0) for seed in range(200)]
    assert drawn == [draw_options(seed, tuple(FAULTS), 10.0) for seed in range(200)]
    assert {kind for options in drawn for kind in options.kinds} == set(FAULTS)
    assert {len(options.kinds) for options in drawn} == {1, 2, 3, 4}


def test_hostile_clients_change_nothing_else_that_a_seed_draws() -> None:
    others = tuple(kind for kind in KINDS if kind not in HOSTILE)
    alone = 0
    for seed in range(300):
        drawn, before = options_of(seed, 10.0), options_of(seed, 10.0, others)
        usual = tuple(kind for kind in drawn.kinds if kind not in HOSTILE)
        alone += not usual
        assert usual in ((), before.kinds)
        assert replace(drawn, kinds=before.kinds) == before
        if before.kinds in LONE:
            assert drawn == before
    assert alone


def test_what_is_forced_comes_on_top_of_what_is_drawn() -> None:
    kinds = tuple(ALL_FAULTS)
    for seed in range(20):
        drawn = options_of(seed, 5.0)
        assert force(drawn, [], kinds) == drawn
        forced = force(drawn, ["disk_full", "power", "segment_bytes=1500"], kinds)
        assert {*forced.kinds} == ({*drawn.kinds} | {"disk_full", "power"}) - {"power_one"}
        assert (forced.flush, forced.segment_bytes) == (True, 1500)
    with pytest.raises(ValueError, match="no such fault: rain"):
        force(drawn, ["rain"], kinds)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_planted_bug_finds_its_place(mutant: Mutant) -> None:
    """The names that it replaces are where it looks for them."""
    with planted(mutant.name):
        pass
