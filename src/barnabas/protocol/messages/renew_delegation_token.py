"""RenewDelegationToken: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import RequestMessage, ResponseMessage


class RenewDelegationTokenResponse(ResponseMessage, kw_only=True):
    """RenewDelegationToken, v0-2."""

    API_KEY: ClassVar[ApiKey] = ApiKey.RENEW_DELEGATION_TOKEN

    error_code: int
    expiry_timestamp: int
    throttle_time: int


class RenewDelegationTokenRequest(RequestMessage[RenewDelegationTokenResponse], kw_only=True):
    """RenewDelegationToken, v0-2."""

    API_KEY: ClassVar[ApiKey] = ApiKey.RENEW_DELEGATION_TOKEN

    hmac: bytes
    renew_period: int
