"""AllocateProducerIds: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import RequestMessage, ResponseMessage


class AllocateProducerIdsResponse(ResponseMessage, kw_only=True):
    """AllocateProducerIds, v0."""

    API_KEY: ClassVar[ApiKey] = ApiKey.ALLOCATE_PRODUCER_IDS

    throttle_time: int
    error_code: int
    producer_id_start: int
    producer_id_len: int


class AllocateProducerIdsRequest(RequestMessage[AllocateProducerIdsResponse], kw_only=True):
    """AllocateProducerIds, v0."""

    API_KEY: ClassVar[ApiKey] = ApiKey.ALLOCATE_PRODUCER_IDS

    broker_id: int
    broker_epoch: int = -1
