"""DescribeCluster v0-1: cluster id, controller and brokers. Only for the endpoint type of
brokers."""

from __future__ import annotations

from barnabas.api.access import NOT_ASKED, cluster_operations
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Request
from barnabas.api.services import Services
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.describe_cluster import (
    DescribeClusterRequest,
    DescribeClusterResponse,
)

BROKERS, CONTROLLERS = 1, 2
ENDPOINT_TYPES_FROM_VERSION = 1


@serves(ApiKey.DESCRIBE_CLUSTER, of_each((ResourceType.CLUSTER, AclOperation.DESCRIBE)))
def handle(services: Services, request: Request) -> Answer:
    """Answers from the metadata cache, at once."""
    decoded = request.decode(DescribeClusterRequest)
    if decoded.endpoint_type != BROKERS:
        return _refuse(request, decoded.endpoint_type)
    brokers = [
        DescribeClusterResponse.Broker(broker_id=b.id, host=e.host, port=e.port, rack=b.rack)
        for b in services.metadata.brokers.values()
        if (e := b.endpoint(request.listener)) is not None
    ]
    controller_id = services.metadata.controller_id
    if controller_id not in [b.broker_id for b in brokers]:
        controller_id = None
    return request.answer(
        DescribeClusterResponse(
            throttle_time=0,
            error_code=ErrorCode.NONE,
            error_message=None,
            endpoint_type=BROKERS,
            cluster_id=services.cluster_id,
            controller_id=-1 if controller_id is None else controller_id,
            brokers=brokers,
            cluster_authorized_operations=cluster_operations(services, request)
            if decoded.include_cluster_authorized_operations
            else NOT_ASKED,
        )
    )


def _refuse(request: Request, endpoint_type: int) -> Answer:
    """Refuse other endpoint types: controllers have no listeners of their own here (KIP-919)."""
    if endpoint_type == CONTROLLERS:
        error = ErrorCode.MISMATCHED_ENDPOINT_TYPE
        text = (
            "The request was sent to an endpoint of type BROKER,"
            " but we wanted an endpoint of type CONTROLLER"
        )
    else:
        error = ErrorCode.UNSUPPORTED_ENDPOINT_TYPE
        text = f"Unsupported endpoint type {endpoint_type}"
    if request.api_version < ENDPOINT_TYPES_FROM_VERSION:
        error = ErrorCode.INVALID_REQUEST
    return request.answer(
        DescribeClusterResponse(
            throttle_time=0,
            error_code=error,
            error_message=text,
            endpoint_type=BROKERS,
            cluster_id="",
            controller_id=-1,
            brokers=[],
            cluster_authorized_operations=NOT_ASKED,
        )
    )
