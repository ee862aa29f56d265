"""A run as a history: it shows what was so, and changes nothing of the run."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.simulation.kernel import SimulationFailure
from tests.simulation.mutants import MUTANTS, mutant_options, planted
from tests.simulation.options import Options, force
from tests.simulation.recorder import Recorder
from tests.simulation.scenario import Scenario, options_of
from tests.simulation.stories import ALL_FAULTS

from barnabas.console.history import History, in_order, read_events
from barnabas.console.world import RUNNING, World
from barnabas.observe.events import to_json
from barnabas.types import LeaderAndIsr, TopicPartition
from barnabas.zookeeper.server.store import Batch as StoreBatch


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


class Watched:
    """A scenario that is recorded, and what the coordinator held after each commit."""

    def __init__(self, options: Options) -> None:
        self.scenario = Scenario(options, timeline=0, settle_s=5.0)
        self.recorder: Recorder = self.scenario.record()
        self.held: list[tuple[int, dict[TopicPartition, LeaderAndIsr], int]] = []
        on_commit = self.recorder.on_commit

        def committed(batch: StoreBatch) -> None:
            on_commit(batch)
            judge = self.scenario.invariants
            self.held.append((len(self.recorder.events), dict(judge.states), judge.controller))

        self.recorder.on_commit = committed  # type: ignore[method-assign]


def _leads(world: World) -> dict[TopicPartition, tuple[int, int, list[int]]]:
    return {
        TopicPartition(topic, number): (
            part.state.leader,
            part.state.leader_epoch,
            sorted(part.state.isr),
        )
        for topic, parts in world.topics.items()
        for number, part in parts.items()
        if part.state.leader_epoch >= 0
    }


@pytest.mark.parametrize("seed", [8200003, 8200004])
def test_a_history_shows_what_the_coordinator_held(seed: int) -> None:
    faults = ["pause", "isolate", "disk_full", "coordinator"]
    options = force(options_of(seed, 5.0, ("kill", "isolate")), faults, tuple(ALL_FAULTS))
    watched = Watched(options)
    result = watched.scenario.run()
    history = History(watched.recorder.events)
    assert in_order(watched.recorder.events) == watched.recorder.events
    for position, states, _ in watched.held[:: max(len(watched.held) // 60, 1)]:
        world = history.world(position)
        assert _leads(world) == {
            tp: (s.leader, s.leader_epoch, sorted(s.isr)) for tp, s in states.items()
        }, position
        assert world.unknown_brokers() == []
    last = history.world(len(history.events))
    assert last.controller is not None
    assert last.controller.broker == watched.scenario.invariants.controller
    assert last.controller.epoch == watched.scenario.invariants.controller_epoch
    replicas = {
        TopicPartition(topic, n): part.state.replicas
        for topic, parts in last.topics.items()
        for n, part in parts.items()
    }
    assert replicas == watched.scenario.invariants.assignments
    assert all(part.assigned for parts in last.topics.values() for part in parts.values())
    healthy = last.health(last.snapshot())
    assert (healthy["level"], last.ways, last.disks) == ("healthy", {}, {})
    assert {last.processes[f"broker:{b}"] for b in last.named} == {RUNNING}
    assert last.phase == "check"
    assert Scenario(options, timeline=0, settle_s=5.0).run() == result, "it was not disturbed"


def test_faults_stand_among_the_events(tmp_path: Path) -> None:
    kinds = ("pause", "isolate", "power", "slow", "disk_full", "slow_disk", "coordinator")
    drawn = options_of(8200005, 12.0, kinds)
    options = force(drawn, [*kinds, "gap_s=0.2", "length_s=1.5"], tuple(ALL_FAULTS))
    watched = Watched(options)
    watched.scenario.run()
    path = tmp_path / "history.jsonl"
    watched.recorder.write(path)
    with path.open("rb") as lines:
        events = read_events(lines)
    assert [to_json(e) for e in events] == [to_json(e) for e in watched.recorder.events]
    assert {
        "history_began", "phase", "process_paused", "process_resumed", "network_cut",
        "network_mended", "power_lost", "power_restored", "disk_broken", "disk_mended",
        "disturbed", "leader_elected", "registration_gone", "state_written",
    } <= {e.kind for e in events}  # fmt: skip
    history = History(events)
    cut = next(n for n, e in enumerate(events) if e.kind == "network_cut")
    world = history.world(cut + 1)
    assert {tuple(way) for way in events[cut].fields["ways"]} <= set(world.ways)
    paused = next(n for n, e in enumerate(events) if e.kind == "process_paused")
    assert history.world(paused + 1).processes[events[paused].fields["node"]] == "paused"


def test_a_violation_is_where_one_begins_to_look() -> None:
    (mutant,) = (m for m in MUTANTS if m.name == "unclean-election")
    watched = Watched(mutant_options(mutant, 7000))
    with planted(mutant.name), pytest.raises(SimulationFailure, match="LeaderComplete"):
        watched.scenario.run()
    watched.recorder.failed()
    history = History(watched.recorder.events)
    number, *others = history.violations
    assert len({history.events[n].text for n in (number, *others)}) == 1 + len(others)
    assert history.start == number + 1
    violation = history.events[number]
    assert violation.fields["invariant"] == "LeaderComplete"
    assert violation.level == "error"
    before = history.events[:number]
    assert any(e.kind == "leader_elected" for e in before[-10:]), "what led to it is before it"
