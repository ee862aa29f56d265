"""Decodes and encodes the messages of every API in the table.

A decoder or encoder is generated when an (API, version, direction) is first used, from the
description of the message (``description.py``). The generated functions are pure; they are the only
state here.

``decode_*`` take the position of the body, which ``header.py`` finds. ``encode_request`` and
``encode_response`` return whole frames with the 4-byte size. Produce and Fetch have faster codecs
in ``produce.py`` and ``fetch.py``.
"""

from __future__ import annotations

from collections.abc import Generator
from functools import cache
from typing import Any

from barnabas.errors import InvalidRequest
from barnabas.protocol import description, schema
from barnabas.protocol.api import API_TABLE, ApiKey
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
from barnabas.protocol.message import (
    ApiMessage,
    Message,  # noqa: TID251
    message_class,
    struct_class,
)
from barnabas.protocol.wire import MALFORMED
from barnabas.types import Buffer

__all__ = [
    "BODY_BYTES_MAX",
    "decode_request",
    "decode_request_in_steps",
    "decode_response",
    "encode_body",
    "encode_request",
    "encode_response",
    "encode_response_in_steps",
]

BODY_BYTES_MAX = 32 * 1024 * 1024
"""The longest body that is decoded: a decoded struct may take a hundred times its bytes. Produce
and Fetch are not decoded here, so only the bound of frames applies to them."""


_SHARING = (ApiKey.LEADER_AND_ISR, ApiKey.UPDATE_METADATA)
"""Requests that tell several brokers the same of many partitions."""


@cache
def message_schema(api_key: int, version: int, *, response: bool) -> schema.Struct:
    """The schema of one message. Raises KeyError for a version outside the API table."""
    if not API_TABLE[api_key].serves(version):
        raise KeyError(f"no version {version} of {API_TABLE[api_key].name}")
    return description.message_schema(api_key, version, response=response)


@cache
def _decoder(api_key: int, version: int, response: bool) -> Decoder:
    struct = message_schema(api_key, version, response=response)
    return compile_decoder(struct, message_class(api_key, response=response))


@cache
def _encoder(
    api_key: int, version: int, response: bool
) -> tuple[Encoder, type[ApiMessage], schema.Struct]:
    struct = message_schema(api_key, version, response=response)
    encode = compile_encoder(struct, shares=not response and api_key in _SHARING)
    return encode, message_class(api_key, response=response), struct


@cache
def _stepped_decoder(api_key: int, version: int) -> SteppedDecoder:
    struct = message_schema(api_key, version, response=False)
    return compile_stepped_decoder(struct, message_class(api_key, response=False))


@cache
def _stepped_encoder(
    api_key: int, version: int
) -> tuple[SteppedEncoder, type[ApiMessage], schema.Struct]:
    struct = message_schema(api_key, version, response=True)
    return compile_stepped_encoder(struct), message_class(api_key, response=True), struct


def decode_request(api_key: int, version: int, buffer: Buffer, offset: int = 0) -> ApiMessage:
    """The request body from ``offset``, as a copy that does not refer to ``buffer``.

    Bytes after the body are ignored, as in Kafka: librdkafka's request for all topics has three of
    them. Raises InvalidRequest for a malformed body and for an unknown version."""
    return _decode(api_key, version, buffer, offset, response=False)


def decode_request_in_steps(
    api_key: int, version: int, buffer: Buffer, offset: int = 0, *, elements_max: int
) -> Generator[int, None, tuple[ApiMessage, int]]:
    """``decode_request`` as a generator. It returns the body and the number of all its elements.

    It pauses after each element of an array, and before each array with the number of its elements.
    Raises InvalidRequest as ``decode_request`` does. It also raises that for more than
    ``elements_max`` elements in all, before it reads those that are too many."""
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
            follow = next(steps)
            count += follow
            if count > elements_max:
                raise InvalidRequest(
                    f"{_title(api_key, version)}: more than {elements_max} elements"
                )
            yield follow
    except StopIteration as end:
        message: ApiMessage = end.value[0]
        return message, count
    except MALFORMED as error:
        raise InvalidRequest(f"{_title(api_key, version)}: {error}") from error


