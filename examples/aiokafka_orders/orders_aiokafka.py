"""Orders with aiokafka: a shop writes them, and a kitchen cooks them in a group of cooks."""

from __future__ import annotations

import json
from types import TracebackType
from typing import Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError

ORDERS = "orders"


class OrderNotTaken(Exception):
    """Kafka has not acknowledged it: the guest must be told to try again."""


class Shop:
    """Takes orders."""

    def __init__(self, bootstrap: str) -> None:
        self._producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap,
            enable_idempotence=True,
            retry_backoff_ms=20,
        )

    async def __aenter__(self) -> Self:
        await self._producer.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._producer.stop()

    async def take(self, table: str, dish: str) -> None:
        """Returns when the order is safe. Raises OrderNotTaken."""
        order = json.dumps({"table": table, "dish": dish}).encode()
        try:
            await self._producer.send_and_wait(ORDERS, order, key=table.encode())
        except KafkaError as error:
            raise OrderNotTaken(table) from error


class Cook:
    """One of a group. An order counts as cooked when its position is committed, so a cook who drops
    dead leaves it to another."""

    def __init__(self, bootstrap: str, name: str) -> None:
        self.name = name
        self._consumer = AIOKafkaConsumer(
            ORDERS,
            bootstrap_servers=bootstrap,
            client_id=name,
            group_id="kitchen",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            session_timeout_ms=1000,
            heartbeat_interval_ms=100,
            retry_backoff_ms=20,
        )

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._consumer.stop()

    async def cook_next(self) -> str:
        """Wait for an order; the dish, once nobody else will cook it."""
        message = await self._consumer.getone()
        await self._consumer.commit()
        return str(json.loads(message.value)["dish"])
