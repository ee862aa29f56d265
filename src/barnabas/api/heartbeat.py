"""Heartbeat v0-4: a member is alive, and learns whether a rebalance has begun."""

from __future__ import annotations

from barnabas.api.registry import serves
from barnabas.api.request import Answer, Request
from barnabas.api.services import Services
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message


@serves(ApiKey.HEARTBEAT)
def handle(services: Services, request: Request) -> Answer:
    """At once."""
    decoded = request.decode()
    error = services.groups.heartbeat(
        decoded.group_id,
        decoded.member_id,
        getattr(decoded, "group_instance_id", None),
        decoded.generation_id,
    )
    return request.answer(Message(throttle_time=0, error_code=error))
