"""Sets ``throttle_time_ms`` in an encoded answer. Its place is found with the schemas.

Only a client that exceeds a quota gets a throttle time, so most handlers do not know of it."""

from __future__ import annotations

import struct

from barnabas.protocol.api import API_TABLE
from barnabas.protocol.codec import message_schema
from barnabas.protocol.schema import FIXED_KINDS, Field
from barnabas.protocol.wire import read_count
from barnabas.types import Buffer

_INT32 = struct.Struct(">i")
_NAME = "throttle_time"


def with_throttle_time(api_key: int, version: int, frame: Buffer, throttle_ms: int) -> Buffer:
    """The response frame, size included, with this throttle time. It is unchanged if this version
    of the API has no such field."""
    position = _position(api_key, version, frame)
    if position is None:
        return frame
    told = bytearray(frame)
    _INT32.pack_into(told, position, throttle_ms)
    return told


def _position(api_key: int, version: int, frame: Buffer) -> int | None:
    try:
        answer = message_schema(api_key, version, response=True)
    except KeyError:
        return None
    inline = [field for field in answer.fields if field.tag is None]
    if all(field.name != _NAME for field in inline):
        return None
    position = 9 if API_TABLE[api_key].response_is_tagged(version) else 8
    for field in inline:
        if field.name == _NAME:
            return position
        if field.is_fixed:
            position += FIXED_KINDS[field.kind][1]
        elif (size := _element_size(field)) is not None:
            count, position = read_count(frame, position, size, flexible=answer.flexible)
            position += count * size
        else:
            break
    # After fields of variable length it is the last field, and no tags follow.
    assert inline[-1].name == _NAME
    assert len(inline) == len(answer.fields)
    return len(frame) - 4 - answer.flexible


def _element_size(field: Field) -> int | None:
    """The size of the elements of an array, if they always have the same size; else None."""
    element = field.struct
    if not field.array or field.nullable or element is None:
        return None
    if not all(each.is_fixed for each in element.fields):
        return None
    return element.flexible + sum(FIXED_KINDS[each.kind][1] for each in element.fields)
