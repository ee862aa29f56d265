"""kcat's format strings, which say what ``consume`` prints for a record. Pure.

``%t`` topic, ``%p`` partition, ``%o`` offset, ``%k`` key, ``%s`` value, ``%T`` timestamp (ms),
``%h`` headers (name=value,...), ``%K`` and ``%S`` lengths of key and value (-1: null), ``%%``,
``\\n``, ``\\t``.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import click

from barnabas.records.batch import NOT_UTF8, Record
from barnabas.types import TopicPartition

_TOKEN = re.compile(rb"%(.)|\\([nrt0\\])", re.DOTALL)
_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"0": b"\0", b"\\": b"\\"}

_Field = Callable[[TopicPartition, Record], bytes]
_FIELDS: dict[bytes, _Field] = {
    b"t": lambda tp, _r: tp.topic.encode(),
    b"p": lambda tp, _r: b"%d" % tp.partition,
    b"o": lambda _tp, r: b"%d" % r.offset,
    b"k": lambda _tp, r: bytes(r.key or b""),
    b"s": lambda _tp, r: bytes(r.value or b""),
    b"T": lambda _tp, r: b"%d" % r.timestamp,
    b"K": lambda _tp, r: b"%d" % (-1 if r.key is None else len(r.key)),
    b"S": lambda _tp, r: b"%d" % (-1 if r.value is None else len(r.value)),
    b"h": lambda _tp, r: b",".join(
        name.encode(errors=NOT_UTF8) + b"=" + bytes(value or b"") for name, value in r.headers
    ),
    b"%": lambda _tp, _r: b"%",
}


def compile_format(text: str) -> _Field:
    """A function that renders a record. Raises click.BadParameter."""
    source = text.encode()
    pieces: list[bytes | _Field] = []
    position = 0
    for match in _TOKEN.finditer(source):
        pieces.append(source[position : match.start()])
        position = match.end()
        field, escape = match.groups()
        if escape is not None:
            pieces.append(_ESCAPES[escape])
        elif field in _FIELDS:
            pieces.append(_FIELDS[field])
        else:
            raise click.BadParameter(f"'%{field.decode(errors='replace')}' in --format is unknown")
    pieces.append(source[position:])

    def render(tp: TopicPartition, record: Record) -> bytes:
        return b"".join(p if isinstance(p, bytes) else p(tp, record) for p in pieces)

    return render
