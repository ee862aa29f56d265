"""Heartbeat v0-4: keeps a member in its group, and tells it whether a rebalance has begun."""

from __future__ import annotations

from barnabas.api.access import is_allowed
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Request
from barnabas.api.services import Services
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse


@serves(ApiKey.HEARTBEAT, of_each((ResourceType.GROUP, AclOperation.READ)))
def handle(services: Services, request: Request) -> Answer:
    """Answers at once."""
    decoded = request.decode(HeartbeatRequest)
    if not is_allowed(services, request, AclOperation.READ, ResourceType.GROUP, decoded.group_id):
        return request.answer(
            HeartbeatResponse(throttle_time=0, error_code=ErrorCode.GROUP_AUTHORIZATION_FAILED)
        )
    error = services.groups.heartbeat(
        decoded.group_id,
        decoded.member_id,
        decoded.group_instance_id,
        decoded.generation_id,
    )
    return request.answer(HeartbeatResponse(throttle_time=0, error_code=error))
