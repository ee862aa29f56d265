"""Orders with FastStream: a service that answers each order with a shipment."""

from __future__ import annotations

from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from pydantic import BaseModel

ORDERS, SHIPMENTS = "orders", "shipments"


class Order(BaseModel):
    number: str
    item: str


class Shipment(BaseModel):
    order: str
    parcel: str


def service(bootstrap: str) -> KafkaBroker:
    """Its application; ``async with`` and ``start`` run it."""
    broker = KafkaBroker(
        bootstrap.split(","),
        client_id="shipping",
        enable_idempotence=True,
        retry_backoff_ms=20,
    )

    @broker.subscriber(
        ORDERS,
        group_id="shipping",
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.NACK_ON_ERROR,
        session_timeout_ms=1000,
        heartbeat_interval_ms=100,
    )
    @broker.publisher(SHIPMENTS)
    async def ship(order: Order) -> Shipment:
        return Shipment(order=order.number, parcel=f"1 x {order.item}")

    return broker
