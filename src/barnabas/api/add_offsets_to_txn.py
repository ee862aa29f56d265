"""AddOffsetsToTxn v0-4: adds the partition of a group's positions to a transaction."""

from __future__ import annotations

from barnabas.api.access import is_allowed
from barnabas.api.fenced import fenced
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.api.when import when
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.coordinator.group.placement import OFFSETS_TOPIC
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.add_offsets_to_txn import (
    AddOffsetsToTxnRequest,
    AddOffsetsToTxnResponse,
)
from barnabas.types import TopicPartition


@serves(
    ApiKey.ADD_OFFSETS_TO_TXN,
    of_each(
        (ResourceType.TRANSACTIONAL_ID, AclOperation.WRITE), (ResourceType.GROUP, AclOperation.READ)
    ),
)
def handle(services: Services, request: Request) -> Answer:
    """Waits for the in-sync replicas of the transactional id's partition."""
    decoded = request.decode(AddOffsetsToTxnRequest)
    kind, refused = ResourceType.TRANSACTIONAL_ID, ErrorCode.NONE
    if not is_allowed(services, request, AclOperation.WRITE, kind, decoded.transactional_id):
        refused = ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    elif not is_allowed(services, request, AclOperation.READ, ResourceType.GROUP, decoded.group_id):
        refused = ErrorCode.GROUP_AUTHORIZATION_FAILED
    if refused != ErrorCode.NONE:
        return request.answer(AddOffsetsToTxnResponse(throttle_time=0, error_code=refused))
    partition = TopicPartition(OFFSETS_TOPIC, services.groups.partition_of(decoded.group_id))
    result = services.transactions.add_partitions(
        decoded.transactional_id, decoded.producer_id, decoded.producer_epoch, [partition]
    )

    def answer(error: ErrorCode) -> Pieces:
        return request.answer(
            AddOffsetsToTxnResponse(throttle_time=0, error_code=fenced(request, error))
        )

    return when(result, answer)
