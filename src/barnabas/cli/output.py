"""Prints results as tables for people, or for programs as JSON, lines of JSON, or YAML."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import click

from barnabas.logs import visible

TABLE: Final = "table"
FORMATS: Final = (TABLE, "json", "jsonl", "yaml")
_CHOSEN: Final = "barnabas.output"
"""Where the option --output leaves what was chosen."""
_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*\Z")
_YAML_WORDS: Final = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})


def choose(context: click.Context, form: str) -> str:
    """Note the chosen format for ``print_json``. Returns ``table``, or ``json`` for every format
    for programs, since commands need not tell those apart."""
    context.meta[_CHOSEN] = form
    return form if form == TABLE else "json"


def _chosen() -> str:
    context = click.get_current_context(silent=True)
    return "json" if context is None else str(context.meta.get(_CHOSEN, "json"))


def print_json(value: object) -> None:
    """Print a whole result: as one JSON document, as a line of JSON for each element of a list, or
    as one YAML document."""
    form = _chosen()
    if form == "yaml":
        click.echo(yaml_text(value))
    elif form == "jsonl":
        for each in value if isinstance(value, list) else [value]:
            click.echo(json.dumps(each))
    else:
        click.echo(json.dumps(value, indent=2))


def print_line(value: object) -> None:
    """Print one of many results that come one after the other: as a line of JSON, or as one element
    of a YAML list."""
    click.echo(yaml_text([value]) if _chosen() == "yaml" else json.dumps(value))


def yaml_text(value: object) -> str:
    """``value``, which JSON can have, as YAML without its last line break."""
    return "\n".join(_lines(value))


def _lines(value: object) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _entry(f"{_scalar(str(key))}:", inner)
    elif isinstance(value, list | tuple) and value:
        for inner in value:
            first, *rest = _lines(inner)
            yield f"- {first}"
            yield from (f"  {line}" for line in rest)
    else:
        yield _scalar(value)


def _entry(key: str, value: object) -> Iterator[str]:
    if isinstance(value, Mapping | list | tuple) and value:
        yield key
        yield from (f"  {line}" for line in _lines(value))
    else:
        yield f"{key} {_scalar(value)}"


def _scalar(value: object) -> str:
    if isinstance(value, Mapping | list | tuple):
        return "{}" if isinstance(value, Mapping) else "[]"
    if not isinstance(value, str):
        return json.dumps(value)
    if _PLAIN.match(value) and value.lower() not in _YAML_WORDS:
        return value
    quoted = json.dumps(value, ensure_ascii=False)
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in quoted)


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table. Columns are as wide as their widest cell; numbers are right-aligned."""
    body = [[visible(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [list(header), *body]) for i in range(len(header))]
    right = [
        bool(body) and all(row[i].lstrip("-").isdigit() for row in body) for i in range(len(header))
    ]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(cells, widths, right, strict=True)
        ]
        return "  ".join(padded).rstrip()

    click.echo(line([h.upper() for h in header]))
    for row in body:
        click.echo(line(row))


def warn(text: str) -> None:
    """A line on standard error."""
    click.echo(f"barnabas: {text}", err=True)
