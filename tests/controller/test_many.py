"""Partitions and topics that are worked on in chunks, several of them side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from tests.controller import asking
from tests.controller.kit import Cluster, FakeConnection, FakeZooKeeper, run
from tests.controller.test_lost_connections import Cut, CutClient

from barnabas.controller import broker_changes, events, term
from barnabas.controller.channels import Channels
from barnabas.protocol.message import Message
from barnabas.zk import paths
from barnabas.zookeeper.errors import NoAuth

TOPICS = 5
PARTITIONS = 7


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(term, "CHUNK", 4)
    monkeypatch.setattr(broker_changes, "CHUNK", 4)


async def started() -> Cluster:
    """Three brokers with topics t0, t1 ..., each partition on all of them."""
    cluster = Cluster()
    await cluster.start(1, 2, 3)
    for number in range(TOPICS):
        orders: tuple[tuple[int, ...], ...] = ((1, 2, 3), (2, 3, 1), (3, 1, 2))
        assignment = {p: orders[p % 3] for p in range(PARTITIONS)}
        cluster.create_topic(f"t{number}", assignment, number + 1)
    await cluster.settle()
    return cluster


def led_by(cluster: Cluster) -> list[int]:
    return [
        cluster.state(f"t{number}", p).leader for number in range(TOPICS) for p in range(PARTITIONS)
    ]


def members(cluster: Cluster) -> set[int]:
    """Of all ISRs together."""
    topics = [(f"t{number}", p) for number in range(TOPICS) for p in range(PARTITIONS)]
    return {m for topic, p in topics for m in cluster.state(topic, p).isr}


def told(cluster: Cluster, broker_id: int) -> dict[tuple[str, int], tuple[int, tuple[int, ...]]]:
    """Leader and ISR of each partition as the last LeaderAndIsr to a broker has it."""
    return {
        (t.topic_name, p.partition_index): (p.leader, tuple(p.isr))
        for receiver, api_key, message in cluster.requests
        if receiver == broker_id and api_key == 4
        for t in message.topic_states
        for p in t.partition_states
    }


def nodes_below(zookeeper: FakeZooKeeper, *tops: str) -> list[str]:
    return [path for path in zookeeper.tree.nodes if path.startswith(tuple(f"{t}/" for t in tops))]


def test_a_death_moves_every_partition_and_tells_both_survivors() -> None:
    async def main() -> None:
        cluster = await started()
        await cluster.crash(3)
        await cluster.settle()
        assert 3 not in led_by(cluster)
        assert -1 not in led_by(cluster)
        expected = {
            (f"t{number}", p): (state.leader, state.isr)
            for number in range(TOPICS)
            for p in range(PARTITIONS)
            for state in (cluster.state(f"t{number}", p),)
        }
        assert all(isr in ((1, 2), (2, 1)) for _, isr in expected.values())
        for broker_id in (1, 2):
            assert told(cluster, broker_id) == expected
        await cluster.stop()

    run(main)


@pytest.mark.parametrize("ending", ["it answers", "its connection is lost", "it never answers"])
def test_brokers_carry_out_elections_before_isrs_shrink(
    ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = FakeConnection.send

    async def main() -> None:
        cluster = await started()
        asked: list[FakeConnection] = []
        may_answer = asyncio.Event()

        async def send(self: FakeConnection, api_key: int, version: int, message: Any) -> Any:
            if self.broker.id == 2 and not asked:
                asked.append(self)
                await may_answer.wait()
                if self.closed.done():
                    raise ConnectionResetError
            return await original(self, api_key, version, message)

        monkeypatch.setattr(FakeConnection, "send", send)
        await cluster.crash(3)
        await cluster.settle()
        assert 3 not in led_by(cluster)
        assert 3 in members(cluster)
        if ending == "it never answers":
            await cluster.settle(broker_changes.TOLD_S_MAX - 0.1)
            assert 3 in members(cluster)
            await cluster.settle(0.2)
        else:
            if ending == "its connection is lost":
                asked[0].close()
            may_answer.set()
            await cluster.settle(0.1)
        assert members(cluster) == {1, 2}
        may_answer.set()
        await cluster.settle()
        assert len(told(cluster, 2)) == TOPICS * PARTITIONS
        await cluster.stop()

    run(main)


@pytest.mark.parametrize(
    ("meanwhile", "waits_s"),
    [
        ("a session ends", events.SESSION_PATIENCE_S),
        ("a port refuses", 0.0),
        ("a machine is silent", 0.0),
        ("a topic is created", events.PATIENCE_S),
        ("an ISR is to change", events.PATIENCE_S),
    ],
)
def test_another_event_waits_no_longer_than_it_can(
    meanwhile: str, waits_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broker 3 is gone, and 2 never answers about the elections. It may be gone as well."""

    async def main() -> None:
        cluster = await started()
        monkeypatch.setattr(Channels, "is_silent", lambda *_: True)
        cluster.brokers[2].mode = "hang"
        await cluster.crash(3)
        await cluster.settle()
        assert 3 in members(cluster)
        assert 2 in led_by(cluster)
        controller = cluster.active
        term = controller._term
        assert term is not None
        second = term.context.brokers[2]
        asked: asyncio.Task[Any] | None = None
        if meanwhile == "a session ends":
            cluster.end_session(2)
        elif meanwhile == "a port refuses":
            controller._put(events.BrokerUnreachable(term, second))
        elif meanwhile == "a machine is silent":
            controller._put(events.BrokerSilent(term, second))
        elif meanwhile == "a topic is created":
            cluster.create_topic("new", {0: (1,)}, 99)
        else:
            message = Message(broker_id=2, broker_epoch=second.epoch, topics=[])
            asked = asyncio.create_task(asking.alter_partition(controller, message))
        if waits_s:
            await cluster.settle(waits_s - 0.1)
            assert 3 in members(cluster)
            assert asked is None or not asked.done()
            if waits_s == events.PATIENCE_S:
                # One more does not prolong the wait.
                cluster.create_topic("newer", {0: (1,)}, 98)
            await cluster.settle(0.1)
            assert 2 in led_by(cluster)
        await cluster.settle(0.1)
        assert 3 not in members(cluster)
        if waits_s != events.PATIENCE_S:
            assert set(led_by(cluster)) == {1}
        elif asked is None:
            assert cluster.state("new").leader == 1
        else:
            await asked
        await cluster.stop()

    run(main)


