"""InitProducerId v0-5: gives a producer its id and epoch (KIP-98, KIP-360).

Without a transactional id the producer gets a new id with epoch 0. With one it gets the id's
producer id with a higher epoch, which fences the producer that had it before. From v3 a producer
may name its present id and epoch, to continue with them after an error. Below v4 PRODUCER_FENCED is
answered as INVALID_PRODUCER_EPOCH.
"""

from __future__ import annotations

from barnabas.api.access import is_allowed, is_allowed_on_cluster
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.coordinator.transaction.decisions import Expected
from barnabas.errors import ErrorCode, KafkaError
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.init_producer_id import (
    InitProducerIdRequest,
    InitProducerIdResponse,
)
from barnabas.types import NO_PRODUCER_EPOCH, NO_PRODUCER_ID

FENCED_FROM = 4


@serves(
    ApiKey.INIT_PRODUCER_ID,
    of_each(
        (ResourceType.TRANSACTIONAL_ID, AclOperation.WRITE),
        (ResourceType.CLUSTER, AclOperation.IDEMPOTENT_WRITE),
        (ResourceType.TOPIC, AclOperation.WRITE),
    ),
)
def handle(services: Services, request: Request) -> Answer:
    """Answers the next id of this broker's block, or what the transaction coordinator decides."""
    return _init(services, request)


def _check_allowed(services: Services, request: Request, transactional_id: str | None) -> None:
    """Raise an authorization error unless the sender may use the transactional id. Without one, a
    right to write to any topic is enough for an idempotent producer (KIP-679)."""
    write, kind = AclOperation.WRITE, ResourceType.TRANSACTIONAL_ID
    if transactional_id is not None:
        if not is_allowed(services, request, write, kind, transactional_id):
            raise KafkaError(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
    elif not is_allowed_on_cluster(
        services, request, AclOperation.IDEMPOTENT_WRITE, quiet=True
    ) and not is_allowed(services, request, write, ResourceType.TOPIC, None):
        raise KafkaError(ErrorCode.CLUSTER_AUTHORIZATION_FAILED)


async def _init(services: Services, request: Request) -> Pieces:
    decoded = request.decode(InitProducerIdRequest)
    given = Expected(
        decoded.producer_id,
        decoded.producer_epoch,
    )
    answer = InitProducerIdResponse(
        throttle_time=0,
        error_code=ErrorCode.NONE,
        producer_id=NO_PRODUCER_ID,
        producer_epoch=NO_PRODUCER_EPOCH,
    )
    try:
        _check_allowed(services, request, decoded.transactional_id)
        if (given.producer_id < 0) != (given.epoch < 0):
            raise KafkaError(ErrorCode.INVALID_REQUEST)
        if decoded.transactional_id is None:
            answer.producer_id, answer.producer_epoch = await services.producer_ids.next(), 0
        else:
            identity = await services.transactions.init_producer(
                decoded.transactional_id,
                decoded.transaction_timeout,
                None if given.producer_id < 0 else given,
            )
            answer.producer_id, answer.producer_epoch = identity
    except KafkaError as error:
        answer.error_code = error.code
        if error.code == ErrorCode.PRODUCER_FENCED and request.api_version < FENCED_FROM:
            answer.error_code = ErrorCode.INVALID_PRODUCER_EPOCH
    return request.answer(answer)
