"""Orders of the controller that wait while later ones are carried out, over another connection."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.protocol.typed import typed_request
from tests.replication.support import T0, Cluster, settle
from tests.virtual_time import run

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.protocol.messages.stop_replica import StopReplicaRequest
from barnabas.replication.orders import UNKNOWN_SENDER, Orders, Sender
from barnabas.storage.log import Log
from barnabas.types import TopicPartition


def _deletion(*partitions: int) -> StopReplicaRequest:
    states = [
        Message(partition_index=p, leader_epoch=-2, delete_partition=True) for p in partitions
    ]
    topics = [Message(topic_name="t", partition_states=states)]
    message = Message(topic_states=topics, controller_epoch=1, broker_epoch=-1)
    return typed_request(ApiKey.STOP_REPLICA, message)


def _errors(answer: Any) -> list[ErrorCode]:
    entries = answer.partition_errors or [e for t in answer.topics for e in t.partition_errors]
    return [ErrorCode(entry.error_code) for entry in entries]


def test_a_replica_that_was_deleted_meanwhile_is_not_made_again() -> None:
    """LeaderAndIsr reads the settings of topics first."""

    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            node, read = cluster.nodes[2], asyncio.Event()
            await node.manager.update_metadata(cluster.update_metadata())

            async def prepare() -> None:
                await read.wait()

            order = cluster.leader_and_isr()
            held = asyncio.create_task(node.manager.become_leader_or_follower(order, prepare))
            await settle()
            await node.manager.stop_replica(_deletion(0))
            read.set()
            assert _errors(await held) == [ErrorCode.STALE_CONTROLLER_EPOCH]
            assert T0 not in node.manager.partitions
            assert node.logs.get(T0) is None
            # The next order is about the next topic of that name.
            assert _errors(await node.manager.become_leader_or_follower(order)) == [ErrorCode.NONE]

    run(main())


class _SlowDeletion:
    """Deleting takes as long as told."""

    def __init__(self, node: Any) -> None:
        self.gate = asyncio.Event()
        self._delete = node.logs.delete
        node.logs.delete = self.delete

    async def delete(self, partition: TopicPartition) -> None:
        await self._delete(partition)
        await self.gate.wait()


def test_a_replica_that_was_made_again_meanwhile_is_not_deleted() -> None:
    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            cluster.partitions = [0, 1]
            await cluster.announce()
            node = cluster.nodes[2]
            slow = _SlowDeletion(node)
            held = asyncio.create_task(node.manager.stop_replica(_deletion(0, 1)))
            await settle()
            cluster.partitions = [1]
            cluster.leader_epoch += 1
            again = await node.manager.become_leader_or_follower(cluster.leader_and_isr())
            assert _errors(again) == [ErrorCode.NONE]
            slow.gate.set()
            assert _errors(await held) == [ErrorCode.NONE, ErrorCode.STALE_CONTROLLER_EPOCH]
            assert list(node.manager.partitions) == [TopicPartition("t", 1)]

    run(main())


def test_checkpoints_are_written_once_for_all_that_is_deleted() -> None:
    """Each names every log of its directory: once for each would be a matter of squares."""

    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            cluster.partitions = list(range(20))
            await cluster.announce()
            node = cluster.nodes[2]
            for partition in node.manager.partitions.values():
                await partition.log_or_raise().flush()
            await node.logs.checkpoint()
            written: list[str] = []
            rename = node.files.rename

            def counted(source: str, target: str) -> None:
                written.append(target)
                rename(source, target)

            node.files.rename = counted  # type: ignore[method-assign]
            answer = await node.manager.stop_replica(_deletion(*range(20)))
            assert _errors(answer) == [ErrorCode.NONE] * 20
            assert written.count("/data/recovery-point-offset-checkpoint") == 1

    run(main())


def test_listeners_hear_of_the_end_of_a_role_before_the_next_one() -> None:
    heard: list[str] = []

    class Listener:
        def became_leader(self, partition: TopicPartition, leader_epoch: int) -> None:
            heard.append("leader")

        def became_follower(self, partition: TopicPartition, leader_epoch: int) -> None:
            heard.append("follower")

        def stopped(self, partition: TopicPartition, deleted: bool) -> None:
            heard.append("stopped")

    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            node = cluster.nodes[1]
            node.manager.add_role_listener(Listener())
            await cluster.announce()
            slow = _SlowDeletion(node)
            held = asyncio.create_task(node.manager.stop_replica(_deletion(0)))
            await settle()
            await node.manager.become_leader_or_follower(cluster.leader_and_isr())
            slow.gate.set()
            await held
            assert heard == ["leader", "stopped", "leader"]

    run(main())


@pytest.mark.parametrize("pause_s", [0.001, 0.005, 0.009])
def test_orders_held_before_registration_go_on_as_they_came(pause_s: float) -> None:
    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            node = cluster.nodes[1]
            node.registered = False
            old = cluster.update_metadata(live_brokers=[])
            held = [asyncio.create_task(node.manager.update_metadata(old))]
            await asyncio.sleep(pause_s)
            new = cluster.update_metadata()
            held.append(asyncio.create_task(node.manager.update_metadata(new)))
            await asyncio.sleep(0.0105 - pause_s)
            node.registered = True
            await asyncio.gather(*held)
            assert node.metadata.is_alive(2)

    run(main())


def test_a_log_that_moves_while_it_is_flushed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for the flush of the old one waits for the new one."""

    async def main() -> None:
        async with Cluster(1, log_flush_before_ack=True) as cluster:
            await cluster.announce()
            node = cluster.nodes[1]
            old = node.partition.log
            assert old is not None
            gate, flush = asyncio.Event(), Log.flush

            async def slow(log: Log) -> None:
                await gate.wait()
                await flush(log)

            monkeypatch.setattr(Log, "flush", slow)
            outcome = cluster.produce("a")
            assert isinstance(outcome, asyncio.Future)
            await settle()
            new = _Moved(old)
            node.manager.log_moved(new)  # type: ignore[arg-type]
            gate.set()
            assert (await asyncio.wait_for(outcome, 1))[0].error == ErrorCode.NONE
            assert new.flushes == 1

    run(main())