def test_machines_that_fall_silent_together_lose_their_leaders_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second silence is queued before the elections of the first are written."""

    async def main() -> None:
        cluster = await started()
        monkeypatch.setattr(Channels, "is_silent", lambda *_: True)
        controller = cluster.active
        assert controller.context is not None
        gone = [controller.context.brokers[b] for b in (2, 3)]
        for broker in gone:
            cluster.brokers[broker.id].mode = "hang"
            controller._on_silent(broker)
        await cluster.settle(0.1)
        assert set(led_by(cluster)) == {1}
        await cluster.stop()

    run(main)


def test_a_new_controller_waits_too_though_its_own_election_is_queued() -> None:
    async def main() -> None:
        cluster = await started()
        cluster.brokers[3].mode = "hang"
        await cluster.crash(1)
        await cluster.settle(broker_changes.TOLD_S_MAX - 0.1)
        assert 1 not in led_by(cluster)
        assert 1 in members(cluster)
        await cluster.settle(0.2)
        assert 1 not in members(cluster)
        await cluster.stop()

    run(main)


def test_many_moves_are_one_write_a_topic_and_one_request_a_broker_in_each_step() -> None:
    """Begun, and finished by a single leader's request: as many znodes of topics are written, and
    as many requests sent, as for one move of each topic."""

    async def main() -> None:
        cluster = await started()
        await cluster.crash(3)
        await cluster.settle()
        cluster.register(3)
        await cluster.settle()
        requests, moves = len(cluster.requests), TOPICS * PARTITIONS
        cluster.recorder.take()
        await asking.alter_partition_reassignments(
            cluster.active,
            Message(
                topics=[
                    Message(
                        name=f"t{number}",
                        partitions=[
                            Message(partition_index=p, replicas=(1, 2)) for p in range(PARTITIONS)
                        ],
                    )
                    for number in range(TOPICS)
                ]
            ),
        )
        await cluster.settle()
        lines = cluster.recorder.take()
        written = [line.split()[2] for line in lines if line.startswith("zk set ")]
        for number in range(TOPICS):
            assert written.count(paths.topic_path(f"t{number}")) == 2, "begun and done"
        assert sum("reassignment_done" in line for line in lines) == moves
        sent = len(cluster.requests) - requests
        assert sent <= 3 * 5, "not one for each partition"
        context = cluster.active.context
        assert context is not None
        assert not context.reassigning
        assert {p.assignment.replicas for p in context.partitions.values()} == {(1, 2)}
        await cluster.stop()

    run(main)


@pytest.mark.parametrize("applied", [False, True], ids=["before", "after"])
def test_every_move_ends_wherever_the_connection_is_lost(applied: bool) -> None:
    async def moved(cut: Cut) -> dict[str, object]:
        cluster = await started()
        for client in cluster.clients.values():
            client.__class__ = CutClient
            client.cut = cut  # type: ignore[attr-defined]
        topics = [
            Message(
                name=f"t{number}",
                partitions=[Message(partition_index=p, replicas=(2, 1)) for p in range(PARTITIONS)],
            )
            for number in range(TOPICS)
        ]
        await asking.alter_partition_reassignments(cluster.active, Message(topics=topics))
        await cluster.settle(3.0)
        await cluster.stop()
        nodes = cluster.zookeeper.tree.nodes
        found: dict[str, object] = {
            f"t{number}": nodes[paths.topic_path(f"t{number}")].data for number in range(TOPICS)
        }
        for number in range(TOPICS):
            for p in range(PARTITIONS):
                state = cluster.state(f"t{number}", p)
                found[f"t{number}-{p}"] = (state.leader, sorted(state.isr))
        return found

    whole = Cut()
    expected = run(lambda: moved(whole))
    assert all(b'removing_replicas":{}' in e for e in expected.values() if isinstance(e, bytes))
    assert 10 < whole.writes < 60
    for number in range(1, whole.writes + 1):
        found = run(lambda number=number: moved(Cut(number, applied=applied)))  # type: ignore[misc]
        assert found == expected, number


@pytest.mark.parametrize("reads_many", [True, False])
def test_a_successor_reads_every_state(reads_many: bool) -> None:
    async def main() -> None:
        cluster = await started()
        cluster.zookeeper.reads_many = reads_many
        before = led_by(cluster)
        await cluster.crash(1)
        await cluster.settle()
        context = cluster.active.context
        assert context is not None
        found = [p.leadership for p in context.partitions.values()]
        assert [leadership.leader for leadership in found if leadership] == led_by(cluster)
        assert [b if b != 1 else 2 for b in before] == led_by(cluster)
        await cluster.stop()

    run(main)


def test_a_failure_in_one_chunk_ends_all() -> None:
    async def main() -> None:
        begun: list[Sequence[int]] = []

        async def work(chunk: Sequence[int]) -> None:
            begun.append(chunk)
            if 5 in chunk:
                raise NoAuth("/somewhere")

        with pytest.raises(NoAuth):
            await term.in_chunks(range(100), work)
        assert len(begun) <= 1 + term.CHUNKS_AT_ONCE

    run(main)


def test_chunks_begin_in_their_order_and_each_once() -> None:
    async def main() -> None:
        begun: list[int] = []

        async def work(chunk: Sequence[int]) -> None:
            begun.extend(chunk)

        await term.in_chunks(range(99), work)
        assert begun == list(range(99))

    run(main)


def test_topics_are_deleted_together_with_what_is_strange_below_them() -> None:
    async def main() -> None:
        cluster = await started()
        zookeeper = cluster.zookeeper
        zookeeper.create(f"{paths.partition_path('t1', 3)}/strange/nodes")
        zookeeper.create(f"{paths.topic_path('t2')}/partitions/900/state", b"{}")
        for number in range(TOPICS):
            zookeeper.create(paths.config_path(f"topics/t{number}"), b"{}")
        for number in range(TOPICS - 1):
            zookeeper.create(paths.delete_topic_path(f"t{number}"))
        await cluster.settle()
        assert list(zookeeper.tree.nodes[paths.TOPICS].children) == ["t4"]
        assert list(zookeeper.tree.nodes["/config/topics"].children) == ["t4"]
        assert not nodes_below(zookeeper, paths.DELETE_TOPICS)
        context = cluster.active.context
        assert context is not None
        assert list(context.topics) == ["t4"]
        await cluster.stop()

    run(main)


def test_a_marker_outlives_the_nodes_of_every_topic_that_is_deleted_with_it() -> None:
    """The next controller finds what a crash in between has left."""

    async def main() -> None:
        cluster = await started()
        zookeeper = cluster.zookeeper
        cluster.recorder.take()
        for number in range(TOPICS):
            zookeeper.create(paths.config_path(f"topics/t{number}"), b"{}")
            zookeeper.create(paths.delete_topic_path(f"t{number}"))
        await cluster.settle()
        lines = cluster.recorder.take()
        deleted = [line.split()[2] for line in lines if line.startswith("zk delete ")]
        steps = (paths.TOPICS, "/config/topics", paths.DELETE_TOPICS)
        order = [next(n for n, top in enumerate(steps) if path.startswith(top)) for path in deleted]
        assert order == sorted(order)
        assert order.count(2) == TOPICS
        await cluster.stop()

    run(main)


@pytest.mark.parametrize("applied", [False, True], ids=["before", "after"])
def test_every_partition_is_created_wherever_the_connection_is_lost(applied: bool) -> None:
    async def created(cut: Cut) -> list[str]:
        cluster = Cluster()
        await cluster.start(1, 2, 3)
        for client in cluster.clients.values():
            client.__class__ = CutClient
            client.cut = cut  # type: ignore[attr-defined]
        cluster.create_topic("t", dict.fromkeys(range(21), (1, 2, 3)), 1)
        await cluster.settle(3.0)
        await cluster.stop()
        return nodes_below(cluster.zookeeper, paths.topic_path("t"))

    whole = Cut()
    expected = run(lambda: created(whole))
    assert len(expected) == 1 + 2 * 21
    assert whole.writes > 4
    for number in range(1, whole.writes + 1):
        found = run(lambda number=number: created(Cut(number, applied=applied)))  # type: ignore[misc]
        assert sorted(found) == sorted(expected), number
