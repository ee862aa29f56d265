"""Typed messages from untyped ones, for what is called without the wire between."""

from __future__ import annotations

from typing import Any

from barnabas.protocol import codec
from barnabas.protocol.api import API_TABLE, ApiKey
from barnabas.protocol.message import Message


def typed_request(api: ApiKey, message: Message, version: int | None = None) -> Any:
    """``message`` as a broker decodes it; in the last version, unless another is given."""
    version = API_TABLE[api].max_version if version is None else version
    body = codec.encode_body(api, version, message, response=False)
    return codec.decode_request(api, version, body)


def typed_response(api: ApiKey, message: Message, version: int | None = None) -> Any:
    """The same of an answer."""
    version = API_TABLE[api].max_version if version is None else version
    body = codec.encode_body(api, version, message, response=True)
    return codec.decode_response(api, version, body)
