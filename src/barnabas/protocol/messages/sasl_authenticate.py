"""SaslAuthenticate: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import RequestMessage, ResponseMessage


class SaslAuthenticateResponse(ResponseMessage, kw_only=True):
    """SaslAuthenticate, v0-2."""

    API_KEY: ClassVar[ApiKey] = ApiKey.SASL_AUTHENTICATE

    error_code: int
    error_message: str | None
    auth_bytes: bytes
    session_lifetime: int = 0  # v1-2


class SaslAuthenticateRequest(RequestMessage[SaslAuthenticateResponse], kw_only=True):
    """SaslAuthenticate, v0-2."""

    API_KEY: ClassVar[ApiKey] = ApiKey.SASL_AUTHENTICATE

    auth_bytes: bytes
