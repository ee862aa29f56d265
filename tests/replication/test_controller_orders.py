"""Orders of the controller: reference 4.2 to 4.4 and 4.11; traps 2, 25, 29, 33, 36, 37, 43, 55."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

from tests.protocol.typed import typed_request
from tests.replication.support import T0, TOPIC_ID, Cluster, settle
from tests.virtual_time import run

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.protocol.messages.stop_replica import StopReplicaRequest
from barnabas.types import TopicPartition


def result(response: Any) -> ErrorCode:
    assert response.error_code == ErrorCode.NONE
    return ErrorCode(response.topics[0].partition_errors[0].error_code)


def stop(leader_epoch: int, *, delete: bool = False, **fields: Any) -> StopReplicaRequest:
    values: dict[str, Any] = {"controller_epoch": 1, "broker_epoch": -1, **fields}
    states = [
        Message(partition_index=0, leader_epoch=leader_epoch, delete_partition=delete),
    ]
    message = Message(topic_states=[Message(topic_name="t", partition_states=states)], **values)
    return typed_request(ApiKey.STOP_REPLICA, message)


def test_stale_orders_are_refused_and_change_nothing() -> None:
    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            cluster.controller_epoch = 5
            await cluster.announce()
            manager = cluster.nodes[1].manager
            for stale, error in (
                ({"controller_epoch": 4}, ErrorCode.STALE_CONTROLLER_EPOCH),
                ({"broker_epoch": 100, "controller_epoch": 9}, ErrorCode.STALE_BROKER_EPOCH),
            ):
                order = cluster.leader_and_isr(leader=2, leader_epoch=7, **stale)
                answer: Any = await manager.become_leader_or_follower(order)
                assert answer.error_code == error
                answer = await manager.stop_replica(stop(-2, delete=True, **stale))
                assert answer.error_code == error
                update = cluster.update_metadata(live_brokers=[], **stale)
                assert (await manager.update_metadata(update)).error_code == error
            assert manager.controller_epoch == 5
            assert cluster.nodes[1].partition.is_leader
            assert cluster.nodes[1].metadata.is_alive(2)

    run(main())


def test_a_newer_broker_epoch_is_accepted() -> None:
    """KAFKA-9839: the controller may know our registration before we do."""

    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            manager = cluster.nodes[1].manager
            await manager.update_metadata(cluster.update_metadata())
            order = cluster.leader_and_isr(broker_epoch=10_000)
            assert result(await manager.become_leader_or_follower(order)) == ErrorCode.NONE

    run(main())


def test_no_role_before_registration() -> None:
    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            node = cluster.nodes[1]
            node.registered = False
            held = asyncio.create_task(
                node.manager.become_leader_or_follower(cluster.leader_and_isr())
            )
            await asyncio.sleep(1)
            assert not held.done()
            assert not node.manager.partitions
            node.registered = True
            assert result(await held) == ErrorCode.NONE
            assert node.partition.is_leader

    run(main())


def test_leader_epoch_table() -> None:
    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            node = cluster.nodes[1]
            order = node.manager.become_leader_or_follower
            await node.manager.update_metadata(cluster.update_metadata())
            foreign = cluster.leader_and_isr(replicas=[2, 3])
            assert result(await order(foreign)) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            assert result(await order(cluster.leader_and_isr(leader_epoch=3))) == ErrorCode.NONE
            again = cluster.leader_and_isr(leader_epoch=3)
            assert result(await order(again)) == ErrorCode.STALE_CONTROLLER_EPOCH
            older = cluster.leader_and_isr(leader_epoch=2)
            assert result(await order(older)) == ErrorCode.STALE_CONTROLLER_EPOCH
            other = cluster.leader_and_isr(leader_epoch=4, topic_id=uuid.UUID(int=9))
            assert result(await order(other)) == ErrorCode.INCONSISTENT_TOPIC_ID
            assert node.partition.leader_epoch == 3

    run(main())


def test_an_equal_epoch_may_bring_the_topic_id() -> None:
    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            node = cluster.nodes[1]
            order = node.manager.become_leader_or_follower
            await node.manager.update_metadata(cluster.update_metadata())
            assert result(await order(cluster.leader_and_isr(topic_id=None))) == ErrorCode.NONE
            assert node.partition.topic_id is None
            assert result(await order(cluster.leader_and_isr())) == ErrorCode.NONE
            assert node.partition.topic_id == TOPIC_ID
            assert node.partition.log is not None
            assert node.partition.log.topic_id == TOPIC_ID

    run(main())


def test_an_unknown_leader_is_half_applied() -> None:
    """Trap 36: only the log is made; the same order applies once the leader is known to live."""

    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            node = cluster.nodes[2]
            order = cluster.leader_and_isr()
            assert result(await node.manager.become_leader_or_follower(order)) == ErrorCode.NONE
            assert node.partition.log is not None
            assert node.partition.leader_epoch == -1
            assert node.manager.fetchers.fetcher(1) is None
            await node.manager.update_metadata(cluster.update_metadata())
            assert result(await node.manager.become_leader_or_follower(order)) == ErrorCode.NONE
            assert node.partition.leader_epoch == 0
            assert node.manager.fetchers.fetcher(1) is not None

    run(main())


def test_a_role_ends_where_the_partition_was_moved_away_unheard() -> None:
    """The removal was decided while this broker was out of the cluster; nobody tells it to stop."""

    async def main() -> None:
        async with Cluster(1, 2, 3) as cluster:
            await cluster.announce()
            old, follower = cluster.nodes[1], cluster.nodes[3]
            failing = old.partition
            (topic,) = cluster.update_metadata().topic_states
            (state,) = topic.partition_states
            state.replicas = [2]
            update = cluster.update_metadata(topic_states=[topic])
            await old.manager.update_metadata(update)
            assert old.partition.is_leader, "the same epoch says nothing new"
            state.leader, state.leader_epoch = 2, 1
            for node in (old, follower):
                await node.manager.update_metadata(update)
                assert not node.partition.is_leader
                assert node.partition.leader_id == -1
                assert node.partition.log is not None, "the log stays"
            assert follower.manager.fetchers.fetcher(1) is None
            stop = Message(
                controller_id=1,
                controller_epoch=1,
                broker_epoch=-1,
                topic_states=[
                    Message(
                        topic_name="t",
                        partition_states=[
                            Message(partition_index=0, leader_epoch=1, delete_partition=True)
                        ],
                    )
                ],
            )
            answer = await old.manager.stop_replica(typed_request(ApiKey.STOP_REPLICA, stop))
            assert answer.partition_errors[0].error_code == ErrorCode.NONE
            cluster.leader_epoch = 2
            await cluster.announce(1)
            assert old.partition.is_leader
            old.manager.context.storage_failed(failing, OSError("of a log that is deleted"))
            assert not old.partition.offline
            assert old.partition.is_leader

    run(main())


def test_any_epoch_change_restarts_the_copying() -> None:
    """Trap 2 (KAFKA-7164): the same leader in a new epoch is a reason to compare logs again."""

    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            await cluster.announce()
            fetcher = cluster.nodes[2].manager.fetchers.fetcher(1)
            assert fetcher is not None
            first = fetcher.following(T0)
            cluster.elect(1)
            await cluster.announce(2)
            second = fetcher.following(T0)
            assert second is not None
            assert second is not first
            assert second.leader_epoch == 1

    run(main())


def test_stop_replica_epochs() -> None:
    """Trap 29 (KIP-570): a delayed stop of an older step must not undo a newer one."""

    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            cluster.leader_epoch = 5
            await cluster.announce()
            node = cluster.nodes[2]
            answer = await node.manager.stop_replica(stop(4, delete=True))
            assert answer.partition_errors[0].error_code == ErrorCode.FENCED_LEADER_EPOCH
            assert T0 in node.manager.partitions
            answer = await node.manager.stop_replica(stop(5))
            assert answer.partition_errors[0].error_code == ErrorCode.NONE
            assert node.partition.log is not None
            assert node.manager.fetchers.fetcher(1) is None, "nothing left to copy"
            answer = await node.manager.stop_replica(stop(-2, delete=True))
            assert answer.partition_errors[0].error_code == ErrorCode.NONE
            assert T0 not in node.manager.partitions
            assert node.logs.get(T0) is None

    run(main())


def test_stop_replica_fails_waiting_produces() -> None:
    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            await cluster.announce()
            cluster.isolate(2)
            outcome = cluster.produce("a")
            assert isinstance(outcome, asyncio.Future)
            await cluster.nodes[1].manager.stop_replica(stop(-2, delete=True))
            assert (await outcome)[0].error == ErrorCode.NOT_LEADER_OR_FOLLOWER

    run(main())


def test_stop_of_an_unknown_partition_deletes_what_is_on_disk() -> None:
    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            node = cluster.nodes[2]
            node.logs.get_or_create(T0, TOPIC_ID, is_new=True, config=None)
            answer = await node.manager.stop_replica(stop(-2, delete=True))
            assert answer.partition_errors[0].error_code == ErrorCode.NONE
            assert node.logs.get(T0) is None

    run(main())


def test_roles_are_told_to_listeners() -> None:
    heard: list[tuple[str, object]] = []

    class Listener:
        def became_leader(self, partition: TopicPartition, leader_epoch: int) -> None:
            heard.append(("leader", leader_epoch))

        def became_follower(self, partition: TopicPartition, leader_epoch: int) -> None:
            heard.append(("follower", leader_epoch))

        def stopped(self, partition: TopicPartition, deleted: bool) -> None:
            heard.append(("stopped", deleted))

    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            cluster.nodes[1].manager.add_role_listener(Listener())
            await cluster.announce()
            cluster.elect(2)
            await cluster.announce()
            await cluster.nodes[1].manager.stop_replica(stop(-1))
            assert heard == [("leader", 0), ("follower", 1), ("stopped", False)]

    run(main())


def test_a_failed_disk_takes_its_partitions_offline() -> None:
    """Traps 19 and 43: nothing is acknowledged from a failed disk, orders answer error 56."""

    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            await cluster.announce()
            cluster.isolate(2)
            outcome = cluster.produce("a")
            assert isinstance(outcome, asyncio.Future)
            node = cluster.nodes[1]
            node.manager.log_dir_failed("/data", OSError("dead"))
            assert (await outcome)[0].error == ErrorCode.KAFKA_STORAGE_ERROR
            assert node.offline == [T0]
            assert (await cluster.produced("b")).error == ErrorCode.KAFKA_STORAGE_ERROR
            cluster.elect(2)
            answer: Any = await node.manager.become_leader_or_follower(cluster.leader_and_isr())
            assert result(answer) == ErrorCode.KAFKA_STORAGE_ERROR
            answer = await node.manager.stop_replica(stop(-2, delete=True))
            assert answer.partition_errors[0].error_code == ErrorCode.KAFKA_STORAGE_ERROR
            await settle()

    run(main())


def test_an_append_that_fails_in_the_disk_fences_the_partition() -> None:
    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            await cluster.announce()
            log = cluster.nodes[1].partition.log
            assert log is not None
            log.fence(OSError("EIO"))
            assert (await cluster.produced("a")).error == ErrorCode.KAFKA_STORAGE_ERROR

    run(main())


def test_an_isr_beyond_the_assignment_is_survived() -> None:
    """Trap 25: of such a member the leader knows nothing, and it goes on."""

    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            await cluster.announce()
            cluster.elect(1, (1, 2, 9))
            await cluster.announce()
            outcome = cluster.produce("a")
            await settle()
            assert isinstance(outcome, asyncio.Future)
            assert not outcome.done(), "nothing is known of 9"
            cluster.nodes[1].manager.shrink_isrs()
            await settle()
            assert cluster.isr == (1, 2)
            assert (await outcome)[0].error == ErrorCode.NONE

    run(main())


def test_older_partition_epoch_is_skipped() -> None:
    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            cluster.partition_epoch = 5
            await cluster.announce()
            order = cluster.leader_and_isr(leader_epoch=1, partition_epoch=4, leader=2)
            await cluster.nodes[1].manager.become_leader_or_follower(order)
            assert cluster.nodes[1].partition.is_leader
            assert cluster.nodes[1].partition.leader_epoch == 0

    run(main())


def test_the_watermark_no_longer_waits_for_a_replica_that_has_gone() -> None:
    """It was about to join the ISR; nothing else may ever happen to the partition: its producers
    wait for this very answer."""

    async def main() -> None:
        async with Cluster(1, 2, 3) as cluster:
            cluster.isr = (1, 2)
            cluster.isolate(3)
            await cluster.announce()
            node = cluster.nodes[1]
            assert node.partition.leadership is not None
            node.partition.leadership.remotes[3].note_fetch(
                offset=0,
                log_start_offset=0,
                leader_end=0,
                now_ms=node.manager.context.now_ms(),
                broker_epoch=cluster.broker_epochs[3],
            )
            waiting = asyncio.ensure_future(cluster.produced("a"))
            await settle()
            assert cluster.nodes[2].values() == ["a"]
            assert not waiting.done()
            del cluster.alive[3]
            await node.manager.update_metadata(cluster.update_metadata())
            await settle()
            assert waiting.done()
            assert (await waiting).error == ErrorCode.NONE
            cluster.alive[3] = None
            await node.manager.update_metadata(cluster.update_metadata())
            back = asyncio.ensure_future(cluster.produced("b"))
            await settle()
            assert back.done(), "it has caught up before its death, and not since"
            assert (await back).error == ErrorCode.NONE

    run(main())


def test_the_watermark_moves_on_when_a_newcomer_is_refused() -> None:
    """The controller says that the newcomer is stopping. Until it said so the newcomer counted as a
    member, and it does not fetch any more; nor does anybody else, who has everything."""

    async def main() -> None:
        async with Cluster(1, 2, 3) as cluster:
            cluster.isr = (1, 2)
            cluster.controller_open.clear()
            await cluster.announce()
            node = cluster.nodes[1]
            while not cluster.alter_requests:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            cluster.isolate(3)
            waiting = asyncio.ensure_future(cluster.produced("a"))
            await settle()
            assert cluster.nodes[2].values() == ["a"]
            del cluster.alive[3]
            await node.manager.update_metadata(cluster.update_metadata())
            await settle()
            assert not waiting.done()
            cluster.controller_open.set()
            async with asyncio.timeout(0.1):
                assert (await waiting).error == ErrorCode.NONE

    run(main())
