"""Generates a decoder in Python for one message schema: one function, with nested structs inlined.

kio's native decoder is not used on bytes from the network. Its version 0.6.5 allocates room for as
many elements as an array claims to have; if that fails it aborts the process (five bytes are
enough).

The function takes ``(data: bytes, position)`` and returns ``(message, next position)``. A string
may run past the end, since a slice is just shorter. Then the position is beyond ``len(data)``,
every later read fails, and the caller checks the position at the end. An array is refused before
its first element if its elements cannot fit into the remaining bytes. Raises InvalidRequest and
``MALFORMED``.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable, Generator, Sequence
from typing import Any, Final

from barnabas.errors import InvalidRequest
from barnabas.protocol.message import ApiMessage, struct_class
from barnabas.protocol.schema import FIXED_KINDS, Field, Struct, least_element_size
from barnabas.protocol.source import Source
from barnabas.protocol.wire import (
    SHORT_INT32S_UNPACK,
    STRING_BYTES_MAX,
    ZERO_UUID_BYTES,
    finish_uvarint,
    skip_tags,
    uuid_or_none,
)

Decoder = Callable[[bytes, int], tuple[ApiMessage, int]]
SteppedDecoder = Callable[[bytes, int], Generator[int, None, tuple[ApiMessage, int]]]


def _bad(what: str, value: object) -> InvalidRequest:
    return InvalidRequest(f"{what}: {value}")


_NAMES: Final = {
    "UUID": uuid.UUID,
    "big": int.from_bytes,
    "ZERO": ZERO_UUID_BYTES,
    "bad": _bad,
    "more": finish_uvarint,
    "skip": skip_tags,
    "uuid": uuid_or_none,
    "int16": struct.Struct(">h").unpack_from,
    "int32": struct.Struct(">i").unpack_from,
    "unpack": struct.unpack_from,
    "ints": SHORT_INT32S_UNPACK,
}


def compile_decoder(schema: Struct, kind: type[ApiMessage]) -> Decoder:
    """The decoder of one message in one version; ``kind`` is the message's class."""
    decoder: Decoder = _compile(schema, kind, in_steps=False)
    return decoder


def compile_stepped_decoder(schema: Struct, kind: type[ApiMessage]) -> SteppedDecoder:
    """The decoder as a generator. It yields 0 after each element of an array, and the number of
    elements before each array."""
    decoder: SteppedDecoder = _compile(schema, kind, in_steps=True)
    return decoder


def _compile(schema: Struct, kind: type[ApiMessage], *, in_steps: bool) -> Any:
    source = Source("def decode(b, p):", _NAMES, in_steps=in_steps)
    for one in schema.walk():
        source.names[one.name] = struct_class(kind, one.name)
    source.line("end = len(b)")
    source.step("0")
    result = _struct(source, schema)
    source.line(f"return {result}, p")
    return source.compile(f"decoder of {schema.name}")


def _struct(source: Source, schema: Struct) -> str:
    """Write the code that reads one struct. Returns the expression that makes it."""
    values: dict[str, str] = {}
    run: list[Field] = []
    for field in schema.fields:
        if field.tag is not None:
            continue
        if field.is_fixed:
            run.append(field)
            continue
        _fixed_run(source, run, values)
        run = []
        values[field.name] = _variable(source, field, schema.flexible)
    _fixed_run(source, run, values)
    if schema.flexible:
        _tags(source, [field for field in schema.fields if field.tag is not None], values)
    arguments = ", ".join(f"{field.name}={values[field.name]}" for field in schema.fields)
    return f"{schema.name}({arguments})"


def _fixed_run(source: Source, run: Sequence[Field], values: dict[str, str]) -> None:
    """Write the code that reads consecutive fields of fixed length with one Struct."""
    if not run:
        return
    layout = source.layout("".join(FIXED_KINDS[field.kind][0] for field in run))
    names = [source.fresh() for _ in run]
    unpack = source.constant(layout.unpack_from)
    source.line(f"{', '.join(names)}, = {unpack}(b, p)")
    source.line(f"p += {layout.size}")
    for field, name in zip(run, names, strict=True):
        if field.kind == "uuid":
            source.line(f"{name} = UUID(int=big({name}, 'big')) if {name} != ZERO else None")
        values[field.name] = name


def _length(source: Source, *, flexible: bool, wide: bool) -> str:
    """Write the code that reads a length. Returns its variable, which is -1 for null."""
    name = source.fresh()
    if flexible:
        source.line(f"{name} = b[p]")
        source.line("p += 1")
        source.line(f"if {name} > 127: {name}, p = more(b, p, {name})")
        source.line(f"{name} -= 1")
    else:
        source.line(f"{name} = {'int32' if wide else 'int16'}(b, p)[0]")
        source.line(f"p += {4 if wide else 2}")
        source.line(f"if {name} < -1: raise bad('length', {name})")
    return name


