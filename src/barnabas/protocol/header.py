"""Request and response headers (reference 4).

Request header v1 is key, version, correlation id and client id (i16 length, nullable). v2 adds a
tagged section; flexible versions have it. Only ControlledShutdown v0 has header v0, without a
client id. Response header v0 is the correlation id. v1 adds a tagged section; flexible versions
have it, but never ApiVersions.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from barnabas.errors import InvalidRequest
from barnabas.protocol.api import API_TABLE, ApiKey
from barnabas.protocol.wire import MALFORMED, read_tags
from barnabas.types import Buffer

_REQUEST_HEADER = struct.Struct(">hhih")
_CORRELATION_ID = struct.Struct(">i")
_CONTROLLED_SHUTDOWN = int(ApiKey.CONTROLLED_SHUTDOWN)
_FLEXIBLE_FROM = {
    int(key): api.flexible_from for key, api in API_TABLE.items() if api.flexible_from is not None
}
_NEVER = 1 << 15
"""Greater than any version."""
_REQUEST_START = struct.Struct(">ihhih")
_RESPONSE_START = struct.Struct(">ii")
_new = tuple.__new__


class RequestHeader(NamedTuple):
    """A request's header; ``api_key`` and ``api_version`` are as sent and may be unknown."""

    api_key: int
    api_version: int
    correlation_id: int
    client_id: str | None


def parse_request_header(buffer: Buffer, offset: int = 0) -> tuple[RequestHeader, int]:
    """The header of a request frame (without its size) and where the body starts.

    An unknown key or version is no error here. Its header is read in the format of the nearest
    known version, and the caller answers (ApiVersions) or closes. Raises InvalidRequest."""
    try:
        # With the body of ControlledShutdown v0 there are always enough bytes for this.
        key, version, correlation_id, length = _REQUEST_HEADER.unpack_from(buffer, offset)
        if key == _CONTROLLED_SHUTDOWN and not version:
            return RequestHeader(key, version, correlation_id, None), offset + 8
        position = offset + 10
        client_id = None
        if length >= 0:
            end = position + length
            client_id = str(buffer[position:end], "utf-8")
            position = end
        elif length != -1:
            raise InvalidRequest(f"client id of {length} bytes")
        if version >= _FLEXIBLE_FROM.get(key, _NEVER):
            position = position + 1 if not buffer[position] else read_tags(buffer, position)
    except MALFORMED as error:
        raise InvalidRequest(f"bad request header: {error}") from error
    if position > len(buffer):
        raise InvalidRequest(f"request header ends {position - len(buffer)} bytes after its frame")
    return _new(RequestHeader, (key, version, correlation_id, client_id)), position


def parse_response_header(
    api_key: int, version: int, buffer: Buffer, offset: int = 0
) -> tuple[int, int]:
    """Correlation id of a response frame (without its size) and where its body starts.

    Raises InvalidRequest."""
    try:
        (correlation_id,) = _CORRELATION_ID.unpack_from(buffer, offset)
        position = offset + 4
        if API_TABLE[api_key].response_is_tagged(version):
            position = read_tags(buffer, position)
    except MALFORMED as error:
        raise InvalidRequest(f"bad response header: {error}") from error
    if position > len(buffer):
        raise InvalidRequest(f"response header ends {position - len(buffer)} bytes after its frame")
    return correlation_id, position


def correlation_id_of(response: Buffer) -> int:
    """The correlation id with which every response frame (without its size) begins."""
    try:
        value: int = _CORRELATION_ID.unpack_from(response, 0)[0]
    except struct.error as error:
        raise InvalidRequest("response shorter than its correlation id") from error
    return value


def request_start(
    api_key: int, version: int, correlation_id: int, client_id: str | None, body_size: int
) -> bytes:
    """Size prefix and header of a request whose body has ``body_size`` bytes."""
    if api_key == ApiKey.CONTROLLED_SHUTDOWN and version == 0:
        return struct.pack(">ihhi", 8 + body_size, api_key, version, correlation_id)
    name = b"" if client_id is None else client_id.encode()
    tags = b"\0" if API_TABLE[api_key].is_flexible(version) else b""
    size = 10 + len(name) + len(tags) + body_size
    length = -1 if client_id is None else len(name)
    start = _REQUEST_START.pack(size, api_key, version, correlation_id, length)
    return start + name + tags


def response_start(api_key: int, version: int, correlation_id: int, body_size: int) -> bytes:
    """Size prefix and header of a response whose body has ``body_size`` bytes."""
    if API_TABLE[api_key].response_is_tagged(version):
        return _RESPONSE_START.pack(5 + body_size, correlation_id) + b"\0"
    return _RESPONSE_START.pack(4 + body_size, correlation_id)
