"""Reads settings from server.properties, ``KAFKA_*`` variables and ``key=value`` pairs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from barnabas.errors import ConfigError

_LINE_END = re.compile(r"\r\n|\r|\n")
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


def parse_properties(text: str) -> dict[str, str]:
    """Parse Java's properties format: comments with ``#`` or ``!``, separators ``=`` or ``:``, and
    continued lines."""
    found: dict[str, str] = {}
    pending = ""
    for raw in _LINE_END.split(text):
        line = pending + raw.lstrip(" \t\f")
        pending = ""
        if not line or line[0] in "#!":
            continue
        if (len(line) - len(line.rstrip("\\"))) % 2:
            pending = line[:-1]
            continue
        key, value = _split(line)
        found[_unescape(key)] = _unescape(value)
    if pending:
        key, value = _split(pending)
        found[_unescape(key)] = _unescape(value)
    return found


def _split(line: str) -> tuple[str, str]:
    position = 0
    while position < len(line) and line[position] not in "=: \t\f":
        position += 2 if line[position] == "\\" else 1
    rest = line[position:].lstrip(" \t\f")
    if rest[:1] in ("=", ":"):
        rest = rest[1:].lstrip(" \t\f")
    return line[:position], rest


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    out: list[str] = []
    characters = iter(text)
    for character in characters:
        if character != "\\":
            out.append(character)
            continue
        escaped = next(characters, "")
        if escaped == "u":
            digits = "".join(next(characters, "") for _ in range(4))
            try:
                out.append(chr(int(digits, 16)))
            except ValueError:
                raise ConfigError(f"server.properties: malformed \\u{digits}") from None
        else:
            out.append(_ESCAPES.get(escaped, escaped))
    return "".join(out)


_NOT_SETTINGS = (
    "KAFKA_CLUSTER_ID",
    "KAFKA_GC_LOG_OPTS",
    "KAFKA_HEAP_OPTS",
    "KAFKA_HOME",
    "KAFKA_JMX_",
    "KAFKA_JVM_PERFORMANCE_OPTS",
    "KAFKA_LOG4J_",
    "KAFKA_OPTS",
    "KAFKA_TOOLS_",
    "KAFKA_VERSION",
)
"""Variables, or prefixes of variables, that Kafka's scripts and image read themselves."""


def from_environment(environ: Mapping[str, str], known: Iterable[str]) -> dict[str, str]:
    """Settings given as ``KAFKA_*`` by the rule of Kafka's image: ``.`` is ``_``, ``_`` is ``__``
    and ``-`` is ``___``. A name in ``known`` is spelled as there. Unknown names are included, so
    that a misspelled one gives a warning. The variables of Kafka's scripts are ignored."""
    spelled = {name.lower(): name for name in known}
    found: dict[str, str] = {}
    for variable in sorted(environ):
        if not variable.startswith("KAFKA_") or variable.startswith(_NOT_SETTINGS):
            continue
        body = variable.removeprefix("KAFKA_").lower()
        name = body.replace("___", "-").replace("__", "\0").replace("_", ".").replace("\0", "_")
        if name:
            found[spelled.get(name, name)] = environ[variable]
    return found


def parse_overrides(pairs: Iterable[str], option: str = "--override") -> dict[str, str]:
    """Parse ``key=value`` pairs of the command line, given with ``option``."""
    found: dict[str, str] = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key.strip():
            raise ConfigError(f"{option}: '{pair}' is not key=value")
        found[key.strip()] = value.strip()
    return found
