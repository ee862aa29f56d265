"""ExpireDelegationToken: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import RequestMessage, ResponseMessage


class ExpireDelegationTokenResponse(ResponseMessage, kw_only=True):
    """ExpireDelegationToken, v0-2."""

    API_KEY: ClassVar[ApiKey] = ApiKey.EXPIRE_DELEGATION_TOKEN

    error_code: int
    expiry_timestamp: int
    throttle_time: int


class ExpireDelegationTokenRequest(RequestMessage[ExpireDelegationTokenResponse], kw_only=True):
    """ExpireDelegationToken, v0-2."""

    API_KEY: ClassVar[ApiKey] = ApiKey.EXPIRE_DELEGATION_TOKEN

    hmac: bytes
    expiry_time_period: int
