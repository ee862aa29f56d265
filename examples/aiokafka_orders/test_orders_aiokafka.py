"""What happens to orders when Kafka fails, in tests that are coroutines (pytest-asyncio).

``kafka_cluster.aio`` is the cluster for them: the same methods, to be awaited.
"""

from __future__ import annotations

import asyncio

import pytest

pytest.importorskip("aiokafka")
pytest.importorskip("pytest_asyncio")

from barnabas.testing import Cluster
from orders_aiokafka import ORDERS, Cook, OrderNotTaken, Shop

pytestmark = pytest.mark.asyncio


async def test_a_dish_is_cooked(kafka_broker: Cluster) -> None:
    """One broker is enough where nothing fails."""
    async with Shop(kafka_broker.bootstrap) as shop, Cook(kafka_broker.bootstrap, "ann") as ann:
        await shop.take("1", "soup")
        assert await ann.cook_next() == "soup"


async def test_orders_survive_the_crash_of_the_controller(kafka_cluster: Cluster) -> None:
    cluster = kafka_cluster.aio
    await cluster.create_topic(ORDERS, min_isr=2)
    async with Shop(cluster.bootstrap) as shop:
        await shop.take("1", "soup")
        old = await cluster.kill_controller()
        await cluster.wait_for_controller(not_on=old)
        await shop.take("2", "pie")
    assert [record.key for record in await cluster.records(ORDERS)] == [b"1", b"2"]


async def test_a_leader_that_has_just_been_replaced_is_tried_again(kafka_cluster: Cluster) -> None:
    cluster = kafka_cluster.aio
    await cluster.create_topic(ORDERS)
    fault = cluster.faults.on("Produce", topic=ORDERS).error("NOT_LEADER_OR_FOLLOWER").times(2)
    async with Shop(cluster.bootstrap) as shop:
        await shop.take("1", "soup")
    assert len(fault.hits) == 2
    assert len(await cluster.records(ORDERS)) == 1


async def test_the_guest_hears_of_an_order_that_kafka_refuses(kafka_broker: Cluster) -> None:
    cluster = kafka_broker.aio
    await cluster.create_topic(ORDERS)
    cluster.faults.on("Produce", topic=ORDERS).error("TOPIC_AUTHORIZATION_FAILED").times(1)
    async with Shop(cluster.bootstrap) as shop:
        with pytest.raises(OrderNotTaken):
            await shop.take("1", "soup")
        await shop.take("1", "pie")
    assert len(await cluster.records(ORDERS)) == 1


async def test_the_group_goes_on_when_its_coordinator_dies(kafka_cluster: Cluster) -> None:
    cluster = kafka_cluster.aio
    await cluster.create_topic(ORDERS)
    async with Shop(cluster.bootstrap) as shop, Cook(cluster.bootstrap, "ann") as ann:
        await shop.take("1", "soup")
        assert await ann.cook_next() == "soup"
        old = await cluster.kill("leader:__consumer_offsets/0")
        await cluster.wait_for_leader("__consumer_offsets", not_on=old)
        await shop.take("2", "pie")
        assert await ann.cook_next() == "pie"


async def test_another_cook_takes_over_without_delay(kafka_broker: Cluster) -> None:
    """Groups of the test profile wait for nobody: `group.initial.rebalance.delay.ms` is 0."""
    cluster = kafka_broker.aio
    await cluster.create_topic(ORDERS)
    async with Shop(cluster.bootstrap) as shop:
        async with Cook(cluster.bootstrap, "ann") as ann:
            await shop.take("1", "soup")
            assert await ann.cook_next() == "soup"
        await shop.take("2", "pie")
        async with Cook(cluster.bootstrap, "bob") as bob:
            assert await asyncio.wait_for(bob.cook_next(), 10) == "pie"
