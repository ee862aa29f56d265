"""Orders of thousands of partitions: they give way, and mind what has happened meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.protocol.typed import typed_request
from tests.replication.support import Cluster, settle
from tests.virtual_time import run

from barnabas import pace
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.types import TopicPartition

COUNT = 40


@pytest.fixture(autouse=True)
def _short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "STEPS_PER_TURN", 2)


def _errors(answer: Any) -> list[ErrorCode]:
    return [ErrorCode(e.error_code) for t in answer.topics for e in t.partition_errors]


def _begin(cluster: Cluster, broker: int, order: Any) -> asyncio.Task[Any]:
    manager = cluster.nodes[broker].manager
    return asyncio.get_running_loop().create_task(manager.become_leader_or_follower(order))


async def _half_done(cluster: Cluster, broker: int) -> None:
    """Until some partitions have their roles, and not all."""
    partitions = cluster.nodes[broker].manager.partitions
    while not partitions:  # noqa: ASYNC110
        await asyncio.sleep(0)
    assert len(partitions) < COUNT


def _large(cluster: Cluster) -> Any:
    cluster.partitions = list(range(COUNT))
    return cluster.leader_and_isr()


def test_others_are_served_while_an_order_is_carried_out() -> None:
    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            order = _large(cluster)
            node = cluster.nodes[1]
            await node.manager.update_metadata(cluster.update_metadata())
            task = _begin(cluster, 1, order)
            turns = 0
            while not task.done():
                turns += 1
                await asyncio.sleep(0)
            assert turns >= COUNT // 2
            assert _errors(task.result()) == [ErrorCode.NONE] * COUNT
            assert all(p.leadership is not None for p in node.manager.partitions.values())

    run(main())


def test_a_newer_controller_is_not_waited_for() -> None:
    """Its order is carried out; what was left of the older one's is refused."""

    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            order = _large(cluster)
            node = cluster.nodes[1]
            await node.manager.update_metadata(cluster.update_metadata())
            old = _begin(cluster, 1, order)
            await _half_done(cluster, 1)
            done = len(node.manager.partitions)
            cluster.controller_epoch += 1
            cluster.elect(2)
            new = _begin(cluster, 1, cluster.leader_and_isr())
            errors = _errors(await old)
            assert errors[:done] == [ErrorCode.NONE] * done
            assert errors[-1] == ErrorCode.STALE_CONTROLLER_EPOCH
            assert _errors(await new) == [ErrorCode.NONE] * COUNT
            partitions = node.manager.partitions.values()
            assert len(partitions) == COUNT
            assert {p.leader_epoch for p in partitions} == {cluster.leader_epoch}
            assert not any(p.leadership for p in partitions)

    run(main())


def test_orders_of_one_controller_are_carried_out_as_they_came() -> None:
    """The second, over another connection, waits for the first."""

    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            order = _large(cluster)
            node = cluster.nodes[1]
            await node.manager.update_metadata(cluster.update_metadata())
            first = _begin(cluster, 1, order)
            await _half_done(cluster, 1)
            cluster.elect(2)
            cluster.partitions = [COUNT - 1]
            second = _begin(cluster, 1, cluster.leader_and_isr())
            assert _errors(await first) == [ErrorCode.NONE] * COUNT
            assert _errors(await second) == [ErrorCode.NONE]
            last = node.manager.partitions[TopicPartition("t", COUNT - 1)]
            assert last.leader_epoch == cluster.leader_epoch
            assert last.leadership is None

    run(main())


def test_a_partition_that_is_deleted_meanwhile_is_not_made() -> None:
    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            order = _large(cluster)
            node = cluster.nodes[1]
            await node.manager.update_metadata(cluster.update_metadata())
            held = _begin(cluster, 1, order)
            await _half_done(cluster, 1)
            gone = TopicPartition("t", COUNT - 1)
            state = Message(partition_index=gone.partition, leader_epoch=-2, delete_partition=True)
            topics = [Message(topic_name="t", partition_states=[state])]
            stop = Message(topic_states=topics, controller_epoch=1, broker_epoch=-1)
            await node.manager.stop_replica(typed_request(ApiKey.STOP_REPLICA, stop))
            assert _errors(await held)[-1] == ErrorCode.STALE_CONTROLLER_EPOCH
            assert gone not in node.manager.partitions
            assert node.logs.get(gone) is None

    run(main())


def test_a_broker_that_has_registered_anew_takes_no_more_roles() -> None:
    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            order = _large(cluster)
            order.broker_epoch = cluster.broker_epochs[1]
            node = cluster.nodes[1]
            await node.manager.update_metadata(cluster.update_metadata())
            held = _begin(cluster, 1, order)
            await _half_done(cluster, 1)
            done = len(node.manager.partitions)
            cluster.broker_epochs[1] += 1
            node.epoch += 1
            errors = _errors(await held)
            assert errors[done:] == [ErrorCode.STALE_BROKER_EPOCH] * (COUNT - done)
            assert len(node.manager.partitions) == done

    run(main())


def test_an_announcement_is_seen_whole_and_in_its_order() -> None:
    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            order = _large(cluster)
            manager = cluster.nodes[1].manager
            first = asyncio.create_task(manager.update_metadata(cluster.update_metadata()))
            roles = _begin(cluster, 1, order)
            await settle(5)
            cluster.elect(2)
            second = asyncio.create_task(manager.update_metadata(cluster.update_metadata()))
            while not second.done():
                known = manager.metadata.partitions("t") or {}
                assert len(known) in (0, COUNT)
                assert len({p.leader for p in known.values()}) <= 1
                await asyncio.sleep(0)
            assert _errors(await roles) == [ErrorCode.NONE] * COUNT
            assert first.done()
            known = manager.metadata.partitions("t") or {}
            assert {p.leader for p in known.values()} == {2}

    run(main())