def _variable(source: Source, field: Field, flexible: bool) -> str:
    """Write the code that reads a string, bytes, an array or a struct. Returns its variable."""
    value = source.fresh()
    if field.kind == "struct" and not field.array:
        assert field.struct is not None
        if not field.nullable:
            source.line(f"{value} = {_struct(source, field.struct)}")
            return value
        source.line("p += 1")
        with source.block("if b[p - 1] > 127:"):
            source.line(f"{value} = None")
        with source.block("else:"):
            source.line(f"{value} = {_struct(source, field.struct)}")
        return value
    length = _length(source, flexible=flexible, wide=field.array or field.kind == "bytes")
    with source.block(f"if {length} < 0:"):
        if field.nullable:
            source.line(f"{value} = None")
        else:
            source.line(f"raise bad('null', {field.name!r})")
    with source.block("else:"):
        if field.array:
            _elements(source, field, flexible, length, value)
        else:
            _text(source, field, length, value)
    return value


def _text(source: Source, field: Field, length: str, value: str) -> None:
    if field.kind == "string":
        source.line(f"if {length} > {STRING_BYTES_MAX}: raise bad('string length', {length})")
        source.line(f"{value} = b[p:p + {length}].decode()")
    else:
        source.line(f"{value} = b[p:p + {length}]")
    source.line(f"p += {length}")


def _elements(source: Source, field: Field, flexible: bool, length: str, value: str) -> None:
    least = least_element_size(field, flexible)
    with source.block(f"if {length} * {least} > end - p:"):
        source.line(f"raise bad('array length', {length})")
    if field.kind in FIXED_KINDS and field.kind != "uuid":
        unpack = f"unpack('>%d{FIXED_KINDS[field.kind][0]}' % {length}, b, p)"
        if field.kind == "int32":
            unpack = f"ints[{length}](b, p) if {length} < 16 else {unpack}"
        source.step(f"{length} >> 3")
        source.line(f"{value} = {unpack}")
        source.line(f"p += {least} * {length}")
        return
    source.step(length)
    items = source.fresh()
    source.line(f"{items} = []")
    with source.block(f"for _ in range({length}):"):
        if field.kind == "struct":
            assert field.struct is not None
            element = _struct(source, field.struct)
        elif field.kind == "uuid":
            source.line("p += 16")
            element = "uuid(b[p - 16:p])"
        else:
            single = Field(name=field.name, kind=field.kind)
            element = _variable(source, single, flexible)
        source.line(f"{items}.append({element})")
        source.step("0")
    source.line(f"{value} = tuple({items})")


def default_expression(source: Source, field: Field) -> str:
    """The expression for the value of an absent field."""
    if field.kind == "struct" and not field.array and not field.nullable:
        assert field.struct is not None
        arguments = ", ".join(
            f"{inner.name}={default_expression(source, inner)}" for inner in field.struct.fields
        )
        return f"{field.struct.name}({arguments})"
    if isinstance(field.default, int | str | bytes | NoneType | tuple | float):
        return repr(field.default)
    return source.constant(field.default, "D")


NoneType = type(None)


def _tags(source: Source, tagged: Sequence[Field], values: dict[str, str]) -> None:
    """Write the code that reads the tagged section at the end of a struct. It skips unknown
    tags."""
    for field in tagged:
        values[field.name] = source.fresh()
        source.line(f"{values[field.name]} = {default_expression(source, field)}")
    count = source.fresh()
    source.line(f"{count} = b[p]")
    source.line("p += 1")
    with source.block(f"if {count}:"):
        source.line(f"if {count} > 127: {count}, p = more(b, p, {count})")
        if not tagged:
            source.line(f"p = skip(b, p, {count})")
            return
        with source.block(f"for _ in range({count}):"):
            _one_tag(source, tagged, values)


def _one_tag(source: Source, tagged: Sequence[Field], values: dict[str, Any]) -> None:
    tag, stop = source.fresh(), source.fresh()
    for name in (tag, stop):
        source.line(f"{name} = b[p]")
        source.line("p += 1")
        source.line(f"if {name} > 127: {name}, p = more(b, p, {name})")
    source.line(f"{stop} += p")
    source.line(f"if {stop} > end: raise bad('tag length', {stop})")
    for field in tagged:
        with source.block(f"if {tag} == {field.tag}:"):
            inner: dict[str, str] = {}
            if field.kind in FIXED_KINDS and not field.array:
                _fixed_run(source, [field], inner)
            else:
                inner[field.name] = _variable(source, _in_line(field), flexible=True)
            source.line(f"{values[field.name]} = {inner[field.name]}")
            source.line(f"if p != {stop}: raise bad('tag length', p)")
    source.line(f"p = {stop}")


def _in_line(field: Field) -> Field:
    """A tagged field as an inline one: its struct is never null, since null is an absent tag."""
    if field.kind == "struct" and not field.array:
        return Field(name=field.name, kind=field.kind, struct=field.struct)
    return Field(
        name=field.name,
        kind=field.kind,
        array=field.array,
        nullable=field.nullable,
        struct=field.struct,
    )
