"""StopReplica v0-4: the controller stops replicas of this broker, with or without deleting data."""

from __future__ import annotations

from barnabas.api.registry import on_cluster, serves
from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.authorizer.acl import AclOperation
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.stop_replica import StopReplicaRequest


@serves(ApiKey.STOP_REPLICA, on_cluster(AclOperation.CLUSTER_ACTION))
def handle(services: Services, request: Request) -> Answer:
    """Waits until this broker has registered (reference 4.3)."""
    return _apply(services, request)


async def _apply(services: Services, request: Request) -> Pieces:
    order = request.decode(StopReplicaRequest)
    message = await services.replicas.stop_replica(order, request.sender)
    return await request.in_turns_if_long(request.answer_in_steps(message))
