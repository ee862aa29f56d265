"""AlterPartitionReassignments v0 (KIP-455): move partitions to other replicas, or cancel that.

Only the controller serves it. It answers when the move has begun and is recorded in ZooKeeper, so
the request's timeout is not used, as in Kafka. ListPartitionReassignments lists running moves.
"""

from __future__ import annotations

from barnabas.api.registry import on_cluster, serves
from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.authorizer.acl import AclOperation
from barnabas.controller.requests import ApiPartitionReassignment
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
)


@serves(ApiKey.ALTER_PARTITION_REASSIGNMENTS, on_cluster(AclOperation.ALTER))
def handle(services: Services, request: Request) -> Answer:
    """One event of the controller's queue (reference 3.10)."""
    return _ask(services, request)


async def _ask(services: Services, request: Request) -> Pieces:
    answer = await services.controller.ask(
        ApiPartitionReassignment(request.decode(AlterPartitionReassignmentsRequest))
    )
    return request.answer(answer)
