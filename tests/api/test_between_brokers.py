"""What controllers and brokers send each other, in every version, from senders old and new."""

from __future__ import annotations

from typing import Any

from tests.api import kit

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.zk import paths

ROLES, METADATA, STOP = ApiKey.LEADER_AND_ISR, ApiKey.UPDATE_METADATA, ApiKey.STOP_REPLICA
SHUTDOWN, ALTER = ApiKey.CONTROLLED_SHUTDOWN, ApiKey.ALTER_PARTITION
ALLOCATE = ApiKey.ALLOCATE_PRODUCER_IDS
EPOCH_SINCE = {ROLES: 2, METADATA: 5, STOP: 1}
"""First version that names the broker's incarnation."""


async def _broker_epoch(client: kit.Client, broker: int = 1) -> int:
    zookeeper = await kit.zookeeper(client.env)
    _, stat = await zookeeper.get(paths.broker_id_path(broker))
    await zookeeper.close()
    return stat.czxid


def _order(topic: str, topic_id: object, epoch: int, **others: Any) -> Message:
    """LeaderAndIsr, UpdateMetadata and StopReplica in one: fields of all their versions."""
    state = Message(
        topic_name=topic,
        partition_index=0,
        controller_epoch=1,
        leader=1,
        leader_epoch=epoch,
        isr=[1],
        partition_epoch=0,
        zk_version=0,
        replicas=[1],
        delete_partition=False,
    )
    topics = [Message(topic_name=topic, topic_id=topic_id, partition_states=[state])]
    endpoint = Message(port=9092, host="b1", listener="PLAINTEXT", security_protocol=0)
    broker = Message(id=1, v0_host="b1", v0_port=9092, endpoints=[endpoint], rack="r1")
    return Message(
        **{
            "controller_id": 1,
            "controller_epoch": 1,
            "topic_states": topics,
            "ungrouped_partition_states": [state],
            "ungrouped_partitions": [state],
            "topics": [Message(name=topic, partition_indexes=[0])],
            "live_leaders": [Message(broker_id=1, host_name="b1", port=9092)],
            "live_brokers": [broker],
            **others,
        }
    )


def test_orders_of_every_version_and_of_those_who_may_not_give_them() -> None:
    async def scenario(client: kit.Client) -> None:
        topic_id = (await client.create("t")).topic_id
        incarnation = await _broker_epoch(client)
        kinds = [(key, version) for key in EPOCH_SINCE for version in kit.versions(key)]
        for epoch, (api, version) in enumerate(kinds, start=1):

            async def error(
                api: ApiKey = api, version: int = version, epoch: int = epoch, **others: Any
            ) -> int:
                order = _order("t", topic_id, epoch, **{"broker_epoch": incarnation, **others})
                return int((await client.ask(api, version, order)).error_code)

            assert await error(controller_epoch=0) == ErrorCode.STALE_CONTROLLER_EPOCH
            if version >= EPOCH_SINCE[api]:
                stale = await error(broker_epoch=incarnation - 1)
                assert stale == ErrorCode.STALE_BROKER_EPOCH
            assert await error() == ErrorCode.NONE, (api, version)
            if api != STOP:
                assert (await client.produce("t", b"a")).error_code == 0

    kit.run(scenario)


def test_a_controlled_shutdown_in_every_version() -> None:
    async def scenario(client: kit.Client) -> None:
        view = await client.ask(ApiKey.METADATA, 1, Message(topics=[]))
        controller, other = view.controller_id, 3 - view.controller_id
        assignments = [Message(partition_index=0, broker_ids=[other, controller])]
        message = kit.create_message("t", -1, -1, assignments=assignments)
        await client.ask(ApiKey.CREATE_TOPICS, 5, message, broker=controller)
        epoch = await _broker_epoch(client, other)
        for version in kit.versions(SHUTDOWN):
            ask = Message(broker_id=other, broker_epoch=epoch)
            refused = await client.ask(SHUTDOWN, version, ask, broker=other)
            assert refused.error_code == ErrorCode.NOT_CONTROLLER
            if version >= 2:
                old = Message(broker_id=other, broker_epoch=epoch - 1)
                answer = await client.ask(SHUTDOWN, version, old, broker=controller)
                assert answer.error_code == ErrorCode.STALE_BROKER_EPOCH
            answer = await client.ask(SHUTDOWN, version, ask, broker=controller)
            assert (answer.error_code, answer.remaining_partitions) == (0, ())
        view = await client.ask(
            ApiKey.METADATA, 1, Message(topics=[Message(name="t")]), broker=controller
        )
        assert view.topics[0].partitions[0].leader_id == controller

    kit.run(scenario, brokers=2)


