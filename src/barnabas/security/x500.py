"""X500Principal: the name of a certificate's owner as Java spells it (RFC 2253). Pure.

The last part of the name comes first. Only the RFC's attributes have names; every other one is its
number, and its value the hexadecimal DER.
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
"""By tag: UTF8, Printable, T61, IA5, General, Universal and BMP strings."""
_ESCAPED: Final = ',=+<>#;"\\'
_BLANK: Final = " \r"


def distinguished_name(name: bytes) -> str:
    """The text of a DER encoded Name. ValueError."""
    (sequence,) = elements(name)
    if sequence.tag != SEQUENCE:
        raise ValueError("a name that is no sequence")
    parts = []
    for part in elements(sequence.content):
        if part.tag != SET:
            raise ValueError("a part of a name that is no set")
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
