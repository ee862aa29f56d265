"""Generates an encoder in Python for one message schema: one function, with nested structs inlined.

The function takes ``(message, append)`` and passes the pieces of the body to ``append``. It uses
the fields of its version and ignores the others (``message.py`` has the rules). Consecutive fields
of fixed length are packed by one Struct. It is about ten times faster than kio's
(bench/protocol_codec.py).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Generator, Sequence
from typing import Any, Final

from barnabas.protocol.message import Message, Shared  # noqa: TID251
from barnabas.protocol.schema import FIXED_KINDS, Field, Struct
from barnabas.protocol.source import Source
from barnabas.protocol.wire import (
    SHORT_INT32S_PACK,
    SHORT_UVARINTS,
    encode_uvarint,
    uuid_bytes,
    uvarint_bytes,
)

Encoder = Callable[[Any, Callable[[bytes], object]], None]
SteppedEncoder = Callable[[Any, Callable[[bytes], object]], Generator[int, None, None]]

_NAMES: Final = {
    "short": SHORT_UVARINTS,
    "uvarint": uvarint_bytes,
    "uuid": uuid_bytes,
    "int16": struct.Struct(">h").pack,
    "int32": struct.Struct(">i").pack,
    "pack": struct.pack,
    "ints": SHORT_INT32S_PACK,
    "join": b"".join,
    "Shared": Shared,
}


def compile_encoder(schema: Struct, *, shares: bool = False) -> Encoder:
    """The encoder of one message in one version. ``shares``: its own arrays may be ``Shared``."""
    encoder: Encoder = _compile(schema, in_steps=False, shares=shares)
    return encoder


def compile_stepped_encoder(schema: Struct) -> SteppedEncoder:
    """The encoder as a generator, which yields after each element of an array."""
    encoder: SteppedEncoder = _compile(schema, in_steps=True)
    return encoder


def _compile(schema: Struct, *, in_steps: bool, shares: bool = False) -> Any:
    source = Source("def encode(m, a):", _NAMES, in_steps=in_steps)
    source.step("0")
    _struct(source, schema, "m", "a", shares=shares)
    source.line("return")
    return source.compile(f"encoder of {schema.name}")


def _struct(
    source: Source, schema: Struct, owner: str, append: str, *, shares: bool = False
) -> None:
    run: list[Field] = []
    tagged = sorted(
        (field for field in schema.fields if field.tag is not None),
        key=lambda field: field.tag or 0,
    )
    for field in schema.fields:
        if field.tag is not None:
            continue
        if field.is_fixed:
            run.append(field)
            continue
        _fixed_run(source, run, owner, append)
        run = []
        value = source.fresh()
        source.line(f"{value} = {owner}.{field.name}")
        _variable(source, field, value, append, flexible=schema.flexible, shares=shares)
    end_with_zero = schema.flexible and not tagged
    _fixed_run(source, run, owner, append, end_with_zero=end_with_zero)
    if tagged:
        _tags(source, tagged, owner, append)


def _fixed_run(
    source: Source,
    run: Sequence[Field],
    owner: str,
    append: str,
    *,
    end_with_zero: bool = False,
) -> None:
    """Write the code that packs consecutive fields of fixed length with one Struct. With
    ``end_with_zero`` a pad byte is the 0 of an empty tagged section."""
    if not run:
        if end_with_zero:
            source.line(f"{append}(b'\\0')")
        return
    formats = "".join(FIXED_KINDS[field.kind][0] for field in run)
    pack = source.constant(source.layout(formats + ("x" if end_with_zero else "")).pack)
    values = []
    for field in run:
        value = f"{owner}.{field.name}"
        values.append(f"uuid({value})" if field.kind == "uuid" else value)
    source.line(f"{append}({pack}({', '.join(values)}))")


def _length(source: Source, value: str, append: str, *, flexible: bool, wide: bool) -> None:
    if flexible:
        size = source.fresh()
        source.line(f"{size} = len({value}) + 1")
        source.line(f"{append}(short[{size}] if {size} < 512 else uvarint({size}))")
    else:
        source.line(f"{append}({'int32' if wide else 'int16'}(len({value})))")


def _variable(
    source: Source,
    field: Field,
    value: str,
    append: str,
    *,
    flexible: bool,
    shares: bool = False,
) -> None:
    """Write the code that encodes the string, bytes, array or struct in the variable ``value``."""
    if field.kind == "struct" and not field.array:
        assert field.struct is not None
        if not field.nullable:
            _struct(source, field.struct, value, append)
            return
        with source.block(f"if {value} is None:"):
            source.line(f"{append}(b'\\xff')")
        with source.block("else:"):
            source.line(f"{append}(b'\\1')")
            _struct(source, field.struct, value, append)
        return
    wide = field.array or field.kind == "bytes"
    with source.block(f"if {value} is None:"):
        if field.nullable:
            null = b"\0" if flexible else b"\xff" * (4 if wide else 2)
            source.line(f"{append}({null!r})")
        else:
            source.line(f"raise TypeError('{field.name} may not be None')")
    with source.block("else:"):
        if field.kind == "string" and not field.array:
            source.line(f"{value} = {value}.encode()")
        _length(source, value, append, flexible=flexible, wide=wide)
        if not field.array:
            source.line(f"{append}({value})")
        elif shares and field.kind == "struct":
            _shared_elements(source, field, value, append, flexible=flexible)
        else:
            _elements(source, field, value, append, flexible=flexible)


def _shared_elements(
    source: Source, field: Field, value: str, append: str, *, flexible: bool
) -> None:
    """Write the code that encodes the elements of an array, or takes what is known of them."""
    kept, pieces, inner = source.fresh(), source.fresh(), source.fresh()
    encoder = source.constant(object())
    with source.block(f"if {value}.__class__ is Shared:"):
        source.line(f"{kept} = {value}.encoded.get({encoder})")
        with source.block(f"if {kept} is None:"):
            source.line(f"{pieces} = []")
            source.line(f"{inner} = {pieces}.append")
            _elements(source, field, value, inner, flexible=flexible)
            source.line(f"{kept} = {value}.encoded[{encoder}] = join({pieces})")
        source.line(f"{append}({kept})")
    with source.block("else:"):
        _elements(source, field, value, append, flexible=flexible)


def _elements(source: Source, field: Field, value: str, append: str, *, flexible: bool) -> None:
    if field.kind in FIXED_KINDS and field.kind != "uuid":
        layout = FIXED_KINDS[field.kind][0]
        pack = f"pack('>%d{layout}' % len({value}), *{value})"
        if field.kind == "int32":
            pack = f"ints[len({value})](*{value}) if len({value}) < 16 else {pack}"
        source.line(f"{append}({pack})")
        return
    item = source.fresh()
    with source.block(f"for {item} in {value}:"):
        if field.kind == "struct":
            assert field.struct is not None
            _struct(source, field.struct, item, append)
        elif field.kind == "uuid":
            source.line(f"{append}(uuid({item}))")
        else:
            single = Field(name=field.name, kind=field.kind)
            _variable(source, single, item, append, flexible=flexible)
        source.step()


def _tags(source: Source, tagged: Sequence[Field], owner: str, append: str) -> None:
    """Write the code that encodes the tagged section: in order of tags, without default values."""
    section, count = source.fresh(), source.fresh()
    source.line(f"{section} = []")
    source.line(f"{count} = 0")
    for field in tagged:
        assert field.tag is not None
        value, pieces, body = source.fresh(), source.fresh(), source.fresh()
        default = source.constant(_default_bytes(field))
        source.line(f"{value} = {owner}.{field.name}")
        with source.block(f"if {value} is not None:"):
            source.line(f"{pieces} = []")
            source.line(f"{body} = {pieces}.append")
            _tag_value(source, field, value, body)
            source.line(f"{body} = join({pieces})")
            with source.block(f"if {body} != {default}:"):
                source.line(f"{count} += 1")
                tag = encode_uvarint(field.tag)
                source.line(f"{section} += ({tag!r}, uvarint(len({body})), {body})")
    source.line(f"{append}(short[{count}] + join({section}) if {count} else b'\\0')")


def _tag_value(source: Source, field: Field, value: str, append: str) -> None:
    if field.kind in FIXED_KINDS and not field.array:
        layout = source.layout(FIXED_KINDS[field.kind][0])
        text = f"uuid({value})" if field.kind == "uuid" else value
        source.line(f"{append}({source.constant(layout.pack)}({text}))")
        return
    in_line = Field(
        name=field.name, kind=field.kind, array=field.array, nullable=False, struct=field.struct
    )
    _variable(source, in_line, value, append, flexible=True)


def _default_bytes(field: Field) -> bytes | None:
    """The encoded default of a tagged field; None if the default is null, which is never
    encoded."""
    value: Any = field.default
    if value is None and not (field.kind in ("struct", "uuid") and not field.nullable):
        return None
    if value is None and field.struct is not None:
        value = Message(**{inner.name: inner.default for inner in field.struct.fields})
    source = Source("def encode(v, a):", _NAMES)
    _tag_value(source, field, "v", "a")
    pieces: list[bytes] = []
    source.compile(f"default of {field.name}")(value, pieces.append)
    return b"".join(pieces)
