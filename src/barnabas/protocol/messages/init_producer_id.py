"""InitProducerId: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import RequestMessage, ResponseMessage


class InitProducerIdResponse(ResponseMessage, kw_only=True):
    """InitProducerId, v0-5."""

    API_KEY: ClassVar[ApiKey] = ApiKey.INIT_PRODUCER_ID

    throttle_time: int
    error_code: int
    producer_id: int = -1
    producer_epoch: int


class InitProducerIdRequest(RequestMessage[InitProducerIdResponse], kw_only=True):
    """InitProducerId, v0-5."""

    API_KEY: ClassVar[ApiKey] = ApiKey.INIT_PRODUCER_ID

    transactional_id: str | None
    transaction_timeout: int
    producer_id: int = -1  # v3-5
    producer_epoch: int = -1  # v3-5