def test_isr_changes_in_every_version() -> None:
    async def scenario(client: kit.Client) -> None:
        topic_id = (await client.create("t")).topic_id
        incarnation = await _broker_epoch(client)
        for version in kit.versions(ALTER):
            for epoch, broker_epoch, expected in (
                (0, incarnation, (0, 0)),
                (7, incarnation, (0, ErrorCode.NOT_CONTROLLER)),
                (0, incarnation - 1, (ErrorCode.STALE_BROKER_EPOCH, None)),
            ):
                part = Message(
                    partition_index=0,
                    leader_epoch=epoch,
                    new_isr=[1],
                    new_isr_with_epochs=[Message(broker_id=1, broker_epoch=incarnation)],
                    leader_recovery_state=0,
                    partition_epoch=0,
                )
                topics = [Message(topic_id=topic_id, partitions=[part])]
                ask = Message(broker_id=1, broker_epoch=broker_epoch, topics=topics)
                answer = await client.ask(ALTER, version, ask)
                assert answer.error_code == expected[0]
                if expected[1] is not None:
                    assert answer.topics[0].partitions[0].error_code == expected[1]

    kit.run(scenario)


def test_blocks_of_producer_ids() -> None:
    async def scenario(client: kit.Client) -> None:
        incarnation = await _broker_epoch(client)
        (version,) = kit.versions(ALLOCATE)
        first, second = [
            await client.ask(ALLOCATE, version, Message(broker_id=1, broker_epoch=incarnation))
            for _ in range(2)
        ]
        assert (first.error_code, first.producer_id_len) == (0, 1000)
        assert second.producer_id_start == first.producer_id_start + 1000
        old = Message(broker_id=1, broker_epoch=incarnation - 1)
        answer = await client.ask(ALLOCATE, version, old)
        assert answer.error_code == ErrorCode.STALE_BROKER_EPOCH

    kit.run(scenario)


def test_leaders_that_cannot_be_reached_as_clients_are_told_of_them() -> None:
    async def scenario(client: kit.Client) -> None:
        topic_id = (await client.create("t")).topic_id
        incarnation = await _broker_epoch(client)
        endpoint = Message(port=9092, host="b1", listener="PLAINTEXT", security_protocol=0)
        inside = Message(port=9093, host="b2", listener="INSIDE", security_protocol=0)
        order = _order("t", topic_id, 1, broker_epoch=incarnation)
        order.live_brokers = [
            Message(id=1, endpoints=[endpoint], rack=None),
            Message(id=2, endpoints=[inside], rack=None),
        ]
        state = order.topic_states[0].partition_states[0]
        state.replicas, state.isr, state.offline_replicas = [1, 2, 3], [1, 2], [3]
        missing, absent = ErrorCode.LISTENER_NOT_FOUND, ErrorCode.LEADER_NOT_AVAILABLE
        for leader in (-1, 2, 3, 1):
            state.leader = leader
            assert (await client.ask(METADATA, 8, order)).error_code == 0
            for version in kit.versions(ApiKey.METADATA):
                topics = [Message(name="t", topic_id=None)]
                answer = await client.ask(ApiKey.METADATA, version, Message(topics=topics))
                (found,) = answer.topics[0].partitions
                expected = ErrorCode.NONE if version else ErrorCode.REPLICA_NOT_AVAILABLE
                if leader != 1:
                    expected = missing if leader == 2 and version >= 6 else absent
                assert (found.error_code, found.leader_id) == (
                    expected,
                    leader if leader == 1 else -1,
                )
                assert found.replica_nodes == ((1, 2, 3) if version else (1,))
                assert found.isr_nodes == ((1, 2) if version else (1,))
                if version >= 5:
                    assert found.offline_replicas == (3,)

    kit.run(scenario)
