"""A broker that is told to stop does, whoever waits for an answer of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.api import kit
from tests.api.orders import incarnation_of
from tests.simulation.disk import DiskSettings
from tests.simulation.kernel import SECOND

from barnabas.broker import node
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.zk.paths import broker_id_path
from barnabas.zookeeper.client.client import ZooKeeperClient
from barnabas.zookeeper.client.operations import ExistsOp
from barnabas.zookeeper.errors import NoNode


def test_clients_that_wait_for_long_do_not_hold_it_up() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        # From now on it obeys no controller that is there, and so hears of no change.
        pretender = Message(
            controller_id=7,
            controller_epoch=2**31 - 1,
            broker_epoch=await incarnation_of(client),
            delete_partitions=False,
            topic_states=[],
        )
        await client.ask(ApiKey.STOP_REPLICA, 4, pretender)
        connection = await client.connection()
        deletion = Message(topics=[Message(name="t", topic_id=None)], timeout=2**31 - 1)
        waiting: Any = asyncio.ensure_future(connection.send(ApiKey.DELETE_TOPICS, 6, deletion))
        await asyncio.sleep(10)
        assert not waiting.done()
        client.stops[1].set()
        process = client.simulation.processes["b1"]
        async with asyncio.timeout(10):
            await client.simulation.ended(process)
        assert process.outcome is None
        await asyncio.wait([waiting])
        assert isinstance(waiting.exception(), ConnectionError)

    kit.run(scenario)


@pytest.mark.parametrize("enabled", [True, False])
def test_it_hands_its_leaderships_over_unless_told_otherwise(
    enabled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    async def hand_over(*_: object) -> bool:
        asked.append(1)
        return True

    monkeypatch.setattr(node, "hand_over", hand_over)

    async def scenario(client: kit.Client) -> None:
        client.stops[1].set()
        await client.simulation.ended(client.simulation.processes["b1"])

    kit.run(scenario, settings={"controlled.shutdown.enable": str(enabled).lower()})
    assert asked == [1] * enabled


@pytest.mark.parametrize("is_controller", [True, False])
def test_nobody_waits_for_the_disk_of_a_broker_that_stops(is_controller: bool) -> None:
    async def scenario(client: kit.Client) -> None:
        controller = await client.controller()
        leaving = controller if is_controller else controller % 3 + 1
        heir, other = (b for b in (1, 2, 3) if b != leaving)
        await client.place("t", (leaving, heir, other))
        while (await client.produce("t", b"before", broker=leaving)).error_code:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        zookeeper = await kit.zookeeper(client.env)
        process = client.simulation.processes[f"b{leaving}"]
        process.host.disk.settings = DiskSettings(fsync_ns=20 * SECOND)
        client.stops[leaving].set()
        async with asyncio.timeout(5):
            while await registered(zookeeper, leaving):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            while (await client.produce("t", b"after", broker=heir)).error_code:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            view = await client.ask(ApiKey.METADATA, 1, Message(topics=[]), broker=heir)
            assert view.controller_id != leaving
        assert process.alive, "it still flushes"
        process.host.disk.settings = client.simulation.disk_settings
        await client.simulation.ended(process)
        assert process.outcome is None

    async def registered(zookeeper: ZooKeeperClient, broker: int) -> bool:
        (found,) = await zookeeper.submit_all([ExistsOp(broker_id_path(broker))])
        return not isinstance(found, NoNode) and found is not None

    kit.run(scenario, brokers=3)
