"""ControlledShutdown v0-3: a broker asks the controller to move its leaderships before it stops."""

from __future__ import annotations

from barnabas.api.registry import on_cluster, serves
from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.authorizer.acl import AclOperation
from barnabas.controller.requests import ControlledShutdown
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.controlled_shutdown import ControlledShutdownRequest


@serves(ApiKey.CONTROLLED_SHUTDOWN, on_cluster(AclOperation.CLUSTER_ACTION))
def handle(services: Services, request: Request) -> Answer:
    """One event of the controller's queue (reference 3.12)."""
    return _ask(services, request)


async def _ask(services: Services, request: Request) -> Pieces:
    return request.answer(
        await services.controller.ask(ControlledShutdown(request.decode(ControlledShutdownRequest)))
    )
