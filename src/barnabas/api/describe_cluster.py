"""DescribeCluster v0-1: cluster id, controller and brokers. Only the broker endpoint type."""

from __future__ import annotations

from barnabas.api.metadata import NO_OPERATIONS
from barnabas.api.request import Answer, Request
from barnabas.api.services import Services
from barnabas.errors import ErrorCode
from barnabas.protocol.message import Message

BROKERS = 1


def handle(services: Services, request: Request) -> Answer:
    """From the metadata cache, at once."""
    decoded = request.decode()
    endpoint_type = getattr(decoded, "endpoint_type", BROKERS)
    error, message = ErrorCode.NONE, None
    if endpoint_type != BROKERS:
        error, message = ErrorCode.INVALID_REQUEST, "This cluster has no controller endpoints."
    controller_id = services.metadata.controller_id
    return request.answer(
        Message(
            throttle_time=0,
            error_code=error,
            error_message=message,
            endpoint_type=BROKERS,
            cluster_id=services.cluster_id,
            controller_id=-1 if controller_id is None else controller_id,
            brokers=[
                Message(broker_id=b.id, host=e.host, port=e.port, rack=b.rack)
                for b in services.metadata.brokers.values()
                if (e := b.endpoint(request.listener)) is not None
            ],
            cluster_authorized_operations=NO_OPERATIONS,
        )
    )
