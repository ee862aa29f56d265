"""Where answers tell a throttle time."""

from __future__ import annotations

from typing import Any

import pytest

from barnabas.protocol.api import API_TABLE, CONTROLLER_APIS, ApiKey
from barnabas.protocol.codec import decode_response, encode_response, message_schema
from barnabas.protocol.header import parse_response_header
from barnabas.protocol.message import Message
from barnabas.protocol.schema import Field, Struct
from barnabas.protocol.throttle_time import with_throttle_time

BY_HAND = (ApiKey.PRODUCE, ApiKey.FETCH)
"""Their encoders are told."""
CASES = [
    (key, version)
    for key, api in API_TABLE.items()
    if key not in BY_HAND
    for version in range(api.max_version + 1)
]


def _full(struct: Struct) -> Message:
    """Two of everything."""
    return Message(**{field.name: _value(field) for field in struct.fields if field.tag is None})


def _value(field: Field) -> Any:
    if field.array:
        return [_element(field)] * 2
    return _element(field)


def _element(field: Field) -> Any:
    if field.struct is not None:
        return _full(field.struct)
    return {"string": "text", "bytes": b"bytes", "bool": True, "uuid": None}.get(field.kind, 7)


@pytest.mark.parametrize(("key", "version"), CASES)
def test_only_the_throttle_time_changes(key: int, version: int) -> None:
    schema = message_schema(key, version, response=True)
    frame = encode_response(key, version, 5, _full(schema))
    told = with_throttle_time(key, version, frame, 12_345)
    before, after = (_decoded(key, version, bytes(f)) for f in (frame, told))
    names = [field.name for field in schema.fields]
    for name in names:
        if name == "throttle_time":
            assert getattr(after, name) == 12_345
        else:
            assert getattr(after, name) == getattr(before, name)
    assert len(told) == len(frame)
    if "throttle_time" not in names:
        assert told == frame


def _decoded(key: int, version: int, frame: bytes) -> Any:
    _, offset = parse_response_header(key, version, frame, 4)
    return decode_response(key, version, memoryview(frame), offset)


def test_most_answers_tell_it() -> None:
    silent = {
        ApiKey(key)
        for key, version in CASES
        if version == API_TABLE[key].max_version
        and all(
            f.name != "throttle_time" for f in message_schema(key, version, response=True).fields
        )
    }
    assert silent - set(CONTROLLER_APIS) == {
        ApiKey.SASL_HANDSHAKE,
        ApiKey.SASL_AUTHENTICATE,
        ApiKey.WRITE_TXN_MARKERS,
        ApiKey.ENVELOPE,
    }


def test_an_answer_in_the_form_of_another_version_is_left_alone() -> None:
    answer = Message(error_code=35, api_keys=[], throttle_time=0)
    frame = encode_response(ApiKey.API_VERSIONS, 0, 5, answer)
    assert with_throttle_time(ApiKey.API_VERSIONS, 99, frame, 1) == frame
