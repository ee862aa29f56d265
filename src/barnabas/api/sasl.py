"""SaslHandshake v0-1 and SaslAuthenticate v0-2, where no listener asks for SASL.

On a listener without SASL a client is authenticated as soon as it is connected, so both come too
late: ILLEGAL_SASL_STATE, as the original answers on PLAINTEXT.
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
    """No mechanism is on offer."""
    request.decode(SaslHandshakeRequest)
    return request.answer(
        SaslHandshakeResponse(error_code=ErrorCode.ILLEGAL_SASL_STATE, mechanisms=[])
    )


@serves(ApiKey.SASL_AUTHENTICATE, ANYBODY)
def handle_authenticate(services: Services, request: Request) -> Answer:
    """Whatever the bytes say."""
    request.decode(SaslAuthenticateRequest)
    return request.answer(
        SaslAuthenticateResponse(
            error_code=ErrorCode.ILLEGAL_SASL_STATE,
            error_message="SaslAuthenticate request received after successful authentication",
            auth_bytes=b"",
            session_lifetime=0,
        )
    )
