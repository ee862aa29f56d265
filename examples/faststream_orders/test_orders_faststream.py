"""What FastStream's own test broker cannot show: what happens to orders when Kafka fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

pytest.importorskip("faststream")
pytest.importorskip("pytest_asyncio")

from faststream.kafka import KafkaBroker

from barnabas.testing import AsyncCluster, Cluster
from orders_faststream import ORDERS, SHIPMENTS, Order, service

pytestmark = pytest.mark.asyncio

BOOK = '{"order":"1","parcel":"1 x book"}'
LAMP = '{"order":"2","parcel":"1 x lamp"}'


@asynccontextmanager
async def running(cluster: AsyncCluster) -> AsyncIterator[KafkaBroker]:
    await cluster.create_topic(ORDERS)
    await cluster.create_topic(SHIPMENTS)
    async with service(cluster.bootstrap) as broker:
        await broker.start()
        yield broker


async def test_an_order_is_shipped(kafka_broker: Cluster) -> None:
    cluster = kafka_broker.aio
    async with running(cluster) as shop:
        await shop.publish(Order(number="1", item="book"), ORDERS)
        await cluster.assert_records(SHIPMENTS, [BOOK])


async def test_shipping_goes_on_when_a_leader_crashes(kafka_cluster: Cluster) -> None:
    cluster = kafka_cluster.aio
    async with running(cluster) as shop:
        await shop.publish(Order(number="1", item="book"), ORDERS)
        await cluster.assert_records(SHIPMENTS, [BOOK])
        old = await cluster.kill(f"leader:{ORDERS}/0")
        await cluster.wait_for_leader(ORDERS, not_on=old)
        await cluster.wait_for_leader(SHIPMENTS, not_on=old)
        await shop.publish(Order(number="2", item="lamp"), ORDERS)
        await cluster.assert_records(SHIPMENTS, [BOOK, LAMP])


async def test_a_broker_that_hangs_only_delays_orders(kafka_broker: Cluster) -> None:
    cluster = kafka_broker.aio
    async with running(cluster) as shop:
        late = cluster.faults.on("Produce", topic=SHIPMENTS).delay(200).times(1)
        await shop.publish(Order(number="1", item="book"), ORDERS)
        await shop.publish(Order(number="2", item="lamp"), ORDERS)
        await cluster.assert_records(SHIPMENTS, [BOOK, LAMP])
        assert len(late.hits) == 1


async def test_a_shipment_is_written_once_though_the_answer_was_lost(kafka_broker: Cluster) -> None:
    cluster = kafka_broker.aio
    async with running(cluster) as shop:
        lost = cluster.faults.on("Produce", topic=SHIPMENTS).drop_response().disconnect().times(1)
        await shop.publish(Order(number="1", item="book"), ORDERS)
        await cluster.wait_for_hits(lost)
        await shop.publish(Order(number="2", item="lamp"), ORDERS)
        await cluster.assert_records(SHIPMENTS, [BOOK, LAMP])


async def test_reading_is_tried_again_after_errors(kafka_broker: Cluster) -> None:
    cluster = kafka_broker.aio
    async with running(cluster) as shop:
        fault = cluster.faults.on("Fetch", topic=ORDERS).error("NOT_LEADER_OR_FOLLOWER").times(2)
        await shop.publish(Order(number="1", item="book"), ORDERS)
        await cluster.wait_for_hits(fault, 2)
        await cluster.assert_records(SHIPMENTS, [BOOK])
