"""UpdateMetadata: what clients are told of the leaders in it."""

from __future__ import annotations

import asyncio

import pytest
from tests.api import kit
from tests.api.orders import check_every_version, incarnation_of, order_message

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message


def test_every_version_and_those_who_may_not_give_orders() -> None:
    check_every_version(ApiKey.UPDATE_METADATA)


def test_leaders_that_cannot_be_reached_as_clients_are_told_of_them() -> None:
    async def scenario(client: kit.Client) -> None:
        topic_id = (await client.create("t")).topic_id
        incarnation = await incarnation_of(client)
        endpoint = Message(port=9092, host="b1", listener="PLAINTEXT", security_protocol=0)
        inside = Message(port=9093, host="b2", listener="INSIDE", security_protocol=0)
        order = order_message("t", topic_id, 1, broker_epoch=incarnation)
        order.live_brokers = [
            Message(id=1, endpoints=[endpoint], rack=None),
            Message(id=2, endpoints=[inside], rack=None),
        ]
        state = order.topic_states[0].partition_states[0]
        state.replicas, state.isr, state.offline_replicas = [1, 2, 3], [1, 2], [3]
        missing, absent = ErrorCode.LISTENER_NOT_FOUND, ErrorCode.LEADER_NOT_AVAILABLE
        for leader in (-1, 2, 3, 1):
            state.leader = leader
            assert (await client.ask(ApiKey.UPDATE_METADATA, 8, order)).error_code == 0
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


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("a..b", 9092),
        ("x" * 64, 9092),
        ("", 9092),
        ("nul\0l", 9092),
        ("\u202e", 9092),
        ("b2", 70_000),
    ],
)
def test_addresses_that_are_none_end_nobody(host: str, port: int) -> None:
    """Brokers connect to each other as soon as they hear of each other."""

    async def scenario(client: kit.Client) -> None:
        topic_id = (await client.create("t")).topic_id
        order = order_message("t", topic_id, 1, broker_epoch=await incarnation_of(client))
        there = Message(port=9092, host="b1", listener="PLAINTEXT", security_protocol=0)
        nowhere = Message(port=port, host=host, listener="PLAINTEXT", security_protocol=0)
        order.live_brokers = [
            Message(id=1, endpoints=[there], rack=None),
            Message(id=2, endpoints=[nowhere], rack=None),
        ]
        assert (await client.ask(ApiKey.UPDATE_METADATA, 8, order)).error_code == 0
        await asyncio.sleep(1)
        answer = await client.ask(ApiKey.METADATA, 12, Message(topics=[]))
        assert {broker.node_id for broker in answer.brokers} == {1, 2}

    kit.run(scenario)
