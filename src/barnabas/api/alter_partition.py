"""AlterPartition v0-3: a leader asks the controller to change its ISR (KIP-497, -841, -903)."""

from __future__ import annotations

from barnabas.api.access import refuse_without_items
from barnabas.api.registry import on_cluster, serves
from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.authorizer.acl import AclOperation
from barnabas.controller.requests import AlterPartitionReceived
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.alter_partition import AlterPartitionRequest

TOPIC_IDS_FROM = 2


@serves(ApiKey.ALTER_PARTITION, on_cluster(AclOperation.CLUSTER_ACTION, refuse_without_items))
def handle(services: Services, request: Request) -> Answer:
    """One event of the controller's queue (reference 3.9)."""
    return _ask(services, request)


async def _ask(services: Services, request: Request) -> Pieces:
    asked = AlterPartitionReceived(
        request.decode(AlterPartitionRequest), by_name=request.api_version < TOPIC_IDS_FROM
    )
    return request.answer(await services.controller.ask(asked))
