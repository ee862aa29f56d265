"""What controllers and brokers send each other: requests under test."""

from __future__ import annotations

from typing import Any

from tests.api import kit

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.zk import paths


async def incarnation_of(client: kit.Client, broker: int = 1) -> int:
    zookeeper = await kit.zookeeper(client.env)
    _, stat = await zookeeper.get(paths.broker_id_path(broker))
    await zookeeper.close()
    return stat.czxid


def order_message(topic: str, topic_id: object, epoch: int, **others: Any) -> Message:
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


EPOCH_SINCE = {ApiKey.LEADER_AND_ISR: 2, ApiKey.UPDATE_METADATA: 5, ApiKey.STOP_REPLICA: 1}
"""First version that names the broker's incarnation."""


def check_every_version(api: ApiKey) -> None:
    """An order is carried out, and refused from an old controller or for an old incarnation."""

    async def scenario(client: kit.Client) -> None:
        topic_id = (await client.create("t")).topic_id
        incarnation = await incarnation_of(client)
        for epoch, version in enumerate(kit.versions(api), start=1):

            async def error(version: int = version, epoch: int = epoch, **others: Any) -> int:
                fields = {"broker_epoch": incarnation, **others}
                message = order_message("t", topic_id, epoch, **fields)
                return int((await client.ask(api, version, message)).error_code)

            assert await error(controller_epoch=0) == ErrorCode.STALE_CONTROLLER_EPOCH
            if version >= EPOCH_SINCE[api]:
                stale = await error(broker_epoch=incarnation - 1)
                assert stale == ErrorCode.STALE_BROKER_EPOCH
            assert await error() == ErrorCode.NONE, version
            if api != ApiKey.STOP_REPLICA:
                assert (await client.produce("t", b"a")).error_code == 0

    kit.run(scenario)
