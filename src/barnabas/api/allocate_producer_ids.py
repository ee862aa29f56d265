"""AllocateProducerIds v0: a broker asks the controller for a block of producer ids (KIP-730)."""

from __future__ import annotations

from barnabas.api.registry import on_cluster, serves
from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.authorizer.acl import AclOperation
from barnabas.controller.requests import AllocateProducerIds
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.allocate_producer_ids import AllocateProducerIdsRequest


@serves(ApiKey.ALLOCATE_PRODUCER_IDS, on_cluster(AclOperation.CLUSTER_ACTION))
def handle(services: Services, request: Request) -> Answer:
    """One event of the controller's queue (reference 4.7)."""
    return _ask(services, request)


async def _ask(services: Services, request: Request) -> Pieces:
    return request.answer(
        await services.controller.ask(
            AllocateProducerIds(request.decode(AllocateProducerIdsRequest))
        )
    )
