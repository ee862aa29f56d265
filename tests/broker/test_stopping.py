"""A broker that is told to stop does, whoever waits for an answer of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.api import kit
from tests.api.orders import incarnation_of

from barnabas.broker import node
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message


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
