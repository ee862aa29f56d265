"""ApiMessage: typed messages, which have the fields of all versions.

The classes are in ``messages/``, one module for each API. Attribute names are Kafka's in snake
case, without the unit (``throttle_time``, ``max_wait``, ``timeout``: always plain int milliseconds
here; -1 stands for an absent timestamp). Values are int, bool, float, str, bytes, ``uuid.UUID`` or
None (the zero uuid), lists or tuples, and structs. An error code is an int, hence ``ErrorCode``
too.

Making a message with a field that no version has is an error, and so is a missing field without a
default. Encoding uses the fields of the version and ignores the others, so the same message serves
every version. Decoding gives the fields that a version lacks their defaults; arrays become tuples.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import import_module
from types import SimpleNamespace
from typing import Any, ClassVar, Generic, TypeVar, cast

import msgspec

from barnabas.protocol.api import ApiKey

T = TypeVar("T")
ResponseT = TypeVar("ResponseT", bound="ResponseMessage")
R_co = TypeVar("R_co", bound="ResponseMessage", covariant=True)


class MessageStruct(msgspec.Struct, gc=False):
    """A struct inside a message. No struct refers to itself, so the garbage collector ignores
    them."""


class Shared(list[T]):
    """An array of structs that several messages have: it is encoded once for all of them. Only the
    messages of a whole cluster's partitions look for it (``codec.py``). It is not to be changed
    after the first of them has been encoded."""

    __slots__ = ("encoded",)

    def __init__(self, items: Iterable[T]) -> None:
        super().__init__(items)
        self.encoded: dict[object, bytes] = {}
        """The elements by encoder."""


class ApiMessage(MessageStruct):
    """ApiMessage: a request or a response as a whole."""

    API_KEY: ClassVar[ApiKey]


class ResponseMessage(ApiMessage):
    """A response."""


class RequestMessage(ApiMessage, Generic[R_co]):
    """A request that is answered with an ``R_co``."""


class Message(SimpleNamespace, Any):  # type: ignore[misc]  # stands for whatever is wanted
    """A message with any fields, for tests: ``Message(error_code=0, topics=[Message(...)])``.

    Encoding makes a typed message of it first. A field that no message has is an error. A missing
    field gets the schema's default, else None if it is nullable, else 0, "", b"" or no elements. It
    is equal to a typed message with the same values in each of its own fields.
    """

    def __eq__(self, other: object) -> bool:
        if isinstance(other, MessageStruct):
            return all(getattr(other, name) == value for name, value in vars(self).items())
        return super().__eq__(other)


def class_name(message: str, struct: str) -> str:
    """The class of a struct inside a message: Kafka's name for it, without that of the message."""
    for prefix in (message, message.removesuffix("Response").removesuffix("Request")):
        short = struct.removeprefix(prefix)
        if short != struct and short[:1].isupper():
            return short
    return struct


@cache
def message_class(api_key: int, *, response: bool) -> type[ApiMessage]:
    """The class of an API's request or response."""
    module = import_module(f"barnabas.protocol.messages.{ApiKey(api_key).name.lower()}")
    ending = "Response" if response else "Request"
    (found,) = (
        one
        for name, one in vars(module).items()
        if name.endswith(ending) and issubclass(one, ApiMessage)
    )
    return cast("type[ApiMessage]", found)


def struct_class(message: type[ApiMessage], struct: str) -> type[MessageStruct]:
    """The class of a struct of a message, or of the message itself, by its name in the schema."""
    if struct == message.__name__:
        return message
    return cast("type[MessageStruct]", getattr(message, class_name(message.__name__, struct)))
