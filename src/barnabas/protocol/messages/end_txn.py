"""EndTxn: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import RequestMessage, ResponseMessage


class EndTxnResponse(ResponseMessage, kw_only=True):
    """EndTxn, v0-4."""

    API_KEY: ClassVar[ApiKey] = ApiKey.END_TXN

    throttle_time: int
    error_code: int


class EndTxnRequest(RequestMessage[EndTxnResponse], kw_only=True):
    """EndTxn, v0-4."""

    API_KEY: ClassVar[ApiKey] = ApiKey.END_TXN

    transactional_id: str
    producer_id: int
    producer_epoch: int
    committed: bool
