"""Prints results as tables for people, or as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import click

from barnabas.logs import visible


def print_json(value: object) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(value, indent=2))


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
