"""Messages made from a schema, for comparing the codecs with kio's."""

from __future__ import annotations

import random
import uuid
from typing import Any

from barnabas.protocol.message import Message
from barnabas.protocol.schema import Field, Struct

_INT_MAX = {"int8": 100, "int16": 35, "uint16": 60_000, "uint32": 2**32 - 1, "int32": 2**31 - 1}


def message(schema: Struct, chance: random.Random) -> Message:
    """A Message with every field set to something that kio accepts as well."""
    return Message(**{field.name: value(field, chance) for field in schema.fields})


def value(field: Field, chance: random.Random) -> Any:
    """A value for one field."""
    if field.nullable and chance.random() < 0.3:
        return None
    if field.array:
        return tuple(_element(field, chance) for _ in range(chance.choice((0, 1, 2, 3))))
    if field.tag is not None and chance.random() < 0.3 and field.kind != "struct":
        return field.default
    return _element(field, chance)


def _element(field: Field, chance: random.Random) -> Any:
    if field.kind == "struct":
        assert field.struct is not None
        return message(field.struct, chance)
    if field.kind == "string":
        return chance.choice(("", "a", "topic-ü", "x" * 126, "x" * 127, "y" * 20_000))
    if field.kind == "bytes":
        return chance.randbytes(chance.choice((0, 1, 200, 70_000)))
    if field.kind == "bool":
        return chance.random() < 0.5
    if field.kind == "uuid":
        return uuid.UUID(int=chance.getrandbits(128) | 1)
    if field.kind == "float64":
        return chance.random()
    return chance.randint(0, _INT_MAX.get(field.kind, 2**40))
