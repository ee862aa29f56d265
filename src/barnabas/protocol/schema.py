"""The schemas of messages, from which encoders and decoders are generated. They come from kio's
dataclasses, or from the tables in ``interbroker.py``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Final, Union, get_args, get_origin

from barnabas.protocol.kio_index import load_request_schema, load_response_schema
from barnabas.protocol.message import plain

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
_KINDS_OF_KIO: Final = {
    "error_code": "int16",
    "timedelta_i32": "int32",
    "timedelta_i64": "int64",
    "datetime_i64": "int64",
    "records": "bytes",
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


def load(api_key: int, version: int, *, response: bool) -> Struct:
    """The schema that kio has for one message; imports kio's module for it on first use."""
    loader: Callable[[int, int], type] = load_response_schema if response else load_request_schema
    return of_dataclass(loader(api_key, version))


def of_dataclass(entity: Any) -> Struct:
    """The schema of a kio dataclass."""
    flexible = bool(entity.__flexible__)
    return Struct(
        name=entity.__name__,
        flexible=flexible,
        fields=tuple(_field(field) for field in fields(entity)),
    )


def _field(field: Any) -> Field:
    element, array, nullable = _unwrap(field.type)
    kio_kind = field.metadata.get("kafka_type")
    struct = of_dataclass(element) if is_dataclass(element) else None
    kind = "struct" if struct else _KINDS_OF_KIO.get(kio_kind, kio_kind)
    if kind in FIXED_KINDS:
        nullable = array and nullable  # an absent timestamp is -1, an absent uuid zero
    return Field(
        name=field.name,
        kind=kind,
        array=array,
        nullable=nullable,
        tag=field.metadata.get("tag"),
        default=_default(field, kind, kio_kind, array=array, nullable=nullable),
        struct=struct,
        required=field.metadata.get("tag") is None
        and (field.default is MISSING or field.default == ()),  # kio gives most arrays an empty one
    )


def _default(field: Any, kind: str, kio_kind: str, *, array: bool, nullable: bool) -> Any:
    value = field.default
    if value is MISSING or (kind == "struct" and value is not None and not array):
        return zero(kind, array=array, nullable=nullable)
    if kio_kind == "datetime_i64" and value is None:
        return -1
    if kind == "uuid" and value is not None and value.int == 0:
        return None
    return value.value if isinstance(value, Enum) else _simple(plain(value))


def _simple(value: Any) -> Any:
    """A value of kio's int and str subclasses as a plain builtin, whose repr is valid source."""
    builtins: tuple[type[Any], ...] = (bool, int, float, str, bytes)
    for builtin in builtins:
        if isinstance(value, builtin):
            return builtin(value)
    return value


def _unwrap(annotation: Any) -> tuple[Any, bool, bool]:
    """(element type, is an array, may be null) of a kio annotation."""
    nullable = False
    if get_origin(annotation) in (UnionType, Union):
        nullable = NoneType in get_args(annotation)
        (annotation,) = (arm for arm in get_args(annotation) if arm is not NoneType)
    if get_origin(annotation) is tuple:
        element = get_args(annotation)[0]
        if get_origin(element) in (UnionType, Union):
            (element,) = (arm for arm in get_args(element) if arm is not NoneType)
        return element, True, nullable
    return annotation, False, nullable
