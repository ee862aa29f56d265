"""The neutral value that travels between handlers and the codec."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import Enum
from types import SimpleNamespace
from typing import Any


class Message(SimpleNamespace):
    """A Kafka message, or a struct nested in one: ``Message(error_code=0, topics=[Message(...)])``.

    Attribute names are kio's field names: Kafka's names in snake case, without the unit
    (``throttle_time``, ``max_wait``, ``timeout``: always plain int milliseconds here; -1 stands for
    an absent timestamp). Values are int, bool, float, str, bytes, ``uuid.UUID`` or None (the zero
    uuid), lists or tuples, and Messages. An error code is an int, hence ``ErrorCode`` too.

    Encoding takes the attributes that the version has and ignores the others, so one Message with
    the union of all fields serves every version. A missing attribute takes the schema's default,
    else None where the field is nullable, else zero, "", b"" or no elements.
    Decoding gives Messages with every field of the version, arrays as tuples.
    """


def milliseconds(value: Any) -> int:
    """Whole milliseconds of an int, a timedelta, an aware datetime (since 1970) or None (-1)."""
    if isinstance(value, int):
        return value
    if value is None:
        return -1
    if isinstance(value, timedelta):
        return round(value / timedelta(milliseconds=1))
    if isinstance(value, datetime):
        return round((value - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))
    raise TypeError(f"not a time: {value!r}")


def plain(value: Any) -> Any:
    """A value, or a tree of dataclasses, as a tree of Messages with plain ints for times and codes.

    For entities of kio, whose durations are timedeltas and whose error codes are not ints.
    """
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, timedelta | datetime):
        return milliseconds(value)
    if isinstance(value, list | tuple):
        return tuple(plain(item) for item in value)
    if isinstance(value, Message):
        return Message(**{name: plain(item) for name, item in value.__dict__.items()})
    names = getattr(value, "__dataclass_fields__", None)
    if names is None:
        return value
    return Message(**{name: plain(getattr(value, name)) for name in names})
