"""ListPartitionReassignments v0 (KIP-455): lists the partitions that are being moved. Only the
controller serves it. Partitions that are not being moved, or do not exist, are left out.
"""

from __future__ import annotations

from barnabas.api.access import denied
from barnabas.api.registry import on_cluster, serves
from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.authorizer.acl import AclOperation
from barnabas.controller.requests import ListPartitionReassignments
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
)


def _refuse(services: Services, request: Request) -> Pieces:
    """The answer to a denied request: the partitions asked for, without replicas."""
    refused = denied(ErrorCode.CLUSTER_AUTHORIZATION_FAILED)
    return request.answer(
        ListPartitionReassignmentsResponse(
            throttle_time=0,
            error_code=refused.code,
            error_message=refused.message,
            topics=[
                ListPartitionReassignmentsResponse.OngoingTopicReassignment(
                    name=topic.name,
                    partitions=[
                        ListPartitionReassignmentsResponse.OngoingPartitionReassignment(
                            partition_index=number,
                            replicas=[],
                            adding_replicas=[],
                            removing_replicas=[],
                        )
                        for number in topic.partition_indexes
                    ],
                )
                for topic in request.decode(ListPartitionReassignmentsRequest).topics or ()
            ],
        )
    )


@serves(ApiKey.LIST_PARTITION_REASSIGNMENTS, on_cluster(AclOperation.DESCRIBE, _refuse))
def handle(services: Services, request: Request) -> Answer:
    """One event of the controller's queue (reference 3.10)."""
    return _ask(services, request)


async def _ask(services: Services, request: Request) -> Pieces:
    answer = await services.controller.ask(
        ListPartitionReassignments(request.decode(ListPartitionReassignmentsRequest))
    )
    return request.answer(answer)