class _Moved:
    """The same log in another directory, where nothing is flushed yet."""

    def __init__(self, log: Any) -> None:
        self._log = log
        self.flushes = 0
        self.flushed_offset = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def flush(self) -> None:
        self.flushes += 1
        self.flushed_offset = self._log.log_end_offset


def test_what_comes_over_an_earlier_connection_of_the_controller_is_history() -> None:
    orders = Orders()
    assert not orders.is_history(1, UNKNOWN_SENDER)
    assert not orders.is_history(1, Sender("1", 5))
    assert not orders.is_history(1, Sender("1", 5))
    assert not orders.is_history(1, Sender("1", 9))
    assert orders.is_history(1, Sender("1", 5))
    assert not orders.is_history(0, Sender("3", 2)), "it is refused for its epoch"
    assert orders.is_history(1, Sender("1", 5))
    assert not orders.is_history(2, Sender("2", 3)), "another controller"
    assert not orders.is_history(2, Sender("2", 4))
    assert orders.is_history(2, Sender("2", 3))
    assert not orders.is_history(3, Sender("2", 1)), "numbers are compared within an epoch"


def test_a_late_order_of_an_earlier_connection_changes_nothing() -> None:
    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            node = cluster.nodes[2]
            await cluster.announce()
            old = cluster.update_metadata()
            old_roles = cluster.leader_and_isr(leader=2, leader_epoch=7)
            cluster.elect(2)
            new, early, late = cluster.update_metadata(), Sender("1", 3), Sender("1", 4)
            await node.manager.update_metadata(old, early)
            await node.manager.update_metadata(new, late)
            answers: list[Any] = [
                await node.manager.update_metadata(old, early),
                await node.manager.become_leader_or_follower(old_roles, sender=early),
                await node.manager.stop_replica(_deletion(0), early),
            ]
            assert {a.error_code for a in answers} == {ErrorCode.STALE_CONTROLLER_EPOCH}
            assert node.metadata.current_leader(T0) == (2, 1)
            assert T0 in node.manager.partitions
            assert not node.partition.is_leader
            await node.manager.become_leader_or_follower(cluster.leader_and_isr(), sender=late)
            assert node.partition.is_leader

    run(main())
