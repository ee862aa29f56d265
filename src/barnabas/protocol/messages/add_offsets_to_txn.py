"""AddOffsetsToTxn: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import RequestMessage, ResponseMessage


class AddOffsetsToTxnResponse(ResponseMessage, kw_only=True):
    """AddOffsetsToTxn, v0-4."""

    API_KEY: ClassVar[ApiKey] = ApiKey.ADD_OFFSETS_TO_TXN

    throttle_time: int
    error_code: int


class AddOffsetsToTxnRequest(RequestMessage[AddOffsetsToTxnResponse], kw_only=True):
    """AddOffsetsToTxn, v0-4."""

    API_KEY: ClassVar[ApiKey] = ApiKey.ADD_OFFSETS_TO_TXN

    transactional_id: str
    producer_id: int
    producer_epoch: int
    group_id: str
