"""Reads the descriptions of messages: tables made from Kafka's (``descriptions/``), as schemas.

A table's first line has a message's name, its versions, and its flexible ones. A line below is a
field: ``name type versions``, indented by two blanks for each struct that it is in; ``[]`` before
the type makes an array. Then may follow ``?versions`` (in which it may be null), ``#tag:versions``
(in which it is tagged) and ``=default``. Versions are "3", "0-4", "2+" or "none". A line that has
nothing but a name begins a struct that several fields have. The fields are in wire order.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final, NamedTuple

from barnabas.protocol.api import API_TABLE
from barnabas.protocol.schema import FIXED_KINDS, Field, Struct, zero

_CONSTANTS: Final = {"null": None, "true": True, "false": False}


class Row(NamedTuple):
    """A line of a table, and the lines below it that are further indented."""

    words: tuple[str, ...]
    rows: list[Row]


def message_schema(api_key: int, version: int, *, response: bool) -> Struct:
    """The schema of one message of an API in the table."""
    module = import_module(f"barnabas.protocol.descriptions.{API_TABLE[api_key].key.name.lower()}")
    return read(module.RESPONSE if response else module.REQUEST, version)


def read(table: str, version: int) -> Struct:
    """The schema that a table describes for one version."""
    message, *common = rows(table)
    name, _, flexible_versions = message.words
    flexible = has(flexible_versions, version)
    structs = {row.words[0]: row.rows for row in common}
    return _struct(name, message.rows, structs, version, flexible=flexible)


def rows(table: str) -> list[Row]:
    """The table as a tree: the message first, then the structs that several fields have."""
    top: list[Row] = []
    levels = [top]
    for line in table.strip().splitlines():
        text = line.lstrip()
        depth = (len(line) - len(text)) // 2
        del levels[depth + 1 :]
        row = Row(tuple(text.split(" ")), [])
        levels[depth].append(row)
        levels.append(row.rows)
    return top


def has(versions: str, version: int) -> bool:
    """Whether "2+", "0-1", "0" or "none" contains a version."""
    if versions == "none":
        return False
    if versions.endswith("+"):
        return version >= int(versions[:-1])
    first, _, last = versions.partition("-")
    return int(first) <= version <= int(last or first)


def _struct(
    name: str, rows: list[Row], common: dict[str, list[Row]], version: int, *, flexible: bool
) -> Struct:
    fields = tuple(
        _field(row, common, version, flexible=flexible)
        for row in rows
        if has(row.words[2], version)
    )
    return Struct(name=name, flexible=flexible, fields=fields)


def _field(row: Row, common: dict[str, list[Row]], version: int, *, flexible: bool) -> Field:
    name, spelled, _, *options = row.words
    nullable, tag, default = False, None, None
    for option in options:
        if option[0] == "?":
            nullable = has(option[1:], version)
        elif option[0] == "=":
            default = option[1:]
        else:
            number, _, versions = option[1:].partition(":")
            tag = int(number) if has(versions, version) else None
    array, kind = spelled.startswith("[]"), spelled.removeprefix("[]")
    struct = None
    if kind not in FIXED_KINDS and kind not in ("string", "bytes"):
        inner = row.rows or common[kind]
        struct = _struct(kind, inner, common, version, flexible=flexible)
        kind = "struct"
    return Field(
        name=name,
        kind=kind,
        array=array,
        nullable=nullable,
        tag=tag,
        default=_default(default, kind, array=array, nullable=nullable),
        struct=struct,
        required=default is None and tag is None,
    )


def _default(text: str | None, kind: str, *, array: bool, nullable: bool) -> Any:
    if text is None or (text == "null" and not nullable):
        return zero(kind, array=array, nullable=nullable)
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    return text if kind == "string" else int(text)
