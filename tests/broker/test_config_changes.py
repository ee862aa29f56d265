"""Settings that change in ZooKeeper while brokers run."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.api import kit
from tests.api.config_kit import (
    BROKER,
    DELETE,
    OF_BROKER,
    OF_FILE,
    SET,
    TOPIC,
    alter,
    described,
    until,
)

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.zk import paths
from barnabas.zk.admin import write_config


def test_a_log_goes_by_new_settings() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        assert (await client.produce("t", b"x" * 200)).error_code == 0
        await alter(client, TOPIC, "t", (SET, "max.message.bytes", "100"))

        async def too_large() -> bool:
            found = await client.produce("t", b"x" * 200)
            return bool(found.error_code == ErrorCode.MESSAGE_TOO_LARGE)

        await until(too_large)
        await alter(client, TOPIC, "t", (DELETE, "max.message.bytes", None))
        await alter(client, BROKER, "", (SET, "message.max.bytes", "120"))
        await until(too_large)

    kit.run(scenario)


def test_what_another_tool_wrote_in_vain_does_no_harm() -> None:
    async def scenario(client: kit.Client) -> None:
        zookeeper = await kit.zookeeper(client.env)
        entity = paths.broker_entity(1)
        written = {"broker.id": "7", "flies": "1", "log.segment.bytes": "x", "max.connections": "9"}
        await write_config(zookeeper, entity, written)

        async def taken() -> bool:
            found = await described(client, BROKER, "1", "max.connections")
            return found is not None and found[:2] == ("9", OF_BROKER)

        await until(taken)
        kept = (None, OF_BROKER, [("flies", None, OF_BROKER)])  # a plug-in's, perhaps secret
        assert await described(client, BROKER, "1", "flies") == kept
        await write_config(zookeeper, entity, {"listeners": "PLAINTEXT://elsewhere:1"})
        await asyncio.sleep(1)
        found = await described(client, BROKER, "1", "listeners")
        assert found is not None
        assert found[:2] == ("PLAINTEXT://b1:9092", OF_FILE)

    kit.run(scenario)


def test_new_advertised_listeners_reach_everybody() -> None:
    async def scenario(client: kit.Client) -> None:
        async def told(host: str, broker: int) -> bool:
            view = await client.ask(ApiKey.METADATA, 1, Message(topics=[]), broker=broker)
            return {b.node_id: b.host for b in view.brokers} == {1: "b1", 2: host}

        listener = (SET, "advertised.listeners", "PLAINTEXT://moved:9092")
        done = await alter(client, BROKER, "2", listener, broker=2)
        assert done.error_code == 0
        for broker in (1, 2):
            await until(lambda broker=broker: told("moved", broker))  # type: ignore[misc]
        await alter(client, BROKER, "2", (DELETE, "advertised.listeners", None), broker=2)
        for broker in (1, 2):
            await until(lambda broker=broker: told("b2", broker))  # type: ignore[misc]

    kit.run(scenario, brokers=2)


def test_allowing_unclean_elections_for_all_brings_a_leader() -> None:
    async def scenario(client: kit.Client) -> None:
        view = await client.ask(ApiKey.METADATA, 1, Message(topics=[]))
        controller = view.controller_id
        lost, late = (b for b in (1, 2, 3) if b != controller)
        part = Message(partition_index=0, broker_ids=[lost, late])
        message = kit.create_message("t", -1, -1, assignments=[part])
        await client.ask(ApiKey.CREATE_TOPICS, 7, message, broker=controller)

        async def partition() -> Any:
            topics = [Message(topic_id=None, name="t")]
            message = Message(topics=topics, allow_auto_topic_creation=False)
            view = await client.ask(ApiKey.METADATA, 9, message, broker=controller)
            return view.topics[0].partitions[0]

        async def isr_of(size: int, leader: int) -> bool:
            found = await partition()
            return len(found.isr_nodes) == size and found.leader_id == leader

        await until(lambda: isr_of(2, lost))
        processes = client.simulation.processes
        processes[f"b{late}"].kill()
        await until(lambda: isr_of(1, lost))
        processes[f"b{lost}"].kill()
        await until(lambda: isr_of(1, -1))
        processes[f"b{late}"].start()
        await asyncio.sleep(5)
        assert await isr_of(1, -1)
        setting = "unclean.leader.election.enable"
        done = await alter(client, BROKER, "", (SET, setting, "true"), broker=controller)
        assert done.error_code == 0
        await until(lambda: isr_of(1, late))

    kit.run(scenario, brokers=3)
