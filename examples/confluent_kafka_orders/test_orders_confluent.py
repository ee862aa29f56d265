"""What happens to orders when Kafka fails: ``pytest`` starts the brokers, and the tests break them.

Nothing is installed beside ``barnabas[test]`` and confluent-kafka; the fixtures come with them.
"""

from __future__ import annotations

import json

import pytest

pytest.importorskip("confluent_kafka")

from barnabas.testing import Cluster
from orders_confluent import ORDERS, SHIPMENTS, OrderNotTaken, Shop, Warehouse


def numbers(cluster: Cluster, topic: str = ORDERS) -> list[str]:
    return [json.loads(record.value or b"{}")["number"] for record in cluster.records(topic)]


def test_an_order_is_taken(kafka_session_cluster: Cluster, kafka_topic: str) -> None:
    """The cluster of all tests, and a topic of this one's own: for tests that break nothing."""
    Shop(kafka_session_cluster.bootstrap, kafka_topic).take("1", "book")
    assert numbers(kafka_session_cluster, kafka_topic) == ["1"]


def test_orders_survive_the_crash_of_a_leader(kafka_cluster: Cluster) -> None:
    kafka_cluster.create_topic(ORDERS, min_isr=2)
    shop = Shop(kafka_cluster.bootstrap)
    shop.take("1", "book")
    kafka_cluster.kill(f"leader:{ORDERS}/0")
    shop.take("2", "lamp")  # returns once the successor has it
    assert numbers(kafka_cluster) == ["1", "2"]


def test_an_order_is_written_once_though_the_answer_was_lost(kafka_cluster: Cluster) -> None:
    kafka_cluster.create_topic(ORDERS)
    shop = Shop(kafka_cluster.bootstrap)
    shop.take("1", "book")
    lost = kafka_cluster.faults.on("Produce").drop_response().disconnect().times(1)
    shop.take("2", "lamp")  # sent twice: without idempotence it would be there twice
    assert len(lost.hits) == 1
    assert numbers(kafka_cluster) == ["1", "2"]


def test_an_order_is_refused_while_too_few_brokers_have_it(kafka_cluster: Cluster) -> None:
    kafka_cluster.create_topic(ORDERS, min_isr=2)
    kafka_cluster.shrink_isr(ORDERS, to=1)
    with pytest.raises(OrderNotTaken):
        Shop(kafka_cluster.bootstrap, timeout_s=1).take("1", "book")
    kafka_cluster.restore_isr(ORDERS)
    Shop(kafka_cluster.bootstrap).take("2", "lamp")
    assert numbers(kafka_cluster) == ["2"]


def test_each_order_is_shipped_once_whatever_crashes(kafka_cluster: Cluster) -> None:
    kafka_cluster.create_topic(ORDERS)
    kafka_cluster.create_topic(SHIPMENTS)
    shop = Shop(kafka_cluster.bootstrap)
    for number in "123":
        shop.take(number, "book")
    warehouse = Warehouse(kafka_cluster.bootstrap)
    assert warehouse.ship_next() == "1"
    lost = kafka_cluster.faults.on("EndTxn").drop_response().disconnect().times(1)
    assert warehouse.ship_next() == "2"  # its commit was done, and asked for again
    assert len(lost.hits) == 1
    old = kafka_cluster.kill("leader:__transaction_state/0")
    kafka_cluster.wait_for_leader("__transaction_state", not_on=old)
    assert warehouse.ship_next() == "3"
    warehouse.close()
    shipped = kafka_cluster.records(SHIPMENTS, read_committed=True)
    assert [record.key for record in shipped] == [b"1", b"2", b"3"]
