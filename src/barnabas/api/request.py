"""One request on its way through a broker, and the forms an answer can take."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeAlias

from barnabas.protocol.api import ApiKey
from barnabas.protocol.codec import decode_request, encode_response
from barnabas.protocol.message import Message
from barnabas.types import Buffer

Pieces: TypeAlias = list[Buffer]
"""A whole response frame, its size prefix included, in pieces that are written as they are."""

Answer: TypeAlias = "Pieces | asyncio.Future[Pieces] | Coroutine[Any, Any, Pieces] | None"
"""What a handler returns: the frame, a promise of it, a coroutine that makes it, or nothing
(acks=0). Answers leave a connection in the order of its requests, whatever their form."""


@dataclass(slots=True, kw_only=True)
class Request:
    """A framed request whose header has been read."""

    api_key: int
    api_version: int
    correlation_id: int
    client_id: str | None
    frame: memoryview
    """The whole frame without its size prefix; writable, and ours until the answer has left."""
    body_offset: int
    """Where the body begins in ``frame``."""
    client_host: str
    listener: str
    """Name of the listener the connection arrived at: decides which endpoints it is told."""

    def decode(self) -> Any:
        """The body as kio describes it. Raises InvalidRequest."""
        return decode_request(self.api_key, self.api_version, self.frame, self.body_offset)

    def answer(self, message: Message) -> Pieces:
        """``message`` as the response frame of this request."""
        return [encode_response(self.api_key, self.api_version, self.correlation_id, message)]


def api_name(api_key: int) -> str:
    """For logs: the API's name, or its number."""
    try:
        return ApiKey(api_key).name
    except ValueError:
        return f"api {api_key}"
