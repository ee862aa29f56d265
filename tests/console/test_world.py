"""What a history tells of a cluster, event by event."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from barnabas.console.history import KEPT_EVERY, History, world_document
from barnabas.console.world import _HANDLERS, UNKNOWN_LEADER, World
from barnabas.observe.events import Event, from_json, to_json


def event(kind: str, broker: int | None = None, at: int = 0, **fields: Any) -> Event:
    return Event(
        kind=kind,
        time_ms=1_000 + at,
        source="coordinator",
        sequence=at + 1,
        broker=broker,
        topic=fields.get("topic"),
        partition=fields.get("partition"),
        text=kind,
        fields=fields,
    )


def elected(leader: int, epoch: int, isr: str, **more: Any) -> Event:
    fields = {"topic": "t", "partition": 0, "leader": leader, "epoch": epoch, **more}
    return event("leader_elected", leader, isr=[int(each) for each in isr], **fields)


def world_of(*events: Event) -> World:
    world = World()
    for each in events:
        world.apply(each)
    return world


BEGAN = event("history_began", brokers=[1, 2, 3], about="a test")


def test_a_history_from_the_beginning_leaves_nothing_open() -> None:
    world = world_of(
        BEGAN,
        event("registration_written", 1, epoch=11),
        event("registration_written", 2, epoch=12),
        event("controller_elected", 1, epoch=1),
        event("assignment_written", topic="t", topic_id="x", assignment={"0": [1, 2, 3]}),
        elected(1, 0, "12"),
    )
    snapshot = world.snapshot()
    part = snapshot.topics["t"].partitions[0]
    assert world.unknown_brokers() == []
    assert [snapshot.replica_state(part, b) for b in (1, 2, 3)] == ["leader", "in sync", "offline"]
    assert snapshot.controller.broker == 1
    assert world.health(snapshot) == {
        "level": "degraded",
        "sentence": "Degraded: broker 3 is gone; 1 of 1 partition lacks an in-sync replica; all can"
        " be written and read.",
    }


def test_what_is_not_told_is_unknown() -> None:
    world = world_of(elected(2, 5, "23"))
    assert world.unknown_brokers() == [2, 3]
    part = world.topics["t"][0]
    assert not part.assigned
    assert part.state.replicas == (2, 3)
    assert world.health(world.snapshot())["sentence"] == (
        "Not told yet: whether brokers 2 and 3 live; who is controller; all of 1 partition."
    )
    document = world_document(world)["snapshot"]
    assert document["topics"]["t"]["partitions"]["0"]["partial"]
    assert document["topics"]["t"]["min_isr"] is None
    assert (document["unknown"], document["controller_known"]) == ([2, 3], False)


def test_a_change_of_an_epoch_that_nobody_told_of_leaves_the_leader_open() -> None:
    shrank = event("isr_shrank", topic="t", partition=0, isr=[3], epoch=6)
    world = world_of(elected(2, 5, "23"), shrank)
    assert world.topics["t"][0].state.leader == UNKNOWN_LEADER
    assert world_document(world)["snapshot"]["topics"]["t"]["partitions"]["0"]["leader"] is None
    told = event("isr_shrank", topic="t", partition=0, isr=[3], epoch=6, leader=3)
    assert world_of(elected(2, 5, "23"), told).topics["t"][0].state.leader == 3


def test_a_controller_that_is_ready_says_who_lives() -> None:
    world = world_of(
        event("broker_down", 2),
        event("controller_ready", 1, epoch=3, brokers=[1, 2]),
        elected(3, 1, "3"),
    )
    assert sorted(b for b, state in world.brokers.items() if state is not None) == [1, 2]
    assert world.unknown_brokers() == [3]


def test_what_is_old_changes_nothing() -> None:
    newest = elected(3, 7, "3", partition_epoch=12)
    old = [
        elected(1, 6, "123", partition_epoch=11),
        event("isr_shrank", topic="t", partition=0, isr=[1, 3], epoch=7, partition_epoch=11),
        event("controller_ready", 1, epoch=2, brokers=[1]),
        event("controller_resigned", 2, epoch=2),
    ]
    ready = event("controller_ready", 2, epoch=3, brokers=[2, 3])
    world, same = world_of(newest, ready), world_of(newest, ready, *old)
    assert same.topics == world.topics
    assert (same.controller, same.brokers) == (world.controller, world.brokers)


def test_what_is_done_to_a_cluster() -> None:
    ways = [["broker:1", "broker:2"], ["broker:2", "broker:1"]]
    world = world_of(
        event("process_started", node="broker:1"),
        event("process_paused", node="broker:1"),
        event("power_lost", nodes=["broker:2"]),
        event("network_cut", ways=ways),
        event("network_mended", ways=ways[:1]),
        event("disk_broken", node="broker:3", what="is full"),
        event("violation", invariant="AckRule", why="lost"),
        event("phase", phase="faults"),
    )
    assert world_document(world)["nodes"] == {
        "broker:1": {"process": "paused", "not_from": ["broker:2"]},
        "broker:2": {"process": "without power", "not_to": ["broker:1"]},
        "broker:3": {"disk": "is full"},
    }
    assert (world.violations, world.phase) == (1, "faults")
    world.apply(event("disk_mended", node="broker:3"))
    world.apply(event("network_mended", ways=ways))
    assert list(world_document(world)["nodes"]) == ["broker:1", "broker:2"]


def test_a_topic_of_the_same_name_is_another() -> None:
    first = event("assignment_written", topic="t", topic_id="x", assignment={"0": [1], "1": [2]})
    again = event("assignment_written", topic="t", topic_id="y", assignment={"0": [3]})
    world = world_of(first, elected(1, 9, "1"), again, elected(3, 0, "3"))
    assert {n: p.state.replicas for n, p in world.topics["t"].items()} == {0: (3,)}
    assert world.topics["t"][0].state.leader == 3


def test_worlds_go_their_own_ways() -> None:
    one = world_of(elected(1, 1, "12"))
    other = one.copy()
    one.apply(elected(2, 2, "2"))
    other.apply(elected(3, 2, "3"))
    assert one.topics["t"][0].state.leader == 2
    assert other.topics["t"][0].state.leader == 3


numbers = st.integers(-2, 4)
values: st.SearchStrategy[Any] = st.one_of(
    numbers,
    st.none(),
    st.booleans(),
    st.text(max_size=3),
    st.lists(st.one_of(numbers, st.text(max_size=2)), max_size=3),
    st.lists(st.lists(st.sampled_from(["broker:1", "broker:2"]), max_size=3), max_size=2),
    st.dictionaries(
        st.sampled_from(["0", "1", "x", "-1"]), st.lists(numbers, max_size=3), max_size=2
    ),
)
NAMES = (
    "leader", "epoch", "isr", "replicas", "partition_epoch", "brokers", "assignment", "topic_id",
    "ways", "node", "nodes", "what", "phase", "adding", "removing", "unclean",
)  # fmt: skip
any_event = st.builds(
    Event,
    kind=st.sampled_from(sorted(_HANDLERS)),
    time_ms=st.integers(0, 5_000),
    source=st.sampled_from(["broker:1", "broker:x", "coordinator", "test"]),
    sequence=st.integers(0, 9),
    broker=st.one_of(st.none(), numbers),
    topic=st.sampled_from([None, "t", "u"]),
    partition=st.one_of(st.none(), numbers),
    text=st.just("text"),
    fields=st.dictionaries(st.sampled_from(NAMES), values, max_size=6),
)


@given(st.lists(any_event, min_size=1, max_size=40), st.data())
def test_any_history_can_be_shown_anywhere(events: list[Event], data: Any) -> None:
    again = [from_json(to_json(each)) for each in events]
    history = History(again)
    position = data.draw(st.integers(0, len(events)))
    document = history.document(position)
    world = World()
    for each in again[:position]:
        world.apply(each)
    assert {k: v for k, v in document.items() if k not in ("near", "position")} == world_document(
        world
    )
    assert history.outline()["count"] == len(events)


def test_a_jump_is_the_same_as_every_step() -> None:
    count = 3 * KEPT_EVERY
    events = [elected(n % 3 + 1, n, "123"[n % 3 :], partition_epoch=n) for n in range(count)]
    history = History(events)
    world = World()
    for position, each in enumerate(events, start=1):
        world.apply(each)
        if position % 99 == 0 or position % KEPT_EVERY in (0, 1):
            assert world_document(history.world(position)) == world_document(world)
    assert history.world(0).topics == {}
