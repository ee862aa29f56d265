"""Bytes to messages and back, for every API in the table.

Decoders and encoders are generated on first use of an (API, version, direction): kio describes the
messages, and loading all of its description takes seconds. The generated functions
are pure, so keeping them is the only state here.

``decode_*`` take the position of the body (``header.py`` finds it); ``encode_request`` and
``encode_response`` give whole frames with the 4-byte size. Produce and Fetch have faster ways in
``produce.py`` and ``fetch.py``.
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterable
from functools import cache
from typing import Any

from barnabas.errors import InvalidRequest
from barnabas.protocol import interbroker, schema
from barnabas.protocol.api import API_TABLE, CONTROLLER_APIS, ApiKey
from barnabas.protocol.decoder import (
    Decoder,
    SteppedDecoder,
    compile_decoder,
    compile_stepped_decoder,
)
from barnabas.protocol.encoder import (
    Encoder,
    SteppedEncoder,
    compile_encoder,
    compile_stepped_encoder,
)
from barnabas.protocol.header import request_start, response_start
from barnabas.protocol.message import Message, milliseconds, plain
from barnabas.protocol.wire import MALFORMED
from barnabas.types import Buffer

__all__ = [
    "BODY_BYTES_MAX",
    "Message",
    "decode_request",
    "decode_request_in_steps",
    "decode_response",
    "encode_body",
    "encode_request",
    "encode_response",
    "encode_response_in_steps",
    "milliseconds",
    "unknown_fields",
]

BODY_BYTES_MAX = 32 * 1024 * 1024
"""Longest body decoded into Messages: a decoded struct takes up to a hundred times its bytes.
Records are not decoded here, so Produce and Fetch have only the frame's own bound."""


@cache
def message_schema(api_key: int, version: int, *, response: bool) -> schema.Struct:
    """The schema of one message. Raises KeyError for a version outside the API table."""
    if not API_TABLE[api_key].serves(version):
        raise KeyError(f"no version {version} of {API_TABLE[api_key].name}")
    if api_key in CONTROLLER_APIS:
        return interbroker.message_schema(api_key, version, response=response)
    return schema.load(api_key, version, response=response)


@cache
def _decoder(api_key: int, version: int, response: bool) -> Decoder:
    return compile_decoder(message_schema(api_key, version, response=response))


@cache
def _encoder(api_key: int, version: int, response: bool) -> Encoder:
    return compile_encoder(message_schema(api_key, version, response=response))


@cache
def _stepped_decoder(api_key: int, version: int) -> SteppedDecoder:
    return compile_stepped_decoder(message_schema(api_key, version, response=False))


@cache
def _stepped_encoder(api_key: int, version: int) -> SteppedEncoder:
    return compile_stepped_encoder(message_schema(api_key, version, response=True))


def decode_request(api_key: int, version: int, buffer: Buffer, offset: int = 0) -> Any:
    """The request body from ``offset``; a copy, nothing refers to ``buffer``.

    Bytes after the body are passed over, as in the original: librdkafka's request for all topics
    carries three. Raises InvalidRequest for a malformed body, and for a version that the API table
    lacks."""
    return _decode(api_key, version, buffer, offset, response=False)


def decode_request_in_steps(
    api_key: int, version: int, buffer: Buffer, offset: int = 0, *, elements_max: int
) -> Generator[int, None, Any]:
    """``decode_request`` as a generator that pauses after each element of an array.

    Raises InvalidRequest as that does, and for more than ``elements_max`` elements in all."""
    size = len(buffer) - offset
    if size > BODY_BYTES_MAX:
        raise InvalidRequest(f"body of {size} bytes, at most {BODY_BYTES_MAX}")
    try:
        steps = _stepped_decoder(api_key, version)(bytes(buffer[offset:]), 0)
    except KeyError as error:
        raise InvalidRequest(f"unsupported API {api_key} version {version}") from error
    count = 0
    try:
        while True:
            count += next(steps)
            if count > elements_max:
                raise InvalidRequest(
                    f"{_title(api_key, version)}: more than {elements_max} elements"
                )
            yield 1
    except StopIteration as end:
        message, _ = end.value
        return message
    except MALFORMED as error:
        raise InvalidRequest(f"{_title(api_key, version)}: {error}") from error


