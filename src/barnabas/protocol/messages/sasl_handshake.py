"""SaslHandshake: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import RequestMessage, ResponseMessage


class SaslHandshakeResponse(ResponseMessage, kw_only=True):
    """SaslHandshake, v0-1."""

    API_KEY: ClassVar[ApiKey] = ApiKey.SASL_HANDSHAKE

    error_code: int
    mechanisms: Sequence[str]


class SaslHandshakeRequest(RequestMessage[SaslHandshakeResponse], kw_only=True):
    """SaslHandshake, v0-1."""

    API_KEY: ClassVar[ApiKey] = ApiKey.SASL_HANDSHAKE

    mechanism: str
