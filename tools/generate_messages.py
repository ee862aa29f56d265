"""Write ``src/barnabas/protocol/messages``: a class for each message and each struct inside one.

    .venv/bin/python tools/generate_messages.py

A class has the fields of all versions that the API table has. A field that every version has, and
for which the schema names no default, must be given; any other takes its default.
``tests/protocol/test_messages.py`` notices a file that is not what would be written.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from barnabas.protocol.api import API_TABLE, Api
from barnabas.protocol.codec import message_schema
from barnabas.protocol.message import class_name
from barnabas.protocol.schema import Field, Struct

FOLDER = Path(__file__).parents[1] / "src" / "barnabas" / "protocol" / "messages"
_TYPES = {
    "string": "str",
    "bytes": "bytes",
    "bool": "bool",
    "float64": "float",
    "uuid": "UUID | None",
}


@dataclass
class Member:
    """A field over all versions."""

    fields: dict[int, Field] = field(default_factory=dict)

    @property
    def one(self) -> Field:
        """The field in the last version that has it."""
        return self.fields[max(self.fields)]


@dataclass
class Shape:
    """A struct over all versions."""

    versions: list[int] = field(default_factory=list)
    members: dict[str, Member] = field(default_factory=dict)


def shapes(api: Api, *, response: bool) -> dict[str, Shape]:
    """Name of each struct -> its shape, the message itself first."""
    found: dict[str, Shape] = {}

    def add(struct: Struct, version: int) -> None:
        shape = found.setdefault(struct.name, Shape())
        if version in shape.versions:
            return
        shape.versions.append(version)
        for one in struct.fields:
            shape.members.setdefault(one.name, Member()).fields[version] = one
            if one.struct:
                add(one.struct, version)

    for version in range(api.max_version + 1):
        add(message_schema(api.key, version, response=response), version)
    return found


def _span(versions: Iterable[int]) -> str:
    numbers = sorted(versions)
    return f"v{numbers[0]}" if len(numbers) == 1 else f"v{numbers[0]}-{numbers[-1]}"


def _type(member: Member, message: str) -> str:
    kinds = {(f.kind, f.array, f.struct.name if f.struct else None) for f in member.fields.values()}
    assert len(kinds) == 1, (message, member.one.name, kinds)
    one = member.one
    if one.struct:
        text = f"{message}.{class_name(message, one.struct.name)}"
    else:
        text = _TYPES.get(one.kind, "int")
    if one.array:
        text = f"Sequence[{text.removesuffix(' | None')}]"
    nullable = any(f.nullable for f in member.fields.values())
    return text if not nullable or text.endswith(" | None") else f"{text} | None"


def _default(struct: Struct, message: str) -> str:
    """Source of a struct's defaults."""
    given = ", ".join(f"{f.name}={_value(f, message)}" for f in struct.fields if f.required)
    return f"{message}.{class_name(message, struct.name)}({given})"


def _value(one: Field, message: str) -> str:
    if one.struct and not one.array and not one.nullable:
        return _default(one.struct, message)
    return repr(one.default)


def _member(name: str, member: Member, shape: Shape, message: str) -> Iterator[str]:
    one = member.one
    line = f"{name}: {_type(member, message)}"
    everywhere = len(member.fields) == len(shape.versions)
    if not everywhere or not any(f.required for f in member.fields.values()):
        value = _value(one, message)
        if one.struct and not one.array and not one.nullable:
            value = f"field(default_factory=lambda: {value})"
        line += f" = {value}"
    if not everywhere:
        line += f"  # {_span(member.fields)}"
    yield line


def _class(name: str, base: str, shape: Shape, message: str) -> Iterator[str]:
    yield f"class {name}({base}):"
    yield f'    """{_span(shape.versions)}."""'
    lines = [m for n, member in shape.members.items() for m in _member(n, member, shape, message)]
    if lines:
        yield ""
    yield from (f"    {line}" for line in lines)


def _message(api: Api, *, response: bool) -> Iterator[str]:
    found = shapes(api, response=response)
    title, *nested = found
    other = next(iter(shapes(api, response=not response)))
    base = "ResponseMessage" if response else f"RequestMessage[{other}]"
    yield from ("", "")
    yield f"class {title}({base}, kw_only=True):"
    yield f'    """{api.name}, {_span(found[title].versions)}."""'
    yield ""
    yield f"    API_KEY: ClassVar[ApiKey] = ApiKey.{api.key.name}"
    names = [class_name(title, name) for name in nested]
    assert len(set(names)) == len(names), (title, names)
    for name, short in zip(nested, names, strict=True):
        assert short not in found[title].members
        yield ""
        yield from (
            f"    {line}".rstrip()
            for line in _class(short, "MessageStruct, kw_only=True", found[name], title)
        )
    members = found[title].members.items()
    if members:
        yield ""
    for name, member in members:
        yield from (f"    {line}" for line in _member(name, member, found[title], title))


def module(api: Api) -> str:
    """The text of an API's module."""
    body = "\n".join([*_message(api, response=True), *_message(api, response=False)])
    lines = [
        f'"""{api.name}: written by ``tools/generate_messages.py`` from the schemas."""',
        "",
        "from __future__ import annotations",
        "",
    ]
    if "Sequence[" in body:
        lines.append("from collections.abc import Sequence")
    lines.append("from typing import ClassVar")
    if "UUID" in body:
        lines.append("from uuid import UUID")
    lines.append("")
    if "field(" in body:
        lines += ["from msgspec import field", ""]
    lines.append("from barnabas.protocol.api import ApiKey")
    names = ["RequestMessage", "ResponseMessage"]
    if "(MessageStruct," in body:
        names.insert(0, "MessageStruct")
    lines.append(f"from barnabas.protocol.message import {', '.join(names)}")
    return "\n".join(lines) + "\n" + body + "\n"


def modules() -> Iterator[tuple[Path, str]]:
    """Each file and what belongs into it."""
    yield (
        FOLDER / "__init__.py",
        '"""One module for each API, written by ``tools/generate_messages.py``."""\n',
    )
    for api in API_TABLE.values():
        yield FOLDER / f"{api.key.name.lower()}.py", module(api)


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for path, text in modules():
        path.write_text(text)
    ruff = Path(sys.executable).with_name("ruff")
    subprocess.run([ruff, "format", "--quiet", FOLDER], check=True)


if __name__ == "__main__":
    main()
