"""Orders with confluent-kafka: a shop writes them, a warehouse turns each into one shipment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

ORDERS, SHIPMENTS = "orders", "shipments"


class OrderNotTaken(Exception):
    """Kafka has not acknowledged it: the customer must be told to try again."""


class Shop:
    """Takes orders."""

    def __init__(self, bootstrap: str, topic: str = ORDERS, timeout_s: float = 10.0) -> None:
        self._topic = topic
        self._timeout_s = timeout_s
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "message.timeout.ms": round(1000 * timeout_s),
                "linger.ms": 0,
            }
        )

    def take(self, number: str, item: str) -> None:
        """Returns when the order is safe. Raises OrderNotTaken."""
        failed: list[KafkaError] = []

        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                failed.append(error)

        order = json.dumps({"number": number, "item": item})
        self._producer.produce(self._topic, order, key=number, on_delivery=delivered)
        left = self._producer.flush(self._timeout_s + 1)
        if failed or left:
            raise OrderNotTaken(number, failed[0] if failed else "no answer")


class Warehouse:
    """Reads orders and writes shipments, each order exactly once: a shipment and the position in
    the orders are one transaction."""

    def __init__(self, bootstrap: str, name: str = "warehouse") -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": name,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "session.timeout.ms": 6000,
            }
        )
        self._producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": name})
        self._producer.init_transactions(10)
        self._consumer.subscribe([ORDERS])

    def ship_next(self, timeout_s: float = 10.0) -> str | None:
        """The number of the order that was shipped; None if none came in time."""
        message = self._consumer.poll(timeout_s)
        if message is None:
            return None
        if message.error():
            raise KafkaException(message.error())
        order = json.loads(message.value() or b"{}")
        with self._transaction(message):
            shipment = json.dumps({"order": order["number"], "parcel": f"1 x {order['item']}"})
            self._producer.produce(SHIPMENTS, shipment, key=message.key())
        return str(order["number"])

    @contextmanager
    def _transaction(self, order: Message) -> Iterator[None]:
        """What is written inside is written together with the position behind the order, or not at
        all; then the order is read again."""
        self._producer.begin_transaction()
        try:
            yield
            group = self._consumer.consumer_group_metadata()
            self._producer.send_offsets_to_transaction([position(order, 1)], group)
            self._commit()
        except KafkaException as error:
            if error.args[0].txn_requires_abort():
                self._producer.abort_transaction()
                self._consumer.seek(position(order))
            raise

    def _commit(self) -> None:
        while True:
            try:
                return self._producer.commit_transaction()
            except KafkaException as error:
                if not error.args[0].retriable():
                    raise

    def close(self) -> None:
        self._consumer.close()


def position(message: Message, ahead: int = 0) -> TopicPartition:
    """Where a message is, or so many further."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    return TopicPartition(topic, partition, offset + ahead)
