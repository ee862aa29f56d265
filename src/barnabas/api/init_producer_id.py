"""InitProducerId v0-5 for idempotent producers: a fresh id with epoch 0.

Transactional ids are not served yet: they get COORDINATOR_NOT_AVAILABLE, as from a cluster without
a transaction coordinator (SKIPPED.md).
"""

from __future__ import annotations

from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.errors import ErrorCode, KafkaError
from barnabas.protocol.message import Message
from barnabas.types import NO_PRODUCER_EPOCH, NO_PRODUCER_ID


def handle(services: Services, request: Request) -> Answer:
    """The next id of this broker's block."""
    return _allocate(services, request)


async def _allocate(services: Services, request: Request) -> Pieces:
    decoded = request.decode()
    answer = Message(
        throttle_time=0,
        error_code=ErrorCode.NONE,
        producer_id=NO_PRODUCER_ID,
        producer_epoch=NO_PRODUCER_EPOCH,
    )
    given = (getattr(decoded, "producer_id", -1), getattr(decoded, "producer_epoch", -1))
    if decoded.transactional_id == "" or (given[0] < 0) != (given[1] < 0):
        answer.error_code = ErrorCode.INVALID_REQUEST
    elif decoded.transactional_id is not None:
        answer.error_code = ErrorCode.COORDINATOR_NOT_AVAILABLE
    else:
        try:
            answer.producer_id = await services.producer_ids.next()
            answer.producer_epoch = 0
        except KafkaError as error:
            answer.error_code = error.code
    return request.answer(answer)
