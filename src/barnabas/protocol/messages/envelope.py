"""Envelope: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import RequestMessage, ResponseMessage


class EnvelopeResponse(ResponseMessage, kw_only=True):
    """Envelope, v0."""

    API_KEY: ClassVar[ApiKey] = ApiKey.ENVELOPE

    response_data: bytes | None = None
    error_code: int


class EnvelopeRequest(RequestMessage[EnvelopeResponse], kw_only=True):
    """Envelope, v0."""

    API_KEY: ClassVar[ApiKey] = ApiKey.ENVELOPE

    request_data: bytes
    request_principal: bytes | None
    client_host_address: bytes
