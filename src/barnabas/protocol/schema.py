"""The schemas of messages, from which encoders and decoders are generated. ``description.py`` makes
them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

# kind: (struct format, bytes)
FIXED_KINDS: Final = {
    "int8": ("b", 1),
    "int16": ("h", 2),
    "int32": ("i", 4),
    "int64": ("q", 8),
    "uint16": ("H", 2),
    "uint32": ("I", 4),
    "float64": ("d", 8),
    "bool": ("?", 1),
    "uuid": ("16s", 16),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field in one version."""

    name: str
    kind: str
    """A key of FIXED_KINDS, ``string``, ``bytes`` or ``struct``."""
    array: bool = False
    nullable: bool = False
    tag: int | None = None
    default: Any = None
    """The value of a missing attribute or an absent tag. For a struct it is None if that is
    nullable, else the struct with its defaults."""
    struct: Struct | None = None
    required: bool = False
    """Whether the schema has no default."""

    @property
    def is_fixed(self) -> bool:
        """Whether it always has the same length, and is not tagged."""
        return self.kind in FIXED_KINDS and not self.array and self.tag is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Struct:
    """A message, or a struct nested in one, in one version; fields in wire order."""

    name: str
    flexible: bool
    fields: tuple[Field, ...]

    def walk(self) -> Iterator[Struct]:
        """This struct and all structs inside it."""
        yield self
        for field in self.fields:
            if field.struct is not None:
                yield from field.struct.walk()

    @property
    def least_size(self) -> int:
        """The least number of bytes that one such struct takes."""
        total = 1 if self.flexible else 0
        return total + sum(least_size(field, self.flexible) for field in self.fields)


def least_size(field: Field, flexible: bool) -> int:
    """The least number of bytes that a field takes if it is not tagged."""
    if field.tag is not None:
        return 0
    if field.array:
        return 1 if flexible else 4
    return least_element_size(field, flexible)


def least_element_size(field: Field, flexible: bool) -> int:
    """The least number of bytes that one element of an array field, or another field, takes."""
    if field.kind in FIXED_KINDS:
        return FIXED_KINDS[field.kind][1]
    if field.kind == "struct":
        assert field.struct is not None
        return 1 if field.nullable and not field.array else field.struct.least_size
    if flexible:
        return 1
    return 2 if field.kind == "string" else 4


def zero(kind: str, *, array: bool, nullable: bool) -> Any:
    """The default of a field whose schema has none."""
    if nullable:
        return None
    if array:
        return ()
    if kind == "string":
        return ""
    if kind == "bytes":
        return b""
    if kind == "bool":
        return False
    return None if kind in ("uuid", "struct") else 0
