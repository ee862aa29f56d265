"""JaasConfig: parses JAAS configurations, in ``sasl.jaas.config`` and in JAAS files. Pure.

An entry is ``module flag key="value" ... ;``. A file has sections: ``Section { entry ... };``.
Values are secrets, so no error contains them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_FLAGS = ("required", "requisite", "sufficient", "optional")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_PUNCTUATION = ";="
_BRACES = "{}"
_END = ";"


@dataclass(frozen=True, slots=True, kw_only=True)
class JaasEntry:
    """A login module and its options."""

    module: str
    """The name of the Java class."""
    options: Mapping[str, str] = field(repr=False)

    def text(self) -> str:
        """As it stands in ``sasl.jaas.config``, secrets and all."""
        options = (f" {_in_quotes(name)}={_in_quotes(x)}" for name, x in self.options.items())
        return f"{self.module} required{''.join(options)};"


def _in_quotes(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class _Token(str):
    """A word; a quoted one is never punctuation."""

    is_quoted = False


def parse_jaas(text: str) -> JaasEntry:
    """The only entry in ``text``. Raises ValueError, in Kafka's words where Kafka has this error;
    it never contains a value."""
    tokens = list(_tokens(text))
    if not tokens:
        raise ValueError("Login module not specified in JAAS config")
    entry, rest = _entry(tokens)
    if rest:
        count = 1
        while rest:
            _, rest = _entry(rest)
            count += 1
        raise ValueError(f"JAAS config property contains {count} login modules, should be 1 module")
    return entry


def parse_jaas_file(text: str) -> dict[str, tuple[JaasEntry, ...]]:
    """The entries of each section. Raises ValueError as ``parse_jaas`` does."""
    sections: dict[str, tuple[JaasEntry, ...]] = {}
    rest = list(_tokens(text, _PUNCTUATION + _BRACES))
    while rest:
        if len(rest) < 2 or not _is_mark(rest[1], "{"):
            raise ValueError("a section of the JAAS file does not begin with its name and {")
        name, rest = str(rest[0]), rest[2:]
        if name in sections:
            raise ValueError(f"the JAAS file has two sections {name!a}")
        entries = []
        while rest and not _is_mark(rest[0], "}"):
            entry, rest = _entry(rest)
            entries.append(entry)
        if len(rest) < 2 or not _is_mark(rest[1], _END):
            raise ValueError(f"the section {name!a} of the JAAS file does not end in }};")
        if not entries:
            raise ValueError(f"the section {name!a} of the JAAS file is empty")
        sections[name], rest = tuple(entries), rest[2:]
    return sections


def _entry(tokens: list[_Token]) -> tuple[JaasEntry, list[_Token]]:
    module = tokens[0]
    if _is_mark(module, _END):
        raise ValueError("Login module not specified in JAAS config")
    if len(tokens) < 2 or tokens[1].lower() not in _FLAGS:
        raise ValueError(
            "Login module control flag is not available in the JAAS config"
            if len(tokens) < 2 or _is_mark(tokens[1], _END)
            else "Invalid login module control flag in JAAS config"
        )
    options: dict[str, str] = {}
    position = 2
    while position < len(tokens) and not _is_mark(tokens[position], _END):
        triple = tokens[position : position + 3]
        if len(triple) < 3 or not _is_mark(triple[1], "=") or _is_mark(triple[2], _END):
            raise ValueError(
                f"Value not specified for key {str(triple[0])!a} in JAAS config"
                if not triple[0].is_quoted
                else "a quoted text is in the place of a key in JAAS config"
            )
        options[str(triple[0])] = str(triple[2])
        position += 3
    if position >= len(tokens):
        raise ValueError("JAAS config entry not terminated by semi-colon")
    return JaasEntry(module=str(module), options=options), tokens[position + 1 :]


def _is_mark(token: _Token, mark: str) -> bool:
    return token == mark and not token.is_quoted


def _tokens(text: str, punctuation: str = _PUNCTUATION) -> Iterator[_Token]:
    position, end = 0, len(text)
    while position < end:
        character = text[position]
        if character.isspace():
            position += 1
        elif character in punctuation:
            yield _Token(character)
            position += 1
        elif character in "\"'":
            token, position = _quoted(text, position)
            yield token
        elif text.startswith("//", position) or character == "#":
            newline = text.find("\n", position)
            position = end if newline < 0 else newline
        elif text.startswith("/*", position):
            close = text.find("*/", position + 2)
            position = end if close < 0 else close + 2
        else:
            start = position
            while position < end and not (
                text[position].isspace() or text[position] in punctuation
            ):
                position += 1
            yield _Token(text[start:position])


def _quoted(text: str, position: int) -> tuple[_Token, int]:
    """The text between quotes, with Java's escapes, and where it ends."""
    quote, position = text[position], position + 1
    characters: list[str] = []
    while position < len(text):
        character = text[position]
        if character == quote:
            token = _Token("".join(characters))
            token.is_quoted = True
            return token, position + 1
        if character == "\\" and position + 1 < len(text):
            position += 1
            characters.append(_ESCAPES.get(text[position], text[position]))
        else:
            characters.append(character)
        position += 1
    raise ValueError("a quoted text does not end in JAAS config")
