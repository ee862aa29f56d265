"""The events of a test's cluster as a history."""

from __future__ import annotations

from pathlib import Path

from barnabas.console.history import History, in_order, read_events
from barnabas.observe.kinds import KINDS
from barnabas.testing import Cluster
from barnabas.testing.events import Record
from barnabas.testing.observed import observed


def test_a_test_is_watched_step_by_step(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with Cluster(brokers=3) as cluster:
        topic = cluster.create_topic("orders", min_isr=2)
        leader = cluster.leader_of(topic, 0)
        assert leader is not None
        cluster.kill(leader)
        successor = cluster.wait_for_leader(topic, 0, not_on=leader)
        cluster.isolate(successor)
        cluster.heal()
        cluster.write_events(path)
        events = cluster.events()
    with path.open("rb") as lines:
        read = read_events(lines)
    assert [e.text for e in read] == [e.text for e in events]
    history = History(in_order(read))
    assert [e.kind for e in history.events[:1]] == ["history_began"]

    def after(kind: str) -> int:
        return next(n for n, e in enumerate(history.events) if e.kind == kind) + 1

    killed = history.world(after("process_killed"))
    assert killed.unknown_brokers() == []
    assert killed.processes == {f"broker:{leader}": "killed"}
    assert killed.topics[topic][0].state.leader == leader
    cut = history.world(after("network_cut"))
    assert {source for source, _ in cut.ways} >= {f"broker:{successor}", "clients", "coordinator"}
    last = history.world(len(history.events))
    assert last.ways == {}
    assert last.topics[topic][0].assigned
    assert any(e.kind == "leader_elected" and e.broker == successor for e in read)


def test_records_become_events() -> None:
    def record(at: float, source: str, name: str, **fields: object) -> Record:
        return Record(at=at, source=source, name=name, fields=fields)

    isr = {"topic": "t", "partition": 0, "epoch": 1, "isr": [1], "isr_before": [1, 2]}
    found = observed(
        [
            record(0.5, "broker:1", "controller_elected", broker=1, epoch=4),
            record(0.75, "broker:1", "isr_changed", **isr),
            record(1.0, "broker:1", "became_leader", topic="t", partition=0),
            record(1.5, "test", "isolated", node="broker:1", from_="clients", direction="in"),
            record(2.0, "test", "isolated", node="broker:1", from_="a", direction="in", delay_ms=5),
            record(2.5, "test", "healed", nodes="broker:1"),
            record(3.0, "test", "disk_filled", node="broker:2"),
            record(3.5, "broker:2", "ended"),
        ],
        1_000,
        [1, 2],
        is_whole=False,
    )  # fmt: skip
    assert [(e.time_ms, e.source, e.kind) for e in found] == [
        (1_500, "broker:1", "controller_elected"),
        (1_750, "broker:1", "isr_shrank"),
        (2_000, "broker:1", "became_leader"),
        (2_500, "test", "network_cut"),
        (3_000, "test", "disturbed"),
        (3_500, "test", "network_mended"),
        (4_000, "test", "disk_broken"),
        (4_500, "test", "process_ended"),
    ]
    assert found[1].controller_epoch == 4
    assert found[1].text == KINDS["isr_shrank"].text(isr)
    assert (found[2].topic, found[2].partition) == ("t", 0)
    assert found[3].fields["ways"] == [["clients", "broker:1"]]
    assert found[5].fields["ways"] == [["clients", "broker:1"]]