def decode_response(api_key: int, version: int, buffer: Buffer, offset: int = 0) -> ApiMessage:
    """The response body from ``offset``; no bytes may follow it. Otherwise as
    ``decode_request``."""
    return _decode(api_key, version, buffer, offset, response=True)


def _decode(
    api_key: int, version: int, buffer: Buffer, offset: int, *, response: bool
) -> ApiMessage:
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
            f"{_title(api_key, version)}: body ends at {position} of {len(body)} bytes"
        )
    return message


def _title(api_key: int, version: int) -> str:
    return f"{API_TABLE[api_key].name} v{version}"


def encode_body(
    api_key: int, version: int, message: ApiMessage | Message, *, response: bool
) -> bytes:
    """The body only. A value that does not fit its field is a bug: struct.error or TypeError."""
    encode, kind, struct = _encoder(api_key, version, response)
    if message.__class__ is not kind:
        message = _typed(kind, struct, message)
    pieces: list[bytes] = []
    encode(message, pieces.append)
    return b"".join(pieces)


def encode_request(
    api_key: int,
    version: int,
    correlation_id: int,
    client_id: str | None,
    message: ApiMessage | Message,
) -> bytes:
    """A whole request frame with its size."""
    body = encode_body(api_key, version, message, response=False)
    return request_start(api_key, version, correlation_id, client_id, len(body)) + body


def encode_response(
    api_key: int, version: int, correlation_id: int, message: ApiMessage | Message
) -> bytes:
    """A whole response frame with its size."""
    body = encode_body(api_key, version, message, response=True)
    return response_start(api_key, version, correlation_id, len(body)) + body


def encode_response_in_steps(
    api_key: int, version: int, correlation_id: int, message: ApiMessage | Message
) -> Generator[int, None, bytes]:
    """``encode_response`` as a generator that pauses after each element of an array."""
    encode, kind, struct = _stepped_encoder(api_key, version)
    if message.__class__ is not kind:
        message = _typed(kind, struct, message)
    pieces: list[bytes] = []
    yield from encode(message, pieces.append)
    body = b"".join(pieces)
    return response_start(api_key, version, correlation_id, len(body)) + body


def _typed(kind: type[ApiMessage], struct: schema.Struct, value: object) -> Any:
    """A ``Message`` as the typed struct for one version.

    Fields that only other messages have are ignored. Raises TypeError for a field that no message
    has."""
    made = struct_class(kind, struct.name)
    if not isinstance(value, Message):
        if isinstance(value, made):
            return value
        raise TypeError(f"not a {made.__qualname__}: {value!r}")
    given = vars(value)
    strange = given.keys() - set(made.__struct_fields__)
    if strange and (unknown := sorted(strange - _all_names())):
        raise TypeError(f"{made.__qualname__} has no {', '.join(unknown)}")
    values = {}
    for field in struct.fields:
        inner = field.struct
        item = given.get(field.name, _default(field))
        if inner is not None and field.array and item is not None:
            item = [_typed(kind, inner, element) for element in item]
        elif inner is not None and item is not None:
            item = _typed(kind, inner, item)
        values[field.name] = item
    return made(**values)


@cache
def _all_names() -> frozenset[str]:
    """The names of all fields of all messages."""
    found: set[str] = set()
    for api_key in API_TABLE:
        for response in (False, True):
            kind = message_class(api_key, response=response)
            for one in (kind, *vars(kind).values()):
                found.update(getattr(one, "__struct_fields__", ()))
    return frozenset(found)


def _default(field: schema.Field) -> Any:
    if field.struct is not None and not field.array and not field.nullable:
        return Message()
    return field.default
