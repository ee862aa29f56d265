"""AbstractRequest.getErrorResponse: the answer to a request that is refused as a whole.

Kafka has code for each request. Here the answer is made from the schemas: every error code in it is
the error. An array of structs with an error code gets one element for each that the request named.
They are matched by the fields that request and answer have in common (topic and partition, group,
resource). Other arrays are empty, and other fields have their defaults.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from barnabas.api.request import Pieces, Request
from barnabas.errors import ErrorCode
from barnabas.protocol.codec import message_schema
from barnabas.protocol.message import ApiMessage, message_class, struct_class
from barnabas.protocol.schema import Field, Struct

TEXT: Final = "The server experienced an unexpected error when processing the request."
_SAME: Final = {
    "topic": "name",
    "name": "topic",
    "partition": "partition_index",
    "partition_index": "partition",
    "index": "partition_index",
    "partition_id": "partition",
    "topic_name": "name",
}
"""Fields that have one name in the requests and another in the answers of some APIs."""
_NAMES_OF_KEYS: Final = (
    *("group_id", "key", "transactional_id", "name"),
    *("partition_index", "partition", "partition_id"),
)
"""Fields of answers that take the elements of an array of strings or numbers in the request."""
_OTHER_ERRORS: Final = ("topic_config_error_code",)


class _Refusal(NamedTuple):
    answer: type[ApiMessage]
    error: ErrorCode
    text: str


def error_answer(
    request: Request, error: ErrorCode = ErrorCode.UNKNOWN_SERVER_ERROR, text: str = TEXT
) -> Pieces | None:
    """The whole response; None if the API's answer has no field for an error. Raises InvalidRequest
    if the request cannot be decoded."""
    question = request.body()
    asked = message_schema(request.api_key, request.api_version, response=False)
    given = message_schema(request.api_key, request.api_version, response=True)
    refusal = _Refusal(message_class(request.api_key, response=True), error, text)
    message, has_room = _fill(given, asked, question, refusal)
    return request.answer(message) if has_room else None


def short_answer(request: Request, error: ErrorCode, text: str) -> Pieces:
    """A response with the error only, without the items of the request."""
    given = message_schema(request.api_key, request.api_version, response=True)
    refusal = _Refusal(message_class(request.api_key, response=True), error, text)
    return request.answer(_fill(given, None, None, refusal)[0])


def _fill(
    given: Struct, asked: Field | Struct | None, question: Any, refusal: _Refusal
) -> tuple[Any, bool]:
    """A struct of the answer, and whether it has an error code."""
    values: dict[str, Any] = {}
    has_room = False
    for field in given.fields:
        if field.name.endswith("error_code") and field.name not in _OTHER_ERRORS:
            values[field.name] = int(refusal.error)
            has_room = True
        elif field.name == "error_message" and field.nullable:
            values[field.name] = refusal.text
        elif field.array and field.struct is not None:
            values[field.name], inside = _elements(field, asked, question, refusal)
            has_room = has_room or inside
        elif field.kind == "struct" and field.struct is not None and not field.nullable:
            values[field.name], _ = _fill(field.struct, None, None, refusal)
        else:
            _copy(field, asked, question, values)
    missing = {field.name: field.default for field in given.fields if field.name not in values}
    return struct_class(refusal.answer, given.name)(**missing, **values), has_room


def _copy(
    field: Field, asked: Field | Struct | None, question: Any, values: dict[str, Any]
) -> None:
    """Copy a field's value from the request, if it has one; positions and epochs become -1."""
    if isinstance(asked, Field):
        if field.kind == asked.kind and field.name in _NAMES_OF_KEYS:
            values[field.name] = question
    elif (name := _asked_name(field.name, asked)) is not None:
        value = getattr(question, name)
        if value is not None or field.nullable:
            values[field.name] = value
    if field.name not in values and field.kind in ("int32", "int64") and _is_position(field.name):
        values[field.name] = -1


def _is_position(name: str) -> bool:
    return "offset" in name or "epoch" in name or name.endswith("_id")


def _elements(
    field: Field, asked: Field | Struct | None, question: Any, refusal: _Refusal
) -> tuple[list[Any], bool]:
    """One element for each in the request."""
    assert field.struct is not None
    if not isinstance(asked, Struct):
        return [], False
    for source, found in _sources(field.struct, asked, question):
        filled = [
            _fill(field.struct, source.struct or source, element, refusal) for element in found
        ]
        if any(inside for _, inside in filled):
            return [message for message, _ in filled], True
    return [], False


def _sources(given: Struct, asked: Struct, question: Any) -> list[tuple[Field, list[Any]]]:
    """The arrays of the request that the array of ``given`` may answer, the likeliest first: those
    with most fields in common, then those of plain keys (``groups: [string]``), last those that are
    answered by their order (ACLs)."""
    arrays = [(f, list(getattr(question, f.name) or ())) for f in asked.fields if f.array]
    for field, outer in list(arrays):
        arrays += [
            (inner, [e for o in outer for e in getattr(o, inner.name) or ()])
            for inner in (() if field.struct is None else field.struct.fields)
            if inner.array and inner.struct is not None
        ]
    kinds = {f.kind for f in given.fields if f.name in _NAMES_OF_KEYS}

    def fields_in_common(pair: tuple[Field, list[Any]]) -> int:
        field = pair[0]
        if field.struct is None:
            return 0 if field.kind in kinds else -2
        return sum(_asked_name(f.name, field.struct) is not None for f in given.fields) or -1

    return [
        pair
        for pair in sorted(arrays, key=fields_in_common, reverse=True)
        if fields_in_common(pair) > -2
    ]


def _asked_name(name: str, asked: Struct | None) -> str | None:
    """The request's name for a field of the answer."""
    names = {f.name for f in asked.fields if not f.array} if asked is not None else set()
    if name in names:
        return name
    other = _SAME.get(name)
    return other if other in names else None
