"""X500Principal: a certificate's subject as text, spelled as by Java (RFC 2253). Pure.

The last part of the name comes first. Only attributes of the RFC have names; any other is written
as its number, with its value as hexadecimal DER.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from barnabas.security.der import SEQUENCE, SET, elements, object_identifier

_NAMES: Final[Mapping[str, str]] = {
    "2.5.4.3": "CN",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "STREET",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "0.9.2342.19200300.100.1.25": "DC",
    "0.9.2342.19200300.100.1.1": "UID",
}
_CODECS: Final[Mapping[int, str]] = {
    12: "utf-8",
    19: "ascii",
    20: "latin-1",
    22: "ascii",
    27: "ascii",
    28: "utf-32-be",
    30: "utf-16-be",
}
"""By DER tag: UTF8, Printable, T61, IA5, General, Universal and BMP strings."""
_ESCAPED: Final = ',=+<>#;"\\'
_BLANK: Final = " \r"


def distinguished_name(name: bytes) -> str:
    """The text of a DER encoded Name. Raises ValueError."""
    (sequence,) = elements(name)
    if sequence.tag != SEQUENCE:
        raise ValueError("the name is not a sequence")
    parts = []
    for part in elements(sequence.content):
        if part.tag != SET:
            raise ValueError("a part of the name is not a set")
        parts.append("+".join(_attribute(each.content) for each in elements(part.content)))
    return ",".join(reversed(parts))


def _attribute(content: bytes) -> str:
    kind, value = elements(content)
    number = object_identifier(kind.content)
    name, codec = _NAMES.get(number), _CODECS.get(value.tag)
    if name is None or codec is None:
        return f"{name or number}=#{value.whole.hex()}"
    return f"{name}={_escaped(value.content.decode(codec, 'replace'))}"


def _escaped(value: str) -> str:
    inner = value.strip(_BLANK)
    start = len(value) - len(value.lstrip(_BLANK)) if inner else len(value)
    end = start + len(inner)
    escaped = "".join(
        "\\00" if c == "\0" else f"\\{c}" if c in _ESCAPED else c for c in value[start:end]
    )
    blanks = ("".join(f"\\{c}" for c in part) for part in (value[:start], value[end:]))
    before, after = blanks
    return f"{before}{escaped}{after}"
