"""Write ``src/barnabas/protocol/descriptions``: what every message looks like in every version.

    .venv/bin/python tools/describe_messages.py kafka-clients-3.9.1.jar kafka-clients-4.0.0.jar

The facts are those of Apache Kafka's message descriptions (``common/message/*.json`` in the jars of
its clients, Apache License 2.0), for the APIs of our table: Kafka 3.9's, and Kafka 4.0's for the
few of which we serve a later version than 3.9 does. Then run ``tools/generate_messages.py``.

``protocol/description.py`` says how a table is read. Names are Kafka's in snake case, without the
unit ``_ms``, as in kio.
"""

from __future__ import annotations

import json
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from barnabas.protocol.api import API_TABLE, Api

FOLDER = Path(__file__).parents[1] / "src" / "barnabas" / "protocol" / "descriptions"
SOURCES = ("3.9.1", "4.0.0")
_NAMES = {
    "isKRaftController": "is_kraft_controller",
    "Type": "type_",
}
"""Names that the rule would not make well. One is that of a Python builtin."""
Description = Mapping[str, Any]


def parse(text: str) -> Description:
    """A description: JSON with comments on lines of their own."""
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("//"))
    found: Description = json.loads("\n".join(lines))
    return found


def descriptions(jar: Path) -> dict[tuple[int, str], Description]:
    """(API key, "request" or "response") -> description."""
    found: dict[tuple[int, str], Description] = {}
    with zipfile.ZipFile(jar) as files:
        for name in files.namelist():
            if name.startswith("common/message/") and name.endswith(".json"):
                one = parse(files.read(name).decode())
                if "apiKey" in one:
                    found[one["apiKey"], one["type"]] = one
    return found


def attribute(name: str, kind: str) -> str:
    """``MaxWaitMs`` -> ``max_wait``."""
    if name in _NAMES:
        return _NAMES[name]
    if kind in ("int32", "int64") and len(name) > 2:
        name = name.removesuffix("Ms")
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _default(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return str(int(text, 0)) if re.fullmatch(r"-?0x[0-9a-f]+|-?\d+", text) else text


def _field(one: Description, depth: int) -> Iterator[str]:
    kind = "bytes" if one["type"] == "records" else one["type"]
    parts = [attribute(one["name"], one["type"]), kind, one["versions"]]
    if one.get("nullableVersions", "none") != "none":
        parts.append(f"?{one['nullableVersions']}")
    if "tag" in one:
        parts.append(f"#{one['tag']}:{one['taggedVersions']}")
    if "default" in one:
        parts.append(f"={_default(one['default'])}")
    yield "  " * depth + " ".join(parts)
    for inner in one.get("fields", ()):
        yield from _field(inner, depth + 1)


def table(one: Description) -> str:
    """The table of one message."""
    lines = [f"{one['name']} {one['validVersions']} {one['flexibleVersions']}"]
    lines += [line for each in one["fields"] for line in _field(each, 1)]
    for struct in one.get("commonStructs", ()):
        lines.append(struct["name"])
        lines += [line for each in struct["fields"] for line in _field(each, 1)]
    return "\n".join(lines)


def _last(one: Description) -> int:
    return int(one["validVersions"].rpartition("-")[2])


def module(api: Api, sources: Mapping[str, Mapping[tuple[int, str], Description]]) -> str:
    """The text of an API's module, from the first source that has all our versions."""
    for version, found in sources.items():
        request, response = found.get((api.key, "request")), found.get((api.key, "response"))
        if request and response and _last(request) >= api.max_version:
            return (
                f'"""{api.name}, as Apache Kafka {version} describes it.\n\n'
                'Written by ``tools/describe_messages.py``.\n"""\n\n'
                f'REQUEST = """\n{table(request)}\n"""\n\n'
                f'RESPONSE = """\n{table(response)}\n"""\n'
            )
    raise SystemExit(f"no source describes {api.name} v{api.max_version}")


def modules(jars: Mapping[str, Path]) -> Iterator[tuple[Path, str]]:
    """Each file and what belongs into it."""
    sources = {version: descriptions(jar) for version, jar in jars.items()}
    yield (
        FOLDER / "__init__.py",
        '"""One module for each API, written by ``tools/describe_messages.py``."""\n',
    )
    for api in API_TABLE.values():
        yield FOLDER / f"{api.key.name.lower()}.py", module(api, sources)


def main() -> None:
    if len(sys.argv) != 1 + len(SOURCES):
        raise SystemExit(__doc__)
    FOLDER.mkdir(exist_ok=True)
    jars = dict(zip(SOURCES, map(Path, sys.argv[1:]), strict=True))
    for path, text in modules(jars):
        path.write_text(text)


if __name__ == "__main__":
    main()
