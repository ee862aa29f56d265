"""SaslHandshake v0-1 and SaslAuthenticate v0-2 on listeners without SASL.

There a client counts as authenticated as soon as it is connected. So both come too late, and the
answer is ILLEGAL_SASL_STATE, as Kafka's on PLAINTEXT.
"""

from __future__ import annotations

from barnabas.api.registry import ANYBODY, serves
from barnabas.api.request import Answer, Request
from barnabas.api.services import Services
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.sasl_authenticate import (
    SaslAuthenticateRequest,
    SaslAuthenticateResponse,
)
from barnabas.protocol.messages.sasl_handshake import SaslHandshakeRequest, SaslHandshakeResponse


@serves(ApiKey.SASL_HANDSHAKE, ANYBODY)
def handle_handshake(services: Services, request: Request) -> Answer:
    """Offers no mechanism."""
    request.decode(SaslHandshakeRequest)
    return request.answer(
        SaslHandshakeResponse(error_code=ErrorCode.ILLEGAL_SASL_STATE, mechanisms=[])
    )


@serves(ApiKey.SASL_AUTHENTICATE, ANYBODY)
def handle_authenticate(services: Services, request: Request) -> Answer:
    """Refuses any token."""
    request.decode(SaslAuthenticateRequest)
    return request.answer(
        SaslAuthenticateResponse(
            error_code=ErrorCode.ILLEGAL_SASL_STATE,
            error_message="SaslAuthenticate request received after successful authentication",
            auth_bytes=b"",
            session_lifetime=0,
        )
    )
