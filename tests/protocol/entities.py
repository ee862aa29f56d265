"""kio's entities as Messages."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

from barnabas.protocol.message import Message


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
    """A value, or a tree of kio's entities, as a tree of Messages. Times and error codes, which are
    timedeltas and enums in kio, become plain ints."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, timedelta | datetime):
        return milliseconds(value)
    if isinstance(value, list | tuple):
        return tuple(plain(item) for item in value)
    if isinstance(value, Message):
        return Message(**{name: plain(item) for name, item in value.__dict__.items()})
    if not is_dataclass(value) or isinstance(value, type):
        return value
    return Message(**{field.name: plain(getattr(value, field.name)) for field in fields(value)})