def decode_response(api_key: int, version: int, buffer: Buffer, offset: int = 0) -> Any:
    """The response body from ``offset`` to the end, to its last byte; as ``decode_request``."""
    return _decode(api_key, version, buffer, offset, response=True)


def _decode(api_key: int, version: int, buffer: Buffer, offset: int, *, response: bool) -> Message:
    size = len(buffer) - offset
    if size > BODY_BYTES_MAX and api_key not in (ApiKey.PRODUCE, ApiKey.FETCH):
        raise InvalidRequest(f"body of {size} bytes, at most {BODY_BYTES_MAX}")
    try:
        decode = _decoder(api_key, version, response)
    except KeyError as error:
        raise InvalidRequest(f"unsupported API {api_key} version {version}") from error
    body = bytes(buffer[offset:] if offset else buffer)
    try:
        message, position = decode(body, 0)
    except MALFORMED as error:
        raise InvalidRequest(f"{_title(api_key, version)}: {error}") from error
    except InvalidRequest as error:
        raise InvalidRequest(f"{_title(api_key, version)}: {error}") from error
    if response and position != len(body):
        raise InvalidRequest(
            f"{_title(api_key, version)}: body of {len(body)} bytes, {position} of them meant"
        )
    return message


def _title(api_key: int, version: int) -> str:
    return f"{API_TABLE[api_key].name} v{version}"


def encode_body(api_key: int, version: int, message: Any, *, response: bool) -> bytes:
    """The body alone. A value that does not fit its field is our fault: struct.error, TypeError."""
    encode = _encoder(api_key, version, response)
    pieces: list[bytes] = []
    try:
        encode(message, pieces.append)
    except struct.error:
        pieces.clear()
        encode(plain(message), pieces.append)
    return b"".join(pieces)


def encode_request(
    api_key: int, version: int, correlation_id: int, client_id: str | None, message: Any
) -> bytes:
    """A whole request frame with its size."""
    body = encode_body(api_key, version, message, response=False)
    return request_start(api_key, version, correlation_id, client_id, len(body)) + body


def encode_response(api_key: int, version: int, correlation_id: int, message: Any) -> bytes:
    """A whole response frame with its size."""
    body = encode_body(api_key, version, message, response=True)
    return response_start(api_key, version, correlation_id, len(body)) + body


def encode_response_in_steps(
    api_key: int, version: int, correlation_id: int, message: Any
) -> Generator[int, None, bytes]:
    """``encode_response`` as a generator that pauses after each element of an array."""
    encode = _stepped_encoder(api_key, version)
    pieces: list[bytes] = []
    try:
        yield from encode(message, pieces.append)
    except struct.error:
        pieces.clear()
        yield from encode(plain(message), pieces.append)
    body = b"".join(pieces)
    return response_start(api_key, version, correlation_id, len(body)) + body


def unknown_fields(api_key: int, message: Any, *, response: bool) -> list[str]:
    """Attribute paths of ``message`` that no version of the API has: for tests of handlers, since
    an encoder ignores what it does not know. Loads every version."""
    api = API_TABLE[api_key]
    versions = range(api.min_version, api.max_version + 1)
    schemas = [message_schema(api_key, version, response=response) for version in versions]
    return sorted(set(_unknown(message, schemas, "")))


def _unknown(message: Any, schemas: list[schema.Struct], path: str) -> Iterable[str]:
    if not isinstance(message, Message):
        return
    known: dict[str, list[schema.Struct]] = {}
    for struct_ in schemas:
        for field in struct_.fields:
            known.setdefault(field.name, []).extend([field.struct] if field.struct else [])
    for name, value in message.__dict__.items():
        if name not in known:
            yield path + name
            continue
        for item in value if isinstance(value, list | tuple) else (value,):
            yield from _unknown(item, known[name], f"{path}{name}.")
